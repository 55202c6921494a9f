"""Pre-registration: what a study means to do, written down with its hash before it is done.

``study.frozen.json`` lies beside ``study.toml``. It holds every freeze there was; the last one is in force, the others
are the history of amendments, each with its reason. Nothing here keeps anybody from writing another file: what binds is
the hash, once it was told to somebody else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from noisylabels.atomic import write_atomically
from noisylabels.catalog import UsageError
from noisylabels.spec import Frozen, RunSpec
from noisylabels.store import StoreError
from noisylabels.study import Study

NAME = "study.frozen.json"


class Freeze(Frozen):
    """One freeze.

    Attributes:
        date: when, with its time zone.
        version: of this program.
        reason: why the plan was frozen again; empty for the first.
        plan: all that the study says but its name: question, claims, primary metric, base run, axes, methods, seeds,
            controls.
        level: p-values above it confirm nothing.
        sha256: of plan and level, as canonical JSON.
        runs: how many are planned.
        run_ids_sha256: of their identities, in order of the alphabet, one a line.
        already_done: how many of them had a result at that time.
    """

    date: datetime
    version: str
    reason: str = ""
    plan: dict[str, Any]
    level: float
    sha256: str
    runs: int
    run_ids_sha256: str
    already_done: int = Field(ge=0)

    @model_validator(mode="after")
    def _hash_fits(self) -> Self:
        if self.sha256 != plan_sha256(self.plan, self.level):
            raise ValueError("the plan is not the one that its hash was made of")
        return self


class FrozenPlan(Frozen):
    """All freezes of a study, the first one first."""

    layout: Literal[1] = 1
    study: str
    freezes: tuple[Freeze, ...] = Field(min_length=1)

    @property
    def current(self) -> Freeze:
        """The one in force."""
        return self.freezes[-1]

    def planned(self) -> list[RunSpec]:
        """The runs that the frozen plan means.

        Raises:
            UsageError: this version of the program cannot plan it.
        """
        return Study.checked({"name": self.study} | self.current.plan).plan()


def plan_of(study: Study) -> dict[str, Any]:
    """What a freeze freezes: every field of the study but its name, as JSON-able values."""
    return {key: value for key, value in study.model_dump(mode="json").items() if key != "name"}


def plan_sha256(plan: Mapping[str, Any], level: float) -> str:
    """SHA-256 of canonical JSON (sorted keys, no spaces) of a plan and its level; hexadecimal."""
    content = {"plan": plan, "level": level}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def run_ids_sha256(plan: list[RunSpec]) -> str:
    """SHA-256 of the identities of runs, whatever their order; hexadecimal."""
    return hashlib.sha256("".join(f"{run_id}\n" for run_id in sorted(run.run_id for run in plan)).encode()).hexdigest()


def frozen_again(
    study: Study, before: FrozenPlan | None, *, level: float, date: datetime, reason: str = "", already_done: int = 0
) -> FrozenPlan:
    """The study as it stands, frozen; ``before`` itself where that says the same already.

    Args:
        study: what to freeze.
        before: earlier freezes of it.
        level: see ``Freeze``.
        date: now, with its time zone.
        reason: why once more.
        already_done: how many planned runs have a result.

    Raises:
        UsageError: another plan is frozen and there is no reason, or the study cannot be planned.
    """
    plan = plan_of(study)
    digest = plan_sha256(plan, level)
    if before is not None and before.current.sha256 == digest:
        return before
    if before is not None and not reason.strip():
        changed = ", ".join(differing(before.current.plan, plan)) or "level"
        raise UsageError(
            f"another plan was frozen on {before.current.date:%Y-%m-%d}, since then changed: {changed}; "
            "a reason freezes it once more and keeps the old one (--again REASON)"
        )
    runs = study.plan()
    new = Freeze(
        date=date,
        version=version("noisylabels"),
        reason=reason.strip() if before is not None else "",
        plan=plan,
        level=level,
        sha256=digest,
        runs=len(runs),
        run_ids_sha256=run_ids_sha256(runs),
        already_done=already_done,
    )
    return FrozenPlan(study=study.name, freezes=(*(() if before is None else before.freezes), new))


def differing(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two plans differ: place to old and new value, None where there is none; tables inside are gone into.

    >>> differing({"base": {"head": "softmax", "seed": 0}}, {"base": {"head": "cosface", "seed": 0}})
    {'base.head': ('softmax', 'cosface')}
    """
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys((*old, *new)):
        first, second = old.get(key), new.get(key)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            found |= differing(first, second, f"{above}{key}.")
        elif first != second:
            found[above + key] = (first, second)
    return found


def read_frozen(file: Path) -> FrozenPlan | None:
    """What is frozen in a file; None where there is no file.

    Raises:
        StoreError: it is no frozen plan, or was edited: its hash does not fit.
    """
    try:
        return FrozenPlan.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        lines = str(error).splitlines()
        reason = "its plan does not have its hash" if "its hash was made of" in str(error) else lines[0]
        raise StoreError(f"{file} is not a frozen plan ({reason})") from None


def write_frozen(file: Path, frozen: FrozenPlan) -> None:
    """Write it, whole or not at all."""
    write_atomically(file, frozen.model_dump_json(indent=1).encode() + b"\n")


def frozen_beside(study_file: Path, folder: Path) -> FrozenPlan | None:
    """What is frozen beside a study's file, else in the folder of its runs, where a sweep takes a copy along.

    Raises:
        StoreError: as ``read_frozen``.
    """
    return read_frozen(study_file.with_name(NAME)) or read_frozen(folder / NAME)

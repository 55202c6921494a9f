"""A study: one question, a base run, the axes that vary, the seeds; planned into runs."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

import studies
from noisylabels import catalog
from noisylabels.axes import METHOD_FIELDS, Axes, ClaimText, Controls, Method, Seeds
from noisylabels.catalog import UsageError
from noisylabels.controls import controls_of
from noisylabels.metrics import METRICS
from noisylabels.mistakes import MistakesError, shown
from noisylabels.spec import Frozen, RunSpec, canonical
from noisylabels.study_file import NAME, name_of, read_study_file
from noisylabels.uncollected import uncollected

LATER = ("noise_seeds", "train_seeds", "controls", "claims")
"""Fields that studies gained after some were published: unset they are not stored, so that names and hashes that follow
from a study's content stand."""


class Study(Frozen):
    """A question and the runs that answer it.

    Attributes:
        name: letters, digits, ``-`` and ``_``; also the folder its runs live in.
        question: what the study asks, in a sentence; printed first in the report.
        primary: the headline metric's name, fixed before the first run.
        base: the run that all runs share where no axis says otherwise; its own seeds are not used.
        axes: what varies.
        methods: combinations of head, loss and strategy, one by one, where the product of three axes would be too many;
            the axes ``head``, ``loss`` and ``strategy`` must then be empty.
        seeds: each seeds noise and training of one run, so that runs of one seed are paired over methods. A number n
            means 0, ..., n - 1.
        noise_seeds, train_seeds: instead of ``seeds``: every draw of wrong labels with every seed of training, to tell
            their parts in the spread; of one that is left out, 0 only. Runs of one pair are paired over methods.
        controls: kinds of controls that stand beside every corruption (``controls_of``); true means all.
        claims: what the study expects to find, stated before the first run; sentences that ``Claim.parse`` reads.
    """

    name: str = Field(pattern=NAME)
    question: str = ""
    primary: str = "accuracy"
    base: RunSpec
    axes: Axes = Axes()
    methods: tuple[Method, ...] = ()
    seeds: Seeds = (0,)
    noise_seeds: Seeds | None = None
    train_seeds: Seeds | None = None
    controls: Controls = ()
    claims: tuple[ClaimText, ...] = ()

    @field_validator("name", mode="before")
    @classmethod
    def _folder_name(cls, name: Any) -> Any:
        if isinstance(name, str) and not re.fullmatch(NAME, name):
            allowed = "1 to 64 letters, digits, '-' and '_', the first of them a letter or a digit"
            raise ValueError(f"must be {allowed}; got {shown(name)}")
        return name

    @field_validator("primary")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        catalog.lookup(METRICS, name, what="metric")
        return name

    @model_validator(mode="after")
    def _listed_or_crossed(self) -> Self:
        crossed = [field for field in METHOD_FIELDS if getattr(self.axes, field)]
        if self.methods and crossed:
            raise ValueError(f"methods are listed already: axes.{crossed[0]} must be empty; put it into [[methods]]")
        return self

    @model_validator(mode="after")
    def _paired_or_crossed(self) -> Self:
        if self.seeds_are_crossed and "seeds" in self.model_fields_set:
            raise ValueError("seeds are paired, noise_seeds and train_seeds crossed: give the one or the others")
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, stored: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = {name for name in LATER if getattr(self, name) == type(self).model_fields[name].default}
        unset |= {"seeds"} if self.seeds_are_crossed else set()
        return {name: value for name, value in stored(self).items() if name not in unset}

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a study file.

        Raises:
            UsageError: unreadable, or not TOML.
            MistakesError: what it says cannot be; all of them, each with its place.
        """
        values = read_study_file(path)
        found = overridden(values, values.get("base"))
        values = _with_first_dataset(values)
        try:
            study = cls.checked({"name": name_of(path)} | values)
        except MistakesError as error:
            raise MistakesError([*found, *error.mistakes], path) from None
        if found:
            raise MistakesError(found, path)
        return study

    @staticmethod
    def file(name_or_path: str) -> Path:
        """Where the study of that name would ship, or the file that the path means; it need not be there."""
        path = Path(name_or_path)
        if path.suffix == ".toml":
            return path
        is_folder = os.path.isdir(name_or_path)  # noqa: PTH112 - of a text that can be no path, Path asks and breaks
        shipped = "/" not in name_or_path and (name_or_path in studies.names() or not is_folder)
        return studies.path(name_or_path) if shipped else path / "study.toml"

    @classmethod
    def find(cls, name_or_path: str) -> Self:
        """A study by the name it ships under, or by the path of its file or folder."""
        file, shipped = cls.file(name_or_path), studies.names()
        is_unknown = "/" not in name_or_path and file == studies.path(name_or_path) and name_or_path not in shipped
        if not name_or_path or is_unknown:
            raise UsageError(catalog.unknown("study", name_or_path, shipped) + "; or give the path of a study.toml")
        return cls.from_toml(file)

    def plan(self) -> list[RunSpec]:
        """Every run, once, in reading order; seeds innermost, so an interrupted study has whole cells first."""
        base = self.base.model_dump()
        crossed = {field: list(getattr(self.axes, field)) or [base[field]] for field in ("dataset", "model")}
        crossed |= {"corruption": [canonical("corruption", text) for text in self.corruptions()]}
        runs: dict[str, RunSpec] = {}
        # Rules between fields are about methods only: one check of each stands for all its runs.
        methods = self._checked_methods(base)
        cells = itertools.product(crossed["dataset"], crossed["model"], methods, crossed["corruption"])
        with uncollected():
            for (dataset, model, method, corruption), (noise, seed) in itertools.product(cells, self.seed_pairs):
                run = method.varied(dataset=dataset, model=model, corruption=corruption, seed=seed, noise_seed=noise)
                runs.setdefault(run.run_id, run)
        return list(runs.values())

    @property
    def seeds_are_crossed(self) -> bool:
        """Whether each draw of wrong labels meets each seed of training."""
        return self.noise_seeds is not None or self.train_seeds is not None

    @property
    def seed_pairs(self) -> tuple[tuple[int, int], ...]:
        """(noise seed, training seed) of the runs of every cell."""
        if self.seeds_are_crossed:
            return tuple(itertools.product(self.noise_seeds or (0,), self.train_seeds or (0,)))
        return tuple((seed, seed) for seed in self.seeds)

    def corruptions(self) -> list[str]:
        """The texts of all corruptions, in reading order, each followed by its controls."""
        asked = self.axes.corruptions() or [self.base.corruption]
        return [text for corruption in asked for text in (corruption, *controls_of(corruption, self.controls))]

    def method_runs(self) -> list[RunSpec]:
        """The base run with each method in turn: what the methods are, without data sets, corruptions and seeds.

        Raises:
            MistakesError: methods whose parts cannot be combined; all of them.
        """
        return self._checked_methods(self.base.model_dump())

    def _checked_methods(self, base: Mapping[str, Any]) -> list[RunSpec]:
        runs: list[RunSpec] = []
        found: dict[str, None] = {}
        for number, method in enumerate(self.methods or self._crossed_methods()):
            try:
                runs.append(RunSpec.checked(method.over(base)))
            except UsageError as error:
                found[f"methods[{number}]: {error}" if self.methods else str(error)] = None
        if found:
            raise MistakesError(list(found))
        return runs

    def _crossed_methods(self) -> list[Method]:
        """The product of the axes of methods, heads innermost."""
        axes = [getattr(self.axes, field) or (None,) for field in ("strategy", "loss", "head")]
        return [Method(strategy=strategy, loss=loss, head=head) for strategy, loss, head in itertools.product(*axes)]


def overridden(study: Mapping[str, Any], base: Any) -> list[str]:
    """What somebody wrote into the base run and the study would not use, a sentence each.

    Args:
        study: the study's raw values.
        base: the raw values that were written down for the base run; whatever is no table says nothing.
    """
    axes, found = study.get("axes"), []
    for key in base if isinstance(base, Mapping) else ():
        if key in ("seed", "noise_seed"):
            found.append(f"base.{key} has no effect in a study: its seeds are in 'seeds'")
        if isinstance(axes, Mapping) and axes.get(key):
            found.append(f"base.{key} has no effect: axes.{key} says {shown(axes[key])}")
    return found


def _with_first_dataset(study: Mapping[str, Any]) -> dict[str, Any]:
    """The raw values with a data set for the base run, the first of their axis, where that is where they are named."""
    axes, base = study.get("axes"), study.get("base", {})
    datasets = axes.get("dataset") if isinstance(axes, Mapping) else None
    if not (isinstance(datasets, list) and datasets and isinstance(base, Mapping)):
        return dict(study)
    return {**study, "base": {"dataset": datasets[0], **base}}


def refuse_overridden(study: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Refuse what ``overridden`` finds.

    Raises:
        MistakesError: an axis or the study's seeds say otherwise.
    """
    if found := overridden(study, base):
        raise MistakesError(found)

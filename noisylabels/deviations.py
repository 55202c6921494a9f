"""What was done otherwise than the frozen plan says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from noisylabels.catalog import UsageError
from noisylabels.frozen_plan import Freeze, FrozenPlan, differing, plan_of, run_ids_sha256
from noisylabels.result import RunResult
from noisylabels.study import Study


@dataclass(frozen=True)
class Deviation:
    """One of them.

    Attributes:
        what: a place in the study, such as ``base.train.epochs``, or ``runs``, ``dates``.
        planned: what the frozen plan says.
        found: what is so.
    """

    what: str
    planned: str
    found: str

    def text(self) -> str:
        """In one line."""
        return f"{self.what}: planned {self.planned}; found {self.found}"


@dataclass(frozen=True)
class Deviations:
    """All of them, and what the records do not tell."""

    listed: tuple[Deviation, ...]
    cannot_tell: tuple[str, ...]


def deviations(study: Study, frozen: FrozenPlan, results: Sequence[RunResult], *, level: float) -> Deviations:
    """Compare a study and its results with the plan in force.

    Args:
        study: as it is now.
        frozen: what was frozen.
        results: all there are, those of runs that nobody planned included.
        level: what the report takes for the highest p-value that confirms anything.
    """
    now = frozen.current
    listed = [_of_field(place, *values) for place, values in differing(now.plan, plan_of(study)).items()]
    if now.level != level:
        listed.append(Deviation("level", str(now.level), str(level)))
    listed += _of_runs(frozen, results)
    if now.already_done:
        listed.append(
            Deviation("dates", "no run before the freeze", f"{now.already_done} of {now.runs} had results by then")
        )
    earlier, undated = _dates(now, results)
    if earlier:
        listed.append(Deviation("dates", "no run before the freeze", f"{earlier} began before it"))
    unknown = f"whether {undated} of {len(results)} results are older than the freeze: they do not say when they began"
    return Deviations(tuple(listed), (unknown,) if undated else ())


def _of_field(place: str, old: Any, new: Any) -> Deviation:
    """Of lists only what came and went; of the rest, the whole values."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return Deviation(place, _text(old), _text(new))
    gone, come = _less(old, new), _less(new, old)
    if not (gone or come):
        return Deviation(place, _text(old), f"another order: {_text(new)}")
    parts = [f"{word} {_text(items)}" for word, items in (("dropped", gone), ("added", come)) if items]
    return Deviation(place, _text(old), " and ".join(parts))


def _less(first: list[Any], second: list[Any]) -> list[Any]:
    left = Counter(map(repr, second))
    found = []
    for item in first:
        left[repr(item)] -= 1
        if left[repr(item)] < 0:
            found.append(item)
    return found


def _text(value: Any) -> str:
    if value is None or value in ([], ""):
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(inner)}" for key, inner in value.items() if inner not in (None, {}))
    return str(value)


def _of_runs(frozen: FrozenPlan, results: Sequence[RunResult]) -> Iterator[Deviation]:
    now = frozen.current
    try:
        plan = frozen.planned()
    except UsageError as error:
        yield Deviation("runs", f"{now.runs}", f"this version of the program cannot plan them: {error}")
        return
    if run_ids_sha256(plan) != now.run_ids_sha256:
        yield Deviation(
            "runs", f"{now.runs}, known by their identities", "other identities: the data or the program changed"
        )
    planned = {spec.run_id for spec in plan}
    present = {result.run_id for result in results if result.status != "failed"}
    if missing := planned - present:
        yield Deviation("runs", f"{len(planned)}", f"{len(missing)} without a result")
    if strays := present - planned:
        yield Deviation("runs", f"{len(planned)}", f"{len(strays)} more that were not planned")


def _dates(freeze: Freeze, results: Sequence[RunResult]) -> tuple[int, int]:
    """How many results began before the freeze, and how many do not say when."""
    began = [_began(result) for result in results]
    frozen = freeze.date.replace(microsecond=0)  # records say when a run began to the second
    return sum(date is not None and date < frozen for date in began), began.count(None)


def _began(result: RunResult) -> datetime | None:
    try:
        date = datetime.fromisoformat(result.provenance["started"])
    except (KeyError, TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

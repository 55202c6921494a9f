"""A stored run, run again: which of its numbers come back, and what is not as it was."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from noisylabels.catalog import UsageError
from noisylabels.engines import Local
from noisylabels.engines.worker import Place
from noisylabels.problem import check
from noisylabels.result import Measurement, RunResult
from noisylabels.statistics import resolution
from noisylabels.store import StudyFolder

RELATIVE = 0.25
"""By which share of itself a number that is no share of anything (an angle, a ratio) may differ on another machine."""

LEVEL = 0.999
"""Of the interval that bounds shares elsewhere: a result has two dozen numbers, and none should stray by chance."""

LABELS = ("ids_sha256", "true_sha256", "given_sha256", "num_flipped", "realised_rate")
"""What a noise record says of the labels themselves, in whatever layout: these come back on every machine."""

Verdict = Literal["identical", "agrees within tolerance", "differs"]


class BrokenAgainError(Exception):
    """The run could not be run again: says why."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Difference:
    """Something that was one thing then and is another now.

    Attributes:
        name: such as ``versions.torch``, ``accuracy [last_epoch]`` or ``history.train_loss``.
        stored: what the record says; None where it says nothing.
        again: what the second run says; None where it says nothing.
        allowed: how far apart the two may be; None where they are not judged.
        where: of a row of numbers, which one is shown and how many differ; else empty.
    """

    name: str
    stored: Any
    again: Any
    allowed: float | None = 0.0
    where: str = ""

    @property
    def is_within(self) -> bool:
        """Whether this is no more than may be."""
        if self.allowed is None:
            return True
        numbers = all(isinstance(value, int | float) for value in (self.stored, self.again))
        return bool(numbers and abs(self.stored - self.again) <= self.allowed)


@dataclass(frozen=True)
class Reproduction:
    """What came of running a run again.

    Attributes:
        run_id: the run's.
        environment, code, data: what is not as it was, or was not recorded. Where nothing of the first two is, every
            bit must come back.
        values: the numbers and texts of the result that did not come back.
        compared: how many of them were looked at.
        added: what is measured now and was not then.
    """

    run_id: str
    environment: tuple[Difference, ...]
    code: tuple[Difference, ...]
    data: tuple[Difference, ...]
    values: tuple[Difference, ...]
    compared: int
    added: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """``identical``: all that was recorded came back, bit for bit. ``differs``: the data are others, or a value is
        further off than it may be. ``agrees within tolerance``: neither."""
        data_changed = any(change.stored is not None for change in self.data)
        if data_changed or not all(value.is_within for value in self.values):
            return "differs"
        return "agrees within tolerance" if self.values else "identical"


def reproduce(
    stored: RunResult,
    place: Place,
    *,
    tolerance: float | None = None,
    on_epochs: Callable[[int], None] = lambda epochs: None,
) -> Reproduction:
    """Run a stored run again, in a fresh process and a folder that is gone afterwards, and compare.

    Args:
        stored: the result to come back to.
        place: data, device and threads.
        tolerance: see :func:`compared`.
        on_epochs: told now and then how many epochs are done.

    Raises:
        UsageError: the stored run broke, so that there is nothing to come back to; or a tolerance below 0.
        MissingDataError, DataError: its data are not here, or are not what its spec says they are.
        BrokenAgainError: it broke when run again.
    """
    if stored.status == "failed":
        raise UsageError(f"run {stored.run_id} broke ({stored.reason}): there is no result to reproduce")
    check([stored.spec], place.data, download=place.download)
    with tempfile.TemporaryDirectory(prefix="noisylabels-") as scratch:
        folder = StudyFolder(Path(scratch))
        run = folder.run(stored.run_id)
        Local(max_attempts=1, grace_seconds=0).run(
            [stored.spec], folder, place, workers=1, observe=lambda progress: on_epochs(len(run.events()))
        )
        again, failure = run.result(), run.failure()
    if again is None:
        reason = failure.reason if failure else "it left no result"
        raise BrokenAgainError(f"run {stored.run_id} broke when it was run again: {reason}")
    return compared(stored, again, tolerance=tolerance)


def compared(stored: RunResult, again: RunResult, *, tolerance: float | None = None) -> Reproduction:
    """Two results of one spec, side by side.

    Where versions, code, processor, threads, device and precision are all recorded and equal, all bits must be. Else
    sums are rounded otherwise, training carries that on, and the two models are as far apart as two seeds' (digits on
    one thread and on two: up to 3.8 points of accuracy, 14 % of an angle). Then the new b must be so near the stored a:

        |a - b| <= sqrt(2) h(n, b)     for a share of n examples, h the half-width of its 99.9 % binomial interval,
        |a - b| <= 0.25 |b|            for any other measurement

    The first is what n examples can tell two models apart by, the second a rule of thumb of our own. History and
    profiles are compared but not judged then. Everywhere the status, the labels (by their SHA-256) and the data must
    come back as they were.

    Args:
        stored: the record.
        again: the second run's.
        tolerance: in place of those two bounds: absolute for shares, of |b| for other measurements; at least 0.

    Raises:
        UsageError: a tolerance below 0.
    """
    if tolerance is not None and not tolerance >= 0:
        raise UsageError(f"tolerance must be at least 0; got {tolerance}")
    then, now = _settings(stored.provenance), _settings(again.provenance)
    changes = {part: tuple(_changes(then[part], now[part])) for part in then}
    exact = not changes["environment"] and not changes["code"]
    values, new_values = _values(stored, tolerance), _values(again, tolerance)
    gone = _whole([name for name in values if name not in new_values])
    added = _whole([name for name in new_values if name not in values])
    differences = [
        _difference(name, value, new_values[name][0], 0.0 if exact else new_values[name][1])
        for name, (value, _) in values.items()
        if name in new_values and value != new_values[name][0]
    ]
    differences += [Difference(name, values[name][0], None) for name in gone]
    if exact:  # the same code measures the same things: something was taken out of the record
        differences += [Difference(name, None, new_values[name][0]) for name in added]
    return Reproduction(
        run_id=stored.run_id,
        **changes,
        values=tuple(differences),
        compared=sum(len(value) if isinstance(value, tuple) else 1 for value, _ in values.values()),
        added=() if exact else added,
    )


def _settings(provenance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a run depended on, name by name; only what must be the same for a run to be the same."""
    versions, machine = _named(provenance, "versions"), ("platform", "processor", "device", "precision", "threads")
    code = {"versions.noisylabels": versions.pop("versions.noisylabels", None)}
    return {
        "environment": versions | {name: provenance.get(name) for name in machine},
        "code": code | {"source_sha256": provenance.get("source_sha256")},
        "data": _named(provenance, "fingerprints") | _named(provenance, "sizes") | _named(provenance, "verification"),
    }


def _named(provenance: Mapping[str, Any], part: str) -> dict[str, Any]:
    values = provenance.get(part)
    return {f"{part}.{name}": value for name, value in values.items()} if isinstance(values, dict) else {}


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*then, *now]):
        stored, again = then.get(name), now.get(name)
        if stored is None or stored != again:
            yield Difference(name, stored, again)


def _values(result: RunResult, tolerance: float | None) -> dict[str, tuple[Any, float | None]]:
    """Everything a result says, by name, and how far from it another may be on another machine (None: not judged)."""
    values: dict[str, tuple[Any, float | None]] = {"status": (result.status, 0.0), "reason": (result.reason, None)}
    values |= {f"noise.{name}": (value, 0.0 if name in LABELS else None) for name, value in result.noise.items()}
    for m in result.measurements:
        name = f"{m.name} [{m.selection}]"
        values[name] = (m.value, _allowed(m, tolerance))
        values |= {f"{name} {field}": (getattr(m, field), 0.0) for field in ("n", "unit", "higher_is_better")}
        values |= {f"{name} {field}": (getattr(m, field), None) for field in ("note", "interval")}
    epochs = [epoch.model_dump(exclude={"head"}) | epoch.head for epoch in result.history]
    for name in epochs[0] if epochs else ():
        values[f"history.{name}"] = (tuple(epoch.get(name) for epoch in epochs), None)
    return values | {f"profile.{profile.name}": (profile.values, None) for profile in result.profiles}


def _whole(names: list[str]) -> tuple[str, ...]:
    """Without the fields of measurements that are among them."""
    return tuple(name for name in names if not any(name.startswith(f"{other} ") for other in names))


def _allowed(measurement: Measurement, tolerance: float | None) -> float:
    value, is_share = measurement.value, measurement.unit == "share"
    if value is None or not measurement.n:
        return 0.0
    if not is_share:
        return abs(value) * (RELATIVE if tolerance is None else tolerance)
    if tolerance is not None:
        return tolerance
    return math.sqrt(2) * resolution(measurement.n, min(max(value, 0.0), 1.0), LEVEL)


def _difference(name: str, stored: Any, again: Any, allowed: float | None) -> Difference:
    """Of rows of numbers, the first that differs."""
    if not (isinstance(stored, tuple) and isinstance(again, tuple)) or len(stored) != len(again):
        return Difference(name, stored, again, allowed)
    apart = [place for place, pair in enumerate(zip(stored, again, strict=True)) if pair[0] != pair[1]]
    where = f"number {apart[0] + 1}; {len(apart)} of {len(stored)} differ"
    return Difference(name, stored[apart[0]], again[apart[0]], allowed, where)

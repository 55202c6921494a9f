"""How a study stands: what each planned run is at, which are under way and whether somebody is still at them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisylabels.index import Planned
from noisylabels.ownership import ONE_KERNEL, file_system, is_held
from noisylabels.run_row import RESULTS, Row

BROKEN = ("failed", "quarantined", "unreadable")
"""States that need somebody to look."""

MOST_LISTED = 20
"""Broken runs whose logs are read; the others are only counted."""

SILENT_SECONDS = 300.0
"""After this long without a sign of life a worker is taken for dead, where a disk's locks do not say."""


@dataclass(frozen=True)
class Listed:
    """A run to look at.

    Attributes:
        state: ``running``; ``interrupted``, its worker is dead; or one of ``BROKEN``.
        silent_seconds: since anything in the run's folder last changed, by this host's clock.
        log: the last lines that a broken run wrote.
    """

    run: Planned
    state: str
    reason: str
    epochs: int
    silent_seconds: float
    log: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "run_id": self.run.run_id,
            "run": self.run.label,
            "state": self.state,
            "reason": self.reason,
            "epoch": self.epochs,
            "epochs": self.run.epochs,
            "silent_seconds": round(self.silent_seconds, 1),
            "log": list(self.log),
        }


@dataclass(frozen=True)
class Standing:
    """A study at one moment.

    Attributes:
        states: of the planned runs in the plan's order: a row's, or ``running`` or ``interrupted`` for ``begun``.
        totals: how many runs there are of each of these states.
        listed: those under way, then those that broke, of these at most ``MOST_LISTED``.
        is_supervised: whether a process holds the study.
        pace: runs that ended in a second, since that process began; None before the first.
    """

    study: str
    plan: Sequence[Planned]
    states: Sequence[str]
    totals: Mapping[str, int]
    listed: Sequence[Listed]
    is_supervised: bool
    pace: float | None

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are done, under way and so on; results of all kinds are ``done``."""
        others = ("running", *BROKEN, "interrupted", "waiting")
        return {"done": sum(self.results.values())} | {state: self.totals.get(state, 0) for state in others}

    @property
    def results(self) -> dict[str, int]:
        """How many results there are of each kind."""
        return {state: self.totals[state] for state in RESULTS if self.totals.get(state)}

    @property
    def left(self) -> int:
        """How many runs have neither a result nor broke."""
        return sum(self.counts[state] for state in ("running", "interrupted", "waiting"))

    @property
    def eta_seconds(self) -> float | None:
        """How long the rest takes at this pace; None where nothing tells."""
        return self.left / self.pace if self.pace else None


def look(
    folder: Path, plan: Sequence[Planned], rows: Mapping[str, Row], *, elapsed: Callable[[float], float] | None = None
) -> Standing:
    """Judge the runs of a plan by their rows.

    Args:
        folder: the study's.
        plan: its runs.
        rows: what their folders say.
        elapsed: seconds since a moment of the wall clock; by default the wall clock's own idea of it.
    """
    waiting = Row("", "waiting", "", 0, 0.0)
    found = [rows.get(run.run_id, waiting) for run in plan]
    states = [row.state for row in found]
    listed = [_under_way(folder, plan[place], found[place]) for place in _places(states, {"begun"})]
    for place, run in zip(_places(states, {"begun"}), listed, strict=True):
        states[place] = run.state
    broken = _places(states, set(BROKEN))[:MOST_LISTED]
    listed += [_broken(folder, plan[place], found[place]) for place in broken]
    is_supervised = is_held(folder)
    pace = _pace(folder, found, elapsed or (lambda since: time.time() - since)) if is_supervised else None
    return Standing(folder.name, plan, states, Counter(states), listed, is_supervised, pace)


def _places(states: Sequence[str], wanted: Set[str]) -> list[int]:
    return [place for place, state in enumerate(states) if state in wanted]


def _under_way(folder: Path, run: Planned, row: Row) -> Listed:
    """A run that was begun and did not end, and whether somebody is at it: whoever is holds its lock."""
    where = folder / "runs" / run.run_id
    silent = _silent_seconds(where)
    alive = is_held(where) or (silent < SILENT_SECONDS and file_system(where) not in ONE_KERNEL)
    state, reason = ("running", "") if alive else ("interrupted", "its worker is dead")
    return Listed(run, state, reason, row.epochs, silent)


def _broken(folder: Path, run: Planned, row: Row) -> Listed:
    where = folder / "runs" / run.run_id
    return Listed(run, row.state, row.reason, row.epochs, _silent_seconds(where), _last_lines(where / "log.txt"))


def _silent_seconds(folder: Path) -> float:
    """How long ago a file of the run's last changed: a sign of life of whoever is at it."""
    try:
        with os.scandir(folder) as entries:
            latest = max(entry.stat().st_mtime for entry in entries if entry.name != ".lock")
    except (OSError, ValueError):  # what was there is being renamed, or nothing is
        return 0.0
    return max(0.0, time.time() - latest)


def _last_lines(path: Path, count: int = 3) -> tuple[str, ...]:
    """The end of a log, at most 4 kB of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(line.rstrip() for line in lines if line.strip())[-count:]


def _pace(folder: Path, rows: Sequence[Row], elapsed: Callable[[float], float]) -> float | None:
    """Runs a second since the process that holds the study began: its note's time, by the disk's clock as the rows'."""
    try:
        began = (folder / ".owner.json").stat().st_mtime
    except OSError:
        return None
    ended, seconds = sum(row.ended >= began for row in rows), elapsed(began)
    return ended / seconds if ended and seconds > 0 else None


@dataclass(frozen=True)
class SteadyClock:
    """Seconds since a moment: asks the wall clock once, and counts on by a clock that does not jump."""

    wall: float
    monotonic: float

    @classmethod
    def now(cls) -> SteadyClock:
        """Set at this moment."""
        return cls(time.time(), time.monotonic())

    def since(self, moment: float) -> float:
        """Seconds since a moment of the wall clock."""
        return self.wall - moment + time.monotonic() - self.monotonic

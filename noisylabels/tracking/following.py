"""A study's folder, told to a tracker: once, or as long as the study goes on; by a process that is none of its runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from noisylabels.store import RunFolder, StoreError
from noisylabels.tracking.mirror import RunMirror, Telling, run_folders
from noisylabels.tracking.shareable import without_places
from noisylabels.tracking.study_view import StudyView, tell_study
from noisylabels.tracking.tracker import NotTakenError

LOOK_SECONDS = 0.5
"""Between two looks at the folder."""

HERE = Path()
"""The study's folder is the process's own, so that no path that is told begins elsewhere."""

Say = Callable[[str], None]
View = Callable[[], StudyView | None]


@dataclass(frozen=True)
class Came:
    """What telling a study came to.

    Attributes:
        told: runs that were told now, attempts counted each; the study itself is one of them.
        already: those that had been told before.
        unreadable: those whose files are not what they should be.
        refused: those of which the tracker did not take everything.
        problem: why it was given up; empty where it was not.
    """

    told: int = 0
    already: int = 0
    unreadable: int = 0
    refused: int = 0
    problem: str = ""

    @property
    def left_out(self) -> int:
        """Runs that were not told, or not all of them."""
        return self.unreadable + self.refused


def ended_attempts(study: Path, only: Collection[str] = ()) -> dict[str, int]:
    """How many attempts of each run have ended so far, of those that have any: they are for a playback to tell."""
    runs = [name for name in run_folders(study) if not only or name in only]
    counts = {name: len(RunFolder(study / "runs" / name).attempts()) for name in runs}
    return {name: count for name, count in counts.items() if count}


def follow(
    telling: Telling,
    is_over: Callable[[float], bool],
    view: View,
    say: Say,
    *,
    only: Collection[str] = (),
    before: Mapping[str, int] = MappingProxyType({}),
) -> Came:
    """Tell all attempts that begin, until the study is over, and then the study as a whole.

    Args:
        telling: to whom.
        is_over: waits for so many seconds, or less; whether the study is over.
        view: the study as a whole, asked for once it is over.
        say: told what goes wrong with single runs.
        only: ids of the runs to tell; empty for all.
        before: ``ended_attempts`` when the study was about to begin: whoever follows may come later than its first run.
    """
    mirrors = Mirrors(telling, say, only, before)
    over = False
    while not over:
        began = time.monotonic()
        mirrors.look()
        # A study of a hundred thousand runs takes longer to look at than half a second.
        over = is_over(max(LOOK_SECONDS, 4 * (time.monotonic() - began)))
    return mirrors.end(view)


def play_back(telling: Telling, view: View, say: Say, *, only: Collection[str] = ()) -> Came:
    """Tell all runs as their folders have them now, and the study as a whole."""
    return Mirrors(telling, say, only, {}).end(view)


class Mirrors:
    """All runs of a study, each told by a mirror of its own."""

    def __init__(self, telling: Telling, say: Say, only: Collection[str], before: Mapping[str, int]) -> None:
        self.telling, self.say, self.only, self.before = telling, say, frozenset(only), before
        self._mirrors: dict[str, RunMirror] = {}
        self._over: set[str] = set()
        self._told = self._already = self._unreadable = self._refused = 0

    def look(self, *, is_last: bool = False) -> None:
        """Tell what is new."""
        for name in self._names():
            if name not in self._over:
                self._look_at(name, is_last)

    def end(self, view: View) -> Came:
        """The last look, and the study."""
        self.look(is_last=True)
        shown = view()
        try:
            told = self._told + (shown is not None and tell_study(shown, self.telling))
        except NotTakenError as error:
            self.say(without_places(str(error)))
            return Came(self._told, self._already, self._unreadable, self._refused + 1)
        return Came(told, self._already, self._unreadable, self._refused)

    def _names(self) -> list[str]:
        return [name for name in run_folders(HERE) if not self.only or name in self.only]

    def _look_at(self, name: str, is_last: bool) -> None:
        if name not in self._mirrors:
            run = RunFolder(HERE / "runs" / name)
            self._mirrors[name] = RunMirror(run, self.telling, ended_before=self.before.get(name, 0))
        mirror = self._mirrors[name]
        before = mirror.state
        try:
            mirror.look(is_last=is_last)
        except (StoreError, NotTakenError) as error:
            self.say(without_places(str(error)))
            self._unreadable += isinstance(error, StoreError)
            self._refused += isinstance(error, NotTakenError)
            self._forget(name)
            return
        if mirror.state != before:
            self._told += mirror.state == "told"
            self._already += mirror.state == "already"
        if mirror.is_over:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._over.add(name)
        self._mirrors.pop(name, None)

"""One run's folder, told to a tracker: the same way whether the run is under way or long done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from noisylabels.result import RunResult
from noisylabels.store import RunFolder
from noisylabels.tracking.describing import tracked_run
from noisylabels.tracking.flips import Flips, Images, no_images
from noisylabels.tracking.items import Row, Scalar
from noisylabels.tracking.ledger import Told
from noisylabels.tracking.newest import NewestAttempt, newest_attempt, signature, why
from noisylabels.tracking.rows import epoch_row, final_row, summary
from noisylabels.tracking.shareable import without_places
from noisylabels.tracking.tracker import Recording, Tracker

State = Literal["nothing", "open", "already", "told"]
"""Of a run: there is nothing to tell yet; it is being told; it had been told before; it is told."""


@dataclass(frozen=True)
class Telling:
    """To whom runs are told, and how.

    Attributes:
        tracker: to whom.
        study: the study's name.
        told: what was told before.
        images: where pictures of wrong labels come from.
        is_live: whether the runs are under way.
    """

    tracker: Tracker
    study: str
    told: Told
    images: Images = no_images
    is_live: bool = False


class RunMirror:
    """Tells one run, look by look.

    Each attempt is a run of its own to the tracker: one that was cut short is closed as failed, and the next one has
    all epochs in it, for an attempt that goes on from a checkpoint logs those from before it first.

    Args:
        run: the folder, by a path relative to the study's.
        telling: to whom.
        ended_before: attempts up to this number are left alone.
    """

    def __init__(self, run: RunFolder, telling: Telling, *, ended_before: int = 0) -> None:
        self.run, self.telling = run, telling
        self.state: State = "nothing"
        self.is_over = False
        self._closed, self._number, self._epochs = ended_before, 0, 0
        self._recording: Recording | None = None
        self._seen: object = None

    def look(self, *, is_last: bool = False) -> None:
        """Tell what is new; the last look closes what is still open.

        Raises:
            StoreError: a file of the run is not what it should be.
            Exception: whatever the tracker raises.
        """
        seen = signature(self.run)
        if seen == self._seen and not is_last:
            return
        self._seen = seen
        newest = newest_attempt(self.run)
        if self._recording is not None and (newest is None or newest.number != self._number):
            self._cut_short(self._recording, why(self.run.attempts(), self._number))
        if newest is None or newest.number <= self._closed:
            self.is_over = newest is not None and self.run.has_result()
            return
        if self._recording is None:
            if self.telling.told.has(newest.tracked_id, newest.digest()):
                self.state, self._closed, self.is_over = "already", newest.number, newest.result is not None
                return
            self._recording = self._opened(newest)
        self._tell(self._recording, newest, is_last)

    def _opened(self, newest: NewestAttempt) -> Recording:
        flips = Flips.in_folder(self.run.path)
        recording = self.telling.tracker.open(
            tracked_run(
                newest.spec,
                self.telling.study,
                attempt=newest.number,
                realised_rate=flips.labels.record.realised_rate if flips else None,
                is_live=self.telling.is_live,
            )
        )
        self.state, self._number, self._epochs = "open", newest.number, 0
        if flips is not None:
            recording.keep(flips.bundle(newest.spec))
        return recording

    def _tell(self, recording: Recording, newest: NewestAttempt, is_last: bool) -> None:
        for epoch in newest.epochs[self._epochs :]:
            recording.log(epoch_row(epoch))
        self._epochs = len(newest.epochs)
        if newest.result is not None:
            if newest.result.status != "failed":
                recording.log(self._final_row(newest.result))
            self._end(recording, newest, summary(newest.result), failed=newest.result.status == "failed")
            self.is_over = True
        elif newest.cut_short is not None or is_last:
            self._end(recording, newest, _unfinished(newest.cut_short or "not finished yet"), failed=True)

    def _final_row(self, result: RunResult) -> Row:
        flips = Flips.in_folder(self.run.path)
        shown = flips.items(result.spec, self.telling.images) if flips else {}
        return final_row(result, (result.history[-1].epoch if result.history else 0) + 1, shown)

    def _end(self, recording: Recording, newest: NewestAttempt, said: dict[str, Scalar], *, failed: bool) -> None:
        digest = newest.digest()
        recording.end(said, failed=failed)
        self.telling.told.add(newest.tracked_id, digest)
        self._recording, self._closed, self.state = None, newest.number, "told"

    def _cut_short(self, recording: Recording, reason: str) -> None:
        """The attempt that was open ended, and its events are gone already."""
        recording.end(_unfinished(reason), failed=True)
        self._recording, self._closed, self.state = None, self._number, "told"


def _unfinished(reason: str) -> dict[str, Scalar]:
    return {"status": "unfinished", "reason": without_places(reason)}


def run_folders(study: Path) -> list[str]:
    """Ids of all runs that have a folder, sorted."""
    return (
        sorted(path.name for path in (study / "runs").iterdir() if path.is_dir()) if (study / "runs").is_dir() else []
    )

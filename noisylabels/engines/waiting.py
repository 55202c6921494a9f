"""Runs that wait for a worker, and those that another process is at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder


class Waiting:
    """What of a sweep has no worker yet.

    A run that another process is at is passed over and looked at again: it is done or has failed there, or, if that
    process died, it is this one's again. So processes that share a study all end when all of it is done.

    Args:
        specs: all to be run, first come first served.
        folder: where they are run.
    """

    def __init__(self, specs: Sequence[RunSpec], folder: StudyFolder) -> None:
        self.folder = folder
        self.here, self.elsewhere = deque(specs), deque[RunSpec]()

    def __len__(self) -> int:
        return len(self.here) + len(self.elsewhere)

    def next(self) -> RunSpec | None:
        """The next run to begin; None where there is none that is free at this moment."""
        while self.here:
            spec = self.here.popleft()
            if not self._is_settled(spec) and not self._run(spec).is_claimed():
                return spec
            self.elsewhere.append(spec)
        return None

    def again(self, spec: RunSpec) -> None:
        """After all the others: what was in its way may have passed by then."""
        self.here.append(spec)

    def leave_to_others(self, spec: RunSpec) -> None:
        """Another process is at it."""
        self.elsewhere.append(spec)

    def ended_elsewhere(self) -> list[RunSpec]:
        """The runs that other processes ended since the last look; those that they let go wait here again."""
        ended = [spec for spec in self.elsewhere if self._is_settled(spec)]
        others = [spec for spec in self.elsewhere if spec not in ended]
        self.elsewhere = deque(spec for spec in others if self._run(spec).is_claimed())
        self.here.extendleft(spec for spec in others if spec not in self.elsewhere)
        return ended

    def _is_settled(self, spec: RunSpec) -> bool:
        run = self._run(spec)
        return run.has_result() or (run.path / "failure.json").exists()

    def _run(self, spec: RunSpec) -> RunFolder:
        return self.folder.run(spec.run_id)

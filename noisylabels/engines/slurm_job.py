"""What a SLURM job does: one attempt at one run, queued again when its time is up."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from noisylabels.attempts import Ledger
from noisylabels.engines.worker import Place, attempt
from noisylabels.store import StudyFolder

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


class TimeIsUp(BaseException):
    """The job's time is up, or it is preempted: no error, and nothing that handles errors may catch it."""


@dataclass(frozen=True)
class Job:
    """A job as it travels, pickled by submitit: names and paths, nothing that was computed.

    Called, it makes one attempt. A job that is queued again is called again, and goes on from its run's checkpoint.

    Attributes:
        folder: the study's, the same on every node.
        run_id: whose ``spec.json`` lies there.
        place: data and compute.
    """

    folder: StudyFolder
    run_id: str
    place: Place

    def __call__(self) -> None:
        """One attempt; what came of it is in the run's folder.

        The signal that time is up ends the attempt first, so that its output, its line and its claim are in order, and
        is then answered in submitit's way, which never comes back.
        """
        from submitit import JobEnvironment

        os.environ["NOISYLABELS_DATA"] = str(self.place.data)  # where data sets named by a relative path lie
        run = self.folder.run(self.run_id)
        ledger = Ledger(run.path, engine="slurm")
        number = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
        queue_again = signal.signal(number, _end)
        try:
            attempt(run, self.place, ledger)
        except TimeIsUp:
            ledger.end("killed", "its job's time was up, or it was preempted")
            if callable(queue_again):
                queue_again(number, None)
        except KeyboardInterrupt:
            ledger.end("killed", "stopped with its sweep")
            raise
        finally:
            signal.signal(number, queue_again)

    def checkpoint(self) -> DelayedSubmission:
        """What is to be done when the job is queued again: the same, for the run keeps its checkpoints itself."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _end(number: int, frame: object) -> NoReturn:
    raise TimeIsUp

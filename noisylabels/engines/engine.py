"""What an engine is: it carries run ids to where runs execute; what came of them is in the store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands.

    Attributes:
        waiting: how many runs have not begun, or wait to be tried again.
        running: those under way; their folders know their epochs.
        ended: those that ended since the last look, by whichever process.
        retried: those whose attempt failed since the last look and that will be tried again, each with the reason.
    """

    waiting: int
    running: tuple[RunSpec, ...]
    ended: tuple[RunSpec, ...]
    retried: tuple[tuple[RunSpec, str], ...] = ()


Observe = Callable[[Progress], None]


class Engine(ABC):
    """Where and how runs execute: a frozen dataclass whose fields are its parameters (``--engine ray:gpus=0.5``)."""

    kind: ClassVar[str]

    @abstractmethod
    def run(
        self, specs: Sequence[RunSpec], folder: StudyFolder, place: Place, *, workers: int, observe: Observe
    ) -> None:
        """Run all specs, ``workers`` at a time; when it returns, each has a result or a failure in the store.

        A KeyboardInterrupt, and whatever ``observe`` raises, ends all workers and is passed on; finished runs stay
        finished, the others go on from their checkpoints next time.

        Args:
            specs: what to run; those that are done already are only counted.
            folder: the study's; a worker is told its run's folder and asks there what to do.
            place: data and compute.
            workers: runs at a time, at least 1.
            observe: called about twice a second and whenever something ended, from the calling thread.
        """

    @abstractmethod
    def default_workers(self) -> int:
        """Runs at a time where nobody says how many."""

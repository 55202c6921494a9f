"""What a tracker is: somewhere that figures are shown. It is told of runs by a process that is none of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from noisylabels.tracking.items import Bundle, Row, Scalar, TrackedRun


class TrackingError(Exception):
    """The tracker takes nothing at this moment; no run is the worse for it."""

    exit_code: ClassVar[int] = 1


class NotTakenError(TrackingError):
    """The tracker did not take all of one run; the next one may fare better."""


class Recording(ABC):
    """One run, open at a tracker. Every call may raise whatever the tracker's client raises, or take its time."""

    @abstractmethod
    def log(self, row: Row) -> None:
        """Add a row; it outlives a kill of this process within a second."""

    @abstractmethod
    def keep(self, bundle: Bundle) -> None:
        """Keep files that the run rests on."""

    @abstractmethod
    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        """Say what it came to; once it returns, the tracker has everything.

        Raises:
            NotTakenError: it has not.
            TrackingError: it does not answer any more.
        """


class Tracker(ABC):
    """Where and how: a frozen dataclass whose fields are its parameters (``--track wandb:mode=online``).

    It is used in a process of its own, which works in the study's folder: all that a tracker writes lies there, and
    all paths it is told are relative to it.
    """

    kind: ClassVar[str]

    @abstractmethod
    def check(self) -> None:
        """Refuse, quickly and before anything runs, what cannot be: nothing is imported, nobody is asked.

        Raises:
            MissingExtraError: a package, or a key, is not there.
        """

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What its process is to have in its environment before the client is imported."""

    @abstractmethod
    def destination(self) -> str:
        """Where runs go, in one word without secrets and places: what went to another one counts as not told."""

    @abstractmethod
    def open(self, run: TrackedRun) -> Recording:
        """Begin a run, or go on with one of that id.

        Raises:
            TrackingError: it cannot be begun.
        """

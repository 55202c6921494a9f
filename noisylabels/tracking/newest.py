"""What a run's folder says of its newest attempt, at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from noisylabels.attempts import Attempt
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder
from noisylabels.tracking.ledger import digest_of

FILES = ("spec.json", "attempts.jsonl", "events.jsonl", "result.json", "failure.json")
"""What is read here; the labels come before the first event and do not change after it."""


@dataclass(frozen=True)
class NewestAttempt:
    """One attempt.

    Attributes:
        run: the folder.
        number: from 1. An attempt under way has no line in ``attempts.jsonl`` yet: it is the one after the last line.
        result: what it came to, a failure that no attempt follows included; None where it came to nothing, or not yet.
        cut_short: why it ended without a result; None while it is under way, or where nobody knows.
    """

    run: RunFolder
    number: int
    result: RunResult | None
    cut_short: str | None

    @cached_property
    def spec(self) -> RunSpec:
        """The run."""
        return self.run.spec()

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """Its epochs so far."""
        logged = self.run.events()
        return (
            self.result.history if self.result is not None and len(logged) < len(self.result.history) else tuple(logged)
        )

    @property
    def tracked_id(self) -> str:
        """The tracker's id of it."""
        return f"{self.run.path.name}-{self.number}"

    def digest(self) -> str:
        """SHA-256 of all there is to tell."""
        told = (name for name in FILES if name != "attempts.jsonl")  # whose line may come after the result
        return digest_of(str(self.number).encode(), *(_content(self.run, name) for name in told))


def newest_attempt(run: RunFolder) -> NewestAttempt | None:
    """The newest attempt that left anything, under way or not; None where there is none.

    Raises:
        StoreError: a file is not what it should be.
    """
    attempts, result = run.attempts(), run.result()
    ended = len(attempts)
    if result is not None:
        is_noted = bool(attempts) and attempts[-1].outcome == "done"
        return NewestAttempt(run, ended if is_noted else ended + 1, result, None)
    failure = run.failure()
    if failure is not None:
        return NewestAttempt(run, max(1, ended), failure, None)
    if not run.epochs_logged():
        return None
    if _written_at(run, "events.jsonl") > _written_at(run, "attempts.jsonl"):
        return NewestAttempt(run, ended + 1, None, None)
    return NewestAttempt(run, ended, None, why(attempts, ended))


def why(attempts: list[Attempt], number: int) -> str:
    """Why an attempt ended without a result."""
    return attempts[number - 1].reason or attempts[number - 1].outcome if 0 < number <= len(attempts) else "unknown"


def signature(run: RunFolder) -> tuple[tuple[int, int], ...]:
    """What tells one state of the folder from another without reading it."""
    return tuple((_written_at(run, name), _size(run, name)) for name in FILES)


def _written_at(run: RunFolder, name: str) -> int:
    """Nanoseconds; both files that are compared lie on one disk, so their clock is the same."""
    try:
        return (run.path / name).stat().st_mtime_ns
    except OSError:
        return 0


def _size(run: RunFolder, name: str) -> int:
    try:
        return (run.path / name).stat().st_size
    except OSError:
        return -1


def _content(run: RunFolder, name: str) -> bytes:
    try:
        return (run.path / name).read_bytes()
    except OSError:
        return b""

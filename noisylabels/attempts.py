"""Attempts at a run: a line each in ``attempts.jsonl``, whatever became of them, in their order."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from noisylabels.atomic import append_line
from noisylabels.spec import Frozen

Outcome = Literal["done", "error", "killed", "hung", "oom"]


class Attempt(Frozen):
    """One attempt that ended.

    Attributes:
        started, ended: ISO 8601, for people: clocks jump, so nothing is decided by them.
        seconds: between the two by a clock that does not jump.
        host, pid: where it ran.
        engine: which carried it there.
        outcome: ``done``; ``error``, the run's own; ``killed``, by a signal or by an exit that no error explains;
            ``hung``, no sign of life; ``oom``, out of memory.
        reason: what is behind an outcome other than ``done``.
        is_final: whether another attempt would end in the same way: what was asked for cannot be.
    """

    started: str
    ended: str
    seconds: float
    host: str
    pid: int
    engine: str
    outcome: Outcome
    reason: str = ""
    is_final: bool = False


@dataclass(frozen=True)
class Begun:
    """An attempt under way, by this host's process ``pid``."""

    engine: str
    pid: int = field(default_factory=os.getpid)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    def ended(self, outcome: Outcome, reason: str = "", *, is_final: bool = False) -> Attempt:
        """The attempt, ended now."""
        return Attempt(
            started=self.started.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self.clock, 3),
            host=os.uname().nodename,
            pid=self.pid,
            engine=self.engine,
            outcome=outcome,
            reason=reason,
            is_final=is_final,
        )


class Ledger:
    """The one line of one attempt by this process, whoever writes it: the first who ends the attempt.

    Args:
        folder: the run's.
        engine: which carried the run here.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine
        self._begun: Begun | None = None
        self._pen, self._is_written = threading.Lock(), False

    def begin(self) -> None:
        """From here on there is something to be told."""
        self._begun = Begun(self.engine)

    def end(self, outcome: Outcome, reason: str = "", *, is_final: bool = False) -> Attempt | None:
        """Write the line; None if nothing was begun, or the line is written."""
        with self._pen:
            if self._begun is None or self._is_written:
                return None
            attempt = self._begun.ended(outcome, reason, is_final=is_final)
            record_attempt(self.folder, attempt)
            self._is_written = True
            return attempt


def record_attempt(folder: Path, attempt: Attempt) -> None:
    """Add a line to the run's attempts."""
    append_line(folder / "attempts.jsonl", attempt.model_dump_json().encode())


def read_attempts(folder: Path) -> list[Attempt]:
    """The run's attempts, first to last; torn lines are left out."""
    try:
        lines = (folder / "attempts.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    attempts = []
    for line in lines:
        try:
            attempts.append(Attempt.model_validate_json(line))
        except ValueError:
            continue
    return attempts

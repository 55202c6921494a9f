"""A local worker as its supervisor sees it: begun, listened to, killed, asked what became of it."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from types import ModuleType

from noisylabels.attempts import Attempt, Begun, Outcome
from noisylabels.engines.child import NOTHING_TO_DO, SHOW_STACKS, worker_process
from noisylabels.engines.death import cause_of_death, oom_kills
from noisylabels.engines.heartbeat import Pulse
from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder

LOOK_SECONDS = 0.5
"""Between two looks at all workers."""

SERVER_LOST = 255
"""Exit code that ``multiprocessing`` gives a worker whose fork server was killed; the worker itself may live."""


class Worker:
    """One worker process, for one attempt at a run.

    Args:
        spec: the run.
        folder: the run's.
    """

    def __init__(self, spec: RunSpec, folder: RunFolder) -> None:
        self.spec, self.folder = spec, folder
        self._process: BaseProcess | None = None
        self._sentence: tuple[Outcome, str] | None = None

    def start(self, place: Place) -> None:
        """Begin.

        Raises:
            OSError: the system gives no further process.
        """
        self.folder.describe(self.spec)
        self._lines_before, self._kills_before = len(self.folder.attempts()), oom_kills()
        context = worker_context()
        receiver, sender = context.Pipe(duplex=False)
        self._pulse, self._begun = Pulse(receiver, 2 * LOOK_SECONDS), Begun("local")
        self._process = context.Process(  # type: ignore[attr-defined]
            target=worker_process, args=(self.folder, place, sender), name=self.spec.run_id
        )
        with sender, main_module_left_alone():
            try:
                self._process.start()
            except EOFError:  # the fork server could not fork
                raise OSError(errno.EAGAIN, "no further process could be started") from None

    @property
    def sentinels(self) -> list[int]:
        """What becomes ready when the process ends."""
        return [self._process.sentinel] if self._process and self._process.pid else []

    def silent_seconds(self) -> float:
        """How long there was no sign of life."""
        self._pulse.listen()
        return self._pulse.silent_seconds

    def has_ended(self) -> bool:
        """Whether the process is no more, or never was."""
        return self._process is None or not self._process.is_alive()

    def ask_to_stop(self) -> None:
        """At the end of its epoch, with a checkpoint."""
        if self._process and self._process.pid:
            self._process.terminate()

    def kill(self, outcome: Outcome, reason: str) -> None:
        """At once, for that reason; its log says first where it was."""
        if self._process is None or self._process.pid is None or self.has_ended():
            return
        self._sentence = self._sentence or (outcome, reason)
        with contextlib.suppress(ProcessLookupError):
            if outcome == "hung":
                os.kill(self._process.pid, SHOW_STACKS)
                time.sleep(0.1)  # the handler writes without waiting for the process to get anywhere
            self._process.kill()

    def bury(self) -> Attempt | None:
        """What the ended process came to; None if it attempted nothing.

        A worker writes its own line. One that could not is written one here.
        """
        if self._process is None or self._process.pid is None:
            return None
        self._process.join()
        self._pulse.pipe.close()
        code, pid = self._process.exitcode or 0, self._process.pid
        if code == SERVER_LOST:
            self._sentence = "killed", "the process that workers are forked from was killed"
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for attempt in self.folder.attempts()[self._lines_before :]:
            if (attempt.pid, attempt.host) == (pid, os.uname().nodename):
                return attempt
        if code == NOTHING_TO_DO:
            return None
        outcome, reason = self._sentence or cause_of_death(code, self._kills_before)
        if self.folder.has_result():
            outcome, reason = "done", ""
        attempt = replace(self._begun, pid=pid).ended(outcome, reason)
        self.folder.record(attempt)
        return attempt


@contextlib.contextmanager
def main_module_left_alone() -> Iterator[None]:
    """Keep ``multiprocessing`` from running the supervisor's main script again in each worker.

    A worker needs nothing of it; to import a command line takes a tenth of a second, and a script that is not guarded
    by ``__name__`` would start its sweep anew.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def worker_context() -> multiprocessing.context.BaseContext:
    """How workers are made: forks of a server of their own, or, where there is no fork, from nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server imports torch once, touches no device and starts no thread; a run's process is a fork of it.
    context.set_forkserver_preload(["noisylabels.engines.preload"])
    return context

"""The local engine: one fresh process an attempt, as many at a time as asked, under a supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import ClassVar

from noisylabels.catalog import UsageError
from noisylabels.engines.engine import Engine, Observe, Progress
from noisylabels.engines.open_files import refuse_too_many_workers
from noisylabels.engines.retrying import Retries
from noisylabels.engines.supervised import LOOK_SECONDS, Worker
from noisylabels.engines.waiting import Waiting
from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder


@dataclass(frozen=True)
class Local(Engine):
    """Processes of this machine, one an attempt; a dead worker costs its attempt only.

    Attributes:
        max_attempts: how often a run is tried in one sweep, at least 1; an error that another attempt would meet again
            is not tried again.
        hang_seconds: a worker that gives no sign of life for so long is killed; above 0.
        grace_seconds: how long workers may take to finish their epoch when the sweep is stopped, at least 0.
    """

    kind: ClassVar[str] = "local"

    max_attempts: int = 3
    hang_seconds: float = 600.0
    grace_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise UsageError(f"max_attempts must be at least 1; got {self.max_attempts}")
        if not self.hang_seconds > 0:
            raise UsageError(f"hang_seconds must be above 0; got {self.hang_seconds}")
        if not self.grace_seconds >= 0:
            raise UsageError(f"grace_seconds must be at least 0; got {self.grace_seconds}")

    def run(
        self, specs: Sequence[RunSpec], folder: StudyFolder, place: Place, *, workers: int, observe: Observe
    ) -> None:
        workers = min(workers, len(specs))
        refuse_too_many_workers(workers)
        for spec in specs:
            folder.run(spec.run_id).forget_failure()
        sweep = _Supervision(self, specs, folder, place)
        try:
            while not sweep.is_over():
                observe(sweep.look(workers))
        except BaseException:
            sweep.stop()
            raise

    def default_workers(self) -> int:
        return cores()


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Supervision:
    """One sweep's workers, what waits for them, and how often each run was tried."""

    def __init__(self, engine: Local, specs: Sequence[RunSpec], folder: StudyFolder, place: Place) -> None:
        self.engine, self.folder, self.place = engine, folder, place
        self.waiting = Waiting(specs, folder)
        self.retries = Retries(engine.max_attempts)
        self.workers: list[Worker] = []

    def is_over(self) -> bool:
        return not self.waiting and not self.workers

    def look(self, workers: int) -> Progress:
        """Begin what can be begun, wait a moment or until a worker ends, bury the dead and kill what hangs."""
        while len(self.workers) < workers and (spec := self.waiting.next()):
            self.workers.append(Worker(spec, self.folder.run(spec.run_id)))  # known before it lives: see stop
            self.workers[-1].start(self.place)
        if self.workers:
            wait([sentinel for worker in self.workers for sentinel in worker.sentinels], timeout=LOOK_SECONDS)
        else:
            time.sleep(LOOK_SECONDS)  # the rest is done elsewhere
        ended, retried = self.waiting.ended_elsewhere(), []
        for worker in [worker for worker in self.workers if worker.has_ended()]:
            reason = self._bury(worker)
            if reason:
                retried.append((worker.spec, reason))
            elif worker.folder.has_result() or worker.folder.failure():
                ended.append(worker.spec)
        for worker in self.workers:
            self._kill_if_it_hangs(worker)
        running = tuple(worker.spec for worker in self.workers)
        return Progress(len(self.waiting), running, tuple(ended), tuple(retried))

    def _bury(self, worker: Worker) -> str:
        """Decide what follows from an ended attempt; the reason if that is another one."""
        attempt = worker.bury()
        self.workers.remove(worker)
        if attempt is None:
            self.waiting.leave_to_others(worker.spec)
        elif attempt.outcome != "done" and self.retries.again(worker.folder, attempt):
            self.waiting.again(worker.spec)
            return attempt.reason
        return ""

    def _kill_if_it_hangs(self, worker: Worker) -> None:
        if worker.silent_seconds() > self.engine.hang_seconds:
            worker.kill("hung", f"hung: no sign of life for {self.engine.hang_seconds:g} s, so it was killed")

    def stop(self) -> None:
        """End all workers: those that keep a checkpoint within the grace by themselves, the others by force.

        A second KeyboardInterrupt ends the grace.
        """
        deadline = time.monotonic() + self.engine.grace_seconds
        try:
            while time.monotonic() < deadline and (living := [w for w in self.workers if not w.has_ended()]):
                for worker in living:
                    worker.ask_to_stop()  # each time: one that is just beginning does not hear yet
                wait([sentinel for worker in living for sentinel in worker.sentinels], timeout=LOOK_SECONDS)
        finally:
            for worker in self.workers:
                worker.kill("killed", "stopped with its sweep")
            for worker in self.workers:
                worker.bury()

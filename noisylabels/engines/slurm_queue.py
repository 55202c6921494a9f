"""The jobs of one sweep in their queue: sent there, looked after, taken out of it."""

from __future__ import annotations

import contextlib
import io
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noisylabels.attempts import Outcome
from noisylabels.catalog import UsageError
from noisylabels.engines.slurm_job import Job
from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

QUEUE_SECONDS = 10.0
"""Between two looks at SLURM's queue, which serves everybody."""

COMMAND_SECONDS = 60.0
ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED", "TIMEOUT"}
)
"""States that a job does not leave. One that the queue does not know any more has ended as well."""

NEVER = frozenset({"BadConstraints", "PartitionNodeLimit", "PartitionTimeLimit", "launch failed requeued held"})
"""Why jobs wait that no passing of time lets begin."""


@dataclass
class JobQueue:
    """Jobs that submitit sent, each for one run.

    Ids and states come from the queue and results from the store; no pickle that a job wrote is ever read.

    Attributes:
        executor: submitit's.
        is_slurm: or else processes of this machine.
        folder, place: what each job is told.
    """

    executor: Any
    is_slurm: bool
    folder: StudyFolder
    place: Place
    jobs: dict[str, tuple[Any, RunSpec]] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _looked: float = float("-inf")

    def __len__(self) -> int:
        return len(self.jobs)

    def submit(self, specs: Sequence[RunSpec]) -> None:
        """Send them out as one array.

        Raises:
            UsageError: they are refused.
        """
        if not specs:
            return
        folder = StudyFolder(self.folder.path.absolute())
        place = replace(self.place, data=self.place.data.absolute())
        from submitit.core.utils import FailedJobError

        try:
            with contextlib.redirect_stderr(io.StringIO()), self.executor.batch():  # submitit would say it twice
                sent = [self.executor.submit(Job(folder, spec.run_id, place)) for spec in specs]
        except FailedJobError as error:
            raise UsageError(f"SLURM refused the jobs: {' '.join(str(error).split())}") from None
        for job, spec in zip(sent, specs, strict=True):
            self.jobs[job.job_id] = job, spec
            self._states[job.job_id] = "PENDING"

    def ended(self) -> list[tuple[RunSpec, Outcome, str]]:
        """The jobs that ended since the last look, with what the queue says of each.

        Raises:
            UsageError: a job waits that will never begin.
        """
        self._look()
        gone = [job_id for job_id in self.jobs if self._states.get(job_id, "gone") in ENDED | {"gone"}]
        return [self._bury(job_id) for job_id in gone]

    def running(self) -> list[RunSpec]:
        """The runs whose jobs do not wait."""
        return [spec for job_id, (_, spec) in self.jobs.items() if self._states.get(job_id) != "PENDING"]

    def cancel(self) -> None:
        """Take all jobs out of the queue, those that run too, and see them end."""
        if self.is_slurm and self.jobs:
            arrays = sorted({job_id.partition("_")[0] for job_id in self.jobs})
            subprocess.run(["scancel", *arrays], check=False, capture_output=True, timeout=COMMAND_SECONDS)
            return
        for job, _ in self.jobs.values():
            job.cancel(check=False)
        while any(not job.done() for job, _ in self.jobs.values()):
            time.sleep(0.1)  # submitit ends a process that does not listen after a second

    def _look(self) -> None:
        if not self.is_slurm:
            self._states = {job_id: "COMPLETED" if job.done() else "RUNNING" for job_id, (job, _) in self.jobs.items()}
        elif self.jobs and time.monotonic() - self._looked >= QUEUE_SECONDS:
            self._looked = time.monotonic()
            with contextlib.suppress(OSError, subprocess.SubprocessError):  # a busy controller answers next time
                self._states = self._read_queue()

    def _read_queue(self) -> dict[str, str]:
        command = ["squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i|%T|%r"]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        states = {}
        for line in answer.stdout.splitlines():
            job_id, state, reason = line.strip().split("|", 2)
            states[job_id] = state
            if job_id in self.jobs and state == "PENDING" and reason in NEVER:
                raise UsageError(f"SLURM will never begin job {job_id} ({reason}); ask for less (--engine slurm:...)")
        return states

    def _bury(self, job_id: str) -> tuple[RunSpec, Outcome, str]:
        job, spec = self.jobs.pop(job_id)
        state = self._states.get(job_id, "one that the queue no longer knows")
        outcome: Outcome = "oom" if state == "OUT_OF_MEMORY" else "killed"
        return spec, outcome, f"job {job_id} ended as {state} and left no result: {self._last_word(job.paths.stderr)}"

    def _last_word(self, log: Path) -> str:
        """The last line of a job's log that is not ``srun``'s remark on its exit code."""
        try:
            lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
        except OSError:
            return f"it left no log; {self.folder.path} must lie on a disk that all nodes share"
        return next((line for line in reversed(lines) if line and not line.startswith("srun: ")), "its log is empty")

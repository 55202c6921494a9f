"""The SLURM engine: job arrays by submitit, a job a run, queued again when its time is up."""

from __future__ import annotations

import importlib
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from noisylabels.catalog import MissingExtraError, UsageError
from noisylabels.engines.dispatch import Dispatch
from noisylabels.engines.engine import Engine, Observe
from noisylabels.engines.local import cores
from noisylabels.engines.slurm_queue import JobQueue
from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

LOOK_SECONDS = 0.5
MOST_AT_A_TIME = 64
"""Jobs at a time where nobody says how many."""

MOST_TIMEOUTS = 50
"""How often a job whose time is up is queued again."""

SIGNAL_SECONDS = 90
"""How long before its time is up a job is told."""

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
LEAST = {"minutes": 1, "cpus": 1, "gpus": 0, "memory_gb": 0, "max_queued": 1, "max_attempts": 1}
OPTION = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Slurm(Engine):
    """SLURM job arrays, one job a run; the study's folder must lie on a disk that all nodes share.

    A job whose time is up or that is preempted is queued again and goes on from its run's checkpoint.

    Attributes:
        partition: where jobs are queued; empty: the cluster's default.
        minutes: time limit of a job, at least 1; a longer run takes several.
        cpus: cores of a job, at least 1.
        gpus: devices of a job, at least 0.
        memory_gb: of a job, above 0; 0: the cluster's default.
        account: whom it is charged to; empty: the user's default.
        extra_parameters: further options of ``sbatch``, such as ``{"qos": "long", "constraint": "a100"}``.
        max_queued: jobs in the queue at a time, at least 1: at most what the cluster lets an array (``MaxArraySize``)
            and a user have. The next ones are sent when none of these is left.
        max_attempts: how often a run is tried in one sweep, at least 1; a job that is queued again counts once.
        cluster: ``slurm``; or ``local``, processes of this machine that submitit starts in the same way, to try it out.
    """

    kind: ClassVar[str] = "slurm"

    partition: str = ""
    minutes: int = 60
    cpus: int = 1
    gpus: int = 0
    memory_gb: float = 0.0
    account: str = ""
    extra_parameters: dict[str, str | int] = field(default_factory=dict)
    max_queued: int = 1000
    max_attempts: int = 3
    cluster: Literal["slurm", "local"] = "slurm"

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise UsageError(f"{name} must be at least {least}; got {getattr(self, name):g}")
        for name in self.extra_parameters:
            if not OPTION.fullmatch(name):
                raise UsageError(
                    f"extra_parameters names options of sbatch, such as qos, without dashes before; got {name!r}"
                )

    def default_workers(self) -> int:
        return MOST_AT_A_TIME if self.cluster == "slurm" else max(1, cores() // self.cpus)

    def run(
        self, specs: Sequence[RunSpec], folder: StudyFolder, place: Place, *, workers: int, observe: Observe
    ) -> None:
        """See ``Engine.run``.

        Raises:
            MissingExtraError: submitit or SLURM's commands are not there.
            UsageError: SLURM refuses such jobs, or will never begin them.
        """
        submitit = self._import()
        dispatch = Dispatch(specs, folder, engine=self.kind, max_attempts=self.max_attempts)
        folder.path.mkdir(parents=True, exist_ok=True)
        # For each sweep a new folder, open to this user only: what lies there is executed, and job ids come back.
        study = folder.path.absolute()
        with tempfile.TemporaryDirectory(prefix="submitit-", dir=study, ignore_cleanup_errors=True) as logs:
            executor = submitit.AutoExecutor(
                logs, self.cluster, slurm_max_num_timeout=MOST_TIMEOUTS, local_max_num_timeout=MOST_TIMEOUTS
            )
            executor.update_parameters(**self.parameters(workers, name=folder.path.name))
            queue = JobQueue(executor, self.cluster == "slurm", folder, place)
            try:
                while not dispatch.is_over(len(queue)):
                    queue.submit(dispatch.next_ones(self._room(workers, len(queue))))
                    time.sleep(LOOK_SECONDS)
                    for spec, outcome, reason in queue.ended():
                        dispatch.settle(spec, outcome, reason)
                    running = queue.running()
                    observe(dispatch.progress(running, sent=len(queue) - len(running)))
            finally:
                queue.cancel()

    def _room(self, workers: int, queued: int) -> int:
        """How many jobs may be sent now: SLURM keeps an array to ``workers`` at a time itself, but not two arrays."""
        if self.cluster == "local":
            return workers - queued
        return 0 if queued else self.max_queued

    def _import(self) -> Any:
        missing = [name for name in COMMANDS if shutil.which(name) is None] if self.cluster == "slurm" else []
        if missing:
            raise MissingExtraError(
                f"the engine 'slurm' needs SLURM's commands on the PATH; not there: {', '.join(missing)}; "
                "go to a machine that submits jobs, or try it out here (--engine slurm:cluster=local)"
            )
        try:
            return importlib.import_module("submitit")
        except ImportError as error:
            raise MissingExtraError(
                f"the engine 'slurm' needs submitit: pip install 'noisylabels[slurm]' ({error})"
            ) from None

    def parameters(self, workers: int, *, name: str) -> dict[str, Any]:
        """What submitit is told of each job.

        Args:
            workers: jobs of an array at a time.
            name: of the jobs, in the queue.
        """
        asked = {
            "name": name,
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "mem_gb": self.memory_gb or None,
            "slurm_partition": self.partition or None,
            "slurm_account": self.account or None,
            "slurm_array_parallelism": workers,
            "slurm_signal_delay_s": SIGNAL_SECONDS,
            # Since SLURM 22.05 srun does not take it from sbatch.
            "slurm_srun_args": [f"--cpus-per-task={self.cpus}"],
            "slurm_additional_parameters": {"requeue": True, **self.extra_parameters},
        }
        return {key: value for key, value in asked.items() if value is not None}

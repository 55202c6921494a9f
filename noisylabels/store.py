"""The store: one folder a run, in which ``result.json`` is written last and whole. The files are the truth.

<runs>/<study>/study.json                 what was asked
<runs>/<study>/runs/<run_id>/spec.json    first
                            events.jsonl  one line an epoch, appended; a torn last line is dropped
                            checkpoint.*  where an unfinished run goes on from (see ``checkpoint.py``)
                            noise.npz     ids, true and given training labels; noise.json: their record
                            result.json   last, by rename: its presence means done
                            failure.json  instead, when an attempt broke; log.txt has its output
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from corruptions import CorruptedLabels
from corruptions.files import noise_files
from noisylabels.atomic import write_atomically
from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec


class StoreError(Exception):
    """A stored file is not what it says it is."""

    exit_code: ClassVar[int] = 5


class LockedError(Exception):
    """Another process is running this study, or this run."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    def begin(self, spec: RunSpec) -> None:
        """Say what is being run; events of an earlier, unfinished attempt are dropped, its checkpoint is kept."""
        write_atomically(self.path / "spec.json", spec.model_dump_json(indent=1).encode())
        for left_over in ("events.jsonl", "failure.json", "log.txt"):
            (self.path / left_over).unlink(missing_ok=True)

    def spec(self) -> RunSpec:
        """What is being run.

        Raises:
            StoreError: no spec, not a spec, or another run's.
        """
        path = self.path / "spec.json"
        try:
            spec = RunSpec.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} is not a run's spec ({str(error).splitlines()[0]})") from None
        if spec.run_id != self.path.name:
            raise StoreError(f"{path} is the spec of run {spec.run_id}")
        return spec

    def append(self, epoch: Epoch) -> None:
        """Add one epoch to the event log, in one write."""
        line = epoch.model_dump_json().encode() + b"\n"
        with (self.path / "events.jsonl").open("ab", buffering=0) as file:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / "events.jsonl"))

    def events(self) -> list[Epoch]:
        """The epochs logged so far; torn lines are left out. For watching a run: its result has the history."""
        try:
            lines = (self.path / "events.jsonl").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        epochs = []
        for line in lines:
            with contextlib.suppress(ValueError):
                epochs.append(Epoch.model_validate_json(line))
        return epochs

    def checkpoints(self, *, every_seconds: float = 20.0) -> StoredCheckpoints:
        """Where this run goes on from after an interruption."""
        return StoredCheckpoints(self.path, self.path.name, every_seconds)

    def keep_labels(self, labels: CorruptedLabels) -> None:
        """Store the training examples' ids, true and given labels and their record: ``noise.npz``, ``noise.json``."""
        for name, content in noise_files(labels).items():
            write_atomically(self.path / name, content)

    def finish(self, result: RunResult) -> None:
        """Write the result; from here on the run is done."""
        write_atomically(self.path / "result.json", result.model_dump_json(indent=1).encode())
        (self.path / "failure.json").unlink(missing_ok=True)
        self.checkpoints().clear()

    def fail(self, reason: str) -> None:
        """Say why there is no result; the next sweep tries again."""
        failed = RunResult(run_id=self.path.name, spec=self.spec(), status="failed", reason=reason)
        write_atomically(self.path / "failure.json", failed.model_dump_json(indent=1).encode())

    def failure(self) -> RunResult | None:
        """The last attempt's failure, or None."""
        return self._read("failure.json")

    def result(self) -> RunResult | None:
        """The result, or None while there is none.

        Raises:
            StoreError: the file is there but cannot be read, or belongs to another run.
        """
        return self._read("result.json")

    def _read(self, name: str) -> RunResult | None:
        path = self.path / name
        try:
            result = RunResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{path} is not a result ({reason}); remove its folder to run it again") from None
        if result.run_id != self.path.name or result.spec.run_id != self.path.name:
            raise StoreError(f"{path} holds the result of run {result.spec.run_id}; remove its folder to run it again")
        return result


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder under the runs folder."""

    path: Path

    def run(self, run_id: str) -> RunFolder:
        """The folder of one run, there or not."""
        return RunFolder(self.path / "runs" / run_id)

    def results(self, plan: Sequence[RunSpec]) -> list[RunResult]:
        """Finished runs of the plan, in its order."""
        found = (self.run(spec.run_id).result() for spec in plan)
        return [result for result in found if result is not None]

    def failures(self, plan: Sequence[RunSpec]) -> list[RunResult]:
        """Runs of the plan whose last attempt broke, in its order."""
        found = (self.run(spec.run_id).failure() for spec in plan)
        return [failure for failure in found if failure is not None]

    def known(self, plan: Sequence[RunSpec]) -> list[RunResult]:
        """All that is known of the plan: finished runs, then the broken ones among the others."""
        results = self.results(plan)
        done = {result.run_id for result in results}
        return results + [failure for failure in self.failures(plan) if failure.run_id not in done]

    def is_locked(self) -> bool:
        """Whether a process holds the study at this moment."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with FileLock(self.path / ".lock", timeout=0):
                return False
        except Timeout:
            return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the lock dies with it.

    Raises:
        LockedError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / ".owner.json"
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=1)  # whoever only looks (is_locked) lets go at once
    except Timeout:
        raise LockedError(f"{folder} is being run by another process{_owner(owner)}") from None
    try:
        write_atomically(owner, json.dumps({"pid": os.getpid(), "host": os.uname().nodename}).encode())
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _owner(path: Path) -> str:
    try:
        who = json.loads(path.read_bytes())
        return f" (process {who['pid']} on {who['host']})"
    except (OSError, ValueError, KeyError):
        return ""

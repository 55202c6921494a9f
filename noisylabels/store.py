"""The store: one folder a run, in which ``result.json`` is written last and whole. The files are the truth.

<runs>/<study>/study.json                 what was asked
<runs>/<study>/runs/<run_id>/spec.json    first
                            attempts.jsonl  one line an attempt, appended, never removed
                            events.jsonl  one line an epoch of the last attempt; a torn line is dropped
                            checkpoint.*  where an unfinished run goes on from (see ``checkpoint.py``)
                            noise.npz     ids, true and given training labels; noise.json: their record
                            result.json   last, by rename: its presence means done
                            failure.json  instead, when no further attempt is made; log.txt: the last one's output
                            .lock         held by whoever is at the run
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from corruptions import CorruptedLabels
from corruptions.files import noise_files
from noisylabels.atomic import append_line, drop_unfinished, write_atomically
from noisylabels.attempts import Attempt, read_attempts, record_attempt
from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.ownership import is_held
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.stored_result import read_result


class StoreError(Exception):
    """A stored file is not what it says it is."""

    exit_code: ClassVar[int] = 5


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    def begin(self, spec: RunSpec) -> None:
        """Say what is to be run, and make the folder ready for an attempt at it."""
        self.describe(spec)
        self.renew()

    def describe(self, spec: RunSpec) -> None:
        """Say what is to be run; whoever runs it reads that here."""
        write_atomically(self.path / "spec.json", spec.model_dump_json(indent=1).encode())

    def renew(self) -> None:
        """Drop what an earlier attempt left, but for its checkpoint; for whoever holds the run alone."""
        for left_over in ("events.jsonl", "failure.json", "log.txt"):
            (self.path / left_over).unlink(missing_ok=True)
        drop_unfinished(self.path)

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
        """Add one epoch to the event log."""
        append_line(self.path / "events.jsonl", epoch.model_dump_json().encode())

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

    def epochs_logged(self) -> int:
        """How many epochs there are in the event log; cheaper than to read them."""
        try:
            return (self.path / "events.jsonl").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

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

    def fail(self, reason: str, *, is_quarantined: bool = False) -> None:
        """Say why there is no result.

        Args:
            reason: for people.
            is_quarantined: whether the run is left alone until somebody asks for it; otherwise the next sweep tries it.
        """
        provenance = {"quarantined": True} if is_quarantined else {}
        failed = RunResult(
            run_id=self.path.name, spec=self.spec(), status="failed", reason=reason, provenance=provenance
        )
        write_atomically(self.path / "failure.json", failed.model_dump_json(indent=1).encode())

    def failure(self) -> RunResult | None:
        """Why there is no result, or None where nothing failed or it is being tried again."""
        return self._read("failure.json")

    def forget_failure(self) -> None:
        """Let the run count as one that has yet to be done."""
        (self.path / "failure.json").unlink(missing_ok=True)

    def is_quarantined(self) -> bool:
        """Whether the run failed in a way that the next sweep does not try again by itself."""
        failure = self.failure()
        return failure is not None and bool(failure.provenance.get("quarantined"))

    def last_log_lines(self, count: int = 5) -> list[str]:
        """The end of what the last attempt wrote."""
        try:
            text = (self.path / "log.txt").read_text(errors="replace")
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if line.strip()][-count:]

    def attempts(self) -> list[Attempt]:
        """All attempts so far that ended, first to last."""
        return read_attempts(self.path)

    def record(self, attempt: Attempt) -> None:
        """Add an attempt that ended; for whoever holds the run alone."""
        record_attempt(self.path, attempt)

    def is_claimed(self) -> bool:
        """Whether a process is at the run at this moment."""
        return is_held(self.path)

    def has_result(self) -> bool:
        """Whether the run is done; nothing is read."""
        return (self.path / "result.json").exists()

    def result(self) -> RunResult | None:
        """The result, or None while there is none.

        Raises:
            StoreError: the file is there but cannot be read, or belongs to another run.
        """
        return self._read("result.json")

    def _read(self, name: str) -> RunResult | None:
        path = self.path / name
        try:
            result = read_result(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{path} is not a result ({error}); remove its folder to run it again") from None
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
        return is_held(self.path)

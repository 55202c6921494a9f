"""Runs on a cluster, where workers are no children of this process: which goes out next, and what became of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from noisylabels.attempts import Attempt, Begun, Outcome
from noisylabels.engines.engine import Progress
from noisylabels.engines.retrying import Retries
from noisylabels.engines.waiting import Waiting
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder


class Dispatch:
    """One sweep's runs: those that wait, how often each was tried, and what is new since the last look.

    What a worker did is read in the store, never in what the cluster says of it: a job that "failed" after it wrote its
    result is done, and one that "succeeded" without is not.

    Args:
        specs: all to be run.
        folder: the study's.
        engine: its kind, for the attempts that could not write their own line.
        max_attempts: at one run.
    """

    def __init__(self, specs: Sequence[RunSpec], folder: StudyFolder, *, engine: str, max_attempts: int) -> None:
        self.folder, self.engine = folder, engine
        self.waiting, self.retries = Waiting(specs, folder), Retries(max_attempts)
        self._lines_before: dict[str, int] = {}
        self._ended: list[RunSpec] = []
        self._retried: list[tuple[RunSpec, str]] = []
        for spec in specs:
            folder.run(spec.run_id).forget_failure()

    def next(self) -> RunSpec | None:
        """The run to send out next, its ``spec.json`` written; None where none is free at this moment."""
        spec = self.waiting.next()
        if spec is not None:
            run = self.folder.run(spec.run_id)
            run.describe(spec)
            self._lines_before[spec.run_id] = len(run.attempts())
        return spec

    def next_ones(self, most: int) -> list[RunSpec]:
        """Up to so many of them."""
        ones: list[RunSpec] = []
        while len(ones) < most and (spec := self.next()):
            ones.append(spec)
        return ones

    def settle(self, spec: RunSpec, outcome: Outcome, reason: str) -> None:
        """Decide what follows for a run whose worker is gone.

        Args:
            spec: the run.
            outcome: what the cluster says, and
            reason: why, should the worker have left no word itself.
        """
        run = self.folder.run(spec.run_id)
        if run.has_result():
            self._ended.append(spec)
        elif run.is_claimed():
            self.waiting.leave_to_others(spec)
        elif self.retries.again(run, attempt := self._last_attempt(spec, outcome, reason)):
            self.waiting.again(spec)
            self._retried.append((spec, attempt.reason))
        else:
            self._ended.append(spec)

    def _last_attempt(self, spec: RunSpec, outcome: Outcome, reason: str) -> Attempt:
        """The worker's line on an error of its own; else the cluster's word, with where and when it began unknown.

        A worker that wrote that it was stopped may have begun again since: that line is not its last word.
        """
        run = self.folder.run(spec.run_id)
        written = run.attempts()[self._lines_before[spec.run_id] :]
        if written and written[-1].outcome != "killed":
            return written[-1]
        unseen = Begun(self.engine, pid=0).ended(outcome, reason).model_copy(update={"host": "unknown"})
        run.record(unseen)
        return unseen

    def is_over(self, at_work: int) -> bool:
        """Whether nothing waits and nothing of the ``at_work`` runs sent out is left."""
        return not self.waiting and not at_work

    def progress(self, running: Iterable[RunSpec], *, sent: int = 0) -> Progress:
        """Where the sweep stands.

        Args:
            running: those that have a worker.
            sent: how many were sent out and have none yet.
        """
        ended, retried = self._ended + self.waiting.ended_elsewhere(), self._retried
        self._ended, self._retried = [], []
        return Progress(len(self.waiting) + sent, tuple(running), tuple(ended), tuple(retried))

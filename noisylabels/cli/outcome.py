"""What a sweep came to, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisylabels.cli.progress import label
from noisylabels.result import RunResult
from noisylabels.store import RunFolder, StudyFolder
from noisylabels.study import Study


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to.

    Attributes:
        results: of all planned runs that ended, broken ones included.
        planned: how many there are to be; ``already`` of them were done before, ``tried`` were to do.
    """

    study: Study
    results: Sequence[RunResult]
    planned: int
    already: int
    tried: int
    seconds: float
    folder: Path

    @property
    def report_html(self) -> Path:
        """Where ``write_report`` put the page."""
        return self.folder / "report.html"

    @property
    def report_markdown(self) -> Path:
        """Where ``write_report`` put the text."""
        return self.folder / "report.md"

    @property
    def failures(self) -> list[RunResult]:
        """Runs without a result."""
        return [result for result in self.results if result.status == "failed"]

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(str(result.status) for result in self.results)

    def text(self) -> str:
        """For people."""
        lines = [self._summary()]
        for failure in self.failures:
            run = self._run(failure)
            lines.append(f"failed: {failure.run_id}  {label(failure.spec)}: {failure.reason}")
            lines += [f"        | {line}" for line in run.last_log_lines() if failure.reason not in line]
            lines.append(f"        log: {run.path / 'log.txt'}")
        if any(failure.provenance.get("quarantined") for failure in self.failures):
            lines.append("quarantined runs are tried again by sweep --retry-failed, the other failed ones by any sweep")
        return "\n".join([*lines, f"report: {self.report_html}", f"        {self.report_markdown}"])

    def _summary(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        if self.already == self.planned:
            return f"{self.study.name}: all {self.planned} runs were done already ({counts})"
        return f"{self.study.name}: {self.tried} of {self.planned} runs in {self.seconds:.0f} s ({counts})"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.study.name,
            "planned": self.planned,
            "already_done": self.already,
            "statuses": dict(self.statuses),
            "failures": [
                {
                    "run_id": failure.run_id,
                    "reason": failure.reason,
                    "quarantined": bool(failure.provenance.get("quarantined")),
                    "log": self._run(failure).last_log_lines(),
                }
                for failure in self.failures
            ],
            "seconds": round(self.seconds, 1),
            "report_html": str(self.report_html),
            "report_markdown": str(self.report_markdown),
        }

    def _run(self, failure: RunResult) -> RunFolder:
        return StudyFolder(self.folder).run(failure.run_id)

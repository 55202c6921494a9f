"""What ``sweep`` does once it knows what was asked: check, run, report."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisylabels.atomic import write_atomically
from noisylabels.cli.progress import SweepProgress, label
from noisylabels.engines.local import cores, run_locally
from noisylabels.engines.worker import Place
from noisylabels.problem import check
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder, locked
from noisylabels.study import Study
from noisylabels.training.device import pick_device


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to.

    Attributes:
        results: of all planned runs that ended, broken ones included.
        planned: how many there are to be; ``already`` of them were done before.
    """

    study: Study
    results: Sequence[RunResult]
    planned: int
    already: int
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
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        new = self.planned - self.already
        first = f"{self.study.name}: {new} of {self.planned} runs in {self.seconds:.0f} s ({counts})"
        if self.already == self.planned:
            first = f"{self.study.name}: all {self.planned} runs were done already ({counts})"
        broken = [f"failed: {result.run_id}  {label(result.spec)}: {result.reason}" for result in self.failures]
        return "\n".join([first, *broken, f"report: {self.report_html}", f"        {self.report_markdown}"])

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.study.name,
            "planned": self.planned,
            "already_done": self.already,
            "statuses": dict(self.statuses),
            "failures": [{"run_id": result.run_id, "reason": result.reason} for result in self.failures],
            "seconds": round(self.seconds, 1),
            "report_html": str(self.report_html),
            "report_markdown": str(self.report_markdown),
        }


def study_folder(study: Study, runs: Path) -> StudyFolder:
    """Where the study's runs are kept."""
    return StudyFolder(runs / study.name)


def pending(plan: Sequence[RunSpec], folder: StudyFolder) -> list[RunSpec]:
    """The planned runs that have no result yet, in the plan's order."""
    return [spec for spec in plan if folder.run(spec.run_id).result() is None]


def run(study: Study, folder: StudyFolder, place: Place, *, workers: int | None, quiet: bool) -> Outcome:
    """Check, run what is to do, write the report, all under the study's lock."""
    started = time.monotonic()
    plan = study.plan()
    with locked(folder.path):
        todo = pending(plan, folder)
        if todo:
            pick_device(place.device)
            check(todo, place.data, download=place.download)
        asked = study.model_dump_json(indent=1).encode()
        current = not todo and _report_is_current(folder, plan, asked)
        write_atomically(folder.path / "study.json", asked)
        with SweepProgress(len(plan), todo, folder, quiet=quiet) as progress:
            run_locally(todo, folder, place, workers=workers or cores(), observe=progress.update)
        results = folder.known(plan)
        if not current:
            from noisylabels.report import write_report  # half of this command's start-up time, often not needed

            write_report(study, results, folder.path)
    return Outcome(study, results, len(plan), len(plan) - len(todo), time.monotonic() - started, folder.path)


def _report_is_current(folder: StudyFolder, plan: Sequence[RunSpec], asked: bytes) -> bool:
    """Whether the report there is was written for this very study, after its last result: drawing it takes seconds."""
    reports = [folder.path / name for name in ("report.html", "report.md")]
    stored = folder.path / "study.json"
    if not (stored.exists() and all(file.exists() for file in reports)) or stored.read_bytes() != asked:
        return False
    written = min(file.stat().st_mtime_ns for file in reports)
    return all((folder.run(spec.run_id).path / "result.json").stat().st_mtime_ns < written for spec in plan)


def dry_run(study: Study, folder: StudyFolder, workers: int | None, *, as_json: bool) -> str:
    """The plan, what of it is done, and how long the rest may take, judged by the runs that are done."""
    plan = study.plan()
    todo = pending(plan, folder)
    seconds = [float(result.provenance["seconds"]) for result in folder.results(plan)]
    at_a_time = workers or cores()
    estimate = statistics.median(seconds) * len(todo) / at_a_time if seconds else None
    waiting = {spec.run_id for spec in todo}
    if as_json:
        rows = [spec.model_dump() | {"run_id": spec.run_id, "done": spec.run_id not in waiting} for spec in plan]
        return json.dumps({"study": study.name, "workers": at_a_time, "estimated_seconds": estimate, "runs": rows})
    lines = [
        f"{spec.run_id}  {'to do' if spec.run_id in waiting else 'done ':5}  {spec.short('dataset')}  {spec.method}  "
        f"{spec.short('corruption')}  seed {spec.seed}"
        for spec in plan
    ]
    guess = "known once a first run is done" if estimate is None else f"about {estimate / 60:.1f} minutes"
    return "\n".join([*lines, f"{len(todo)} of {len(plan)} runs to do, {at_a_time} at a time; time: {guess}"])

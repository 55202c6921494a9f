"""``sweep --only``: some runs of a study and no others, beside whoever else is at it; what a scheduler's agents do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from noisylabels.atomic import write_atomically
from noisylabels.catalog import UsageError, unknown
from noisylabels.cli.progress import SweepProgress, label
from noisylabels.cli.sweeping import Manner, pending
from noisylabels.engines.worker import Place
from noisylabels.problem import check
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study


def chosen(study: Study, run_ids: Sequence[str]) -> list[RunSpec]:
    """The planned runs that those ids name, or begin; all runs where none is given.

    Raises:
        UsageError: an id names no planned run, or several.
    """
    plan = study.plan()
    found = {}
    for text in run_ids:
        named = [spec for spec in plan if text and spec.run_id.startswith(text)]
        if not named:
            raise UsageError(f"{unknown('run', text, [spec.run_id for spec in plan][:5])}, ... (sweep --dry-run)")
        if len(named) > 1:
            raise UsageError(f"{len(named)} planned runs begin with {text!r}; give more digits")
        found[named[0].run_id] = named[0]
    return list(found.values()) if run_ids else plan


@dataclass(frozen=True)
class OnlyThese:
    """What the chosen runs came to.

    Attributes:
        study: its name.
        asked: how many were chosen.
        results: of those that ended.
    """

    study: str
    asked: int
    results: tuple[RunResult, ...]

    @property
    def failures(self) -> list[RunResult]:
        """Runs without a result."""
        return [result for result in self.results if result.status == "failed"]

    def text(self) -> str:
        """For people."""
        counts = ", ".join(f"{n} {status}" for status, n in sorted(Counter(r.status for r in self.results).items()))
        failed = [f"failed: {one.run_id}  {label(one.spec)}: {one.reason}" for one in self.failures]
        return "\n".join(
            [f"{self.study}: {len(self.results)} of {self.asked} runs asked for are done ({counts})", *failed]
        )

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        statuses = {result.run_id: result.status for result in self.results}
        return {"study": self.study, "asked": self.asked, "statuses": statuses}


def run_only(study: Study, specs: Sequence[RunSpec], folder: StudyFolder, place: Place, manner: Manner) -> OnlyThese:
    """Do those of the runs that are not done, each under its own claim; the study is not locked, no report is written.

    Raises:
        UsageError: the folder holds another study of that name, or the runs cannot be as asked.
    """
    stored, content = folder.path / "study.json", study.model_dump_json(indent=1).encode()
    if not stored.exists():
        write_atomically(stored, content)
    elif stored.read_bytes() != content:
        raise UsageError(f"--only takes runs of one and the same study; {stored} is another one of that name")
    todo = pending(specs, folder, quarantined=manner.retry_failed)
    if todo:
        check(todo, place.data, download=place.download)
        with SweepProgress(len(specs), todo, folder, quiet=manner.quiet) as shown:
            manner.engine.run(todo, folder, place, workers=manner.at_a_time, observe=shown.update)
    return OnlyThese(study.name, len(specs), tuple(folder.known(specs)))

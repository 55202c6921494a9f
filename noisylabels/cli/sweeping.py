"""What ``sweep`` does once it knows what was asked: check, run, report."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noisylabels.atomic import write_atomically
from noisylabels.catalog import UsageError
from noisylabels.cli.current_report import is_current, write_current
from noisylabels.cli.outcome import Outcome
from noisylabels.cli.planned import planned
from noisylabels.cli.progress import SweepProgress, seeds
from noisylabels.engines.engine import Engine, Progress
from noisylabels.engines.local import Local
from noisylabels.engines.worker import Place
from noisylabels.estimate import estimate
from noisylabels.index import StudyIndex
from noisylabels.ownership import LockedError, locked
from noisylabels.problem import check
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from noisylabels.training.device import pick_device


@dataclass(frozen=True)
class Manner:
    """How a sweep is to go about its runs; no part of what they come to.

    Attributes:
        engine: where they execute.
        workers: runs at a time; None leaves it to the engine.
        join: share the runs with a process that is at this study already.
        fail_fast: stop at the first attempt that fails.
        retry_failed: try quarantined runs again, too.
        quiet: no progress.
    """

    engine: Engine
    workers: int | None = None
    join: bool = False
    fail_fast: bool = False
    retry_failed: bool = False
    quiet: bool = False

    @property
    def at_a_time(self) -> int:
        """Runs at a time."""
        return self.workers or self.engine.default_workers()


class _FirstFailure(Exception):  # noqa: N818 - nothing is wrong with the sweep
    """A run failed, and nothing more is to be done."""


def study_folder(study: Study, runs: Path) -> StudyFolder:
    """Where the study's runs are kept."""
    return StudyFolder(runs / study.name)


def run(study: Study, folder: StudyFolder, place: Place, manner: Manner) -> Outcome:
    """Check, run what is to do, write the report: under the study's lock, or beside the process that holds it."""
    started = time.monotonic()
    plan = study.plan()
    with locked(folder.path, join=manner.join) as is_owner:
        already = len(plan) - len(pending(plan, folder))
        todo = pending(plan, folder, quarantined=manner.retry_failed)
        if not is_owner:
            _refuse_another_study(folder, study)
        if todo:
            _check(todo, place, manner)
        if is_owner:
            write_atomically(folder.path / "study.json", _asked(study))
            index = StudyIndex(folder.path)
            index.refresh()
            index.keep_plan(_asked(study), planned(plan))
        with contextlib.suppress(_FirstFailure):
            _run_all(todo, len(plan), folder, place, manner)
        results = folder.known(plan)
        if is_owner and not is_current(study, plan, folder):
            write_current(study, plan, folder, results)
    if not is_owner:
        with contextlib.suppress(LockedError), locked(folder.path):  # the owner died, or is done: whoever is last
            if not is_current(study, plan, folder):
                write_current(study, plan, folder, folder.known(plan))
    return Outcome(study, results, len(plan), already, len(todo), time.monotonic() - started, folder.path)


def _check(todo: Sequence[RunSpec], place: Place, manner: Manner) -> None:
    """Say what cannot be before anything runs, and what people held out share with those trained on."""
    if isinstance(manner.engine, Local):  # a login node may lack what its workers have
        pick_device(place.device)
    overlaps = check(todo, place.data, download=place.download)
    if not manner.quiet:
        for dataset, shared in overlaps.items():
            sys.stderr.write(f"{dataset}: {shared.text}\n")


def pending(plan: Sequence[RunSpec], folder: StudyFolder, *, quarantined: bool = True) -> list[RunSpec]:
    """The planned runs that have no result yet, in the plan's order; those in quarantine only if asked for."""
    runs = [(spec, folder.run(spec.run_id)) for spec in plan]
    return [spec for spec, run in runs if run.result() is None and (quarantined or not run.is_quarantined())]


def _run_all(todo: Sequence[RunSpec], planned: int, folder: StudyFolder, place: Place, manner: Manner) -> None:
    with SweepProgress(planned, todo, folder, quiet=manner.quiet) as shown:

        def observe(progress: Progress) -> None:
            shown.update(progress)
            if manner.fail_fast and _has_failure(progress, folder):
                raise _FirstFailure

        manner.engine.run(todo, folder, place, workers=manner.at_a_time, observe=observe)


def _has_failure(progress: Progress, folder: StudyFolder) -> bool:
    """Whether an attempt failed; a run that would have been tried again has failed with it."""
    for spec, reason in progress.retried:
        folder.run(spec.run_id).fail(reason)
    return bool(progress.retried) or any(folder.run(spec.run_id).failure() for spec in progress.ended)


def _refuse_another_study(folder: StudyFolder, study: Study) -> None:
    stored = folder.path / "study.json"
    if stored.exists() and stored.read_bytes() != _asked(study):
        raise UsageError(
            f"--join shares one and the same study; {stored} is another one of that name: give the options that the "
            "process at it was given, or a --name of its own"
        )


def _asked(study: Study) -> bytes:
    return study.model_dump_json(indent=1).encode()


def dry_run(study: Study, folder: StudyFolder, workers: int, *, as_json: bool) -> str:
    """The plan, what of it is done, and how long the rest may take, judged by the runs that are done."""
    plan = study.plan()
    todo = pending(plan, folder)
    cost = estimate(plan, folder)
    waiting = {spec.run_id for spec in todo}
    if as_json:
        rows = [spec.model_dump() | {"run_id": spec.run_id, "done": spec.run_id not in waiting} for spec in plan]
        return json.dumps({"study": study.name, "workers": workers, **cost.to_json(workers), "runs": rows})
    lines = [
        f"{spec.run_id}  {'to do' if spec.run_id in waiting else 'done ':5}  {spec.short('dataset')}  {spec.method}  "
        f"{spec.short('corruption')}  {seeds(spec)}"
        for spec in plan
    ]
    counted = f"{len(todo)} of {len(plan)} runs to do, {workers} at a time"
    return "\n".join([*lines, f"{counted}; time: {cost.time(workers)}; disk: {cost.disk(workers)}"])

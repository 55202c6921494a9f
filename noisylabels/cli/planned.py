"""What a command about a study's runs starts from: its plan and its rows, from the index where that knows them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from noisylabels.index import Planned, Snapshot, StudyIndex

if TYPE_CHECKING:
    from noisylabels.spec import RunSpec
    from noisylabels.study import Study


def planned(plan: Iterable[RunSpec]) -> list[Planned]:
    """A plan as the index keeps it."""
    from noisylabels.cli.progress import label

    return [Planned(spec.run_id, label(spec), spec.train.epochs) for spec in plan]


def indexed(name: str, runs: Path, *, rebuild: bool = False) -> tuple[StudyIndex, Snapshot, list[Planned]]:
    """A study's index, all that its run folders say, and its planned runs.

    A study that was run here is planned anew only where its index does not know the plan of its very ``study.json``:
    torch's import alone takes longer than all the rest of a look.

    Args:
        name: as ``stored_study`` has it.
        runs: the runs folder.
        rebuild: read every run's folder, whatever the index says.

    Raises:
        UsageError, StoreError: as ``stored_study``.
    """
    asked = _study_file(name, runs)
    if asked is None:
        study, folder = _stored_study(name, runs)
        index = StudyIndex(folder)
        return index, index.rebuild() if rebuild else index.refresh(), planned(study.plan())
    index = StudyIndex(runs / name)
    found = index.rebuild() if rebuild else index.refresh()
    plan = index.plan(asked)
    if plan is None:
        plan = planned(_stored_study(name, runs)[0].plan())
        index.keep_plan(asked, plan)
    return index, found, plan


def _study_file(name: str, runs: Path) -> bytes | None:
    try:
        return (runs / name / "study.json").read_bytes() if name and "/" not in name else None
    except OSError:
        return None


def _stored_study(name: str, runs: Path) -> tuple[Study, Path]:
    from noisylabels.cli.stored import stored_study

    study, folder = stored_study(name, runs)
    return study, folder.path

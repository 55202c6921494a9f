"""The study a command is about: as it was run here, if it was, else as it ships."""

from __future__ import annotations

from pathlib import Path

from noisylabels.records import read_records
from noisylabels.result import RunResult
from noisylabels.store import StoreError, StudyFolder
from noisylabels.study import Study


def known_results(name: str, study: Study, folder: StudyFolder) -> list[RunResult]:
    """What there is to report on: finished runs, then broken ones; where nothing was run here, the published records.

    Published records lie as ``records.jsonl`` beside the study's file.
    """
    return results_at_home(name, study, folder)[0]


def results_at_home(name: str, study: Study, folder: StudyFolder) -> tuple[list[RunResult], Path]:
    """``known_results``, and the folder that holds them: the one of the runs, or the one of the study's file."""
    found = folder.known(study.plan())
    if found:
        return found, folder.path
    file = Study.file(name)
    return (read_records(file.with_name("records.jsonl")) if file.is_file() else []), file.parent


def stored_study(name: str, runs: Path) -> tuple[Study, StudyFolder]:
    """The study and its folder.

    A name that was run here means the study *as it was run*, options included (``study.json``).

    Raises:
        UsageError: neither run here, nor shipped, nor a file.
        StoreError: the stored study is broken, or another one's.
    """
    stored = runs / name / "study.json"
    if "/" not in name and stored.is_file():
        try:
            study = Study.model_validate_json(stored.read_bytes())
        except ValueError as error:
            raise StoreError(f"{stored} is not a study ({str(error).splitlines()[0]})") from None
        if study.name != name:
            raise StoreError(f"{stored} is the study {study.name!r}: rename the folder back, or give its old name")
        return study, StudyFolder(stored.parent)
    study = Study.find(name)
    return study, StudyFolder(runs / study.name)

"""The study a command is about: as it was run here, if it was, else as it ships."""

from __future__ import annotations

from pathlib import Path

from noisylabels.catalog import UsageError
from noisylabels.store import StudyFolder
from noisylabels.study import Study


def stored_study(name: str, runs: Path) -> tuple[Study, StudyFolder]:
    """The study and its folder.

    A name that was run here means the study *as it was run*, options included (``study.json``).

    Raises:
        UsageError: neither run here, nor shipped, nor a file.
    """
    stored = runs / name / "study.json"
    if "/" not in name and stored.is_file():
        try:
            study = Study.model_validate_json(stored.read_bytes())
        except ValueError as error:
            raise UsageError(f"{stored} is not a study ({str(error).splitlines()[0]})") from None
    else:
        study = Study.find(name)
    return study, StudyFolder(runs / study.name)

"""Whether a study's report is the one of its results: to draw it takes seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from noisylabels.atomic import write_atomically
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study

REPORTS = ("report.html", "report.md")
BESIDE = ("study.frozen.json", "tuning.json", "examples.json")
"""Files beside a study's that its report speaks of; a sweep takes copies along."""


def is_current(study: Study, plan: Sequence[RunSpec], folder: StudyFolder) -> bool:
    """Whether the report there is was written by this version for this very study and the very results there are.

    Files are compared by what they are, not by which is the newer: clocks jump.
    """
    try:
        reported = (folder.path / ".reported").read_text()
    except OSError:
        return False
    return all((folder.path / name).exists() for name in REPORTS) and reported == _content(study, plan, folder)


def take_along(study_file: Path, folder: StudyFolder) -> None:
    """Copy what lies beside a study's file into the folder of its runs."""
    for name in BESIDE:
        if (file := study_file.with_name(name)).is_file():
            write_atomically(folder.path / name, file.read_bytes())


def write_current(study: Study, plan: Sequence[RunSpec], folder: StudyFolder, results: Sequence[RunResult]) -> None:
    """Write the report and what it is of."""
    from noisylabels.report import Context, write_report  # half of this command's start-up time, often not needed

    content = _content(study, plan, folder)
    write_report(study, results, folder.path, Context.beside(folder.path / "study.toml", folder.path))
    write_atomically(folder.path / ".reported", content.encode())


def _content(study: Study, plan: Sequence[RunSpec], folder: StudyFolder) -> str:
    """A digest of all that the report rests on."""
    rests_on: list[object] = [version("noisylabels"), study.model_dump_json()]
    beside = [folder.path / name for name in BESIDE]
    rests_on += [[file.name, file.read_text(encoding="utf-8")] for file in beside if file.is_file()]
    for spec in plan:
        for name in ("result.json", "failure.json"):
            file = folder.run(spec.run_id).path / name
            if file.exists():
                stat = file.stat()
                rests_on.append([spec.run_id, name, stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps(rests_on).encode()).hexdigest()

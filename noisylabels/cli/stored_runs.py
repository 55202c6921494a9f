"""One stored run by the first digits of its id: among those that were run here, and the published ones."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import studies
from noisylabels.catalog import UsageError
from noisylabels.cli.stored import stored_study
from noisylabels.result import RunResult
from noisylabels.store import RunFolder, StoreError
from noisylabels.stored_result import read_result
from noisylabels.study import Study


@dataclass(frozen=True)
class StoredRun:
    """Where a run's result lies, or would lie.

    Attributes:
        run_id: as its folder or its record says.
        file: ``result.json`` or ``records.jsonl``.
        line: of ``records.jsonl``, from 1; 0 of a file of its own.
    """

    run_id: str
    file: Path
    line: int = 0

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.file}, line {self.line}" if self.line else str(self.file)

    def result(self) -> RunResult:
        """The result, as this version or an earlier one wrote it.

        Raises:
            UsageError: the run has none yet.
            StoreError: it is no result, or one that this version cannot run again; says which version made it.
        """
        try:
            content = self.file.read_bytes()
        except FileNotFoundError:
            failure = RunFolder(self.file.parent).failure()
            why = f"it broke: {failure.reason}" if failure else "it is unfinished"
            raise UsageError(f"run {self.run_id} ({self.file.parent}) has no result to compare with; {why}") from None
        if self.line:
            content = content.split(b"\n")[self.line - 1]
        try:
            result = read_result(content)
        except ValueError as error:
            raise StoreError(f"{self.where} is no result of this version ({error}); {_maker(content)}") from None
        if not result.run_id == result.spec.run_id == self.run_id:
            raise StoreError(f"{self.where} holds the result of run {result.spec.run_id}; {_maker(content)}")
        return result


def find_run(run: str, runs: Path, study: str | None = None) -> StoredRun:
    """The one run whose id begins so; of several copies of it, the first that was run here, by study name.

    Args:
        run: hexadecimal digits, 16 or fewer.
        runs: the runs folder.
        study: look at this study only, by its name here, the name it ships under, or the path of its file.

    Raises:
        UsageError: no such run, or several.
        StoreError: a file of published records is none.
    """
    if not re.fullmatch("[0-9a-f]{1,16}", run):
        raise UsageError(f"a run is named by its id, 16 digits of 0-9a-f, or the first of them; got {run!r}")
    found: dict[str, StoredRun] = {}
    others: list[str] = []
    for stored in _in_study(study, runs) if study else _everywhere(runs):
        if stored.run_id.startswith(run):
            found.setdefault(stored.run_id, stored)
        else:
            others.append(stored.run_id)
    if not found:
        near = difflib.get_close_matches(run, others, n=1, cutoff=0.5)
        where = f"in study {study!r}" if study else f"under {runs}, nor in a published study"
        raise UsageError(f"no run {run!r} {where}" + (f"; did you mean {near[0]}?" if near else ""))
    if len(found) > 1:
        some = ", ".join(sorted(found)[:5]) + (", ..." if len(found) > 5 else "")
        raise UsageError(f"{len(found)} runs begin with {run!r}: {some}; give more digits")
    return next(iter(found.values()))


def _everywhere(runs: Path) -> Iterator[StoredRun]:
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        yield from _run_here(folder)
    for name in studies.names():
        yield from _published(studies.path(name))


def _in_study(study: str, runs: Path) -> Iterator[StoredRun]:
    is_here = "/" not in study and (runs / study).is_dir()
    yield from _run_here(runs / study if is_here else stored_study(study, runs)[1].path)
    if not is_here or study in studies.names():
        yield from _published(Study.file(study))


def _run_here(folder: Path) -> Iterator[StoredRun]:
    for run in sorted((folder / "runs").glob("*")):
        yield StoredRun(run.name, run / "result.json")


def _published(study_file: Path) -> Iterator[StoredRun]:
    file = study_file.with_name("records.jsonl")
    lines = file.read_bytes().rstrip(b"\n").split(b"\n") if file.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            yield StoredRun(str(json.loads(line)["run_id"]), file, number)
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{file}, line {number} is not a result: it must be JSON with run_id") from None


def _maker(content: bytes) -> str:
    try:
        return f"it was made by noisylabels {json.loads(content)['provenance']['versions']['noisylabels']}"
    except (ValueError, KeyError, TypeError):
        return "it does not say which version made it"

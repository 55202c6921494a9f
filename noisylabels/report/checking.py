"""Whether the files of a written report are, byte for byte, those that its results give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from noisylabels.records import write_records
from noisylabels.report.context import Context
from noisylabels.report.verification import told_apart
from noisylabels.report.write import Format, write_formats
from noisylabels.result import RunResult
from noisylabels.study import Study

CHECKED: tuple[Format, ...] = ("html", "md", "json", "tex", "csv")
"""The formats that hang on nothing but study and results. A PDF is the browser's that prints it, and dated by it;
Parquet is pyarrow's, which writes its version into it."""

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class ChangedFile:
    """A file that is not what would be written now.

    Attributes:
        file: where it lies, or should lie.
        line: the first that differs, from 1; 0 where there is no such file.
        text: what is there and what should be.
    """

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def compared_files(folder: Path, formats: Sequence[Format], *, records: bool) -> list[str]:
    """Names of the files to compare: those of the formats asked for, and what else of a report lies in the folder.

    Args:
        folder: of the written report.
        formats: that must be there.
        records: whether ``records.jsonl`` takes part where it lies there; not, where the results were read from it.
    """
    kinds = [kind for kind in CHECKED if kind in formats or (folder / f"report.{kind}").is_file()]
    return [f"report.{kind}" for kind in kinds] + [RECORDS] * (records and (folder / RECORDS).is_file())


def check_report(
    study: Study, results: Sequence[RunResult], folder: Path, names: Sequence[str], context: Context | None = None
) -> list[ChangedFile]:
    """Write the report again, into a folder that is gone afterwards, and compare byte for byte. Nothing is changed.

    Equal bytes take the versions of matplotlib (figures are its SVG), NumPy and SciPy (last digits) that wrote the
    report; no clock, path, locale, thread count or order of runs takes part.

    What results hold and a report does not print cannot be found out so: the n of measurements, the counts of the noise
    records, the seconds of single runs, most of the histories.

    Args:
        study, results, context: as for ``write_report``.
        folder: of the written report.
        names: of its files to compare, as ``compared_files`` gives them.

    Returns:
        What differs, in the order of the names; empty where every byte is the same.
    """
    with TemporaryDirectory() as made:
        fresh = Path(made)
        write_formats(study, results, fresh, [kind for kind in CHECKED if f"report.{kind}" in names], context)
        write_records(fresh / RECORDS, results)
        found = (_changed(folder / name, (fresh / name).read_bytes()) for name in names)
        return [change for change in found if change is not None]


def _changed(file: Path, expected: bytes) -> ChangedFile | None:
    try:
        found = file.read_bytes()
    except FileNotFoundError:
        return ChangedFile(file, 0, "is not there")
    if found == expected:
        return None
    lines = zip_longest(found.split(b"\n"), expected.split(b"\n"))
    number, (is_, should) = next((n, pair) for n, pair in enumerate(lines, start=1) if pair[0] != pair[1])
    if is_ is None or should is None:
        return ChangedFile(file, number, "the file ends before it" if is_ is None else "the file goes on after its end")
    there, wanted = (line.decode(errors="backslashreplace") for line in (is_, should))
    return ChangedFile(file, number, f"the file says {told_apart(there, wanted)}")

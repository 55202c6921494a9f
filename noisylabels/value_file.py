"""A parameter's value that stands in a file: ``matrix=@confusion.csv``, ``groups=@merged.json``."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 22
MAX_CELLS = 10_000


class ValueFileError(ValueError):
    """A file that holds no value; one sentence."""


def read_value(path: Path) -> Any:
    """What a file holds: any JSON value of a ``.json``, or the non-zero cells ``[i, j, share]`` of a ``.csv`` matrix.

    A ``.csv`` has a line of column numbers, then one line a true class that begins with its number, as the
    ``transition_matrix.csv`` that ``noisylabels corrupt`` writes. Rows may hold shares or counts: each is divided by
    its sum; a row of zeros is left out.

    Raises:
        ValueFileError: unreadable, of another kind, larger than 4 MiB or 10,000 cells, or not such a value.
    """
    readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".csv": _cells}
    read = readers.get(path.suffix)
    if read is None or (path.exists() and not path.is_file()):
        raise ValueFileError(f"a value's file must be a .json or a .csv; got {path}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueFileError(f"{path} must be at most {MAX_BYTES} bytes; got more")
        return read(content.decode("utf-8-sig"))
    except OSError as error:
        raise ValueFileError(f"cannot read {path}: {error.strerror}") from None
    except RecursionError:
        raise ValueFileError(f"{path} is nested too deeply") from None
    except (ValueError, OverflowError, csv.Error) as error:
        raise error if isinstance(error, ValueFileError) else ValueFileError(f"{path}: {error}") from None


def _cells(text: str) -> list[list[float]]:
    lines = [row for row in csv.reader(text.splitlines()) if row]
    width = len(lines[0]) if lines else 0
    cells: list[list[float]] = []
    for number, row in enumerate(lines[1:]):
        if len(row) != width or row[0].strip() != str(number) or width - 1 < len(lines) - 1:
            raise ValueFileError(f"line {number + 2} must be class {number} and {width - 1} numbers; got {row!r:.60}")
        values = [float(value) for value in row[1:]]
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueFileError(f"line {number + 2} must hold shares or counts, none negative")
        total = math.fsum(values)
        cells += [[number, j, value / total] for j, value in enumerate(values) if value > 0]
    if not cells or len(cells) > MAX_CELLS:
        raise ValueFileError(f"a matrix must have 1 to {MAX_CELLS} cells that are not zero; got {len(cells)}")
    return cells

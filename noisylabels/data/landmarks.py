"""Files of five facial points, one photograph a line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError, MissingDataError

MAX_BYTES = 500_000_000


def read_landmarks(path: Path) -> dict[str, NDArray[np.float64]]:
    """Five points of each photograph, float64[5, 2], by the name in the file, from a CSV file.

    A line is a name and ten numbers, ``x, y`` of each point in the order of ``alignment.Template``; the first line may
    be a header. Numbers are pixels from the centre of the top left pixel.

    Raises:
        MissingDataError: no such file.
        DataError: a line is not so, or a name comes twice; the message has the line's number.
    """
    if not path.is_file():
        raise MissingDataError(f"no landmark file at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: must have at most {MAX_BYTES:,} bytes; got {path.stat().st_size:,}")
    points: dict[str, NDArray[np.float64]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, skipinitialspace=True, strict=True)
            for fields in reader:
                numbers = _numbers(fields[1:])
                if numbers is None and reader.line_num == 1 and len(fields) == 11:
                    continue
                if fields and (numbers is None or not fields[0].strip() or fields[0].strip() in points):
                    rule = "must be a new name and ten finite numbers"
                    raise DataError(f"{path}, line {reader.line_num}: {rule}; got {','.join(fields)[:80]!r}")
                if fields and numbers:
                    points[fields[0].strip()] = np.array(numbers).reshape(5, 2)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: must be UTF-8 text of comma-separated values; {error}") from None
    if not points:
        raise DataError(f"{path}: must have a line a photograph; got none")
    return points


def _numbers(fields: list[str]) -> list[float] | None:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    return numbers if len(numbers) == 10 and all(map(math.isfinite, numbers)) else None

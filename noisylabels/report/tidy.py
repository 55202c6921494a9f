"""All measurements of a study as one long table: a row a number, for whoever wants to compute with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from noisylabels.atomic import write_atomically
from noisylabels.catalog import MissingExtraError
from noisylabels.noise_rates import without_rate
from noisylabels.result import RunResult

COLUMNS: dict[str, type] = {
    "run_id": str,
    "status": str,
    "dataset": str,
    "model": str,
    "method": str,
    "head": str,
    "loss": str,
    "strategy": str,
    "corruption": str,
    "asked_rate": float,
    "realised_rate": float,
    "seed": int,
    "noise_seed": int,
    "metric": str,
    "selection": str,
    "value": float,
    "unit": str,
    "higher_is_better": bool,
    "n": int,
    "low": float,
    "high": float,
    "note": str,
}
"""Name and type of each column; numbers may be missing."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets take for a formula."""


def tidy_rows(results: Sequence[RunResult]) -> Iterator[dict[str, Any]]:
    """A row for each measurement of each run, in their order; a run without any has one row that says so."""
    for result in results:
        about = _about(result)
        for measured in result.measurements:
            low, high = measured.interval or (None, None)
            numbers = {"value": measured.value, "n": measured.n, "low": low, "high": high, "note": measured.note}
            words = {"metric": measured.name, "selection": measured.selection, "unit": measured.unit}
            yield about | words | numbers | {"higher_is_better": measured.higher_is_better}
        if not result.measurements:
            yield about | dict.fromkeys(list(COLUMNS)[len(about) :]) | {"note": result.reason}


def _about(result: RunResult) -> dict[str, Any]:
    spec = result.spec
    corruption, rate = without_rate(spec.plugin("corruption"))
    realised = result.realised_rate
    return {
        "run_id": result.run_id,
        "status": result.status,
        "dataset": spec.short("dataset"),
        "model": spec.short("model"),
        "method": spec.method,
        "head": spec.short("head"),
        "loss": spec.short("loss"),
        "strategy": spec.short("strategy"),
        "corruption": corruption,
        "asked_rate": rate,
        "realised_rate": realised if realised == realised else None,  # NaN is not equal to itself
        "seed": spec.seed,
        "noise_seed": spec.noise_seed,
    }


def write_csv(path: Path, results: Sequence[RunResult]) -> None:
    """UTF-8, a heading line, dots in numbers, nothing for what is missing.

    A text that a spreadsheet would take for a formula has an apostrophe before it, which it shows as text.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for row in tidy_rows(results):
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    write_atomically(path, buffer.getvalue().encode())


def _harmless(value: Any) -> Any:
    """Texts that are no formula, numbers as they are."""
    if isinstance(value, str):
        text = value.replace("\0", "\ufffd")
        return f"'{text}" if text.startswith(FORMULA) else text
    return value


def write_parquet(path: Path, results: Sequence[RunResult]) -> None:
    """The same with typed columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet needs pyarrow: pip install 'noisylabels[export]'") from None
    types = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}
    rows = list(tidy_rows(results))
    columns = {name: pyarrow.array([row[name] for row in rows], types[kind]) for name, kind in COLUMNS.items()}
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    write_atomically(path, buffer.getvalue().to_pybytes())

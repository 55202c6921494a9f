"""The list of actions as a table: a row a finding, for a spreadsheet, a program, and ``audit apply``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.atomic import write_atomically
from noisylabels.audit.finding import ACTIONS, Action, Finding
from noisylabels.catalog import MissingExtraError, UsageError, unknown

COLUMNS: dict[str, type] = {
    "rank": int,
    "kind": str,
    "score": float,
    "action": str,
    "id": int,
    "given": int,
    "given_name": str,
    "target": int,
    "target_name": str,
    "other_ids": str,
    "image": str,
    "because": str,
}
"""Name and type of each column; ``target`` may be missing. ``audit apply`` reads action, id, given and target."""

MAX_BYTES = 1 << 28
MAX_ROWS = 10_000_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets take for a formula."""


def action_rows(
    findings: Sequence[Finding], ids: NDArray[np.int64], class_names: Sequence[str], image_names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A row for each finding, in order; a finding of several images has one row for each that its action changes.

    Args:
        findings: as they are to be ranked.
        ids: of all N images.
        class_names: of the K classes.
        image_names: of all N images, as their source calls them; empty where it does not.
    """
    rows = []
    for rank, finding in enumerate(findings, start=1):
        changed = finding.examples if finding.action in ("relabel", "remove") else finding.examples[:1]
        for row in changed:
            others = [str(ids[other]) for other in finding.examples if other != row]
            given = finding.classes[0]
            rows.append(
                {
                    "rank": rank,
                    "kind": finding.kind,
                    "score": finding.score,
                    "action": finding.action,
                    "id": int(ids[row]),
                    "given": given,
                    "given_name": class_names[given],
                    "target": finding.target,
                    "target_name": "" if finding.target is None else class_names[finding.target],
                    "other_ids": " ".join(others),
                    "image": image_names[row] if image_names else "",
                    "because": finding.because,
                }
            )
    return rows


def actions_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """UTF-8, a heading line; a text that a spreadsheet would take for a formula has an apostrophe before it."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return buffer.getvalue().encode("utf-8", errors="replace")


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "\ufffd")
    return f"'{text}" if text.startswith(FORMULA) else text


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """The same with typed columns.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet needs pyarrow: pip install 'noisylabels[export]'") from None
    types = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64()}
    clean = [
        {name: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for name, v in row.items()}
        for row in rows
    ]
    columns = {name: pyarrow.array([row[name] for row in clean], types[kind]) for name, kind in COLUMNS.items()}
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    write_atomically(path, buffer.getvalue().to_pybytes())


def read_actions(path: Path) -> list[tuple[Action, int, int, int | None]]:
    """Action, image id, given label and target of every row of a CSV file, perhaps edited by hand.

    Raises:
        UsageError: not such a file; the message names the line at fault.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} must have at most {MAX_BYTES:,} bytes; got {path.stat().st_size:,}")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} must be a CSV file in UTF-8; got other bytes") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = {"action", "id", "given", "target"} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"{path} must have columns action, id, given and target; got no {sorted(missing)[0]}")
        return [_read_row(row, f"{path}, line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise UsageError(f"{path} is not a CSV file: line {reader.line_num}: {error}") from None


def _read_row(row: dict[str, Any], where: str) -> tuple[Action, int, int, int | None]:
    action = (row["action"] or "").strip()
    if action not in ACTIONS:
        raise UsageError(f"{where}: {unknown('action', action, ACTIONS)}")
    target = (row["target"] or "").strip()
    if action == "relabel" and not target:
        raise UsageError(f"{where}: relabel needs a target; got none")
    numbers = [_whole(row[name] or "", name, where) for name in ("id", "given")]
    return action, numbers[0], numbers[1], _whole(target, "target", where) if target else None


def _whole(text: str, name: str, where: str) -> int:
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) <= 18):
        raise UsageError(f"{where}: {name} must be a whole number of at least 0; got {text[:40]!r}")
    return int(plain)

"""Committed records as plain JSON, and means over them: nothing of the package takes part."""

from __future__ import annotations

import functools
import itertools
import json
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

Record = dict[str, Any]
Studies = Callable[[str], Sequence[Record]]

Fact = tuple[str, tuple[float, ...]]
"""A piece of README with ``{}`` for each number, and the numbers."""


@functools.cache
def committed(study: str) -> list[Record]:
    file = ROOT / "studies" / study / "records.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def is_method(record: Record, printed: str) -> bool:
    """Whether ``head``, ``head+loss``, ``head+strategy`` is the run's; parameters that are not named may differ."""
    spec = record["spec"]
    besides = [spec[field] for field in ("loss", "strategy") if spec[field] not in ("ce", "standard")]
    wanted = printed.split("+")
    return len(wanted) == 1 + len(besides) and all(map(_is_kind, (spec["head"], *besides), wanted))


def _is_kind(full: str, printed: str) -> bool:
    kind, _, parameters = full.partition(":")
    wanted_kind, _, wanted = printed.partition(":")
    return kind == wanted_kind and all(part in parameters.split(",") for part in wanted.split(",") if part)


def measured(record: Record, metric: str) -> float:
    found = [m["value"] for m in record["measurements"] if m["name"] == metric and m["selection"] == "last_epoch"]
    assert len(found) == 1
    return float(found[0])


def cell(records: Iterable[Record], method: str, corruption: str) -> list[Record]:
    """The runs of a method under a corruption, by seed."""
    rows = [r for r in records if is_method(r, method) and re.match(rf"{corruption}\b", r["spec"]["corruption"])]
    assert rows, (method, corruption)
    return sorted(rows, key=lambda record: record["spec"]["seed"])


def mean(records: Iterable[Record], method: str, corruption: str, metric: str) -> float:
    return statistics.mean(measured(record, metric) for record in cell(records, method, corruption))


def exact_p(differences: Sequence[float]) -> float:
    """Share of all sign patterns whose sum is at least as far from 0."""
    seen = abs(sum(differences)) - 1e-12
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    return sum(abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= seen for signs in patterns) / len(
        patterns
    )


def seeds(records: Iterable[Record]) -> int:
    return len({record["spec"]["seed"] for record in records})

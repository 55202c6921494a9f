"""Two studies side by side: the same cells in both, and by how much their means differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from noisylabels.report.build import headline
from noisylabels.report.document import Entry, Table
from noisylabels.report.entries import difference_entry, value_entry
from noisylabels.report.grid import Cell, PlannedRun, settings
from noisylabels.report.wording import percent
from noisylabels.result import RunResult
from noisylabels.statistics import Interval
from noisylabels.study import Study

Place = tuple[str, str, str, str, float]
"""Data set, model, method, corruption, asked rate."""


@dataclass(frozen=True)
class ComparedStudies:
    """What two studies have in common.

    Attributes:
        table: a row for each cell of both.
        same_runs: runs with one id in both; ``differing`` of them have other numbers.
        only_first, only_second: cells that one of them has alone.
        changed: fields of the studies that differ, by name, with both values.
    """

    table: Table
    same_runs: int
    differing: tuple[str, ...]
    only_first: int
    only_second: int
    changed: Mapping[str, tuple[str, str]]


def compare_studies(
    first: Study, first_results: Sequence[RunResult], second: Study, second_results: Sequence[RunResult]
) -> ComparedStudies:
    """Compare by the first study's headline metric.

    Differences are second minus first with Welch's interval: runs of two studies are not paired, even where their
    seeds have the same numbers.
    """
    shown = headline(first)
    cells, others = _cells(first, first_results), _cells(second, second_results)
    common = [place for place in cells if place in others]
    rows = []
    for place in common:
        a, b = cells[place], others[place]
        x, y = list(a.values(shown).values()), list(b.values(shown).values())
        difference = difference_entry(welch(y, x) if x and y else None, shown)
        names = (*map(Entry, place[:4]), Entry(percent(place[4])))
        rows.append((*names, *(value_entry(cell, shown, cell.interval(shown)) for cell in (a, b)), difference))
    table = Table(
        f"{shown.heading}: {first.name} and {second.name}. Mean [95 % interval] n; second minus first by Welch.",
        ("data set", "model", "method", "corruption", "asked rate", first.name, second.name, "difference"),
        tuple(rows),
        headers=5,
    )
    by_id = {result.run_id: result for result in first_results}
    shared = [(by_id[result.run_id], result) for result in second_results if result.run_id in by_id]
    return ComparedStudies(
        table=table,
        same_runs=len(shared),
        differing=tuple(a.run_id for a, b in shared if (a.status, a.measurements) != (b.status, b.measurements)),
        only_first=len(cells) - len(common),
        only_second=len(others) - len(common),
        changed=_changed(first, second),
    )


def _cells(study: Study, results: Sequence[RunResult]) -> dict[Place, Cell]:
    by_id = {result.run_id: result for result in results}
    groups = settings(PlannedRun(spec, by_id.get(spec.run_id)) for spec in study.plan())
    return {
        (setting.dataset, setting.model, *place): cell for setting in groups for place, cell in setting.cells.items()
    }


def welch(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of the first minus mean of the second, with Welch's interval; n is the smaller number of values.

        d +- t_v se,  se^2 = s1^2/n1 + s2^2/n2,  v = se^4 / ((s1^2/n1)^2/(n1 - 1) + (s2^2/n2)^2/(n2 - 1))

    Without ends where a side has one value, or nothing varies.

    Reference: B. L. Welch, Biometrika 34, 1947.
    """
    x, y = np.array(first), np.array(second)
    mean, n = float(x.mean() - y.mean()), min(x.size, y.size)
    if n < 2:
        return Interval(mean, None, None, n, level, "Welch")
    parts = [float(v.var(ddof=1)) / v.size for v in (x, y)]
    if sum(parts) <= 0:
        return Interval(mean, None, None, n, level, "Welch")
    freedom = sum(parts) ** 2 / sum(part**2 / (v.size - 1) for part, v in zip(parts, (x, y), strict=True))
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(sum(parts))
    return Interval(mean, mean - half, mean + half, n, level, "Welch")


def _changed(first: Study, second: Study) -> dict[str, tuple[str, str]]:
    a, b = first.model_dump(mode="json"), second.model_dump(mode="json")
    return {key: (str(a.get(key)), str(b.get(key))) for key in (a | b) if key != "name" and a.get(key) != b.get(key)}

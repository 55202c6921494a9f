"""How runs are spread over all noisy rates of one corruption: interquartile means and performance profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import Setting
from noisylabels.report.wording import Quantity, decimal, percent
from noisylabels.statistics import (
    ByStratum,
    PerformanceProfile,
    align,
    performance_profile,
    pooled_interquartile_mean,
    stratified_bootstrap,
)

TEXT = (
    "Runs at the noisy rates of one corruption, of the seeds that finished all of them; kinds of noise are not pooled. "
    "The interquartile mean is that of the middle half of these runs: a few that failed do not rule it, and rates that "
    "are hardest or easiest count less. A profile is the share of runs that are better than each value; where one lies "
    "above another everywhere, its method is better at every quantile. A seed is one draw for all rates; with fewer "
    "than about twenty, such intervals cover less often than the 95 % they claim."
)
THRESHOLDS = 41
BOOTSTRAP_SEED = 0

Levels = Mapping[str, ByStratum]
"""By method, then by rate and seed."""


def spread_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """A panel and a table for each corruption; None where no two methods have runs at all noisy rates of one."""
    found = {kind: _levels(setting, kind, shown) for kind in setting.corruptions}
    found = {kind: levels for kind, levels in found.items() if len(levels) > 1}
    if not found:
        return None
    panels = tuple(_panel(setting, kind, levels, shown) for kind, levels in found.items())
    title = f"Share of runs better than a given {shown.words}"
    chart = Chart(setting.heading(title), _describe(panels), panels, len(panels))
    tables = tuple(_table(setting, kind, levels, shown) for kind, levels in found.items())
    block = Block(chart, tables, folded=True, title=title)
    return Section(anchor, setting.heading("How runs are spread"), (TEXT,), (block,))


def _levels(setting: Setting, corruption: str, shown: Quantity) -> dict[str, ByStratum]:
    """The methods that have a value at each noisy rate."""
    rates = [rate for rate in setting.rates(corruption) if rate > 0]
    levels = {
        method: {percent(cell.rate): cell.values(shown) for cell in setting.curve(method, corruption) if cell.rate > 0}
        for method in setting.methods
    }
    whole = {percent(rate) for rate in rates}
    return {
        method: by_rate for method, by_rate in levels.items() if whole and whole <= {k for k, v in by_rate.items() if v}
    }


def _panel(setting: Setting, corruption: str, levels: Levels, shown: Quantity) -> Panel:
    thresholds = _thresholds(levels)
    lines = []
    for method, by_rate in levels.items():
        profile = performance_profile(
            by_rate, thresholds, list(by_rate), higher_is_better=shown.higher_is_better, seed=BOOTSTRAP_SEED
        )
        if profile is not None:
            lines.append(Line(method, setting.methods.index(method), _points(profile, shown)))
    return Panel(corruption, f"{shown.words} ({shown.unit})", "runs that are better (%)", tuple(lines), 0, 100)


def _points(profile: PerformanceProfile, shown: Quantity) -> tuple[Point, ...]:
    places = [shown.factor * threshold for threshold in profile.thresholds]
    shares = [100 * share for share in profile.shares]
    if profile.low is None or profile.high is None:
        return tuple(map(Point, places, shares))
    ends = ([100 * end for end in side] for side in (profile.low, profile.high))
    return tuple(map(Point, places, shares, *ends))


def _thresholds(levels: Levels) -> list[float]:
    """From just below the lowest value to just above the highest, evenly."""
    values = [value for by_rate in levels.values() for by_seed in by_rate.values() for value in by_seed.values()]
    low, high = min(values), max(values)
    room = 0.02 * (high - low) or 0.02 * abs(high) or 0.02
    return [float(x) for x in np.linspace(low - room, high + room, THRESHOLDS)]


def _table(setting: Setting, corruption: str, levels: Levels, shown: Quantity) -> Table:
    rates = list(next(iter(levels.values())))
    return Table(
        f"Middle of all runs at {', '.join(rates)}, [95 % bootstrap interval over seeds]; {corruption}, "
        f"{setting.label}.",
        ("method", f"interquartile mean of {shown.heading}", f"median ({shown.unit})", "runs"),
        tuple(_row(method, by_rate, rates, shown) for method, by_rate in levels.items()),
    )


def _row(method: str, by_rate: ByStratum, rates: Sequence[str], shown: Quantity) -> tuple[Entry, ...]:
    found = stratified_bootstrap(pooled_interquartile_mean, [by_rate], rates, seed=BOOTSTRAP_SEED)
    if found is None:
        return Entry(method), Entry("no common seed"), Entry("–"), Entry("0")
    values = np.concatenate(align([by_rate], rates).samples[0])  # of the seeds that finished every rate
    middle = Entry(shown.value(found.interval.mean), (f"{shown.ends(found.interval)} n = {found.interval.n}",))
    return Entry(method), middle, Entry(shown.value(float(np.median(values)))), Entry(str(len(values)))


def _describe(panels: Sequence[Panel]) -> str:
    """Where each profile crosses one half, corruption by corruption."""
    said = []
    for panel in panels:
        crossings = (f"{line.label} {_half(line)}" for line in panel.lines)
        said.append(f"{panel.title}: half of the runs are better than " + ", ".join(crossings) + ".")
    return " ".join(said)


def _half(line: Line) -> str:
    passed = [point.x for point in line.points if point.y >= 50]
    edge = max(passed, default=math.nan) if line.points[0].y >= line.points[-1].y else min(passed, default=math.nan)
    return decimal(edge, ".3g")

"""What the one test set can tell at all: differences below its resolution say nothing of other people or images."""

from __future__ import annotations

import statistics

from noisylabels.report.comparison import reference_method
from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, percent
from noisylabels.result import Measurement
from noisylabels.statistics import compare, resolution

TEXT = (
    "Intervals over seeds cover which labels are wrong and how training fell out. They do not cover the test set, "
    "which all runs share: another one would move every level by about the half widths given here. Methods are judged "
    "on the same images, so that their differences move less than their levels do; a difference below the half width "
    "is nevertheless no ground to prefer a method on other people or images."
)


def resolving_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """Half widths at each corruption's highest rate, and the rivals within them; None where no width is known."""
    rows = [row for kind in setting.corruptions if (row := _row(setting, kind, shown)) is not None]
    if not rows:
        return None
    ours = reference_method(setting)
    table = Table(
        caption=f"Half widths of 95 % intervals of {shown.words} ({shown.difference_unit}) for {ours} under another "
        f"test set; {setting.label}. Binomial: examples as independent (Wilson). People: bootstrap over the people in "
        "the pairs, median over seeds.",
        columns=("corruption", "asked rate", "examples", "binomial", "people", f"rivals nearer to {ours} than that"),
        rows=tuple(rows),
        headers=2,
    )
    return Section(anchor, setting.heading("What the test set can tell"), (TEXT,), (Block(tables=(table,)),))


def _row(setting: Setting, corruption: str, shown: Quantity) -> tuple[Entry, ...] | None:
    ours = reference_method(setting)
    curve = setting.curve(ours, corruption)
    found = _measurements(curve[-1], shown) if curve else []
    binomial, people = _binomial(found, shown), _people(found)
    widest = max((width for width in (binomial, people) if width is not None), default=None)
    if widest is None:
        return None
    return (
        Entry(corruption),
        Entry(percent(curve[-1].rate)),
        Entry(str(found[0].n)),
        *(Entry("–" if width is None else shown.difference(width).lstrip("+")) for width in (binomial, people)),
        Entry(_near(setting, corruption, shown, widest)),
    )


def _measurements(cell: Cell, shown: Quantity) -> list[Measurement]:
    """The headline measurement of each finished run that has a value."""
    every = (m for result in cell.finished for m in result.measurements)
    return [m for m in every if (m.name, m.selection) == (shown.name, shown.selection) and m.value is not None]


def _binomial(found: list[Measurement], shown: Quantity) -> float | None:
    values = [m.value for m in found if m.value is not None and m.n]
    if shown.unit != "%" or not values:
        return None
    return resolution(found[0].n, min(1.0, max(0.0, statistics.fmean(values))))


def _people(found: list[Measurement]) -> float | None:
    widths = [(m.interval[1] - m.interval[0]) / 2 for m in found if m.interval is not None]
    return statistics.median(widths) if widths else None


def _near(setting: Setting, corruption: str, shown: Quantity, width: float) -> str:
    """Rivals whose mean paired difference at the highest rate is smaller than the width."""
    ours = reference_method(setting)
    own = setting.curve(ours, corruption)[-1].values(shown)
    near = []
    for rival in setting.methods:
        curve = setting.curve(rival, corruption)
        found = compare(own, curve[-1].values(shown)) if rival != ours and curve else None
        if found is not None and abs(found.difference.mean) < width:
            near.append(f"{rival} ({shown.difference(found.difference.mean)})")
    return ", ".join(near) or "none"

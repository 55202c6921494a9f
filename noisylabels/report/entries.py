"""A mean as a table cell: the number, and in small print its interval, its n and what was left out of it."""

from __future__ import annotations

from noisylabels.report.document import Entry
from noisylabels.report.grid import Cell
from noisylabels.report.wording import Quantity
from noisylabels.statistics import Interval


def value_entry(cell: Cell | None, shown: Quantity, interval: Interval | None) -> Entry:
    """The mean of a cell's values; where there is none, whether for want of runs or of a defined value."""
    if cell is None:
        return Entry("not planned")
    left_out = cell.left_out()
    absent = (f"(left out: {left_out})",) if left_out else ()
    if interval is None:
        return Entry("undefined" if cell.finished else "none", absent)
    return Entry(shown.value(interval.mean), (f"{shown.ends(interval)} n = {interval.n}", *absent))


def difference_entry(interval: Interval | None, shown: Quantity) -> Entry:
    """The mean of differences, signed, with its interval."""
    if interval is None:
        return Entry("–")
    return Entry(shown.difference(interval.mean), (f"{shown.difference_ends(interval)} n = {interval.n}",))

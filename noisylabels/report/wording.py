"""Numbers as people read them: per cent for shares, points for their differences, units in headings."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from noisylabels.metrics import METRICS
from noisylabels.spec import Selection
from noisylabels.statistics import Interval


@dataclass(frozen=True)
class Quantity:
    """How a metric is printed.

    Attributes:
        name: the metric's.
        selection: the rule that chose the epoch it is read at.
        unit, difference_unit: what stands in headings behind a value and behind a difference of two.
        factor: from the stored number to the printed one.
        spec, difference_spec: format specifications of either.
        higher_is_better: the good direction.
        lower, upper: range of the printed number.
    """

    name: str
    selection: Selection
    unit: str
    difference_unit: str
    factor: float
    spec: str
    difference_spec: str
    higher_is_better: bool
    lower: float
    upper: float

    @property
    def words(self) -> str:
        """The name as words, with the rule that chose the epoch where that is not the last one."""
        words = self.name.removesuffix("_deg").replace("_", " ")
        return words if self.selection == "last_epoch" else f"{words} by {self.selection}"

    @property
    def direction(self) -> str:
        """Arrow and words."""
        return "↑ higher is better" if self.higher_is_better else "↓ lower is better"

    @property
    def heading(self) -> str:
        """Name, unit and direction."""
        return f"{self.words} ({self.unit}), {self.direction}"

    def value(self, number: float) -> str:
        """One value."""
        return decimal(number * self.factor, self.spec)

    def difference(self, number: float) -> str:
        """A difference of two values, signed."""
        return decimal(number * self.factor, "+" + self.difference_spec)

    def ends(self, interval: Interval) -> str:
        """An interval of values in brackets, or why there is none."""
        return _ends(interval, self.value)

    def difference_ends(self, interval: Interval) -> str:
        """The same of an interval of differences."""
        return _ends(interval, self.difference)


def _ends(interval: Interval, show: Callable[[float], str]) -> str:
    if interval.low is None or interval.high is None:
        return "[no interval: one seed]" if interval.n == 1 else "[no interval: equal seeds]"
    return f"[{show(interval.low)}, {show(interval.high)}]"


# unit of the metric: printed unit, unit of a difference, factor, format of a value, format of a difference
_STYLES = {
    "share": ("%", "points", 100.0, ".1f", ".2f"),
    "deg": ("°", "°", 1.0, ".1f", ".2f"),
    "dimensions": ("dimensions", "dimensions", 1.0, ".1f", ".2f"),
    "index": ("index", "index", 1.0, ".3f", ".3f"),
    "probability": ("probability", "probability", 1.0, ".3f", ".3f"),
}


def quantity(metric: str, selection: Selection = "last_epoch") -> Quantity:
    """How the metric of that name is printed; an unknown unit prints as itself with three digits."""
    kind = METRICS[metric]
    unit, difference_unit, factor, spec, difference_spec = _STYLES.get(
        kind.unit, (kind.unit, kind.unit, 1.0, ".3g", ".3g")
    )
    return Quantity(
        name=metric,
        selection=selection,
        unit=unit,
        difference_unit=difference_unit,
        factor=factor,
        spec=spec,
        difference_spec=difference_spec,
        higher_is_better=kind.higher_is_better,
        lower=kind.lower * factor,
        upper=kind.upper * factor,
    )


def decimal(number: float, spec: str) -> str:
    """A number with a true minus sign, and no sign on a zero.

    >>> decimal(-1.25, ".1f"), decimal(-0.04, "+.1f")
    ('−1.2', '0.0')
    """
    text = format(number, spec)
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """A share in per cent with as many decimals as it needs, one at most.

    >>> percent(0.2), percent(0.125)
    ('20 %', '12.5 %')
    """
    return f"{decimal(round(share * 100, 1), 'g')} %"


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it should be.

    >>> count(1, "seed"), count(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(text: str, limit: int = 500) -> str:
    """Text on one line, safe to be written anywhere as UTF-8: no control characters, no overrides of its direction.

    >>> plain("a\\nb\\x00c")
    'a b\ufffdc'
    """
    line = " ".join(text.split())
    line = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI else char for char in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

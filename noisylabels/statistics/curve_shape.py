"""Where a degradation curve begins to matter: its slope at zero and its breakdown point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_above, check_at_least


@dataclass(frozen=True)
class Breakdown:
    """The rate at which a drop first reaches ``delta``, with what the measured rates leave open.

    Attributes:
        delta: the drop that counts as broken, in the unit of the metric.
        low: the largest measured rate before that; None where the smallest measured rate is already broken.
        high: the smallest measured rate with a drop of delta or more; None where there is none.
        rate: interpolated between ``low`` and ``high``; None where one of them is.
        recovers: whether a rate above ``high`` has a drop below delta again, so that one number tells only part.
    """

    delta: float
    low: float | None
    high: float | None
    rate: float | None
    recovers: bool

    @property
    def censored(self) -> Literal["left", "right"] | None:
        """``left``: at or below the smallest rate. ``right``: above the largest. None: between two measured rates."""
        return "left" if self.low is None else "right" if self.high is None else None

    def __str__(self) -> str:
        """One phrase, rates as shares."""
        if self.high is None:
            return f"above {self.low:g}, the largest rate measured"
        if self.low is None:
            return f"at or below {self.high:g}, the smallest rate measured"
        later = "; below delta again at a higher rate" if self.recovers else ""
        return f"{self.rate:.3g}, interpolated between {self.low:g} and {self.high:g}{later}"


def breakdown_point(rates: Sequence[float], drops: Sequence[float], delta: float) -> Breakdown:
    """The largest rate up to which the drop stays below delta.

        b = r_j + (r_{j+1} - r_j) (delta - d_j) / (d_{j+1} - d_j),    j + 1 the first index with d_{j+1} >= delta

    linear between realised rates r_j with drops d_j. Higher is better. A curve that never reaches delta has no
    breakdown point, only the bound "above r_m"; one whose smallest rate is already broken only "at or below r_1". On a
    curve that is not monotone the *first* crossing counts: a rate beyond it is no longer safe, whatever comes later.

    Args:
        rates: r, strictly ascending, in [0, 1]; the clean run is (0, 0).
        drops: d, as many; positive is worse.
        delta: above 0, in the unit of the drops.

    Raises:
        ValueError: no point, lengths that differ, rates that do not ascend, a drop that is not finite, or delta <= 0.

    >>> print(breakdown_point([0.0, 0.25, 0.5], [0.0, 0.01, 0.09], 0.05))
    0.375, interpolated between 0.25 and 0.5
    >>> print(breakdown_point([0.0, 0.25, 0.5], [0.0, 0.01, 0.04], 0.05))
    above 0.5, the largest rate measured
    """
    r, d = _curve(rates, drops)
    check_above(0, delta=delta)
    broken = np.flatnonzero(d >= delta)
    if not broken.size:
        return Breakdown(delta, float(r[-1]), None, None, recovers=False)
    j = int(broken[0])
    recovers = bool((d[j:] < delta).any())
    if j == 0:
        return Breakdown(delta, None, float(r[0]), None, recovers)
    low, high = float(r[j - 1]), float(r[j])
    rate = low + (high - low) * float((delta - d[j - 1]) / (d[j] - d[j - 1]))
    return Breakdown(delta, low, high, rate, recovers)


def slope_at_zero(rates: Sequence[float], drops: Sequence[float], points: int = 2) -> float:
    """What the first wrong labels cost: least squares through the origin over the first rates above 0.

        s = sum_j r_j d_j / sum_j r_j^2    over the ``points`` smallest rates r_j > 0

    in the unit of the metric for all labels wrong: 0.5 is half a point for each point of wrong labels. Positive is
    worse. The line goes through (0, 0) because a drop at rate 0 is exactly 0, being a difference of a run with itself.

    Why not the derivative at 0 of a fitted curve: with the few rates of a study it is the fit's degree that decides it,
    and it lies outside the rates that carry noise. This one is defined for a single noisy rate, has no model, and its
    bias is known: for d = a r + b r^2 it is b sum r_j^3 / sum r_j^2, less than b times the largest rate used.
    Comparable only between curves over the same rates.

    Args:
        rates: r, strictly ascending, in [0, 1].
        drops: d, as many.
        points: how many rates above 0 to use, at least 1; fewer where the curve has fewer.

    Raises:
        ValueError: no rate above 0, points < 1, or arguments that are no curve.

    Reference: our own.

    >>> slope_at_zero([0.0, 0.25, 0.5, 0.75], [0.0, 0.125, 0.25, 0.75])
    0.5
    """
    r, d = _curve(rates, drops)
    check_at_least(1, points=points)
    noisy = r > 0
    if not noisy.any():
        raise ValueError(f"a slope at zero needs a rate above 0; got {r.tolist()}")
    r, d = r[noisy][:points], d[noisy][:points]
    return float(r @ d / (r @ r))


def _curve(rates: Sequence[float], drops: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, d = np.asarray(rates, dtype=np.float64), np.asarray(drops, dtype=np.float64)
    if r.size != d.size or not r.size or not (np.diff(r) > 0).all() or not np.isfinite([r, d]).all():
        raise ValueError(f"needs ascending rates and a finite drop each; got {r.tolist()} and {d.tolist()}")
    return r, d

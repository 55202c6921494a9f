"""A mean with its uncertainty, or the plain statement that there is none to be had."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

ROUNDING = 1e-12
"""Spread below this share of the largest value is floating-point noise: equal accuracies, subtracted, differ by it."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it, in the unit of the values.

    Attributes:
        mean: of the n values.
        low, high: the interval's ends; both None where the values say nothing about their spread.
        n: how many values, at least 1.
        level: coverage the method claims, in (0, 1).
        method: how the ends were computed, such as ``"t"``.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    level: float
    method: str

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"an interval has both ends or neither; got {self.low} and {self.high}")

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside. An interval without ends excludes nothing."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Student's interval for a mean.

        m +- t_{n-1}((1 + level) / 2) s / sqrt(n),   s^2 = sum_i (v_i - m)^2 / (n - 1)

    with m the mean of the n values v_i and t_{n-1} the quantile function of Student's distribution. It covers the true
    mean with probability ``level`` if the values are independent draws of one normal distribution; with three or five
    seeds that is an assumption, not something the data can show. Over seeds it covers what the seed decides (which
    labels are wrong, initial weights, order of examples) and not the sampling of the one test set all runs share.

    Args:
        values: v, one a run.
        level: in (0, 1).

    Returns:
        The interval. Its ends are None for a single value, and where all values are equal up to rounding: a spread of
        zero among a few runs is no evidence of certainty.

    Raises:
        ValueError: no value, a value that is not finite, or a level outside (0, 1).

    Reference: Student, The probable error of a mean, Biometrika 6, 1908.

    >>> round(t_interval([1.0, 2.0, 3.0]).high, 6)
    4.484138
    >>> t_interval([0.7]).low is None
    True
    """
    v = np.fromiter(values, dtype=np.float64)
    if not v.size or not np.isfinite(v).all():
        raise ValueError(f"an interval needs finite values, at least one; got {v.tolist()}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    mean = float(v.mean())
    spread = float(v.std(ddof=1)) if v.size > 1 else 0.0
    if spread <= ROUNDING * np.abs(v).max():
        return Interval(mean, None, None, v.size, level, "t")
    half = float(stdtrit(v.size - 1, (1 + level) / 2)) * spread / math.sqrt(v.size)
    return Interval(mean, mean - half, mean + half, v.size, level, "t")

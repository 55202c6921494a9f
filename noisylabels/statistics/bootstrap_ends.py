"""From a bootstrap distribution to the ends of an interval: percentile and BCa."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Values = NDArray[np.float64]


def percentile_ends(distribution: Values, level: float) -> tuple[float, float]:
    """The quantiles (1 - level) / 2 and (1 + level) / 2 of the resampled statistic.

    Short for few values: of n it has the spread of a normal quantile with the variance over n, not n - 1. See
    ``docs/interval_coverage.md`` for how often it covers.

    Args:
        distribution: the statistic of each resample, ``(R,)``.
        level: in (0, 1).

    Reference: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1979.
    """
    low, high = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca_ends(
    distribution: Values, observed: float, left_out: Sequence[Values], level: float
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated: quantiles moved for a statistic that is biased or whose spread depends on it.

        ends  = quantiles  Phi(z0 + (z0 + z) / (1 - a (z0 + z)))  for z = Phi^-1((1 -+ level) / 2)
        z0    = Phi^-1( #{t* < t} / R + #{t* = t} / (2 R) )
        a     = 1/6  sum_s sum_i (U_si / n_s)^3  /  ( sum_s sum_i (U_si / n_s)^2 )^(3/2)
        U_si  = (n_s - 1) (mean_i t_(si) - t_(si))

    with t the statistic, t* of the R resamples, t_(si) without value i of sample s.

    Args:
        distribution: t*, ``(R,)``.
        observed: t.
        left_out: for each independently resampled sample s its t_(si), ``(n_s,)``.
        level: in (0, 1).

    Returns:
        Both ends; None where the bias correction is infinite, all resamples being on one side of the statistic.

    Reference: Efron, Better bootstrap confidence intervals, Journal of the American Statistical Association 82, 1987;
    acceleration of several samples as in Davison and Hinkley, Bootstrap Methods and their Application, 1997, 5.3.2.
    """
    z0 = float(ndtri(((distribution < observed).mean() + (distribution <= observed).mean()) / 2))
    if not np.isfinite(z0):
        return None
    z = z0 + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(distribution, ndtr(z0 + z / (1 - _acceleration(left_out) * z)))
    return float(low), float(high)


def _acceleration(left_out: Sequence[Values]) -> float:
    """a; 0 where leaving a value out never changes the statistic, which then has no skew to correct for."""
    influence = np.concatenate([(t.size - 1) / t.size * (t.mean() - t) for t in left_out])
    squares = float((influence**2).sum())
    return float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0

"""Aggregates of runs that a few outliers do not rule. All work along the last axis, so that they can be resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noisylabels.statistics.strata import Samples


def interquartile_mean(values: ArrayLike) -> NDArray[np.float64]:
    """Mean of the middle half: the values without the lowest and the highest ``floor(n / 4)``.

        IQM = 1 / (n - 2 g)  sum_{i=g+1}^{n-g} v_(i),    g = floor(n / 4)

    with v_(i) the values in ascending order. In the unit of the values. Less moved by outliers than the mean, less
    wasteful than the median. With fewer than four values it *is* the mean.

    Args:
        values: ``(..., n)``, n >= 1, finite.

    Returns:
        ``(...)``, a scalar array for one sample.

    Raises:
        ValueError: no value, or one that is not finite.

    Reference: Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021
    (rliable), section 4.3.

    >>> float(interquartile_mean([0.0, 2.0, 4.0, 600.0]))
    3.0
    """
    v = _finite(values)
    cut = v.shape[-1] // 4
    middle: NDArray[np.float64] = np.sort(v, axis=-1)[..., cut : v.shape[-1] - cut].mean(axis=-1)
    return middle


def optimality_gap(values: ArrayLike, target: float) -> NDArray[np.float64]:
    """How far runs fall short of a target on average; what exceeds it earns nothing.

        gap = 1 / n  sum_i max(target - v_i, 0)

    for values of which higher is better; in their unit, at least 0, lower is better. Of accuracies with target 1 it is
    the mean error.

    Args:
        values: ``(..., n)``, n >= 1, finite.
        target: the value beyond which improvement is of no interest.

    Raises:
        ValueError: no value, or one that is not finite.

    Reference: Agarwal et al., NeurIPS 2021, section 4.3.

    >>> float(optimality_gap([0.5, 0.75, 1.5], 1.0))
    0.25
    """
    gap: NDArray[np.float64] = np.maximum(target - _finite(values), 0).mean(axis=-1)
    return gap


def mean_over_strata(samples: Samples) -> NDArray[np.float64]:
    """Mean of the strata's means: every stratum has equal weight, however many seeds it has.

    Args:
        samples: arrays ``(..., n_s)``, one a stratum.

    Returns:
        ``(...)``.
    """
    mean: NDArray[np.float64] = np.mean([_finite(values).mean(axis=-1) for values in samples], axis=0)
    return mean


def pooled_interquartile_mean(samples: Samples) -> NDArray[np.float64]:
    """Interquartile mean over the runs of all strata together, ``(...)``, as rliable takes it over tasks and runs.

    A stratum that is harder than the others falls among the lowest quarter as a whole: read it beside the strata.

    Args:
        samples: arrays ``(..., n_s)``, one a stratum.
    """
    return interquartile_mean(np.concatenate([np.asarray(values) for values in samples], axis=-1))


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    v = np.asarray(values, dtype=np.float64)
    if not v.ndim or not v.shape[-1] or not np.isfinite(v).all():
        raise ValueError(
            f"needs finite values, at least one; got shape {v.shape}, {int((~np.isfinite(v)).sum())} not finite"
        )
    return v

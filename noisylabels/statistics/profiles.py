"""Performance profiles: which share of runs is better than each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least
from noisylabels.statistics.bootstrap import draw_positions, take
from noisylabels.statistics.strata import ByStratum, Samples, StratumCount, align


@dataclass(frozen=True)
class PerformanceProfile:
    """The share of runs better than each threshold, with a pointwise band.

    Attributes:
        thresholds: tau, in the unit of the values, as given.
        shares: in [0, 1], one a threshold; higher is better everywhere.
        low, high: ends of the band at each threshold; both None with a single seed in some stratum. A band of width 0
            where all runs are on one side of a threshold shows no spread, not certainty.
        level: what each threshold's percentile interval claims; the band as a whole covers less often.
        counts: seeds used and left out, for each stratum.
    """

    thresholds: tuple[float, ...]
    shares: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    level: float
    counts: tuple[StratumCount, ...]


def performance_profile(
    scores: ByStratum,
    thresholds: Sequence[float],
    strata: Sequence[str],
    *,
    higher_is_better: bool,
    seed: int,
    shared_seeds: bool = True,
    resamples: int = 2000,
    level: float = 0.95,
) -> PerformanceProfile | None:
    """Share of runs with a score better than each threshold, averaged over strata.

        F(tau) = 1 / S  sum_s  1 / n_s  sum_i [x_si > tau]      (``<`` where lower is better)

    One minus the empirical distribution function: where one method's profile is above another's everywhere, its runs
    are better at every quantile. Read off at F = 0.5 it is a median.

    Args:
        scores: one method's values by stratum and seed.
        thresholds: tau, finite, at least one.
        strata: the names to pool, each once.
        higher_is_better: direction of the metric.
        seed: of the bootstrap's draws.
        shared_seeds: whether equal seeds in two strata are one draw; see :func:`align`.
        resamples: how many.
        level: of the band, in (0, 1).

    Returns:
        The profile; None where a stratum has no seed.

    Raises:
        ValueError: no threshold or one that is not finite, no resample, a level outside (0, 1), or what :func:`align`
            refuses.

    Reference: Agarwal et al., NeurIPS 2021 (rliable), section 4.2; Dolan and More, Mathematical Programming 91, 2002.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    check_at_least(1, resamples=resamples)
    taus = np.asarray(thresholds, dtype=np.float64)
    if taus.ndim != 1 or not taus.size or not np.isfinite(taus).all():
        raise ValueError(f"needs finite thresholds, at least one; got {list(thresholds)}")
    aligned = align([scores], strata, shared_seeds=shared_seeds)
    if not aligned.smallest:
        return None
    sign = 1.0 if higher_is_better else -1.0
    samples: Samples = tuple(sign * values for values in aligned.samples[0])
    low = high = None
    if aligned.smallest > 1:
        drawn = take(samples, draw_positions(aligned, resamples, np.random.default_rng(seed)))
        band = np.quantile(_shares(drawn, sign * taus), [(1 - level) / 2, (1 + level) / 2], axis=1)
        low, high = tuple(band[0].tolist()), tuple(band[1].tolist())
    shares = tuple(_shares(samples, sign * taus).tolist())
    return PerformanceProfile(tuple(taus.tolist()), shares, low, high, level, aligned.counts)


def _shares(samples: Samples, taus: NDArray[np.float64]) -> NDArray[np.float64]:
    """F at each tau, ``(T, ...)`` for arrays ``(..., n_s)``."""
    return np.array([np.mean([(values > tau).mean(axis=-1) for values in samples], axis=0) for tau in taus])

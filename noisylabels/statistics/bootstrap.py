"""Intervals for any statistic of several methods' runs, by drawing the seeds again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least
from noisylabels.statistics.bootstrap_ends import bca_ends, percentile_ends
from noisylabels.statistics.interval import ROUNDING, Interval
from noisylabels.statistics.strata import Aligned, ByStratum, Samples, StratumCount, align

Statistic = Callable[..., NDArray[np.float64]]
"""Of one :data:`Samples` for each method, arrays ``(..., n_s)``; its value has the leading axes, ``(...)``."""

Positions = Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class StratifiedInterval:
    """A statistic of pooled strata with its interval, and the seeds of each stratum that it rests on.

    Attributes:
        interval: n counts independent draws: seeds where strata share them, else seeds summed over strata.
        counts: one for each stratum, in the order asked.
    """

    interval: Interval
    counts: tuple[StratumCount, ...]


def stratified_bootstrap(
    statistic: Statistic,
    methods: Sequence[ByStratum],
    strata: Sequence[str],
    *,
    seed: int,
    shared_seeds: bool = True,
    resamples: int = 2000,
    level: float = 0.95,
    kind: Literal["bca", "percentile"] = "bca",
) -> StratifiedInterval | None:
    """Bootstrap interval of a statistic of the named strata; every method keeps the seeds that were drawn.

    Each stratum is resampled within itself, and a drawn seed brings the runs of *all* methods: comparisons stay
    paired. With ``shared_seeds`` one draw of seeds serves all strata, because the runs of a seed in several strata are
    one piece of evidence; drawing them apart, as for independent tasks, makes intervals too short by up to the square
    root of the number of strata.

        stratified_bootstrap(lambda x, y: mean_over_strata(x) - mean_over_strata(y), [ours, rival], strata, seed=0)
        stratified_bootstrap(probability_of_improvement, [ours, rival], strata, seed=0)
        stratified_bootstrap(pooled_interquartile_mean, [ours], strata, seed=0)

    Args:
        statistic: called with all resamples at once.
        methods: one or more.
        strata: the names to pool, each once.
        seed: of the draws; the same seed draws the same runs.
        shared_seeds: whether equal seeds in two strata are one draw; see :func:`align`.
        resamples: how many, R.
        level: in (0, 1).
        kind: ``bca`` or ``percentile``. With fewer than about 20 seeds both cover less often than they claim: see
            ``docs/interval_coverage.md``.

    Returns:
        The statistic of the values as they are and its interval; None where a stratum has no seed in common. Ends are
        None with a single seed in some stratum, where no resample differs, and where BCa has none.

    Raises:
        ValueError: what :func:`align` refuses, no resample, a level outside (0, 1), a kind that is neither, or a
            statistic that does not keep leading axes.

    Reference: Agarwal et al., NeurIPS 2021 (rliable), section 4.1, for the stratified bootstrap; joint draws over
    strata are the cluster bootstrap of Davison and Hinkley, 1997, section 3.8.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    if kind not in ("bca", "percentile"):
        raise ValueError(f"kind must be bca or percentile; got {kind!r}")
    check_at_least(1, resamples=resamples)
    aligned = align(methods, strata, shared_seeds=shared_seeds)
    if not aligned.smallest:
        return None
    observed = float(statistic(*aligned.samples))
    distribution = _apply(statistic, aligned, draw_positions(aligned, resamples, np.random.default_rng(seed)))
    if aligned.smallest < 2 or np.ptp(distribution) <= ROUNDING * np.abs(distribution).max():
        ends = None
    elif kind == "percentile":
        ends = percentile_ends(distribution, level)
    else:
        ends = bca_ends(distribution, observed, _leave_one_out(statistic, aligned), level)
    low, high = ends or (None, None)
    interval = Interval(observed, low, high, aligned.units, level, f"{kind} bootstrap")
    return StratifiedInterval(interval, aligned.counts)


def draw_positions(aligned: Aligned, resamples: int, generator: np.random.Generator) -> Positions:
    """Positions drawn with replacement, ``(R, n_s)`` a stratum; one array for all where they share seeds."""
    sizes = [count.used for count in aligned.counts]
    if aligned.shared_seeds:
        return [generator.integers(0, sizes[0], (resamples, sizes[0]))] * len(sizes)
    return [generator.integers(0, size, (resamples, size)) for size in sizes]


def take(samples: Samples, positions: Positions) -> Samples:
    """The values at the positions, ``(R, n_s)`` a stratum."""
    return tuple(values[index] for values, index in zip(samples, positions, strict=True))


def _apply(statistic: Statistic, aligned: Aligned, positions: Positions) -> NDArray[np.float64]:
    values = np.asarray(statistic(*(take(samples, positions) for samples in aligned.samples)), dtype=np.float64)
    if values.shape != (len(positions[0]),):
        raise ValueError(
            f"a statistic of arrays ({len(positions[0])}, n) must be ({len(positions[0])},), one value a resample; "
            f"got {values.shape}: work along the last axis"
        )
    return values


def _leave_one_out(statistic: Statistic, aligned: Aligned) -> list[NDArray[np.float64]]:
    """The statistic without each independent draw: a seed in all strata where they share it, else in one stratum."""
    sizes = [count.used for count in aligned.counts]
    if aligned.shared_seeds:
        return [_apply(statistic, aligned, [_without_each(sizes[0])] * len(sizes))]
    groups = []
    for s, size in enumerate(sizes):
        positions = [np.tile(np.arange(other, dtype=np.int64), (size, 1)) for other in sizes]
        positions[s] = _without_each(size)
        groups.append(_apply(statistic, aligned, positions))
    return groups


def _without_each(size: int) -> NDArray[np.int64]:
    """``(size, size - 1)``: row i names all positions but i."""
    index = np.tile(np.arange(size, dtype=np.int64), (size, 1))
    return index[~np.eye(size, dtype=bool)].reshape(size, size - 1)

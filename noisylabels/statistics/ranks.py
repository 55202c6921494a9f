"""Mean ranks of methods, and Friedman's test that methods have no order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from noisylabels.statistics.strata import ByStratum, StratumCount, align


@dataclass(frozen=True)
class MeanRanks:
    """Methods in the order of their mean rank over strata, best first.

    Attributes:
        ranks: (method, mean rank); 1 is best, ties share the mean of their places.
        counts: seeds used and left out, for each stratum.
    """

    ranks: tuple[tuple[str, float], ...]
    counts: tuple[StratumCount, ...]


@dataclass(frozen=True)
class FriedmanTest:
    """Friedman's statistic and its p-value by the chi-squared approximation.

    Attributes:
        statistic: at least 0; None where every block ranks all methods equal.
        p_value: rough below about 10 blocks; None with the statistic.
        blocks, methods: how many were compared.
    """

    statistic: float | None
    p_value: float | None
    blocks: int
    methods: int


def mean_ranks(methods: Mapping[str, ByStratum], strata: Sequence[str], *, higher_is_better: bool) -> MeanRanks | None:
    """Rank the methods in each stratum by their mean over seeds, then average over strata.

    A description, not a test: a mean rank says nothing about sizes, and changes when *another* method joins the pool.
    Show paired differences beside it.

    Args:
        methods: by name, two or more.
        strata: the names to pool, each once; only seeds that all methods have in all strata count.
        higher_is_better: direction of the metric.

    Returns:
        The ranks; None where no seed is complete.

    Raises:
        ValueError: fewer than two methods, or what :func:`align` refuses.

    Reference: Demsar, Statistical comparisons of classifiers over multiple data sets, Journal of Machine Learning
    Research 7, 2006; on the pool: Benavoli, Corani and Mangili, the same journal 17, 2016.
    """
    if len(methods) < 2:
        raise ValueError(f"ranks need two methods or more; got {sorted(methods)}")
    aligned = align(list(methods.values()), strata)
    if not aligned.smallest:
        return None
    means = np.array([[values.mean() for values in samples] for samples in aligned.samples]).T
    ranks = _ranks(-means if higher_is_better else means).mean(axis=0).tolist()
    order = sorted(zip(methods, ranks, strict=True), key=lambda pair: pair[1])
    return MeanRanks(tuple(order), aligned.counts)


def friedman_test(values: ArrayLike) -> FriedmanTest:
    """Are all methods alike, judged by their ranks within independent blocks?

        Q = ( 12 / (n k (k + 1)) sum_m R_m^2 - 3 n (k + 1) ) / ( 1 - sum_ties (t^3 - t) / (n k (k^2 - 1)) )

    with R_m the rank sum of method m of k over n blocks; p is the upper tail of chi-squared with k - 1 degrees of
    freedom. Blocks must be independent: the seeds of one stratum, or each seed's mean over strata. Strata that share
    their seeds are *not* independent blocks, and taking them for such makes p-values far too small.

    Args:
        values: ``(n, k)``, one block a row, k >= 3; direction is of no matter.

    Raises:
        ValueError: another shape, fewer than three methods or two blocks, or a value that is not finite.

    Reference: M. Friedman, Journal of the American Statistical Association 32, 1937; ties as in Conover, Practical
    Nonparametric Statistics, 1999, section 5.8.
    """
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or v.shape[0] < 2 or v.shape[1] < 3 or not np.isfinite(v).all():
        raise ValueError(f"needs finite values (blocks, methods), two blocks and three methods at least; got {v.shape}")
    n, k = v.shape
    ranks = _ranks(v)
    squares = float((ranks**2).sum()) - n * k * (k + 1) ** 2 / 4
    if squares <= 0:
        return FriedmanTest(None, None, n, k)
    between = float(((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum())
    statistic = (k - 1) * between / squares  # the quotient above, both brackets written as sums of squares
    return FriedmanTest(statistic, float(chdtrc(k - 1, statistic)), n, k)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank within each row, 1 the smallest, ties sharing the mean of their places."""
    here, others = values[:, :, None], values[:, None, :]
    ranks: NDArray[np.float64] = (others < here).sum(axis=2) + ((others == here).sum(axis=2) + 1) / 2
    return ranks

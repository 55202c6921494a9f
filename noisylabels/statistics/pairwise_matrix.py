"""Every method against every other: differences, wins, and p-values that know how many there were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from noisylabels.statistics.holm import holm_adjusted
from noisylabels.statistics.interval import ROUNDING, Interval, t_interval
from noisylabels.statistics.sign_flip import MAX_PAIRS, sign_flip_p
from noisylabels.statistics.strata import Aligned, ByStratum, StratumCount, align


@dataclass(frozen=True)
class Pairing:
    """Two methods compared over the named strata. Only these two decide it, whoever else is in the pool.

    Attributes:
        first, second: their names.
        advantage: how much better the first is, in the unit of the values and the metric's good direction: mean and
            t interval of the seeds' means over strata; n counts seeds. None where the two have no complete seed.
        wins, ties, losses: strata in which the first's mean over seeds is better, equal or worse.
        p_value: exact two-sided sign-flip test of the advantage, a seed flipped as a whole; None without a complete
            seed and above 40.
        p_holm: the same corrected for all pairs of the matrix that have one.
        counts: seeds used and left out, for each stratum.
    """

    first: str
    second: str
    advantage: Interval | None
    wins: int
    ties: int
    losses: int
    p_value: float | None
    p_holm: float | None
    counts: tuple[StratumCount, ...]


def comparison_matrix(
    methods: Mapping[str, ByStratum], strata: Sequence[str], *, higher_is_better: bool, level: float = 0.95
) -> tuple[Pairing, ...]:
    """All pairs of methods, in the order given; the pair (b, a) is (a, b) with turned signs and is left out.

    Unlike a mean rank, the numbers of a pair do not move when another method joins or leaves; only its Holm-corrected
    p-value does, since that counts the pairs. Every stratum has equal weight.

    Args:
        methods: by name, two or more.
        strata: the names to pool, each once; each pair uses the seeds that both have in all of them.
        higher_is_better: direction of the metric.
        level: of the t intervals, not corrected for their number, in (0, 1).

    Raises:
        ValueError: fewer than two methods, or what :func:`align` and :func:`t_interval` refuse.

    Reference: Ismail-Fawaz et al., An approach to multiple comparison benchmark evaluations that is stable under
    manipulation of the comparate set, arXiv 2305.11921, 2023, with seeds as the unit, an exact test for Wilcoxon's,
    and Holm's correction.
    """
    if len(methods) < 2:
        raise ValueError(f"a comparison matrix needs two methods or more; got {sorted(methods)}")
    sign = 1 if higher_is_better else -1
    found = [(a, b, align([methods[a], methods[b]], strata)) for a, b in combinations(methods, 2)]
    p_values = [_p(aligned) for _, _, aligned in found]
    corrected = iter(holm_adjusted([p for p in p_values if p is not None]))
    return tuple(
        _pairing(a, b, aligned, sign, level, (p, None if p is None else next(corrected)))
        for (a, b, aligned), p in zip(found, p_values, strict=True)
    )


def _pairing(
    first: str, second: str, aligned: Aligned, sign: int, level: float, p: tuple[float | None, float | None]
) -> Pairing:
    advantage, outcomes = None, (0, 0, 0)
    if aligned.smallest:
        x, y = (np.array(samples) for samples in aligned.samples)
        advantage = t_interval((sign * (x - y)).mean(axis=0), level)
        means = sign * (x.mean(axis=1) - y.mean(axis=1))
        equal = np.abs(means) <= ROUNDING * np.maximum(np.abs(x), np.abs(y)).max()
        outcomes = (int((means > 0)[~equal].sum()), int(equal.sum()), int((means < 0)[~equal].sum()))
    return Pairing(first, second, advantage, *outcomes, *p, aligned.counts)


def _p(aligned: Aligned) -> float | None:
    if not 1 <= aligned.smallest <= MAX_PAIRS:
        return None
    x, y = (np.array(samples) for samples in aligned.samples)
    return sign_flip_p((x - y).mean(axis=0))

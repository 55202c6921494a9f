"""The expected best of n trials: what a smaller budget would have found."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_best(scores: Sequence[float], n: int) -> float:
    """Mean, over all sets of n of the N trials, of the set's highest score; the unit of the scores.

        E_n = sum_{i=n}^{N} s_(i) C(i - 1, n - 1) / C(N, n),   s_(1) <= ... <= s_(N)

    for s_(i) is the highest of exactly C(i - 1, n - 1) of the C(N, n) sets. E_1 is the mean, E_N the maximum. Of
    trials that are independent draws it is the unbiased estimate of the expected best of n fresh ones. The estimate of
    Dodge et al. draws with replacement, ``sum_i s_(i) ((i/N)^n - ((i-1)/N)^n)``: a trial may come twice, so that it is
    too low for n > 1, and at n = N below the best score seen.

    Raises:
        ValueError: n is not in [1, N].

    Reference: Dodge et al., Show your work: improved reporting of experimental results, EMNLP 2019, the quantity; Tang
    et al., Showing your work doesn't always work, ACL 2020, the bias and this estimate.
    """
    total = len(scores)
    if not 1 <= n <= total:
        raise ValueError(f"n must be in [1, {total}], the number of trials; got {n}")
    sets = math.comb(total, n)
    ascending = enumerate(sorted(scores), start=1)
    return math.fsum(score * (math.comb(rank - 1, n - 1) / sets) for rank, score in ascending)


def best_by_budget(default: float, searched: Sequence[float]) -> list[float]:
    """What a tuning with a budget of 1, 2, ..., N trials is expected to end with.

    Trial 1 is always the method's default with score d: a budget of n has it and n - 1 searched trials, so that
    ``B_1 = d`` and ``B_n`` is ``expected_best`` of n - 1 among the scores ``max(d, s_i)``.

    Args:
        default: d.
        searched: the N - 1 other scores, in any order.
    """
    floored = [max(default, score) for score in searched]
    return [default, *(expected_best(floored, n) for n in range(1, len(floored) + 1))]

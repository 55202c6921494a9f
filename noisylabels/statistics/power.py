"""How many pairs a difference needs to be seen: by the paired t-test, and by the exact sign-flip test."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ncfdtr, stdtrit

from noisylabels.bounds import check_at_least
from noisylabels.statistics.sign_flip import MAX_PAIRS, sign_flip_p, smallest_p

DRAWS = 1000
"""Simulated experiments; the power they give is within 0.025 of the true one, 19 times out of 20."""


def t_test_power(effect: float, pairs: int, *, level: float = 0.05) -> float:
    """Power of the two-sided paired t-test.

        P(|T| > t),   T ~ noncentral t with n - 1 degrees of freedom and noncentrality effect sqrt(n),
                      t the (1 - level/2) quantile of Student's distribution with n - 1

    for n differences that are independent draws of one normal distribution.

    Args:
        effect: mean over standard deviation of the paired differences (Cohen's d_z), of either sign.
        pairs: n, at least 2.
        level: of the test, in (0, 1).

    Returns:
        In [level, 1].

    Raises:
        ValueError: a number out of range.

    Reference: J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition, 1988, section 2.

    >>> round(t_test_power(0.5, 34), 4)
    0.8078
    """
    check_at_least(2, pairs=pairs)
    _check_probability(level=level)
    critical = float(stdtrit(pairs - 1, 1 - level / 2))
    # T^2 is noncentral F with 1 and n - 1 degrees of freedom: both tails at once; SciPy's t has NaN in the far one.
    return 1 - float(ncfdtr(1, pairs - 1, effect * effect * pairs, critical * critical))


def t_test_pairs(effect: float, *, level: float = 0.05, power: float = 0.8) -> int:
    """The fewest pairs with which :func:`t_test_power` reaches ``power``.

    Raises:
        ValueError: an effect of 0, which no number of pairs shows, or a number out of range.

    >>> t_test_pairs(0.5), t_test_pairs(1.0)
    (34, 10)
    """
    _check_effect(effect)
    _check_probability(level=level, power=power)
    enough = 2
    while t_test_power(effect, enough, level=level) < power:
        enough *= 2
    too_few = enough // 2  # or enough itself, where two pairs will do
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if t_test_power(effect, middle, level=level) < power:
            too_few = middle
        else:
            enough = middle
    return enough


def sign_flip_power(effect: float, pairs: int, *, level: float = 0.05, seed: int, draws: int = DRAWS) -> float:
    """Power of the exact two-sided sign-flip test on normal differences, by simulation.

        the share of draws d_1, ..., d_n ~ N(effect, 1) whose :func:`sign_flip_p` is at most ``level``

    Args:
        effect: mean over standard deviation of the paired differences.
        pairs: n, in [1, 40].
        level: of the test, in (0, 1).
        seed: of the draws; the same seed draws the same noise for every effect.
        draws: how many.

    Returns:
        In [0, 1]; standard error sqrt(power (1 - power) / draws).

    Raises:
        ValueError: a number out of range.
    """
    check_at_least(1, pairs=pairs, draws=draws)
    _check_probability(level=level)
    if smallest_p(pairs) > level:
        return 0.0
    differences = effect + np.random.default_rng(seed).standard_normal((draws, pairs))
    return float(np.mean([_rejects(row, level) for row in differences]))


def sign_flip_pairs(
    effect: float, *, level: float = 0.05, power: float = 0.8, seed: int, draws: int = DRAWS
) -> int | None:
    """The fewest pairs with which the exact sign-flip test reaches ``power``, as far as a simulation can tell.

    The search begins at :func:`t_test_pairs`, or where the test can reach the level at all: on normal differences no
    unbiased test of that level needs fewer pairs than the t-test.

    Returns:
        n in [:func:`least_pairs`, 40]; None where the exact test would need more pairs than it can take.

    Raises:
        ValueError: an effect of 0, or a number out of range.

    Reference: for the t-test's optimality, Lehmann and Romano, Testing Statistical Hypotheses, 3rd edition, 2005,
    section 5.2.
    """
    first = max(least_pairs(level), t_test_pairs(effect, level=level, power=power))
    for pairs in range(first, MAX_PAIRS + 1):
        if sign_flip_power(effect, pairs, level=level, seed=seed, draws=draws) >= power:
            return pairs
    return None


def least_pairs(level: float) -> int:
    """The fewest pairs whose exact sign-flip test can reach the level: the smallest n with 2^(1 - n) <= level.

    Of m comparisons under Holm's correction the first must reach level / m.

    >>> least_pairs(0.05), least_pairs(0.05 / 8)
    (6, 9)
    """
    _check_probability(level=level)
    pairs = 1
    while smallest_p(pairs) > level:
        pairs += 1
    return pairs


def spread_upper_limit(sd: float, n: int, *, confidence: float = 0.95) -> float:
    """Upper confidence limit of a standard deviation: what the pilot's may be in truth.

        s sqrt((n - 1) / x),   x the (1 - confidence) quantile of chi-square with n - 1 degrees of freedom

    for n independent draws of one normal distribution. One-sided.

    Args:
        sd: s, with n - 1 in its denominator; at least 0.
        n: at least 2.
        confidence: in (0, 1).

    Raises:
        ValueError: a number out of range.

    >>> round(spread_upper_limit(1.0, 3), 3)
    4.415
    """
    check_at_least(2, n=n)
    check_at_least(0, sd=sd)
    _check_probability(confidence=confidence)
    return sd * math.sqrt((n - 1) / float(chdtri(n - 1, confidence)))


CELLS = 2000
"""Steps in one standard deviation of the signed sums, where p-values are only bracketed."""


def _rejects(differences: NDArray[np.float64], level: float) -> bool:
    """Whether ``sign_flip_p(differences) <= level``.

    Above 20 pairs the count of all patterns takes milliseconds to tenths of a second, so the p-value is bracketed
    first: differences rounded to whole steps have few distinct sums, whose distribution costs n additions of short
    arrays, and rounding moves a sum by half a step a pair at most. Only where the bracket holds the level are patterns
    counted.
    """
    n = len(differences)
    if n > 20:
        steps = differences * (CELLS / float(np.linalg.norm(differences)))
        low, high = _bracket(np.abs(np.rint(steps)).astype(np.int64), abs(float(steps.sum())), slack=n / 2)
        if high <= level or low > level:
            return high <= level
    return sign_flip_p(differences) <= level


def _bracket(steps: NDArray[np.int64], observed: float, slack: float) -> tuple[float, float]:
    """Bounds of P(|sum_i s_i k_i| >= observed) over random signs s, if the k_i are off by ``slack`` in all."""
    total = int(steps.sum())
    probability = np.zeros(total + 1)  # of the sum of those k_i whose sign is plus
    probability[0] = 1.0
    reached = 0
    for step in steps.tolist():
        shifted = probability[: reached + 1] / 2
        probability[: reached + 1] = shifted
        probability[step : step + reached + 1] += shifted
        reached += step
    sums = np.abs(2 * np.arange(total + 1) - total)
    rounding = 1e-9  # of the additions, far above theirs
    low, high = (float(probability[sums >= observed + off].sum()) for off in (slack, -slack))
    return low - rounding, high + rounding


def _check_probability(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1); got {value}")


def _check_effect(effect: float) -> None:
    if not (math.isfinite(effect) and effect != 0):
        raise ValueError(f"effect must be finite and not 0; got {effect}")

"""Statistics against closed forms, SciPy, and counts by brute force."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import isclose

import numpy as np
import pytest
from scipy import stats

from noisylabels.statistics import (
    Interval,
    area_under_drops,
    compare,
    drops,
    paired_differences,
    sign_flip_p,
    smallest_p,
    t_interval,
)

SAMPLES = [np.random.default_rng(n).normal(0.7, 0.05, size=n) for n in (2, 3, 5, 12)]


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("values", SAMPLES, ids=len)
def test_t_interval_is_scipys(values, level):
    interval = t_interval(values, level)
    low, high = stats.t.interval(level, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert (interval.mean, interval.n, interval.level) == (pytest.approx(values.mean()), len(values), level)


def test_t_interval_of_two_values_by_hand():
    # t with 1 degree of freedom is Cauchy: its 97.5 % point is tan(0.475 pi). s / sqrt(2) of (0, 2) is 1.
    interval = t_interval([0.0, 2.0])
    assert (interval.low, interval.high) == pytest.approx((1 - np.tan(0.475 * np.pi), 1 + np.tan(0.475 * np.pi)))


@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7, 0.7], [0.9 - 0.8, 0.8 - 0.7, 0.7 - 0.6]])
def test_no_spread_gives_no_interval(values):
    """One seed, or seeds that are equal up to rounding: no band of width zero and none of NaN."""
    interval = t_interval(values)
    assert (interval.low, interval.high, interval.n) == (None, None, len(values))
    assert not interval.excludes_zero


def test_intervals_that_touch_zero_do_not_exclude_it():
    ends = [(0.0, 1.0), (-1.0, 0.0), (-1.0, 1.0), (1e-9, 1.0), (-1.0, -1e-9)]
    assert [Interval(0.0, low, high, 3, 0.95, "t").excludes_zero for low, high in ends] == [False] * 3 + [True] * 2


def test_t_interval_covers_as_often_as_it_claims():
    values = np.random.default_rng(0).normal(size=(2000, 4))
    covered = np.mean([interval.low <= 0 <= interval.high for interval in map(t_interval, values)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


@pytest.mark.parametrize("values", [[], [float("nan"), 1.0], [float("inf")]])
def test_t_interval_refuses_what_is_not_a_number(values):
    with pytest.raises(ValueError, match="an interval needs finite values, at least one; got"):
        t_interval(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_t_interval_refuses_a_level_that_is_no_probability(level):
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\); got"):
        t_interval([1.0, 2.0], level)


def p_by_brute_force(differences: list[Fraction]) -> Fraction:
    observed = abs(sum(differences))
    signs = itertools.product((-1, 1), repeat=len(differences))
    hits = [abs(sum(s * d for s, d in zip(pattern, differences, strict=True))) >= observed for pattern in signs]
    return Fraction(sum(hits), len(hits))


@pytest.mark.parametrize("n", range(1, 11))
@pytest.mark.parametrize("seed", range(4))
def test_sign_flip_p_is_the_brute_force_count(n, seed):
    """Hundredths with many ties and zeros, counted in exact fractions."""
    differences = [Fraction(int(k), 100) for k in np.random.default_rng([n, seed]).integers(-3, 6, size=n)]
    assert sign_flip_p(map(float, differences)) == p_by_brute_force(differences)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 20, 40])
def test_one_sign_throughout_gives_the_smallest_p(n):
    same_sign = np.linspace(0.1, 0.2, n)
    assert sign_flip_p(same_sign) == sign_flip_p(-same_sign) == smallest_p(n) == 2 / 2**n


def test_three_seeds_can_never_reach_five_per_cent_nor_can_five():
    assert [smallest_p(n) > 0.05 for n in (3, 5, 6)] == [True, True, False]


def test_equal_differences_follow_the_binomial():
    """Of n equal sizes with k negative the test is the two-sided sign test: SciPy's, at one half."""
    differences = [-0.01] * 3 + [0.01] * 11
    assert isclose(sign_flip_p(differences), stats.binomtest(3, 14).pvalue, rel_tol=1e-12)


@pytest.mark.parametrize("differences", [[], [0.1] * 41])
def test_sign_flip_p_refuses_what_it_cannot_enumerate(differences):
    with pytest.raises(ValueError, match="the exact test takes 1 to 40 pairs; got"):
        sign_flip_p(differences)


def test_pairs_are_made_by_seed_not_by_position():
    first, second = {3: 0.75, 0: 0.5, 1: 0.0}, {0: 0.25, 2: 1.0, 3: 0.5}
    assert paired_differences(first, second) == {0: 0.25, 3: 0.25}
    assert compare(first, {2: 1.0}) is None


def test_comparison_by_hand():
    # Differences 1, 2, 3: mean 2, s = 1, so 2 +- t(0.975, 2) / sqrt(3); all of one sign, so p = 2 / 2^3.
    found = compare({0: 2.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert (found.difference.mean, found.difference.n, found.p_value) == (2.0, 3, 0.25)
    assert found.difference.high - 2 == pytest.approx(4.30265272991 / 3**0.5)


def test_comparison_of_more_pairs_than_can_be_enumerated_has_no_p():
    found = compare({s: s % 3 + 1.0 for s in range(41)}, dict.fromkeys(range(41), 0.5))
    assert found.p_value is None
    assert found.difference.n == 41


def test_a_drop_is_positive_when_worse_in_either_direction():
    assert drops({0: 0.75}, {0: 0.5}, higher_is_better=True) == {0: 0.25}
    assert drops({0: 20.0}, {0: 50.0}, higher_is_better=False) == {0: 30.0}


def test_area_of_a_parabola_approaches_its_integral():
    # The mean of x^2 over [0, 0.6] is 0.12; the trapezoid rule adds h^2 / 12 times the mean of f''.
    rates = np.linspace(0, 0.6, 61)
    assert area_under_drops(rates, rates**2) == pytest.approx(0.12 + 2 * 0.01**2 / 12)


def test_area_weighs_uneven_steps_by_their_width():
    # Trapezoids 0.1 * 0.05 and 0.3 * 0.25 over a range of 0.4.
    assert area_under_drops([0.0, 0.1, 0.4], [0.0, 0.1, 0.4]) == pytest.approx((0.005 + 0.075) / 0.4)


@pytest.mark.parametrize("rates", [[0.0], [0.0, 0.0], [0.2, 0.1], [0.0, 0.1, 0.2]])
def test_area_refuses_rates_that_are_no_axis(rates):
    with pytest.raises(ValueError, match="needs ascending rates, two or more, a drop each; got"):
        area_under_drops(rates, [0.0, 0.1][: len(rates)])

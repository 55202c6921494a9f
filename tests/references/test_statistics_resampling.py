"""Aggregates, bootstraps, profiles, probability of improvement against SciPy and slow loops; coverage by simulation."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from noisylabels.statistics import (
    interquartile_mean,
    mean_over_strata,
    optimality_gap,
    performance_profile,
    pooled_interquartile_mean,
    probability_of_improvement,
    resampled_weights,
    stratified_bootstrap,
    t_interval,
)
from noisylabels.statistics.bootstrap_ends import bca_ends, percentile_ends

TWO = ["symmetric at 20 %", "symmetric at 40 %"]


def by_stratum(values, names=TWO):
    """Rows of values as strata with seeds 0, 1, ..."""
    return {name: dict(enumerate(map(float, row))) for name, row in zip(names, values, strict=True)}


def difference_of_means(x, y):
    return mean_over_strata(x) - mean_over_strata(y)


# Aggregates


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 20, 41])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    values = np.random.default_rng(n).standard_cauchy(size=(3, n))
    np.testing.assert_allclose(interquartile_mean(values), stats.trim_mean(values, 0.25, axis=1), rtol=1e-12)


def test_interquartile_mean_by_hand():
    assert interquartile_mean([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -90.0]) == (2 + 3 + 4 + 5) / 4


def test_pooled_interquartile_mean_is_of_all_runs_together():
    x, y = np.arange(5.0), np.arange(10.0, 17.0)
    assert pooled_interquartile_mean((x, y)) == pytest.approx(stats.trim_mean(np.concatenate([x, y]), 0.25))


def test_mean_over_strata_does_not_weigh_by_seeds():
    assert mean_over_strata((np.array([0.0]), np.array([1.0, 1.0, 1.0]))) == 0.5


def test_optimality_gap_of_accuracies_is_the_mean_error_and_does_not_reward_excess():
    assert optimality_gap([0.5, 0.75], 1.0) == 0.375
    assert optimality_gap([0.5, 2.0], 1.0) == 0.25


# Probability of improvement


def probability_by_loops(first, second):
    shares = []
    for x, y in zip(first, second, strict=True):
        score = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in x for b in y)
        shares.append(score / (len(x) * len(y)))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("seed", range(5))
def test_probability_of_improvement_is_the_double_loop_and_mann_whitneys_u(seed):
    """Tenths with many ties; strata of unequal size."""
    generator = np.random.default_rng(seed)
    first = tuple(generator.integers(0, 6, size=n) / 10 for n in (4, 7, 3))
    second = tuple(generator.integers(0, 6, size=n) / 10 for n in (5, 7, 2))
    found = probability_of_improvement(first, second)
    assert found == pytest.approx(probability_by_loops(first, second))
    u = [stats.mannwhitneyu(x, y).statistic / (x.size * y.size) for x, y in zip(first, second, strict=True)]
    assert found == pytest.approx(np.mean(u))


def test_either_method_improves_on_the_other_in_either_direction():
    x, y = (np.array([0.1, 0.2, 0.2]),), (np.array([0.2, 0.3]),)
    assert probability_of_improvement(x, y) + probability_of_improvement(y, x) == 1
    assert probability_of_improvement(x, y, higher_is_better=False) == probability_of_improvement(y, x)


def test_probability_of_improvement_refuses_strata_that_do_not_match():
    with pytest.raises(ValueError, match="needs as many strata of either method, at least one; got 1 and 2"):
        probability_of_improvement((np.ones(2),), (np.ones(2), np.ones(2)))


# Ends of a bootstrap interval, on SciPy's own resamples


def slow_leave_one_out(values, statistic):
    return np.array([statistic(np.delete(values, i)) for i in range(len(values))])


STATISTICS = {
    "mean": np.mean,
    "variance": np.var,
    "interquartile mean": lambda v, axis=-1: stats.trim_mean(v, 0.25, axis=axis),
}
SAMPLES = {
    "skewed": np.random.default_rng(0).exponential(size=15),
    "tied": np.random.default_rng(1).integers(0, 4, size=12) / 4,
}


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_bca_ends_are_scipys(sample, name, level):
    values, statistic = SAMPLES[sample], STATISTICS[name]
    theirs = stats.bootstrap(
        (values,), statistic, n_resamples=999, confidence_level=level, method="BCa", rng=np.random.default_rng(5)
    )
    left_out = [slow_leave_one_out(values, statistic)]
    ours = bca_ends(theirs.bootstrap_distribution, float(statistic(values)), left_out, level)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)


def test_bca_ends_of_two_independent_samples_are_scipys():
    x, y = np.random.default_rng(2).exponential(size=9), np.random.default_rng(3).normal(size=14)

    def statistic(a, b, axis=-1):
        return np.mean(a, axis=axis) - np.var(b, axis=axis)

    theirs = stats.bootstrap((x, y), statistic, n_resamples=999, method="BCa", rng=np.random.default_rng(5))
    left_out = [
        slow_leave_one_out(x, lambda a: statistic(a, y)),
        slow_leave_one_out(y, lambda b: statistic(x, b)),
    ]
    ours = bca_ends(theirs.bootstrap_distribution, float(statistic(x, y)), left_out, 0.95)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)


def test_percentile_ends_are_scipys():
    theirs = stats.bootstrap(
        (SAMPLES["skewed"],), np.mean, n_resamples=999, method="percentile", rng=np.random.default_rng(5)
    )
    ours = percentile_ends(theirs.bootstrap_distribution, 0.95)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-12)


def test_bca_has_no_ends_where_all_resamples_lie_on_one_side():
    assert bca_ends(np.array([1.0, 2.0]), 3.0, [np.array([1.0, 2.0])], 0.95) is None


def test_a_statistic_that_no_single_value_moves_has_no_acceleration():
    distribution = np.arange(1000.0)
    ends = bca_ends(distribution, 499.5, [np.full(5, 2.0)], 0.95)
    assert ends == pytest.approx(percentile_ends(distribution, 0.95), abs=1e-6)


# The stratified bootstrap


def test_paired_bootstrap_of_one_stratum_is_scipys_within_monte_carlo_error():
    x = np.random.default_rng(7).exponential(size=15)
    y = x + np.random.default_rng(8).exponential(size=15)
    methods = [by_stratum([x], ["a"]), by_stratum([y], ["a"])]
    ours = stratified_bootstrap(difference_of_means, methods, ["a"], seed=0, resamples=20_000).interval
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b, axis=-1: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        paired=True,
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(1),
    )
    # A 2.5 % quantile of 20,000 draws is known to about 0.02 standard errors.
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.1 * theirs.standard_error)
    assert (ours.mean, ours.n, ours.method) == (pytest.approx(np.mean(x - y)), 15, "bca bootstrap")


def test_independent_strata_are_resampled_apart_as_scipy_does_unpaired():
    x, y = np.random.default_rng(7).exponential(size=15), np.random.default_rng(8).exponential(size=11)
    method = {"a": dict(enumerate(x.tolist())), "b": dict(enumerate(y.tolist()))}
    found = stratified_bootstrap(mean_over_strata, [method], ["a", "b"], seed=0, shared_seeds=False, resamples=20_000)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b, axis=-1: (np.mean(a, axis=axis) + np.mean(b, axis=axis)) / 2,
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(1),
    )
    ours = found.interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.1 * theirs.standard_error)
    assert ours.n == 26
    assert [(count.used, count.left_out) for count in found.counts] == [(15, 0), (11, 0)]


def test_methods_that_differ_by_a_constant_show_no_spread_because_they_stay_paired():
    """Resampling either method by itself would give a wide interval here."""
    values = np.random.default_rng(0).integers(0, 64, size=(2, 12)) / 64
    found = stratified_bootstrap(difference_of_means, [by_stratum(values + 0.25), by_stratum(values)], TWO, seed=0)
    assert (found.interval.mean, found.interval.low, found.interval.high) == (0.25, None, None)


def test_shared_seeds_keep_what_cancels_over_strata():
    """One stratum is one minus the other: the mean over both is 1/2 for every draw of whole seeds, for no other."""
    values = np.random.default_rng(0).integers(0, 64, size=12) / 64
    method = [by_stratum([values, 1 - values])]
    assert stratified_bootstrap(mean_over_strata, method, TWO, seed=0).interval.low is None
    assert stratified_bootstrap(mean_over_strata, method, TWO, seed=0, shared_seeds=False).interval.low < 0.5


def test_seeds_are_matched_by_name_and_counted():
    first = {"a": {3: 0.5, 1: 0.25, 9: 1.0}, "b": {1: 0.75, 3: 0.5}}
    second = {"a": {1: 0.0, 3: 0.0}, "b": {3: 0.25, 1: 0.5, 2: 0.0}}
    found = stratified_bootstrap(difference_of_means, [first, second], ["a", "b"], seed=0)
    assert found.interval.mean == np.mean([0.25, 0.5, 0.25, 0.25])
    assert [(count.stratum, count.used, count.left_out) for count in found.counts] == [("a", 2, 1), ("b", 2, 1)]


def test_one_seed_has_a_value_and_no_interval_and_no_seed_has_neither():
    one = stratified_bootstrap(mean_over_strata, [{"a": {0: 0.5}}], ["a"], seed=0).interval
    assert (one.mean, one.low, one.n) == (0.5, None, 1)
    assert stratified_bootstrap(mean_over_strata, [{"a": {0: 0.5}}, {"a": {1: 0.5}}], ["a"], seed=0) is None


def test_what_cannot_be_pooled_or_resampled_is_refused():
    method = {"a": {0: 0.5, 1: 0.25}}
    with pytest.raises(ValueError, match="every method must have each stratum; 'b' is not among"):
        stratified_bootstrap(mean_over_strata, [method], ["b"], seed=0)
    for strata in ([], "a"):
        with pytest.raises(ValueError, match="pooling needs methods and a list of strata; got"):
            stratified_bootstrap(mean_over_strata, [method], strata, seed=0)
    with pytest.raises(ValueError, match="a stratum must be named once; got"):
        stratified_bootstrap(mean_over_strata, [method], ["a", "a"], seed=0)
    with pytest.raises(ValueError, match="kind must be bca or percentile; got 'basic'"):
        stratified_bootstrap(mean_over_strata, [method], ["a"], seed=0, kind="basic")
    with pytest.raises(ValueError, match="work along the last axis"):
        stratified_bootstrap(lambda x: x[0].mean(), [method], ["a"], seed=0)


# Performance profiles


@pytest.mark.parametrize("higher", [True, False])
def test_performance_profile_is_the_slow_count(higher):
    generator = np.random.default_rng(3)
    values, taus = generator.integers(0, 10, size=(2, 6)) / 10, [-0.1, 0.0, 0.35, 0.5, 0.9, 1.1]
    found = performance_profile(by_stratum(values), taus, TWO, higher_is_better=higher, seed=0)
    expected = []
    for tau in taus:
        better = [[(v > tau) if higher else (v < tau) for v in row] for row in values]
        expected.append(np.mean([sum(row) / len(row) for row in better]))
    assert found.shares == pytest.approx(expected)
    assert all(a <= b <= c for a, b, c in zip(found.low, found.shares, found.high, strict=True))


def test_the_band_of_a_profile_is_the_interval_of_a_share():
    """At one threshold the profile is a mean of zeros and ones, so the bootstrap of that mean is its band."""
    values = np.random.default_rng(4).uniform(size=(2, 20))
    found = performance_profile(by_stratum(values), [0.5], TWO, higher_is_better=True, seed=0, resamples=500)
    shares = stratified_bootstrap(
        mean_over_strata, [by_stratum(values > 0.5)], TWO, seed=0, resamples=500, kind="percentile"
    ).interval
    assert (found.shares[0], found.low[0], found.high[0]) == pytest.approx((shares.mean, shares.low, shares.high))


def test_profile_of_one_seed_has_no_band_and_thresholds_must_be_numbers():
    scores = by_stratum([[0.5]], ["a"])
    found = performance_profile(scores, [0.4], ["a"], higher_is_better=True, seed=0)
    assert (found.shares, found.low, found.high) == ((1.0,), None, None)
    for taus in ([], [float("nan")]):
        with pytest.raises(ValueError, match="needs finite thresholds, at least one; got"):
            performance_profile(scores, taus, ["a"], higher_is_better=True, seed=0)


# Coverage on 2,000 draws: the claims of docs/interval_coverage.md, fast enough for every run.

DRAWS = 2000


def covered(ends):
    return np.mean([low <= 0 <= high for low, high in ends])


def bootstrap_ends_of_means(samples, kind):
    """The same resamples for all draws, so that a matrix product makes all distributions at once."""
    n = samples.shape[1]
    times = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=2000)
    distributions = samples @ times.T / n
    without = (samples.sum(axis=1, keepdims=True) - samples) / (n - 1)
    for values, distribution, left_out in zip(samples, distributions, without, strict=True):
        if kind == "percentile":
            yield percentile_ends(distribution, 0.95)
        else:
            yield bca_ends(distribution, values.mean(), [left_out], 0.95)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_t_intervals_cover_at_any_number_of_normal_values(n):
    samples = np.random.default_rng(n).normal(size=(DRAWS, n))
    assert 0.93 <= covered((i.low, i.high) for i in map(t_interval, samples)) <= 0.97


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_bootstraps_cover_once_values_are_many_and_fall_short_of_it_when_few(kind):
    many = np.random.default_rng(50).normal(size=(DRAWS, 50))
    few = np.random.default_rng(5).normal(size=(DRAWS // 2, 5))
    assert 0.93 <= covered(bootstrap_ends_of_means(many, kind)) <= 0.97
    assert covered(bootstrap_ends_of_means(few, kind)) < 0.88


def test_drawing_people_covers_where_drawing_pairs_does_not():
    """300 pairs of 50 people, each pair's value the sum of its people's and its own."""
    generator = np.random.default_rng(0)
    first = generator.integers(0, 50, 300)
    second = (first + generator.integers(1, 50, 300)) % 50
    people = generator.normal(size=(DRAWS, 50))
    values = people[:, first] + people[:, second] + generator.normal(size=(DRAWS, 300))
    weights = np.array(list(itertools.islice(resampled_weights(first, second, seed=1), 1000)), dtype=np.float64)
    distributions = values @ weights.T / weights.sum(axis=1)
    assert 0.93 <= covered(percentile_ends(distribution, 0.95) for distribution in distributions) <= 0.97
    assert covered((i.low, i.high) for i in map(t_interval, values)) < 0.60


def test_the_committed_table_says_what_its_sentences_say():
    """The table and the advice beside it are one text; the benchmark writes both, and only the table is computed."""
    lines = (Path(__file__).parents[2] / "docs" / "interval_coverage.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "%" in line and line[0] == "|"]
    shares = {(row[0], int(row[1])): [float(cell[:-1]) for cell in row[2:]] for row in rows if row[1].isdigit()}
    assert len(shares) == 12
    for (values, n), (t, *bootstraps) in shares.items():
        if values == "normal":
            assert 93 <= t <= 97
            assert all(93 <= share <= 97 for share in bootstraps) if n >= 30 else max(bootstraps) < 94
        elif n < 50:
            assert max(t, *bootstraps) < 93

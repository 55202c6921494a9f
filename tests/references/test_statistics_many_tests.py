"""Corrections, joint tests, ranks, variance components and paired resolution against SciPy, closed forms and loops."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from noisylabels.statistics import (
    compare,
    comparison_matrix,
    friedman_test,
    holm_adjusted,
    joint_sign_flip,
    mean_ranks,
    paired_resolution,
    resolution,
    sign_flip_p,
    smallest_p,
    t_interval,
    variance_components,
)

TWO = ["a", "b"]


def by_stratum(rows, names=TWO):
    """Rows of values as strata with seeds 0, 1, ..."""
    return {name: dict(enumerate(map(float, row))) for name, row in zip(names, rows, strict=True)}


def zero(rows, names=TWO):
    return by_stratum(np.zeros(np.shape(rows)), names)


# Holm


def holm_rejects(p_values, alpha):
    """The procedure as published: from the smallest p on, reject while p <= alpha / (m - k + 1)."""
    rejected, m = set(), len(p_values)
    for k, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        if p_values[i] > alpha / (m - k):
            break
        rejected.add(i)
    return rejected


@pytest.mark.parametrize("seed", range(6))
def test_holm_rejects_at_every_level_what_the_procedure_rejects(seed):
    p_values = (np.random.default_rng(seed).beta(0.3, 1, size=7)).tolist()
    adjusted = holm_adjusted(p_values)
    for alpha in np.linspace(0.001, 0.999, 97):
        assert {i for i, p in enumerate(adjusted) if p <= alpha} == holm_rejects(p_values, alpha)


def test_holm_by_hand_in_the_order_given():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04, and the last must not fall below 0.06.
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm_adjusted([]) == ()
    assert holm_adjusted([0.9, 0.8]) == (1.0, 1.0)


def test_holm_lies_between_no_correction_and_bonferroni():
    p = np.random.default_rng(0).uniform(size=9)
    adjusted = np.array(holm_adjusted(p.tolist()))
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(9 * p, 1)).all()
    assert (adjusted < np.minimum(9 * p, 1)).any()


@pytest.mark.parametrize("p_values", [[1.5], [-0.1], [float("nan")]])
def test_holm_refuses_what_is_no_probability(p_values):
    with pytest.raises(ValueError, match=r"p-values must be in \[0, 1\]; got"):
        holm_adjusted(p_values)


# The joint sign flip


def joint_p_by_brute_force(rows: list[list[Fraction]]):
    """All patterns, whole columns flipped, compared in exact fractions by squares."""
    columns = list(zip(*rows, strict=True))
    lengths = [sum(d * d for d in row) for row in rows]

    def contest(row, signs):
        length = lengths[rows.index(row)]
        return sum(s * d for s, d in zip(signs, row, strict=True)) ** 2 / length if length else Fraction(0)

    ones = (1,) * len(columns)
    observed = abs(sum(map(sum, columns)))
    patterns = list(itertools.product((1, -1), repeat=len(columns)))
    mean = sum(abs(sum(s * sum(c) for s, c in zip(signs, columns, strict=True))) >= observed for signs in patterns)
    adjusted = [
        sum(max(contest(other, signs) for other in rows) >= contest(row, ones) for signs in patterns) for row in rows
    ]
    return Fraction(mean, len(patterns)), [Fraction(count, len(patterns)) for count in adjusted]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("seed", range(3))
def test_joint_sign_flip_is_the_brute_force_count(n, seed):
    """Hundredths with ties and zeros, three strata."""
    generator = np.random.default_rng([n, seed])
    rows = [[Fraction(int(k), 100) for k in generator.integers(-3, 6, size=n)] for _ in range(3)]
    names = ["a", "b", "c"]
    found = joint_sign_flip(by_stratum(rows, names), zero(rows, names), names, seed=0)
    mean, adjusted = joint_p_by_brute_force(rows)
    assert found.p_value == mean
    assert [test.p_adjusted for test in found.by_stratum] == adjusted
    assert [test.p_value for test in found.by_stratum] == [sign_flip_p(map(float, row)) for row in rows]
    assert (found.exact, found.patterns, found.n) == (True, 2**n, n)


def test_many_strata_of_three_seeds_are_still_three_signs():
    """The twin that flips each entry by itself would report 2 / 2^30 here and call three seeds conclusive."""
    rows = np.full((10, 3), 0.1)
    names = [f"rate {i}" for i in range(10)]
    found = joint_sign_flip(by_stratum(rows, names), zero(rows, names), names, seed=0)
    assert found.p_value == smallest_p(3) == 0.25
    assert sign_flip_p(rows.ravel().tolist()) < 1e-8


def share_rejected(test):
    """Of 400 studies without any difference in truth, whose three strata share nearly everything, at 5 %."""
    generator = np.random.default_rng(0)
    studies = (generator.normal(size=7) + 0.3 * generator.normal(size=(3, 7)) for _ in range(400))
    return np.mean([test(rows) <= 0.05 for rows in studies])


def test_joint_flips_keep_their_level_where_flips_one_by_one_do_not():
    def joint(rows):
        names = ["a", "b", "c"]
        return joint_sign_flip(by_stratum(rows, names), zero(rows, names), names, seed=0).p_value

    assert share_rejected(joint) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert share_rejected(lambda rows: sign_flip_p(rows.ravel().tolist())) > 0.15


def test_max_t_adjusts_for_how_many_strata_were_looked_at():
    """Of five strata without any difference one alone falls below 5 % far too often; the adjusted one does not."""
    names, generator = list("abcde"), np.random.default_rng(1)
    alone, adjusted = [], []
    for _ in range(300):
        rows = generator.normal(size=(5, 8))
        tests = joint_sign_flip(by_stratum(rows, names), zero(rows, names), names, seed=0).by_stratum
        alone.append(min(test.p_value for test in tests) <= 0.05)
        adjusted.append(min(test.p_adjusted for test in tests) <= 0.05)
    assert np.mean(adjusted) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(alone) > 0.12


def test_twenty_seeds_are_counted_and_more_are_drawn():
    rows = np.random.default_rng(2).normal(0.3, 1, size=(2, 26))
    exact = joint_sign_flip(by_stratum(rows[:, :20]), zero(rows[:, :20]), TWO, seed=0)
    assert (exact.exact, exact.patterns, exact.p_value) == (
        True,
        2**20,
        sign_flip_p(rows[:, :20].mean(axis=0).tolist()),
    )
    drawn = joint_sign_flip(by_stratum(rows), zero(rows), TWO, seed=0, draws=20_000)
    true = sign_flip_p(rows.mean(axis=0).tolist())
    assert (drawn.exact, drawn.patterns) == (False, 20_000)
    assert drawn.p_value == pytest.approx(true, abs=4 * np.sqrt(true * (1 - true) / 20_000))
    assert drawn != joint_sign_flip(by_stratum(rows), zero(rows), TWO, seed=1, draws=20_000)


def test_drawn_patterns_never_say_zero():
    rows = np.ones((1, 30))
    assert joint_sign_flip(by_stratum(rows, "a"), zero(rows, "a"), ["a"], seed=0, draws=99).p_value == 0.01


def test_joint_test_uses_complete_seeds_and_counts_the_others():
    first = {"a": {0: 1.0, 1: 2.0, 2: 9.0}, "b": {0: 3.0, 1: 4.0}}
    second = {"a": {0: 0.0, 1: 0.0, 2: 0.0}, "b": {0: 0.0, 1: 0.0, 5: 0.0}}
    found = joint_sign_flip(first, second, TWO, seed=0)
    assert (found.n, found.difference, [test.difference for test in found.by_stratum]) == (2, 2.5, [1.5, 3.5])
    assert [(count.used, count.left_out) for count in found.counts] == [(2, 1), (2, 1)]
    assert joint_sign_flip(first, {"a": {7: 0.0}, "b": {7: 0.0}}, TWO, seed=0) is None


# Variance components


def test_components_of_a_grid_by_hand():
    # Rows 1 2 3 and 5 6 13: means 2 and 8, columns 3, 4, 8, grand 5. MS_a = 3 (9 + 9) = 54, MS_b = 2 (4 + 1 + 9) / 2
    # = 14, residuals +-1, +-1, -+2: MS_e = 12 / 2 = 6. So noise (54 - 6) / 3 = 16 and training (14 - 6) / 2 = 4.
    grid = {(0, 0): 1, (0, 1): 2, (0, 2): 3, (1, 0): 5, (1, 1): 6, (1, 2): 13}
    found = variance_components(grid)
    assert (found.mean, found.noise, found.training, found.residual) == pytest.approx((5, 16, 4, 6))
    assert (found.truncated, found.noise_seeds, found.training_seeds) == ((), 2, 3)
    assert found.shares == pytest.approx((16 / 26, 4 / 26, 6 / 26))
    assert found.standard_error == pytest.approx(np.sqrt(16 / 2 + 4 / 3 + 6 / 6))


def test_mean_squares_decompose_the_total():
    """I J - 1 degrees of freedom of the total sum of squares, from the components and back."""
    y = np.random.default_rng(0).normal(size=(4, 6)) + 3 * np.random.default_rng(1).normal(size=(4, 1))
    y += 2 * np.random.default_rng(2).normal(size=(1, 6))
    found = variance_components({(i, j): y[i, j] for i in range(4) for j in range(6)})
    assert not found.truncated
    total = 3 * (found.residual + 6 * found.noise) + 5 * (found.residual + 4 * found.training) + 15 * found.residual
    assert total == pytest.approx(((y - y.mean()) ** 2).sum())


def simulated(generator, noise, training, residual, i=4, j=5):
    y = generator.normal(0, np.sqrt(noise), (i, 1)) + generator.normal(0, np.sqrt(training), (1, j))
    y = y + generator.normal(0, np.sqrt(residual), (i, j))
    return {(a, b): float(y[a, b]) for a in range(i) for b in range(j)}


def test_components_are_unbiased_and_the_standard_error_is_that_of_the_mean():
    generator = np.random.default_rng(0)
    found = [variance_components(simulated(generator, 4.0, 2.0, 0.5)) for _ in range(1500)]
    for name, truth, rough in (("noise", 4.0, 0.35), ("training", 2.0, 0.16), ("residual", 0.5, 0.025)):
        assert np.mean([getattr(one, name) for one in found]) == pytest.approx(truth, abs=rough)
    spread = np.std([one.mean for one in found])
    assert np.sqrt(np.mean([one.standard_error**2 for one in found])) == pytest.approx(spread, rel=0.1)
    # The twin that takes the twenty runs for independent claims less than half of it.
    assert np.sqrt((4.0 + 2.0 + 0.5) / 20) < 0.55 * spread


def test_estimates_below_zero_are_set_to_zero_and_told():
    found = variance_components({(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 1.0})
    assert (found.noise, found.training, found.residual) == (0.0, 0.0, 1.0)
    assert found.truncated == ("noise", "training")
    assert variance_components(dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 0.5)).shares is None


def test_incomplete_grids_are_refused():
    with pytest.raises(
        ValueError, match=r"every noise seed must be run with every training seed; missing \[\(1, 0\)\]"
    ):
        variance_components({(0, 0): 1.0, (0, 1): 1.0, (1, 1): 1.0})
    with pytest.raises(ValueError, match="needs two noise seeds and two training seeds at least; got"):
        variance_components({(0, 0): 1.0, (0, 1): 1.0})


# Ranks


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_friedman_is_scipys(seed, ties):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 4, size=(9, 5)) / 4 if ties else generator.normal(size=(9, 5))
    found, theirs = friedman_test(values), stats.friedmanchisquare(*values.T)
    assert (found.statistic, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-10)
    assert friedman_test(-values).statistic == pytest.approx(found.statistic)


def test_friedman_of_methods_that_always_tie_has_no_statistic():
    assert friedman_test(np.ones((4, 3))).p_value is None
    with pytest.raises(ValueError, match="two blocks and three methods at least; got"):
        friedman_test(np.ones((4, 2)))


def test_mean_ranks_by_hand():
    methods = {
        "x": by_stratum([[0.5, 0.7], [0.1, 0.3]]),
        "y": by_stratum([[0.6, 0.6], [0.6, 0.6]]),
        "z": by_stratum([[0.1, 0.1], [0.7, 0.9]]),
    }
    # In a: x and y tie at 0.6, z last. In b: z, y, x.
    found = mean_ranks(methods, TWO, higher_is_better=True)
    assert found.ranks == (("y", 1.75), ("z", 2.0), ("x", 2.25))
    assert dict(mean_ranks(methods, TWO, higher_is_better=False).ranks) == {"x": 1.75, "y": 2.25, "z": 2.0}
    with pytest.raises(ValueError, match="ranks need two methods or more; got"):
        mean_ranks({"x": methods["x"]}, TWO, higher_is_better=True)


# Pair by pair


def some_methods():
    generator = np.random.default_rng(0)
    return {name: by_stratum(generator.normal(0.1 * i, 1, size=(2, 6))) for i, name in enumerate(["x", "y", "z"])}


def test_comparison_matrix_is_the_paired_comparison_of_each_pair():
    methods = some_methods()
    found = comparison_matrix(methods, TWO, higher_is_better=True)
    assert [(pair.first, pair.second) for pair in found] == [("x", "y"), ("x", "z"), ("y", "z")]
    for pair in found:
        means = [
            {s: np.mean([methods[name][k][s] for k in TWO]) for s in range(6)} for name in (pair.first, pair.second)
        ]
        one = compare(*means)
        assert (pair.advantage.low, pair.advantage.mean) == pytest.approx((one.difference.low, one.difference.mean))
        assert pair.p_value == one.p_value
    assert [pair.p_holm for pair in found] == list(holm_adjusted([pair.p_value for pair in found]))


def test_wins_ties_and_losses_by_hand_in_either_direction():
    x = {"a": {0: 0.3, 1: 0.5}, "b": {0: 0.1, 1: 0.2}, "c": {0: 0.1 + 0.2, 1: 0.4}}
    y = {"a": {0: 0.1, 1: 0.1}, "b": {0: 0.9, 1: 0.1}, "c": {0: 0.4, 1: 0.3}}
    names = ["a", "b", "c"]
    (up,) = comparison_matrix({"x": x, "y": y}, names, higher_is_better=True)
    (down,) = comparison_matrix({"x": x, "y": y}, names, higher_is_better=False)
    assert (up.wins, up.ties, up.losses) == (1, 1, 1)
    assert down.advantage.mean == -up.advantage.mean


def test_a_pair_does_not_move_when_another_method_joins():
    methods = some_methods()
    few = comparison_matrix({name: methods[name] for name in ("x", "y")}, TWO, higher_is_better=True)[0]
    many = comparison_matrix(methods, TWO, higher_is_better=True)[0]
    assert (few.advantage, few.p_value, few.wins) == (many.advantage, many.p_value, many.wins)
    assert few.p_holm <= many.p_holm


def test_a_method_without_a_common_seed_makes_no_claim_and_costs_no_correction():
    methods = some_methods() | {"w": {"a": {77: 1.0}, "b": {77: 1.0}}}
    found = {(pair.first, pair.second): pair for pair in comparison_matrix(methods, TWO, higher_is_better=True)}
    empty = found["x", "w"]
    assert (empty.advantage, empty.p_value, empty.p_holm, empty.wins + empty.ties + empty.losses) == (None,) * 3 + (0,)
    assert found["x", "y"].p_holm == comparison_matrix(some_methods(), TWO, higher_is_better=True)[0].p_holm


def test_one_seed_has_an_advantage_without_an_interval():
    (pair,) = comparison_matrix({"x": {"a": {0: 1.0}}, "y": {"a": {0: 0.5}}}, ["a"], higher_is_better=True)
    assert (pair.advantage, pair.p_value) == (t_interval([0.5]), 1.0)


# Paired resolution


@pytest.mark.parametrize("q", [0.01, 0.05, 0.3])
def test_paired_resolution_is_where_mcnemars_exact_test_begins_to_reject(q):
    n = 10_000
    discordant = round(n * q)
    first = next(b for b in range(discordant // 2, discordant) if stats.binomtest(b, discordant).pvalue < 0.05)
    assert paired_resolution(n, q) == pytest.approx((2 * first - discordant) / n, rel=0.12)


def test_paired_resolution_of_independent_errors_is_root_two_times_the_single_one():
    accuracy = 0.9
    paired = paired_resolution(100_000, 2 * accuracy * (1 - accuracy))
    assert paired == pytest.approx(np.sqrt(2) * resolution(100_000, accuracy), rel=1e-3)


def test_methods_that_agree_throughout_do_not_resolve_everything():
    assert paired_resolution(10_000, 0.0) == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(2) / 10_002)
    with pytest.raises(ValueError, match=r"discordant must be in \[0, 1\]; got 3"):
        paired_resolution(10_000, 3)

"""Shapes of degradation curves and losses of accuracy against closed forms, worked numbers and slow loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq

from noisylabels.statistics import (
    breakdown_point,
    corruption_error,
    drops,
    equalised_loss_of_accuracy,
    mean_corruption_error,
    relative_corruption_error,
    relative_loss_of_accuracy,
    slope_at_zero,
    split_loss,
    summarise_degradation,
    t_interval,
)

RATES = [0.0, 0.1, 0.2, 0.4, 0.6]


def random_curve(seed: int) -> list[float]:
    generator = np.random.default_rng(seed)
    return [0.0, *np.cumsum(generator.uniform(0.005, 0.1, size=4)).tolist()]


# Breakdown point


@pytest.mark.parametrize("seed", range(8))
def test_breakdown_point_is_the_root_of_the_interpolated_curve(seed):
    lost = random_curve(seed)
    delta = 0.9 * lost[-1]
    found = breakdown_point(RATES, lost, delta)
    assert found.rate == pytest.approx(brentq(lambda r: np.interp(r, RATES, lost) - delta, 0, 0.6, xtol=1e-14))
    assert (found.low, found.high) == (max(r for r in RATES if r < found.rate), min(r for r in RATES if r > found.rate))
    assert found.censored is None


def test_a_drop_that_only_touches_delta_is_broken_there():
    assert breakdown_point([0.0, 0.2, 0.4], [0.0, 0.125, 0.5], 0.125).rate == 0.2
    assert breakdown_point([0.0, 0.2], [0.0, 0.125], 0.125).rate == 0.2


def test_a_curve_that_never_breaks_has_a_bound_and_no_number():
    """A field's table that prints its largest rate as *the* breakdown point claims what it did not measure."""
    found = breakdown_point(RATES, [0.0, 0.01, 0.02, 0.03, 0.0499], 0.05)
    assert (found.rate, found.low, found.high, found.censored) == (None, 0.6, None, "right")
    assert str(found) == "above 0.6, the largest rate measured"


def test_a_curve_broken_from_its_first_rate_has_a_bound_and_no_number():
    found = breakdown_point([0.2, 0.4], [0.3, 0.5], 0.05)
    assert (found.rate, found.low, found.high, found.censored) == (None, None, 0.2, "left")
    assert str(found) == "at or below 0.2, the smallest rate measured"


def test_of_several_crossings_the_first_counts_and_the_return_is_told():
    found = breakdown_point([0.0, 0.2, 0.4, 0.6], [0.0, 0.1, 0.0, 0.1], 0.05)
    assert (found.rate, found.recovers) == (pytest.approx(0.1), True)
    assert str(found) == "0.1, interpolated between 0 and 0.2; below delta again at a higher rate"
    assert not breakdown_point(RATES, random_curve(0), 0.01).recovers


# Slope at zero


@pytest.mark.parametrize("points", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_slope_is_least_squares_through_the_origin(seed, points):
    lost = random_curve(seed)
    used = slice(1, 1 + points)
    (slope,), *_ = np.linalg.lstsq(np.array(RATES[used])[:, None], np.array(lost[used]))
    assert slope_at_zero(RATES, lost, points) == pytest.approx(slope, rel=1e-12)


def test_slope_of_a_parabola_has_the_bias_that_the_docstring_states():
    a, b = 0.3, 0.8
    rates = np.array([0.0, 0.1, 0.2])
    expected = a + b * (0.1**3 + 0.2**3) / (0.1**2 + 0.2**2)
    assert slope_at_zero(rates, a * rates + b * rates**2) == pytest.approx(expected)
    assert expected - a < b * 0.2


def test_slope_does_not_need_the_clean_point_but_needs_a_noisy_one():
    assert slope_at_zero([0.25], [0.125]) == slope_at_zero([0.0, 0.25], [0.0, 0.125]) == 0.5
    with pytest.raises(ValueError, match="a slope at zero needs a rate above 0; got"):
        slope_at_zero([0.0], [0.0])


@pytest.mark.parametrize("function", [slope_at_zero, lambda r, d: breakdown_point(r, d, 0.1)])
@pytest.mark.parametrize(
    ("rates", "lost"), [([], []), ([0.2, 0.1], [0.0, 0.1]), ([0.0, 0.1], [0.0]), ([0.0, 0.1], [0.0, float("nan")])]
)
def test_what_is_no_curve_is_refused(function, rates, lost):
    with pytest.raises(ValueError, match="needs ascending rates and a finite drop each; got"):
        function(rates, lost)


# Losses of accuracy


def test_losses_of_accuracy_by_hand_in_per_cent():
    # Of 80 % without noise and 60 % with it: RLA = 20 / 80, ELA = 40 / 80, and ELA - RLA = 20 / 80.
    assert relative_loss_of_accuracy(0.8, 0.6) == pytest.approx((80 - 60) / 80)
    assert equalised_loss_of_accuracy(0.8, 0.6) == pytest.approx((100 - 60) / 80)


@pytest.mark.parametrize("seed", range(4))
def test_equalised_loss_is_the_relative_loss_and_what_was_never_there(seed):
    clean, noisy = np.random.default_rng(seed).uniform(0.1, 1.0, size=2)
    never_there = (1 - clean) / clean
    assert equalised_loss_of_accuracy(clean, noisy) == pytest.approx(
        relative_loss_of_accuracy(clean, noisy) + never_there
    )


def test_of_two_methods_that_lose_nothing_the_relative_loss_cannot_tell_the_better():
    assert relative_loss_of_accuracy(0.9, 0.9) == relative_loss_of_accuracy(0.3, 0.3) == 0
    assert equalised_loss_of_accuracy(0.9, 0.9) < equalised_loss_of_accuracy(0.3, 0.3)


@pytest.mark.parametrize("formula", [relative_loss_of_accuracy, equalised_loss_of_accuracy])
def test_per_cent_and_a_clean_accuracy_of_zero_are_refused(formula):
    with pytest.raises(ValueError, match=r"clean must be in \[0, 1\]; got 80"):
        formula(80, 60)
    with pytest.raises(ValueError, match="clean must be above 0; got 0"):
        formula(0.0, 0.0)


# Errors relative to a reference method


def slow_corruption_error(errors, reference, *, relative):
    """From section 4 of the paper, in exact fractions."""
    top = bottom = Fraction(0)
    for rate in errors:
        if rate > 0:
            top += Fraction(errors[rate]) - (Fraction(errors[0.0]) if relative else 0)
            bottom += Fraction(reference[rate]) - (Fraction(reference[0.0]) if relative else 0)
    return float(top / bottom)


def some_errors(seed: int) -> dict[float, float]:
    generator = np.random.default_rng(seed)
    return dict(zip(RATES, np.sort(generator.uniform(0.05, 0.9, size=5)).tolist(), strict=True))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_corruption_error_is_the_papers_quotient_of_sums(seed, relative):
    errors, reference = some_errors(seed), some_errors(seed + 100)
    formula = relative_corruption_error if relative else corruption_error
    assert formula(errors, reference) == pytest.approx(slow_corruption_error(errors, reference, relative=relative))
    assert formula(reference, reference) == 1.0


def test_corruption_error_is_not_a_mean_of_quotients():
    assert corruption_error({0.2: 0.1, 0.4: 0.9}, {0.2: 0.2, 0.4: 0.6}) == pytest.approx(1.0 / 0.8)
    assert np.mean([0.1 / 0.2, 0.9 / 0.6]) == pytest.approx(1.0)


def test_mean_corruption_error_weighs_kinds_equally_and_shows_them():
    errors = {"symmetric": {0.2: 0.2, 0.4: 0.4}, "pair": {0.4: 0.9}, "unasked": {0.4: 0.0}}
    reference = {"symmetric": {0.2: 0.4, 0.4: 0.8}, "pair": {0.4: 0.6}, "unasked": {0.4: 0.5}}
    found = mean_corruption_error(errors, reference, ["symmetric", "pair"])
    assert found.by_kind == (("symmetric", pytest.approx(0.5), 2), ("pair", pytest.approx(1.5), 1))
    assert found.mean == pytest.approx(1.0)


def test_a_reference_that_lost_nothing_gives_no_number_and_no_mean():
    flat = {0.0: 0.25, 0.4: 0.25}
    assert relative_corruption_error({0.0: 0.25, 0.4: 0.5}, flat) is None
    assert corruption_error({0.4: 0.5}, {0.4: 0.0}) is None
    kinds = {"a": flat, "b": {0.0: 0.25, 0.4: 0.5}}
    found = mean_corruption_error(kinds, kinds, ["a", "b"], relative=True)
    assert (found.mean, found.by_kind) == (None, (("a", None, 1), ("b", 1.0, 1)))


def test_errors_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="must have the same noisy rates; got"):
        corruption_error({0.2: 0.1}, {0.4: 0.1})
    with pytest.raises(ValueError, match="clean errors must be given at rate 0; got"):
        relative_corruption_error({0.2: 0.1}, {0.0: 0.1, 0.2: 0.1})
    with pytest.raises(ValueError, match=r"error at rate 0.2 must be in \[0, 1\]; got 20"):
        corruption_error({0.2: 20.0}, {0.2: 0.1})
    for kinds in ([], "pair", ["pair", "pair"]):
        with pytest.raises(ValueError, match="needs a list that names each once; got"):
            mean_corruption_error({"pair": {0.2: 0.1}}, {"pair": {0.2: 0.1}}, kinds)
    with pytest.raises(ValueError, match="method and reference must have each kind"):
        mean_corruption_error({"pair": {0.2: 0.1}}, {}, ["pair"])


# Against the clean-subset control


def test_split_of_a_loss_adds_up_over_the_seeds_that_have_all_three():
    clean, control, noisy = {0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.85, 1: 0.8, 3: 0.1}, {0: 0.5, 1: 0.6, 2: 0.0}
    found = split_loss(clean, control, noisy, higher_is_better=True)
    assert found.total.n == 2
    assert found.total.mean == pytest.approx(((0.9 - 0.5) + (0.8 - 0.6)) / 2)
    assert found.lost_images.mean == pytest.approx(0.05 / 2)
    assert found.total.mean == pytest.approx(found.lost_images.mean + found.wrong_labels.mean)
    assert split_loss(clean, {7: 0.5}, noisy, higher_is_better=True) is None


def test_split_of_a_loss_turns_its_signs_with_the_metric():
    up = split_loss({0: 0.9}, {0: 0.7}, {0: 0.4}, higher_is_better=True)
    down = split_loss({0: -0.9}, {0: -0.7}, {0: -0.4}, higher_is_better=False)
    assert up == down


# The summary


def test_summary_is_its_parts_over_seeds():
    curve = {
        0.4: {0: 0.5, 1: 0.55, 2: 0.6, 5: 0.1},
        0.0: {0: 0.9, 1: 0.8, 2: 0.85},
        0.2: {0: 0.85, 1: 0.7, 5: 0.2},
    }
    found = summarise_degradation(curve, higher_is_better=True, delta=0.2, is_accuracy=True)
    assert found.rates == (0.2, 0.4)
    assert [interval.n for interval in found.drops] == [2, 3]
    assert found.drops[1] == t_interval(drops(curve[0.0], curve[0.4], higher_is_better=True).values())
    assert found.seeds == (0, 1)
    # Areas (0.2 * 0.025 + 0.2 * 0.225) / 0.4 and (0.2 * 0.05 + 0.2 * 0.175) / 0.4.
    assert found.area.mean == pytest.approx((0.125 + 0.1125) / 2)
    assert found.slope.mean == pytest.approx(np.mean([(0.2 * 0.05 + 0.4 * 0.4) / 0.2, (0.2 * 0.1 + 0.4 * 0.25) / 0.2]))
    # Mean drops 0.075 and 0.325.
    assert found.breakdown.rate == pytest.approx(0.2 + 0.2 * (0.2 - 0.075) / 0.25)
    assert found.relative_loss.mean == pytest.approx(np.mean([0.4 / 0.9, 0.25 / 0.8, 0.25 / 0.85]))
    assert found.equalised_loss.mean == pytest.approx(np.mean([0.5 / 0.9, 0.45 / 0.8, 0.4 / 0.85]))


def test_summary_takes_each_seed_along_its_own_realised_rates():
    curve = {0.0: {0: 0.5, 1: 0.5}, 0.4: {0: 0.25, 1: 0.25}}
    realised = {0.0: {0: 0.0, 1: 0.0}, 0.4: {0: 0.125, 1: 0.25}}
    found = summarise_degradation(curve, higher_is_better=True, delta=0.125, realised=realised)
    assert found.slope.mean == (0.25 / 0.125 + 0.25 / 0.25) / 2
    assert found.breakdown.rate == pytest.approx(0.1875 / 2)
    assert (found.relative_loss, found.equalised_loss) == (None, None)


def test_a_seed_whose_realised_rates_do_not_ascend_has_no_curve():
    curve = {0.0: {0: 0.5, 1: 0.5}, 0.2: {0: 0.4, 1: 0.4}, 0.4: {0: 0.25, 1: 0.25}}
    realised = {0.2: {0: 0.1, 1: 0.2}, 0.4: {0: 0.1, 1: 0.4}}
    assert summarise_degradation(curve, higher_is_better=True, delta=0.1, realised=realised).seeds == (1,)


def test_summary_of_runs_that_never_met_their_twin_is_empty_and_has_no_nan():
    found = summarise_degradation({0.0: {0: 0.5}, 0.4: {1: 0.4}}, higher_is_better=True, delta=0.1, is_accuracy=True)
    assert found.drops == (None,)
    assert (found.seeds, found.area, found.slope, found.breakdown) == ((), None, None, None)
    assert (found.relative_loss, found.equalised_loss) == (None, None)


def test_a_clean_accuracy_of_zero_is_left_out_of_the_relative_losses():
    curve = {0.0: {0: 0.0, 1: 0.5}, 0.4: {0: 0.0, 1: 0.25}}
    assert summarise_degradation(curve, higher_is_better=True, delta=0.1, is_accuracy=True).relative_loss.n == 1


@pytest.mark.parametrize("curve", [{}, {0.0: {0: 0.5}}, {0.2: {0: 0.5}, 0.4: {0: 0.4}}])
def test_summary_without_clean_or_noisy_runs_is_refused(curve):
    with pytest.raises(ValueError, match="a degradation needs clean runs at rate 0 and one noisy rate at least; got"):
        summarise_degradation(curve, higher_is_better=True, delta=0.1)

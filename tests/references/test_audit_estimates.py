"""Estimates on hand-made suspects and against injected truth; kinds of noise; suggestions; quality by kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import Pair, Symmetric
from noisylabels.audit import Evidence, Observed
from noisylabels.audit.estimates import estimate, joint_counts
from noisylabels.audit.flips import flips
from noisylabels.audit.noise_kind import noise_kind
from noisylabels.audit.quality import quality
from noisylabels.audit.suspects import Suspects, surest

K = 6
NONE = np.int64(-1)


def all_knowing(given: NDArray[np.int64], true: NDArray[np.int64], num_classes: int = K) -> Suspects:
    """Models that are never wrong and learn nothing by heart."""
    rather = np.where(given == true, NONE, true)
    wrong = given != true
    return Suspects(given, num_classes, rather, rather.copy(), np.ones(len(given), dtype=np.bool_), wrong)


def noisy(
    kind: Callable[[float], Symmetric | Pair], rate: float, n: int = 3000
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true = np.random.default_rng(0).integers(0, K, n)
    return kind(rate).apply(true, K, seed=1).given, true


def true_matrix(given: NDArray[np.int64], true: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.zeros((K, K))
    for t, g in zip(true.tolist(), given.tolist(), strict=True):
        counts[t, g] += 1
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float64)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", [lambda rate: Symmetric(rate=rate), lambda rate: Pair(rate=rate)])
def test_models_that_know_estimate_exactly(kind: Callable[[float], Symmetric | Pair], rate: float) -> None:
    given, true = noisy(kind, rate)
    found = estimate(all_knowing(given, true), seed=0)
    assert found.noise_rate.value == pytest.approx((given != true).mean(), abs=1e-12)
    assert found.transition_matrix is not None
    np.testing.assert_allclose(found.transition_matrix, true_matrix(given, true), atol=1e-12)
    if rate and isinstance(kind(rate), Pair):
        twin = found.transition_matrix.T  # columns for rows, as cleanlab's noise matrix has them
        assert np.abs(twin - true_matrix(given, true)).max() > rate / 2
    for label, share in enumerate(found.by_given_class):
        assert share.value == pytest.approx((true != given)[given == label].mean(), abs=1e-12)
        assert share.low <= share.value <= share.high
        assert share.n == np.count_nonzero(given == label)


def test_the_bootstrap_is_as_wide_as_a_proportion_is_uncertain() -> None:
    given, true = noisy(lambda rate: Symmetric(rate=rate), 0.2)
    found = estimate(all_knowing(given, true), seed=0, resamples=4000).noise_rate
    half = 1.96 * np.sqrt(0.2 * 0.8 / len(given))
    assert found.high - found.value == pytest.approx(half, rel=0.1)
    assert found.value - found.low == pytest.approx(half, rel=0.1)


def test_two_counts_bracket_and_their_mean_is_the_value() -> None:
    given = np.zeros(1000, dtype=np.int64)
    one = np.where(np.arange(1000) < 400, 1, NONE)
    other = np.where(np.arange(1000) < 200, 1, NONE)
    found = estimate(Suspects(given, 2, one, other, np.ones(1000, np.bool_), one >= 0), seed=0)
    assert found.noise_rate.value == pytest.approx(0.3)
    assert found.noise_rate.low < 0.2
    assert found.noise_rate.high > 0.4
    assert found.bracketed
    alone = estimate(Suspects(given, 2, one, None, np.ones(1000, np.bool_), one >= 0), seed=0)
    assert alone.noise_rate.value == pytest.approx(0.4)
    assert alone.noise_rate.low > 0.36
    assert not alone.bracketed
    np.testing.assert_allclose(joint_counts(Suspects(given, 2, one, other, one >= 0, one >= 0)), [[700, 0], [300, 0]])


def test_few_contradictions_among_sure_predictions_lower_the_interval() -> None:
    """A weak model contradicts many labels, but few of those that it is sure of: clean labels must stay possible."""
    given = np.zeros(1000, dtype=np.int64)
    weak = np.where(np.arange(1000) >= 700, 1, NONE)
    found = estimate(Suspects(given, 2, weak, weak.copy(), np.arange(1000) < 100, weak >= 0), seed=0)
    assert found.noise_rate.low == 0.0
    assert found.contradicted_when_sure.value == 0.0
    assert found.contradicted_when_sure.n == 100


def test_the_surest_are_a_tenth_of_each_predicted_class() -> None:
    draw = np.random.default_rng(0)
    predicted, confidence = draw.integers(0, 4, 333), draw.random(333)
    chosen = surest(confidence, predicted)
    for k in range(4):
        own = np.sort(confidence[predicted == k])
        count = -(-len(own) // 10)
        assert sorted(confidence[chosen & (predicted == k)].tolist()) == own[-count:].tolist()


def test_a_class_without_labels_has_no_share() -> None:
    given, true = np.array([0, 0, 2, 2]), np.array([0, 0, 2, 0])
    found = estimate(all_knowing(given, true, 3), seed=0)
    assert np.isnan(found.by_given_class[1].value)
    assert found.by_given_class[1].n == 0
    assert found.transition_matrix is not None
    np.testing.assert_array_equal(found.transition_matrix[1], [0, 1, 0])


def guess(given: NDArray[np.int64], true: NDArray[np.int64], num_classes: int = K) -> str:
    found = all_knowing(given, true, num_classes)
    return noise_kind(found, estimate(found, seed=0), seed=0).kind


def test_kinds_that_can_be_told_are_told() -> None:
    assert guess(*noisy(lambda rate: Symmetric(rate=rate), 0.3)) == "even"
    assert guess(*noisy(lambda rate: Pair(rate=rate), 0.3)) == "one_target"


def test_nothing_is_claimed_of_little_or_mixed_noise() -> None:
    assert guess(*noisy(lambda rate: Symmetric(rate=rate), 0.03)) == "no claim"
    given, true = noisy(lambda rate: Symmetric(rate=rate), 0.3)
    two_targets = np.where(given != true, (true + 1 + (np.arange(len(true)) % 2)) % K, true)
    assert guess(two_targets, true) == "no claim"
    halves = np.where(np.arange(3000) % 4 == 0, 1 - true % 2, true % 2)
    assert guess(halves, true % 2, 2) == "no claim"


def test_as_many_flips_as_estimated_the_most_suspicious_first() -> None:
    given, true = noisy(lambda rate: Symmetric(rate=rate), 0.2, 500)
    counted = all_knowing(given, true)
    scores = (given != true) + 0.001 * np.arange(500)
    judged = Evidence("combined", scores, False)
    found = flips(judged, [judged], counted, estimate(counted, seed=0), [f"class {k}" for k in range(K)])
    assert len(found) == np.count_nonzero(given != true)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        row = one.examples[0]
        assert (one.action, one.target, one.classes) == ("relabel", int(true[row]), (int(given[row]),))


def test_a_label_the_counts_disagree_on_is_only_looked_at() -> None:
    given = np.array([0, 0, 0, 0])
    counted = Suspects(given, 3, np.array([1, 1, -1, -1]), np.array([1, 2, -1, -1]), given == 0, given == 1)
    judged = Evidence("combined", np.array([3.0, 2.0, 1.0, 0.0]), True)
    found = flips(judged, [judged], counted, estimate(counted, seed=0), ["a", "b", "c"])
    assert [(one.examples, one.action, one.target) for one in found] == [((0,), "relabel", 1), ((1,), "look", None)]


def test_quality_is_told_by_kind_of_noise() -> None:
    true = np.zeros(6, dtype=np.int64)
    given = np.array([1, 1, 0, 0, 0, 0])
    first, second = np.arange(6) == 0, np.arange(6) == 1
    evidence = Evidence("x", np.array([5.0, 1.0, 4.0, 3.0, 2.0, 0.0]), False, np.zeros(6, dtype=np.int64))
    found = {one.noise: one for one in quality(evidence, given, true, {"easy": first, "hard": second})}
    assert (found["easy"].auroc, found["easy"].average_precision) == (1.0, 1.0)
    assert (found["hard"].auroc, found["hard"].wrong, found["hard"].n) == (0.25, 1, 5)
    assert found["all"].wrong == 2
    assert found["all"].suggestion_accuracy == 1.0
    assert quality(evidence, true, true) == ()


def test_observed_refuses_what_is_no_probability() -> None:
    given = np.array([0, 1])
    with pytest.raises(ValueError, match="rows of probabilities must be at least 0 and sum to 1; row 1 sums to 3"):
        Observed(given, 2, np.array([[0.5, 0.5], [1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"probabilities must have shape \(2, 3\), a row an example; got \(2, 2\)"):
        Observed(given, 3, np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"given labels must be in \[0, 1\); got 1 at row 1"):
        Observed(given, 1)

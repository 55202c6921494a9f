"""Verification against cases worked by hand, slow loops of the protocols, scikit-learn and closed forms."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.pair_scores import mean_subtracted_cosines, original_and_mirrored, pair_cosines
from noisylabels.metrics.roc import area_under_curve, equal_error_rate, tar_at_far
from noisylabels.metrics.verification import FoldAccuracy, View2, accuracy_at, best_threshold, view2
from noisylabels.metrics.video_scores import cosine_of_mean_embeddings, mean_frame_cosine
from noisylabels.statistics.identity_bootstrap import identity_bootstrap, resampled_weights
from noisylabels.statistics.resolution import resolution, resolution_warning

Verify = Callable[..., View2]

# Twelve pairs, three folds of two the same (S) and two different (D):
#   fold 0   S .90  S .40  D .50  D .10
#   fold 1   S .80  S .70  D .22  D .20
#   fold 2   S .60  S .36  D .65  D .05
TWELVE = np.array([0.90, 0.40, 0.50, 0.10, 0.80, 0.70, 0.22, 0.20, 0.60, 0.36, 0.65, 0.05])
SAME = np.tile([True, True, False, False], 3)
FOLD = np.repeat([0, 1, 2], 4)


def twelve_pairs_by_hand(verify: Verify) -> None:
    """Right of the pairs of the other two folds, for each cut from "all the same" to "all different":

    without 0:  .05D .20D .22D | .36S .60S .65D .70S .80S   4 5 6 7 6 5 6 5 4   cut 3, threshold (.22 + .36) / 2 = .29
    without 1:  .05D .10D | .36S .40S .50D .60S .65D .90S   4 5 6 5 4 5 4 5 4   cut 2, threshold (.10 + .36) / 2 = .23
    without 2:  .10D .20D .22D | .40S .50D | .70S .80S .90S   4 5 6 7 6 7 6 5 4   cuts 3 and 5 tie; the lower of the two
                                                            middle ones is 3, threshold (.22 + .40) / 2 = .31

    fold 0 at .29: .90 and .40 right, .50 wrong, .10 right: 3/4
    fold 1 at .23: all right: 4/4
    fold 2 at .31: .60 and .36 right, .65 wrong, .05 right: 3/4      (2/4 at cut 5, and at the average of both)

    mean (3 + 4 + 3) / 12 = 5/6; deviations -1/12, 2/12, -1/12, so s^2 = (1 + 4 + 1) / 144 / 2 = 1/48, and the standard
    error is sqrt(1/48 / 3) = 1/12.
    """
    result = verify(TWELVE, SAME, FOLD)
    assert [fold.accuracy for fold in result.folds] == [0.75, 1.0, 0.75]
    assert [fold.threshold for fold in result.folds] == pytest.approx([0.29, 0.23, 0.31], abs=1e-15)
    assert [(fold.fold, fold.pairs) for fold in result.folds] == [(0, 4), (1, 4), (2, 4)]
    assert result.mean == pytest.approx(5 / 6, abs=1e-15)
    assert result.standard_error == pytest.approx(1 / 12, abs=1e-15)


def pairs(seed: int, count: int = 240, folds: int = 5, decimals: int | None = None, dtype=np.float64):
    """Overlapping scores of both kinds; rounded ones tie in dozens."""
    rng = np.random.default_rng(seed)
    is_same = rng.permutation(np.arange(count) % 2 == 0)
    scores = np.clip(rng.normal(np.where(is_same, 0.4, 0.1), 0.25), -1, 1)
    if decimals is not None:
        scores = np.round(scores, decimals)
    return scores.astype(dtype), is_same, rng.permutation(np.arange(count) % folds) + 3


def slow_view2(scores, is_same, fold):
    """The protocol word by word: every fold, every cut, every pair."""
    accuracies, thresholds = [], []
    for held_out in sorted(set(fold.tolist())):
        training = [(float(s), bool(y)) for s, y, k in zip(scores, is_same, fold, strict=True) if k != held_out]
        levels = sorted({s for s, _ in training})
        candidates = [-math.inf]
        candidates += [a / 2 + b / 2 if a < a / 2 + b / 2 else b for a, b in pairwise(levels)]
        candidates += [math.inf]
        counts = [sum((s >= t) == y for s, y in training) for t in candidates]
        best = [t for t, right in zip(candidates, counts, strict=True) if right == max(counts)]
        chosen = best[(len(best) - 1) // 2]
        tested = [(float(s), bool(y)) for s, y, k in zip(scores, is_same, fold, strict=True) if k == held_out]
        thresholds.append(chosen)
        accuracies.append(sum((s >= chosen) == y for s, y in tested) / len(tested))
    return thresholds, accuracies


CASES = [
    pairs(0), pairs(1, folds=10), pairs(2, decimals=1), pairs(3, decimals=0), pairs(4, decimals=2, folds=2),
    pairs(5, dtype=np.float32), pairs(6, decimals=1, dtype=np.float32), pairs(7, count=40, decimals=1),
]  # fmt: skip


def equals_the_slow_loop(verify: Verify) -> None:
    for scores, is_same, fold in CASES:
        result = verify(scores, is_same, fold)
        thresholds, accuracies = slow_view2(scores, is_same, fold)
        assert [fold.threshold for fold in result.folds] == thresholds
        assert [fold.accuracy for fold in result.folds] == accuracies
        assert result.mean == pytest.approx(np.mean(accuracies), abs=1e-15)
        assert result.standard_error == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)), abs=1e-15)


def finds_nothing_in_noise(verify: Verify) -> None:
    """Scores that know nothing, kinds by the toss of a coin: on average over 200 sets half is judged rightly."""
    means = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        means.append(verify(rng.random(80), rng.random(80) < 0.5, np.arange(80) % 4).mean)
    assert abs(np.mean(means) - 0.5) < 0.03


def view2_with(choose, judge=np.greater_equal, training=np.not_equal):
    """A View 2 that goes about one step in its own way."""

    def verify(scores, is_same, fold):
        folds = []
        for name in np.unique(fold):
            seen, held_out = training(fold, name), fold == name
            threshold = choose(scores[seen], is_same[seen])
            right = judge(scores[held_out], threshold) == is_same[held_out]
            folds.append(FoldAccuracy(int(name), len(right), threshold, float(np.mean(right))))
        return View2(tuple(folds))

    return verify


def on_a_grid(scores, is_same):
    """The cam-softmax repository's 50 values from 0 to pi, of which cosines reach 16."""
    grid = np.linspace(0, np.pi, 50)
    return float(grid[np.argmax([np.mean((scores >= t) == is_same) for t in grid])])


def average_of_ties(scores, is_same):
    levels = np.unique(scores)
    cuts = [-1.0, *(levels[1:] / 2 + levels[:-1] / 2), 1.0]
    right = np.array([np.mean((scores >= t) == is_same) for t in cuts])
    return float(np.mean(np.array(cuts)[right == right.max()]))


def parts_equal_scores(scores, is_same):
    """Cumulative counts without a look at ties."""
    order = np.argsort(scores, kind="stable")
    below = np.concatenate([[0], np.cumsum(is_same[order])])
    right = np.arange(len(scores) + 1) - 2 * below
    cut = int(np.clip(right.argmax(), 1, len(scores) - 1))
    return float(scores[order][cut - 1] / 2 + scores[order][cut] / 2)


class DividesByTheFolds(View2):
    """Standard error from the population's standard deviation."""

    @property
    def standard_error(self):
        return float(np.std([fold.accuracy for fold in self.folds]) / np.sqrt(len(self.folds)))


VIEW2_TWINS = [
    (view2_with(on_a_grid), twelve_pairs_by_hand),
    (view2_with(on_a_grid), equals_the_slow_loop),
    (view2_with(average_of_ties), twelve_pairs_by_hand),
    (view2_with(average_of_ties), equals_the_slow_loop),
    (view2_with(parts_equal_scores), equals_the_slow_loop),
    (view2_with(best_threshold, judge=np.less), twelve_pairs_by_hand),
    (view2_with(best_threshold, training=lambda fold, name: fold == fold), finds_nothing_in_noise),
    (view2_with(best_threshold, training=np.equal), finds_nothing_in_noise),
    (lambda *a: DividesByTheFolds(view2(*a).folds), twelve_pairs_by_hand),
    (lambda *a: DividesByTheFolds(view2(*a).folds), equals_the_slow_loop),
]


@pytest.mark.parametrize("law", [twelve_pairs_by_hand, equals_the_slow_loop, finds_nothing_in_noise])
def test_view2(law):
    law(view2)


@pytest.mark.parametrize(("twin", "law"), VIEW2_TWINS)
def test_view2_twins_are_rejected(twin, law):
    with pytest.raises(AssertionError):
        law(twin)


def test_scores_may_depend_on_the_fold_held_out():
    scores, is_same, fold = pairs(8)
    rows = np.stack([scores + 0.1 * np.random.default_rng(k).normal(size=len(scores)) for k in range(5)])
    together = view2(rows, is_same, fold)
    for number, result in enumerate(together.folds):
        assert result == view2(rows[number], is_same, fold).folds[number]


def test_a_threshold_parts_neighbouring_floats():
    for low in (np.float64(0.3), np.float32(0.3)):
        scores = np.array([low, np.nextafter(low, type(low)(1))])
        for is_same in (np.array([False, True]), np.array([True, False])):
            best = max(np.mean((scores >= t) == is_same) for t in (-1, scores[1], 2))
            assert accuracy_at(scores, is_same, best_threshold(scores, is_same)) == best


def test_view2_is_a_hundred_times_faster_than_a_loop_over_thresholds():
    scores, is_same, fold = pairs(9, count=6000, folds=10)

    def loop():
        means = []
        for held_out in np.unique(fold):
            training = fold != held_out
            levels = np.unique(scores[training])
            right = [np.count_nonzero((scores[training] >= t) == is_same[training]) for t in levels]
            chosen = levels[np.argmax(right)]
            means.append(np.mean((scores[~training] >= chosen) == is_same[~training]))
        return np.mean(means)

    started = time.perf_counter()
    mean = loop()
    slow = time.perf_counter() - started
    fast = math.inf
    for _ in range(10):
        started = time.perf_counter()
        result = view2(scores, is_same, fold)
        fast = min(fast, time.perf_counter() - started)
    assert result.mean == pytest.approx(mean, abs=0.01)
    print(f"{slow:.3f} s / {fast * 1000:.2f} ms = {slow / fast:.0f}")
    assert slow / fast > 100


@pytest.mark.parametrize(
    ("scores", "is_same", "fold", "error", "message"),
    [
        (TWELVE, SAME, np.zeros(12, int), Undefined, "at least two folds; got 1"),
        (np.where(TWELVE > 0.8, np.nan, TWELVE), SAME, FOLD, Undefined, "1 of 12 scores are not finite"),
        (TWELVE, np.ones(12, bool), FOLD, Undefined, "of the same and of different people; got 12 the same of 12"),
        (TWELVE[:8], np.repeat([True, False], 4), np.repeat([0, 1], 4), Undefined, "got 0 the same of 4"),
        (TWELVE, SAME.astype(int), FOLD, ValueError, "is_same must be bool"),
        (TWELVE[:6], SAME, FOLD, ValueError, r"scores must be \(P,\) or \(F, P\) for P=12 and F=3; got \(6,\)"),
        (TWELVE, SAME, FOLD[:6], ValueError, r"with folds of \(6,\)"),
    ],
)  # fmt: skip
def test_what_view2_cannot_answer(scores, is_same, fold, error, message):
    with pytest.raises(error, match=message):
        view2(scores, is_same, fold)


# TAR@FAR, equal error rate, area under the curve


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("far", [0.01, 0.05, 0.1, 0.3, 0.99, 1.0])
def test_tar_at_far_is_the_highest_point_of_sklearns_curve_within_the_rate(case, far):
    scores, is_same, _ = CASES[case]
    impostors = np.count_nonzero(~is_same)
    if far * impostors < 1:
        with pytest.raises(Undefined, match=f"needs at least 100 pairs of different people; got {impostors}"):
            tar_at_far(scores, is_same, far)
        return
    false, true, _ = sklearn_roc_curve(is_same, scores, drop_intermediate=False)
    within = false <= far
    point = tar_at_far(scores, is_same, far)
    assert point.true_accept_rate == true[within].max()
    assert point.false_accept_rate == false[within].max()
    assert point.true_accept_rate == np.mean(scores.astype(float)[is_same] >= point.threshold)


@pytest.mark.parametrize("far", [0.29, 0.57, 0.58])
def test_a_rate_means_the_count_it_says_though_floats_fall_short(far):
    """0.29 x 100 is 28.999999999999996."""
    scores = np.concatenate([np.arange(100) / 100, [0.5]])
    is_same = np.arange(101) == 100
    assert tar_at_far(scores, is_same, far).false_accept_rate == far


def test_a_rate_below_one_in_the_negatives_is_undefined_not_zero():
    scores, is_same, _ = pairs(10, count=2000)
    assert tar_at_far(scores, is_same, 0.001).false_accept_rate == 0.001
    with pytest.raises(
        Undefined, match=r"a false accept rate of 0\.0001 needs at least 10000 pairs of different people"
    ):
        tar_at_far(scores, is_same, 0.0001)
    with pytest.raises(ValueError, match=r"must be in \(0, 1\]; got 0"):
        tar_at_far(scores, is_same, 0.0)


def test_the_interpolated_quantile_lets_in_too_many():
    """What is often done instead, and what it does where scores tie."""
    scores, is_same, _ = pairs(11, decimals=1)
    threshold = np.quantile(scores[~is_same], 0.9)
    assert np.mean(scores[~is_same] >= threshold) > 0.1 >= tar_at_far(scores, is_same, 0.1).false_accept_rate


@pytest.mark.parametrize("case", range(len(CASES)))
def test_equal_error_rate_is_where_sklearns_curve_crosses_the_diagonal(case):
    scores, is_same, _ = CASES[case]
    false, true, _ = sklearn_roc_curve(is_same, scores, drop_intermediate=False)
    # Along the curve its length is a parameter that grows on flat and on steep pieces alike.
    crossing = brentq(lambda u: np.interp(u, false + true, true) + np.interp(u, false + true, false) - 1, 0, 2)
    expected = np.interp(crossing, false + true, false)
    assert equal_error_rate(scores, is_same) == pytest.approx(expected, abs=1e-9)


def test_equal_error_rate_and_area_of_two_normals():
    """Means 1.5 standard deviations apart: error Phi(-1.5 / 2), area Phi(1.5 / sqrt 2)."""
    rng = np.random.default_rng(0)
    is_same = np.arange(200_000) % 2 == 0
    scores = rng.normal(size=200_000) + 1.5 * is_same
    assert equal_error_rate(scores, is_same) == pytest.approx(ndtr(-0.75), abs=0.003)
    assert area_under_curve(scores, is_same) == pytest.approx(ndtr(1.5 / np.sqrt(2)), abs=0.003)


def test_the_ends_of_the_scales():
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    is_same = np.array([True, True, False, False])
    assert (equal_error_rate(scores, is_same), area_under_curve(scores, is_same)) == (0, 1)
    assert (equal_error_rate(-scores, is_same), area_under_curve(-scores, is_same)) == (1, 0)
    assert (equal_error_rate(0 * scores, is_same), area_under_curve(0 * scores, is_same)) == (0.5, 0.5)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_area_under_the_curve_is_sklearns(case):
    scores, is_same, _ = CASES[case]
    assert area_under_curve(scores, is_same) == pytest.approx(roc_auc_score(is_same, scores), abs=1e-12)


# Scores


def cosine(x, y):
    return float(np.dot(x, y) / math.sqrt(np.dot(x, x)) / math.sqrt(np.dot(y, y)))


def some_pairs(seed=0, images=30, dim=7, count=50, folds=4):
    rng = np.random.default_rng(seed)
    embeddings = (rng.normal(size=(images, dim)) + 0.8).astype(np.float32) * rng.uniform(0.2, 5, size=(images, 1))
    return embeddings, rng.integers(0, images, count), rng.integers(0, images, count), np.arange(count) % folds


def test_pair_cosines_are_a_loops():
    embeddings, first, second, _ = some_pairs()
    expected = [cosine(embeddings[a], embeddings[b]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(pair_cosines(embeddings, first, second), expected, atol=1e-12)


def test_mirror_images_are_summed_or_put_beside():
    rng = np.random.default_rng(1)
    x, mirrored = rng.normal(size=(2, 9, 5))
    for how, loop in (("sum", lambda a, b: a + b), ("concatenation", lambda a, b: np.concatenate([a, b]))):
        expected = [loop(a, b) / math.sqrt(sum(loop(a, b) ** 2)) for a, b in zip(x, mirrored, strict=True)]
        np.testing.assert_allclose(original_and_mirrored(x, mirrored, how), expected, atol=1e-12)
    with pytest.raises(ValueError, match="did you mean 'sum'"):
        original_and_mirrored(x, mirrored, "summ")
    with pytest.raises(ValueError, match=r"got \(9, 5\) and \(8, 5\)"):
        original_and_mirrored(x, mirrored[1:])


def subtracts_the_training_mean(score) -> None:
    """SphereFace's evaluation.m in a loop: images count once for every pair of the other folds that shows them."""
    embeddings, first, second, fold = some_pairs()
    rows = score(embeddings, first, second, fold)
    assert rows.shape == (4, 50)
    for k in range(4):
        named = [i for a, b, f in zip(first, second, fold, strict=True) if f != k for i in (a, b)]
        mean = np.mean([embeddings[i] for i in named], axis=0)
        expected = [cosine(embeddings[a] - mean, embeddings[b] - mean) for a, b in zip(first, second, strict=True)]
        np.testing.assert_allclose(rows[k], expected, atol=1e-9)


def mean_of_all_folds(embeddings, first, second, fold):
    centred = embeddings - embeddings[np.concatenate([first, second])].mean(axis=0)
    return np.tile(pair_cosines(centred, first, second), (4, 1))


def mean_of_distinct_images(embeddings, first, second, fold):
    others = [np.unique(np.concatenate([first[fold != k], second[fold != k]])) for k in range(4)]
    return np.stack([pair_cosines(embeddings - embeddings[rows].mean(axis=0), first, second) for rows in others])


def test_mean_subtraction_is_spherefaces():
    subtracts_the_training_mean(mean_subtracted_cosines)


@pytest.mark.parametrize("twin", [mean_of_all_folds, mean_of_distinct_images])
def test_mean_subtraction_twins_are_rejected(twin):
    with pytest.raises(AssertionError):
        subtracts_the_training_mean(twin)


def test_scores_say_what_is_wrong_with_their_pairs():
    embeddings, first, second, _ = some_pairs()
    for a, b, error, message in [
        (first, second[:3], ValueError, r"one shape \(P,\); got \(50,\) and \(3,\)"),
        (first + 30, second, ValueError, r"first must lie in \[0, 29\]; got 30"),
        (first.astype(float), second, ValueError, "first must hold integers; got float64"),
        (first[:0], second[:0], Undefined, "there are no pairs"),
    ]:
        with pytest.raises(error, match=message):
            pair_cosines(embeddings, a, b)
    dead = embeddings.copy()
    dead[first[0]] = 0
    with pytest.raises(Undefined, match=r"1 of .* embeddings have length zero"):
        pair_cosines(dead, first, second)


def some_videos():
    rng = np.random.default_rng(2)
    video = np.repeat([4, 0, 2, 1, 0], [3, 5, 1, 2, 2])  # video 3 has no frame; the frames of 0 lie apart
    embeddings = rng.normal(size=(13, 6)) * rng.uniform(0.2, 5, size=(13, 1)) + 0.5
    return embeddings, video, np.array([0, 4, 2, 1, 0]), np.array([1, 0, 4, 1, 2])


def means_frame_pairs(score) -> None:
    embeddings, video, first, second = some_videos()
    expected = [
        np.mean([cosine(x, y) for x in embeddings[video == a] for y in embeddings[video == b]])
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(score(embeddings, video, first, second), expected, atol=1e-12)


def compares_mean_embeddings(score) -> None:
    embeddings, video, first, second = some_videos()
    means = {v: embeddings[video == v].mean(axis=0) for v in (0, 1, 2, 4)}
    expected = [cosine(means[a], means[b]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(score(embeddings, video, first, second), expected, atol=1e-12)


def test_video_scores_are_double_loops():
    means_frame_pairs(mean_frame_cosine)
    compares_mean_embeddings(cosine_of_mean_embeddings)


def test_the_two_video_scores_are_not_taken_for_each_other():
    for law, twin in ((means_frame_pairs, cosine_of_mean_embeddings), (compares_mean_embeddings, mean_frame_cosine)):
        with pytest.raises(AssertionError):
            law(twin)


def test_a_video_without_frames_has_no_score():
    embeddings, video, first, second = some_videos()
    for score in (mean_frame_cosine, cosine_of_mean_embeddings):
        with pytest.raises(Undefined, match="1 of 10 videos in pairs have no frames"):
            score(embeddings, video, np.array([3, 4, 2, 1, 0]), second)
        with pytest.raises(ValueError, match=r"second must lie in \[0, 4\]; got 1 to 5"):
            score(embeddings, video, first, second + np.array([0, 5, 0, 0, 0]))


# Intervals over identities


def people(seed, *, identities=40, count=400, spread=0.7, level=1.0):
    """Pairs, half of one person and half of two, judged rightly with probability Phi(level + a_i + a_j).

    a ~ N(0, spread^2) is how easy a person is. The probability of a right answer for people drawn anew is
    Phi(level / sqrt(1 + 4 spread^2)) for one person and Phi(level / sqrt(1 + 2 spread^2)) for two.
    """
    rng = np.random.default_rng(seed)
    ease = spread * rng.normal(size=identities)
    first = rng.integers(0, identities, count)
    other = (first + rng.integers(1, identities, count)) % identities
    second = np.where(np.arange(count) < count // 2, first, other)
    right = rng.random(count) < ndtr(level + ease[first] + ease[second])
    truth = np.mean(ndtr(level / np.sqrt(1 + np.array([4, 2]) * spread**2)))
    return first, second, right.astype(float), truth


def over_identities(first, second, right, seed):
    interval = identity_bootstrap(lambda w: np.average(right, weights=w), first, second, seed=seed, resamples=200)
    return interval.low, interval.high


def over_pairs(first, second, right, seed):
    """The twin: pairs drawn as if every pair showed people of its own."""
    drawn = np.random.default_rng(seed).integers(0, len(right), (200, len(right)))
    return np.quantile(right[drawn].mean(axis=1), [0.025, 0.975])


def coverage(method) -> float:
    hits = []
    for seed in range(200):
        first, second, right, truth = people(seed)
        low, high = method(first, second, right, seed)
        hits.append(low <= truth <= high)
    return float(np.mean(hits))


def test_identities_cover_what_pairs_do_not():
    """95 % intervals of 200 worlds; 0.90 is three standard errors below 0.95."""
    assert coverage(over_identities) > 0.90
    assert coverage(over_pairs) < 0.75


def keeps_the_shares_of_both_kinds(weights) -> None:
    """Half of the pairs shows one person; on average over draws half of the weight does."""
    first, second, _, _ = people(0)
    one_person = first == second
    drawn = np.array(list(islice(weights(first, second, seed=0), 2000)))
    assert drawn[:, one_person].mean() == pytest.approx(1, abs=0.03)
    assert drawn[:, ~one_person].mean() == pytest.approx(1 - 1 / 40, abs=0.03)


def product_for_all(first, second, *, seed):
    generator = np.random.default_rng(seed)
    while True:
        times = np.bincount(generator.integers(0, 40, 40), minlength=40)
        yield times[first] * times[second]


def test_weights_of_pairs_of_one_person_and_of_two():
    keeps_the_shares_of_both_kinds(resampled_weights)
    with pytest.raises(AssertionError):
        keeps_the_shares_of_both_kinds(product_for_all)


def test_weights_are_multiplicities():
    """Names may be any integers; w(i, i) = m_i, w(i, j) = m_i m_j, and the m sum to the number of people."""
    first, second = np.array([7, -2, 90, 7, 7, -2]), np.array([7, -2, 90, -2, 90, 90])
    for weights in islice(resampled_weights(first, second, seed=1), 50):
        a, b, c = weights[:3]
        assert a + b + c == 3
        np.testing.assert_array_equal(weights[3:], [a * b, a * c, b * c])


def test_a_difference_is_paired_and_a_seed_is_a_draw():
    first, second, right, _ = people(1)
    better = np.maximum(right, np.random.default_rng(0).random(400) < 0.2)

    def interval(values, seed=0):
        return identity_bootstrap(lambda w: np.average(values, weights=w), first, second, seed=seed, resamples=500)

    difference = interval(better - right)
    assert difference.mean == pytest.approx(np.mean(better - right), abs=1e-12)
    assert difference.low > 0
    width = difference.high - difference.low
    assert width < 0.5 * (interval(right).high - interval(right).low)
    assert difference == interval(better - right)
    assert difference != interval(better - right, seed=1)
    assert (difference.n, difference.method) == (40, "identity bootstrap")


def test_whole_weights_suit_any_statistic():
    first, second, _, _ = people(2)
    is_same = first == second
    scores = np.random.default_rng(0).normal(size=400) + is_same
    interval = identity_bootstrap(
        lambda w: area_under_curve(np.repeat(scores, w), np.repeat(is_same, w)), first, second, seed=0, resamples=200
    )
    assert interval.mean == pytest.approx(roc_auc_score(is_same, scores))
    assert interval.low < interval.mean < interval.high


def test_no_spread_is_no_certainty():
    first, second, _, _ = people(3)
    interval = identity_bootstrap(lambda w: 1.0, first, second, seed=0, resamples=10)
    assert (interval.mean, interval.low, interval.high) == (1.0, None, None)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [([1, 1], [1, 1], "at least two; got 1"), ([1, 2], [1], r"got \(2,\) and \(1,\)"), ([], [], "P > 0")],
)
def test_what_cannot_be_resampled(first, second, message):
    with pytest.raises(ValueError, match=message):
        identity_bootstrap(lambda w: 0.0, np.array(first, int), np.array(second, int), seed=0)


def test_resolution_of_the_usual_test_sets():
    """LFW at 99.3 % and CIFAR-10 at 94 %, in points; and the plain half-width beside Wilson's."""
    assert 100 * resolution(6000, 0.993) == pytest.approx(0.21, abs=0.005)
    assert 100 * resolution(10_000, 0.94) == pytest.approx(0.47, abs=0.005)
    for count, accuracy in ((6000, 0.993), (600, 0.8)):
        assert resolution(count, accuracy) == pytest.approx(1.96 * np.sqrt(accuracy * (1 - accuracy) / count), rel=0.02)
    assert resolution(6000, 1.0) > 0


def test_the_warning_says_both_numbers_and_only_where_due():
    assert "0.20 points is within the +-0.21 points that 6,000 pairs" in str(resolution_warning(-0.002, 6000, 0.993))
    assert resolution_warning(0.0022, 6000, 0.993) is None
    assert resolution_warning(-0.0022, 6000, 0.993) is None

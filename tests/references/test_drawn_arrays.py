"""Calibration, label detection and the arrays that reports draw, against scikit-learn and slow loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, confusion_matrix

from noisylabels.drawn_arrays import drawn_arrays
from noisylabels.metrics import Evaluation
from noisylabels.metrics.calibration import BINS, BrierScore, Reliability, reliability
from noisylabels.metrics.label_issues import average_precision, precision_at_count


def evaluation(*, classes: int = 4, labels: int | None = None, seed: int = 0) -> Evaluation:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, 300)
    logits = rng.normal(size=(300, classes)) + 2 * np.eye(classes)[true]
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    embeddings = (rng.normal(size=(classes, 8))[true] + 0.3 * rng.normal(size=(300, 8))).astype(np.float32)
    held_out = np.full((300, labels or classes), 1 / (labels or classes), dtype=np.float32)
    predicted = np.where(rng.random(300) < 0.2, rng.integers(0, classes, 300), true)
    return Evaluation(embeddings, probabilities, true, predicted, true, true, held_out, true, true, np.arange(classes))


def loop(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Expected calibration error, prediction by prediction."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(probabilities.astype(float), true, strict=True):
        confidence = max(row)
        number = next(b for b in range(1, BINS + 1) if confidence <= b / BINS or b == BINS)
        bins.setdefault(number, []).append((confidence, int(np.argmax(row)) == label))
    total = 0.0
    for members in bins.values():
        accuracy = sum(right for _, right in members) / len(members)
        total += len(members) * abs(accuracy - sum(confidence for confidence, _ in members) / len(members))
    return total / len(true)


def of_true_class(probabilities: np.ndarray, true: np.ndarray) -> Reliability:
    """Twin: takes the probability of the true class for the confidence."""
    own = probabilities[np.arange(len(true)), true][:, None]
    return reliability(np.concatenate([own, np.zeros_like(own)], axis=1), np.zeros_like(true))


def mean_of_bins(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Twin: every bin weighs the same, full or nearly empty."""
    bins = reliability(probabilities, true)
    filled = bins.counts > 0
    return float(np.abs(bins.accuracy - bins.confidence)[filled].mean())


def test_calibration_error_is_that_of_a_slow_loop() -> None:
    run = evaluation()
    expected = loop(run.test_probabilities, run.test_true)
    assert reliability(run.test_probabilities, run.test_true).expected_error == pytest.approx(expected, abs=1e-6)
    assert of_true_class(run.test_probabilities, run.test_true).expected_error != pytest.approx(expected, abs=1e-3)
    assert mean_of_bins(run.test_probabilities, run.test_true) != pytest.approx(expected, abs=1e-3)


def test_calibration_by_hand() -> None:
    """Two predictions of 0.8, one right, and one of 0.6, wrong: (2 |0.5 - 0.8| + |0 - 0.6|) / 3 = 0.4."""
    probabilities = np.array([[0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
    bins = reliability(probabilities, np.array([0, 0, 1]))
    assert bins.expected_error == pytest.approx(0.4)
    assert bins.counts.sum() == 3


def test_brier_score_by_hand() -> None:
    """(0.2^2 + 0.2^2 + 0.6^2 + 0.6^2) / 2 = 0.4: a right prediction of 0.8 and a wrong one of 0.6."""
    run = evaluation(classes=2)
    two = Evaluation(
        run.test_embeddings[:2],
        np.array([[0.8, 0.2], [0.6, 0.4]], dtype=np.float32),
        np.array([0, 1]),
        *(run.train_predicted, run.train_given, run.train_true),
        *(run.validation_probabilities, run.validation_given, run.validation_true, run.carrying_class),
    )
    assert BrierScore().compute(two) == pytest.approx(0.4, abs=1e-6)


def ranked(seed: int, *, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(200) < 0.3
    scores = rng.normal(size=200) + positive
    return (np.round(scores) if tied else scores), positive


@pytest.mark.parametrize("tied", [False, True])
def test_average_precision_is_scikit_learns(tied: bool) -> None:
    for seed in range(20):
        scores, positive = ranked(seed, tied=tied)
        assert average_precision(scores, positive) == pytest.approx(average_precision_score(positive, scores))


def trapezoid(scores: np.ndarray, positive: np.ndarray) -> float:
    """Twin: the area under the interpolated curve, which flatters."""
    order = np.argsort(-scores)
    hits = np.cumsum(positive[order])
    return float(np.trapezoid(hits / np.arange(1, len(scores) + 1), hits / hits[-1]))


def test_interpolated_area_is_not_it() -> None:
    scores, positive = ranked(0, tied=False)
    assert trapezoid(scores, positive) != pytest.approx(average_precision_score(positive, scores), abs=1e-4)


def test_precision_at_the_true_count_is_the_mean_over_ways_to_break_ties() -> None:
    rng = np.random.default_rng(1)
    scores, positive = ranked(3, tied=True)
    count = int(positive.sum())
    found = []
    for _ in range(2000):
        order = np.lexsort((rng.random(len(scores)), -scores))
        found.append(positive[order[:count]].mean())
    assert precision_at_count(scores, positive) == pytest.approx(np.mean(found), abs=4 * np.std(found) / np.sqrt(2000))
    untied, wrong = ranked(4, tied=False)
    assert precision_at_count(untied, wrong) == wrong[np.argsort(-untied)[: wrong.sum()]].mean()


def array(run: Evaluation, name: str) -> np.ndarray:
    found = next(one for one in drawn_arrays(run) if one.name == name)
    return np.array(found.values).reshape(found.shape)


def test_counts_are_those_of_a_confusion_matrix() -> None:
    run = evaluation()
    np.testing.assert_array_equal(array(run, "learned"), confusion_matrix(run.train_true, run.train_predicted))
    matrix = confusion_matrix(run.test_true, run.test_probabilities.argmax(axis=1))
    np.testing.assert_array_equal(array(run, "class_accuracy"), [matrix.sum(axis=1), np.diag(matrix)])
    bins = array(run, "reliability")
    assert bins[0].sum() == 300
    assert (bins[0] * bins[2]).sum() == pytest.approx(np.trace(matrix), abs=0.02)


def in_file_order(run: Evaluation) -> np.ndarray:
    """The directions of the first examples of each class, and their classes."""
    rows = sorted(row for label in range(4) for row in [r for r in range(300) if run.test_true[r] == label][:50])
    directions = run.test_embeddings[rows].astype(float)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_the_plane_is_that_of_principal_components() -> None:
    run = evaluation()
    plane = array(run, "plane")
    directions = in_file_order(run)
    reference = PCA(2).fit(directions)
    expected = reference.transform(directions)
    for axis in (0, 1):
        assert min(np.abs(plane[:, axis] - sign * expected[:, axis]).max() for sign in (1, -1)) < 1e-3, (
            "the same axis, whatever its sign"
        )
    np.testing.assert_allclose(array(run, "plane_variance"), reference.explained_variance_ratio_, atol=1e-4)
    raw = PCA(2).fit(run.test_embeddings).transform(run.test_embeddings)[: len(plane)]
    assert np.abs(np.abs(raw[:, 0]) - np.abs(plane[:, 0])).max() > 0.1  # twin: lengths left in


def test_the_plane_does_not_turn_with_the_embedding() -> None:
    run = evaluation()
    rotation, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))
    turned = Evaluation(
        **{**{n: getattr(run, n) for n in run.__dataclass_fields__}, "test_embeddings": run.test_embeddings @ rotation}
    )
    first, second = array(run, "plane"), array(turned, "plane")
    np.testing.assert_allclose(np.abs(first[:, :2]), np.abs(second[:, :2]), atol=2e-3)


@pytest.mark.parametrize(
    ("run", "absent"),
    [
        (lambda: evaluation(classes=21), {"learned"}),
        (lambda: evaluation(labels=6), {"learned"}),
        (lambda: evaluation(classes=4), set()),
    ],
)
def test_what_is_too_large_is_left_out(run: Callable[[], Evaluation], absent: set[str]) -> None:
    every = {"reliability", "class_accuracy", "learned", "plane", "plane_variance"}
    assert {one.name for one in drawn_arrays(run())} == every - absent
    assert sum(len(one.values) for one in drawn_arrays(run())) < 2000

"""Detectors beside cleanlab, scikit-learn, SciPy, and slow loops written from the papers."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.mixture import GaussianMixture

from noisylabels.audit import DETECTORS, Dynamics, Observed, combined
from noisylabels.audit.by_dynamics import forgetting_events, most_predicted, rising_posterior
from noisylabels.audit.evidence import normalised_ranks
from noisylabels.audit.suspects import confident_class, suspects
from noisylabels.metrics.label_issues import average_precision
from tests.laws.audit_cases import CLASSES, EPOCHS, EXAMPLES, TRAININGS, dynamics_of, softmax, world

cleanlab_rank = importlib.import_module("cleanlab.rank")
cleanlab_filter = importlib.import_module("cleanlab.filter")
cleanlab_count = importlib.import_module("cleanlab.count")

LABELS = Path(os.environ.get("NOISYLABELS_DATA", "data")) / "labels"


def probabilities_of(seed: int, sharpness: float = 1.5) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    given = draw.integers(0, CLASSES, EXAMPLES)
    return softmax(sharpness * np.eye(CLASSES)[given] + 1.5 * draw.normal(size=(EXAMPLES, CLASSES))), given


def order_of(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")


@pytest.mark.parametrize("seed", range(4))
def test_quality_rankings_are_cleanlabs(seed: int) -> None:
    probabilities, given = probabilities_of(seed)
    observed = Observed(given, CLASSES, probabilities)
    for method in ("self_confidence", "normalized_margin"):
        quality = cleanlab_rank.get_label_quality_scores(given, probabilities, method=method)
        found = DETECTORS[method]().judge(observed)
        np.testing.assert_array_equal(found.scores, 1 - quality)
    issues = cleanlab_filter.find_label_issues(
        given,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    found = DETECTORS["confident_learning"]().judge(observed)
    np.testing.assert_array_equal(order_of(found.scores)[: len(issues)], issues)


def slow_confident_class(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> list[int]:
    """Equations 1 and 2 of the paper, example by example."""
    num_classes = probabilities.shape[1]
    thresholds = []
    for j in range(num_classes):
        own = [row[j] for row, label in zip(probabilities.tolist(), given.tolist(), strict=True) if label == j]
        thresholds.append(sum(own) / len(own) if own else math.inf)
    found = []
    for row, label in zip(probabilities.tolist(), given.tolist(), strict=True):
        confident = [j for j in range(num_classes) if row[j] >= thresholds[j] - 1e-6]
        best = max(confident, key=lambda j: row[j]) if confident else label
        contradicted = max(range(num_classes), key=lambda j: row[j]) != label
        found.append(best if best != label and contradicted else -1)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_confident_counts_are_the_papers_and_cleanlabs(seed: int) -> None:
    probabilities, given = probabilities_of(seed)
    found = confident_class(probabilities, given)
    assert found.tolist() == slow_confident_class(probabilities, given)
    assert np.count_nonzero(found >= 0) == cleanlab_count.num_label_issues(given, probabilities)


def test_a_class_without_labels_is_never_confident() -> None:
    probabilities, given = probabilities_of(0)
    given[given == 2] = 3
    assert 2 not in confident_class(probabilities, given)
    assert np.isfinite(DETECTORS["confident_learning"]().judge(Observed(given, CLASSES, probabilities)).scores).all()


def recorded() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    draw = np.random.default_rng(3)
    logits = 4 * draw.normal(size=(TRAININGS, EPOCHS, EXAMPLES, CLASSES))
    unseen = draw.random((TRAININGS, EPOCHS, EXAMPLES)) < 0.2
    return logits, draw.integers(0, CLASSES, EXAMPLES), unseen


def slow_area_under_margin(logits: NDArray[np.float64], given: int, unseen: NDArray[np.bool_]) -> float:
    """Equation 1 of the paper: assigned logit minus the largest other one, averaged over the epochs that showed it."""
    margins = []
    for training in range(len(logits)):
        for epoch in range(len(logits[training])):
            if unseen[training, epoch]:
                continue
            z = logits[training, epoch].tolist()
            margins.append(z[given] - max(value for k, value in enumerate(z) if k != given))
    return float(sum(margins) / len(margins))


def test_area_under_margin_is_the_papers_and_not_of_probabilities() -> None:
    logits, given, unseen = recorded()
    found = DETECTORS["area_under_margin"]().judge(
        Observed(given, CLASSES, dynamics=dynamics_of(logits, given, unseen))
    )
    slow = [-slow_area_under_margin(logits[..., i, :], int(given[i]), unseen[..., i]) for i in range(EXAMPLES)]
    np.testing.assert_allclose(found.scores, slow, rtol=1e-5)
    of_probabilities = dynamics_of(softmax(logits), given, unseen)  # a bug seen in the field: the softmax's margins
    twin = DETECTORS["area_under_margin"]().judge(Observed(given, CLASSES, dynamics=of_probabilities))
    assert (order_of(twin.scores) != order_of(np.array(slow))).any()


def slow_forgetting(predicted: list[int], given: int) -> float:
    """Right, then wrong when next shown; never right at all counts as every epoch."""
    shown = [one == given for one in predicted if one != -1]
    events = sum(1 for before, after in itertools.pairwise(shown) if before and not after)
    return float(events if any(shown) else len(predicted)) if shown else math.nan


def test_forgetting_is_counted_over_the_epochs_that_showed_the_example() -> None:
    draw = np.random.default_rng(5)
    predicted, given = draw.integers(-1, 3, (7, 200)), draw.integers(0, 3, 200)
    slow = [slow_forgetting(predicted[:, i].tolist(), int(given[i])) for i in range(200)]
    np.testing.assert_array_equal(forgetting_events(predicted, given), slow)


def test_small_loss_is_the_mean_cross_entropy() -> None:
    logits, given, unseen = recorded()
    found = DETECTORS["small_loss"]().judge(Observed(given, CLASSES, dynamics=dynamics_of(logits, given, unseen)))
    losses = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).reshape(-1, CLASSES),
        torch.from_numpy(given).repeat(TRAININGS * EPOCHS),
        reduction="none",
    ).reshape(TRAININGS, EPOCHS, EXAMPLES)
    for i in range(0, EXAMPLES, 37):
        expected = losses[:, :, i][~torch.from_numpy(unseen[..., i])].mean()
        assert found.scores[i] == pytest.approx(float(expected), rel=1e-5)


def test_the_mixture_is_scikit_learns_between_the_means() -> None:
    draw = np.random.default_rng(2)
    values = np.concatenate([draw.normal(0.5, 0.2, 700), draw.normal(2.5, 0.5, 300)])
    ours = rising_posterior(values)
    fitted = GaussianMixture(2, tol=1e-8, max_iter=500, random_state=0, means_init=[[0.5], [2.5]]).fit(values[:, None])
    high = int(fitted.means_[:, 0].argmax())
    low_mean, high_mean = sorted(fitted.means_[:, 0])
    between = (values > low_mean) & (values < high_mean)
    np.testing.assert_allclose(ours[between], fitted.predict_proba(values[:, None])[between, high], atol=0.02)
    order = np.argsort(values)
    assert (np.diff(ours[order]) >= 0).all()
    raw = fitted.predict_proba(values[:, None])[order, high]
    assert (np.diff(raw) < 0).any(), "the plain posterior calls the smallest losses suspicious"


def test_ranks_are_scipys() -> None:
    scores = np.random.default_rng(0).integers(0, 30, 200).astype(float)
    np.testing.assert_allclose(normalised_ranks(scores), (rankdata(scores) - 1) / 199, rtol=1e-12)


def test_most_predicted_is_the_mode() -> None:
    predicted = np.random.default_rng(1).integers(-1, 4, (3, 5, 150))
    for i, found in enumerate(most_predicted(predicted).tolist()):
        seen = [one for one in predicted[..., i].ravel().tolist() if one >= 0]
        assert found == max(range(4), key=lambda k: (seen.count(k), -k))


def test_agreement_needs_both_models() -> None:
    one = world()
    found = suspects(one.observed)
    assert found.agreed is not None
    assert one.observed.probabilities is not None
    assert one.observed.dynamics is not None
    likeliest = one.observed.probabilities.argmax(axis=1)
    fitted = most_predicted(one.observed.dynamics.predicted)
    for i in range(EXAMPLES):
        both = likeliest[i] == fitted[i] != one.observed.given[i]
        assert found.agreed[i] == (likeliest[i] if both else -1)


def test_dynamics_that_never_saw_an_example_are_refused() -> None:
    nothing = np.full((1, 2, 3), np.nan, np.float32)
    predicted = np.array([[[0, 1, -1], [0, 1, -1]]])
    with pytest.raises(ValueError, match="every example must be shown in some epoch; 1 were not, such as 2"):
        Dynamics(nothing, nothing, predicted)


@pytest.mark.data
def test_on_the_verified_errors_of_cifar10s_test_set() -> None:
    """The published probabilities: rankings equal cleanlab's, and all detectors combined find more than either."""
    if not (LABELS / "cifar10_mturk.json").is_file():
        pytest.skip(f"needs the label-errors files under {LABELS}")
    probabilities = np.load(LABELS / "cifar10_test_set_pyx.npy", allow_pickle=False)
    given = np.load(LABELS / "cifar10_test_set_original_labels.npy", allow_pickle=False).astype(np.int64)
    judged = {one["id"]: one["mturk"]["given"] for one in json.loads((LABELS / "cifar10_mturk.json").read_bytes())}
    error = np.zeros(len(given), dtype=np.bool_)
    error[[image for image, votes in judged.items() if votes < 3]] = True
    assert (len(judged), error.sum()) == (275, 54), "as published"
    observed = Observed(given, 10, probabilities)
    found = {name: DETECTORS[name]().judge(observed) for name in DETECTORS if DETECTORS[name]().can_judge(observed)}
    for method in ("self_confidence", "normalized_margin"):
        theirs = cleanlab_rank.get_label_quality_scores(given, probabilities, method=method)
        np.testing.assert_array_equal(order_of(found[method].scores), np.argsort(theirs, kind="stable"))
    issues = cleanlab_filter.find_label_issues(
        given, probabilities, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1
    )
    np.testing.assert_array_equal(order_of(found["confident_learning"].scores)[: len(issues)], issues)
    together = average_precision(combined(list(found.values())).scores, error)
    assert together >= average_precision(found["self_confidence"].scores, error)
    assert together == pytest.approx(0.26, abs=0.1)

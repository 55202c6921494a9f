"""The metrics against geometry one can see, closed forms, scikit-learn, cleanlab and slow loops of the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores  # noqa: TID251 - the reference itself
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import accuracy_score, roc_auc_score, silhouette_score
from sklearn.preprocessing import normalize

from noisylabels.metrics.accuracy import accuracy
from noisylabels.metrics.angles import (
    angle_deg,
    centroid_spread_deg,
    intra_class_angle_deg,
    nearest_centroid_angle_deg,
)
from noisylabels.metrics.by_class import as_directions, by_class
from noisylabels.metrics.effective_rank import effective_rank
from noisylabels.metrics.label_issues import auroc, label_issue_auroc
from noisylabels.metrics.memorisation import corrected, memorisation
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.scatter import fisher_ratio, nc1
from noisylabels.metrics.silhouette import cosine_silhouette
from noisylabels.metrics.wrong_centre import wrong_centre_angle_deg


def on_circle(degrees):
    """Unit vectors of the plane at these angles, ``(M, 2)``."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def cloud(seed, *, classes=5, dim=8, size=200):
    """Unequal classes with unequal, unsorted, gappy numbers around random means; float32 as runs leave them."""
    rng = np.random.default_rng(seed)
    member = np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, size) ** 2 // classes])
    embeddings = 1.5 * rng.normal(size=(classes, dim))[member] + rng.normal(size=(len(member), dim)) + 0.3
    return embeddings.astype(np.float32), 3 * member + 1


# Angles one can draw


def test_angles_of_three_pairs_on_a_circle():
    """Classes at 0, 40 and 150 degrees, two images 7 degrees to either side; lengths must not matter."""
    labels = np.repeat([5, 2, 9], 2)
    embeddings = on_circle([-7, 7, 33, 47, 143, 157]) * np.array([[1], [9], [3], [0.2], [5], [70]])
    assert intra_class_angle_deg(embeddings, labels) == pytest.approx(7, abs=1e-9)
    assert nearest_centroid_angle_deg(embeddings, labels) == pytest.approx((40 + 40 + 110) / 3, abs=1e-9)
    assert centroid_spread_deg(embeddings, labels) == pytest.approx(150, abs=1e-9)


def test_classes_weigh_equally_and_lone_images_do_not_count():
    """Two images at 10 degrees, four at 2, one alone: (10 + 2) / 2; not the image mean 28 / 7, not 12 / 3."""
    labels = np.array([0, 0, 1, 1, 1, 1, 2])
    embeddings = on_circle([-10, 10, 88, 92, 88, 92, 200])
    assert intra_class_angle_deg(embeddings, labels) == pytest.approx(6, abs=1e-9)


def test_the_spread_crosses_the_whole_set_while_neighbours_stay_near():
    embeddings, labels = on_circle(np.repeat([0, 30, 60, 90, 120], 2)), np.repeat(np.arange(5), 2)
    assert nearest_centroid_angle_deg(embeddings, labels) == pytest.approx(30, abs=1e-9)
    assert centroid_spread_deg(embeddings, labels) == pytest.approx(120, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_simplex_reaches_the_widest_equal_angle(classes):
    corners = np.eye(classes) - 1 / classes
    embeddings, labels = np.repeat(corners, 2, axis=0), np.repeat(np.arange(classes), 2)
    widest = np.degrees(np.arccos(-1 / (classes - 1)))
    assert nearest_centroid_angle_deg(embeddings, labels) == pytest.approx(widest, abs=1e-9)
    assert centroid_spread_deg(embeddings, labels) == pytest.approx(widest, abs=1e-9)


@pytest.mark.parametrize("degrees", [1e-9, 1e-6, 1.0, 60.0, 179.0, 180 - 1e-9])
def test_small_and_nearly_opposite_angles_keep_their_digits(degrees):
    assert angle_deg(on_circle([0.0]), on_circle([degrees]))[0] == pytest.approx(degrees, rel=1e-6)


def test_angles_of_more_classes_than_one_block_match_the_full_cosine_matrix():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(1100), 2)
    embeddings = rng.normal(size=(1100, 6))[labels] + 0.1 * rng.normal(size=(2200, 6))
    directions = normalize(embeddings)
    centres = normalize(np.stack([directions[labels == c].mean(axis=0) for c in range(1100)]))
    between = np.degrees(np.arccos(np.clip(centres @ centres.T, -1, 1)))
    assert centroid_spread_deg(embeddings, labels) == pytest.approx(between.max(), abs=1e-5)
    np.fill_diagonal(between, np.inf)
    assert nearest_centroid_angle_deg(embeddings, labels) == pytest.approx(between.min(axis=1).mean(), abs=1e-5)


def test_a_class_whose_images_cancel_has_no_direction():
    with pytest.raises(Undefined, match="1 class means have no direction"):
        intra_class_angle_deg(on_circle([0, 180, 90, 91]), np.array([0, 0, 1, 1]))


# Grouping


def test_class_means_match_a_loop():
    embeddings, labels = cloud(1)
    grouped = by_class(as_directions(embeddings), labels)
    for number, name in enumerate(np.unique(labels)):
        np.testing.assert_allclose(
            grouped.means[number], normalize(np.float64(embeddings))[labels == name].mean(axis=0)
        )
        assert grouped.counts[number] == np.count_nonzero(labels == name)


# Silhouette


def agrees_with_sklearn(silhouette):
    for seed, classes, size in ((0, 5, 200), (1, 2, 30), (2, 12, 1500), (3, 40, 60)):
        embeddings, labels = cloud(seed, classes=classes, size=size)
        reference = silhouette_score(np.float64(embeddings), labels, metric="cosine")
        assert silhouette(embeddings, labels) == pytest.approx(reference, abs=1e-9)


def test_silhouette_equals_sklearn():
    agrees_with_sklearn(cosine_silhouette)


def test_silhouette_with_lone_images_equals_sklearn():
    embeddings, labels = cloud(4)
    labels = np.concatenate([labels[:-2], [100, 101]])
    reference = silhouette_score(np.float64(embeddings), labels, metric="cosine")
    assert cosine_silhouette(embeddings, labels) == pytest.approx(reference, abs=1e-9)


def silhouette_from(embeddings, labels, *, include_self=False, include_own_class=False, square=False):
    """The definition over the M x M distance matrix, with the defects implementations have."""
    directions = normalize(np.float64(embeddings))
    distance = 1 - directions @ directions.T
    distance = distance**2 if square else distance
    scores = []
    for i, label in enumerate(labels):
        own = np.flatnonzero(labels == label)
        others = own if include_self else own[own != i]
        a = distance[i, others].mean()
        rivals = [c for c in np.unique(labels) if include_own_class or c != label]
        b = min(distance[i, labels == c].mean() for c in rivals)
        scores.append((b - a) / max(a, b))
    return float(np.mean(scores))


def test_silhouette_equals_the_slow_definition():
    embeddings, labels = cloud(5, size=60)
    assert cosine_silhouette(embeddings, labels) == pytest.approx(silhouette_from(embeddings, labels), abs=1e-12)


@pytest.mark.parametrize("defect", ["include_self", "include_own_class", "square"])
def test_the_comparison_rejects_a_wrong_silhouette(defect):
    with pytest.raises(AssertionError):
        agrees_with_sklearn(lambda embeddings, labels: silhouette_from(embeddings, labels, **{defect: True}))


def test_silhouette_by_hand():
    """Two classes at one point: 0. Each half at 0, half at 90 degrees: a = 2/3, b = 1/2, so (b - a) / a = -1/4."""
    labels = np.repeat([0, 1], 4)
    lengths = np.arange(1, 9)[:, None]
    assert cosine_silhouette(np.array([[0.1, 0.7, 0.3]]) * lengths, labels) == 0
    assert cosine_silhouette(on_circle([0, 0, 90, 90, 90, 90, 0, 0]), labels) == pytest.approx(-1 / 4)


# Scatter


def scatter_loops(points, labels):
    """Sigma_W, Sigma_B and the number of classes, one outer product at a time."""
    classes = np.unique(labels)
    means = {c: points[labels == c].mean(axis=0) for c in classes}
    centre = sum(means.values()) / len(classes)
    within = sum(np.outer(x - means[c], x - means[c]) for x, c in zip(points, labels, strict=True)) / len(points)
    between = sum(np.outer(m - centre, m - centre) for m in means.values()) / len(classes)
    return within, between, len(classes)


@pytest.mark.parametrize(("classes", "dim"), [(4, 20), (5, 5), (6, 5), (9, 3), (2, 1)])
def test_nc1_equals_the_trace_with_a_pseudo_inverse(classes, dim):
    embeddings, labels = cloud(6, classes=classes, dim=dim)
    within, between, present = scatter_loops(np.float64(embeddings), labels)
    inverse = np.linalg.pinv(between, rcond=1e-10, hermitian=True)
    assert nc1(embeddings, labels) == pytest.approx(np.trace(within @ inverse) / present, rel=1e-9)


def test_fisher_ratio_equals_the_ratio_of_traces():
    embeddings, labels = cloud(7)
    within, between, _ = scatter_loops(normalize(np.float64(embeddings)), labels)
    assert fisher_ratio(embeddings, labels) == pytest.approx(np.trace(between) / np.trace(within), rel=1e-12)


def test_scatter_agrees_with_sklearns_discriminant_analysis():
    embeddings, labels = cloud(8)
    points = np.float64(embeddings)
    raw = LinearDiscriminantAnalysis(store_covariance=True).fit(points, labels)
    between = np.cov(raw.means_.T, bias=True)
    expected = np.trace(raw.covariance_ @ np.linalg.pinv(between, rcond=1e-10, hermitian=True)) / len(raw.classes_)
    assert nc1(embeddings, labels) == pytest.approx(expected, rel=1e-9)
    unit = LinearDiscriminantAnalysis(store_covariance=True).fit(normalize(points), labels)
    expected = np.trace(np.cov(unit.means_.T, bias=True)) / np.trace(unit.covariance_)
    assert fisher_ratio(embeddings, labels) == pytest.approx(expected, rel=1e-9)


def test_nc1_of_two_classes_on_a_line_by_hand():
    """Means at +-2, images +-s about them: Sigma_W = s^2, Sigma_B = 4, so NC1 = s^2 / 8; an offset changes nothing."""
    labels = np.array([0, 0, 1, 1])
    for offset in (0.0, 10.0):
        line = np.array([[-2.5], [-1.5], [1.5], [2.5]]) + offset
        assert nc1(line, labels) == pytest.approx(0.5**2 / 8)


def test_nc1_is_zero_at_full_collapse_and_undefined_where_class_means_coincide():
    corners, labels = np.repeat(np.eye(4), 3, axis=0), np.repeat(np.arange(4), 3)
    assert nc1(corners, labels) == 0
    around = np.array([[1.0, 1], [1, -1], [1, 2], [1, -2]]) * 0.7 + 0.1
    with pytest.raises(Undefined, match="class means coincide"):
        nc1(around, np.array([0, 0, 1, 1]))


def test_rounding_of_the_class_means_is_not_taken_for_a_direction():
    """Three classes on a line through a plane: what float32 leaves across the line must not be inverted."""
    rng = np.random.default_rng(9)
    labels = np.repeat(np.arange(3), 50)
    along, direction = np.array([-1.0, 0.2, 1.5])[labels], np.array([0.6, 0.8])
    deviations = rng.normal(size=75)
    across = np.stack([deviations, -deviations], axis=1).ravel()  # each class's deviations cancel in pairs
    embeddings = np.outer(along, direction) + 0.1 * np.outer(across, [-0.8, 0.6])
    assert nc1(embeddings.astype(np.float32), labels) == pytest.approx(0, abs=1e-9)


def test_fisher_ratio_has_no_value_without_scatter_within_classes():
    with pytest.raises(Undefined, match="unbounded"):
        fisher_ratio(on_circle([10, 10, 50, 50]).astype(np.float32), np.array([0, 0, 1, 1]))
    same_directions = on_circle([10, 10, 50, 50]) * np.array([[1], [3], [0.7], [11]])  # but for the last float32 digit
    with pytest.raises(Undefined, match="unbounded"):
        fisher_ratio(same_directions.astype(np.float32), np.array([0, 0, 1, 1]))


# Effective rank


def test_effective_rank_in_closed_form():
    rng = np.random.default_rng(10)
    orthonormal, _ = np.linalg.qr(rng.normal(size=(50, 4)))
    assert effective_rank(orthonormal) == pytest.approx(4)
    assert effective_rank(np.outer(rng.normal(size=30), rng.normal(size=6))) == pytest.approx(1)
    assert effective_rank(np.repeat(np.eye(2, 5), 3, axis=0)) == pytest.approx(2)  # singular values of exactly zero
    assert effective_rank(orthonormal[:, :2] * [3, 1]) == pytest.approx(4 / 3**0.75)  # exp of the entropy of 3/4, 1/4


def test_an_isotropic_cloud_uses_nearly_all_dimensions_and_an_offset_counts():
    cloud_without_offset = np.random.default_rng(11).normal(size=(4000, 16))
    assert 15.9 < effective_rank(cloud_without_offset) < 16
    assert effective_rank(cloud_without_offset + 1000) < 1.5


# Accuracy, memorisation


def test_accuracy_equals_sklearn():
    rng = np.random.default_rng(12)
    probabilities, labels = rng.dirichlet(np.ones(5), size=300), rng.integers(0, 5, 300)
    assert accuracy(probabilities, labels) == pytest.approx(accuracy_score(labels, probabilities.argmax(axis=1)))


def test_memorised_and_corrected_shares_by_hand():
    """Four flipped of six: two learnt by heart, one seen through, one sent to a third class."""
    true = np.array([0, 1, 0, 0, 1, 2])
    given = np.array([0, 1, 1, 2, 2, 0])
    predicted = np.array([0, 0, 1, 2, 1, 1])
    assert memorisation(predicted, given, true) == 2 / 4
    assert corrected(predicted, given, true) == 1 / 4


# Label issues


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_equals_sklearn_with_and_without_many_ties(levels):
    rng = np.random.default_rng(13)
    scores, positive = rng.integers(0, levels, 400) / levels, rng.random(400) < 0.3
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


@pytest.fixture
def audited():
    """Probabilities that lean to the true class, labels flipped in a third, one of six classes absent."""
    rng = np.random.default_rng(14)
    true = rng.integers(0, 5, 300)
    given = np.where(rng.random(300) < 1 / 3, (true + rng.integers(1, 5, 300)) % 5, true)
    logits = rng.normal(size=(300, 6)) + 1.5 * np.eye(6)[true]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), given, true


def test_label_issue_auroc_equals_cleanlab_scored_by_sklearn(audited):
    probabilities, given, true = audited
    quality = get_label_quality_scores(given, np.float64(probabilities), method="normalized_margin")
    expected = roc_auc_score(given != true, -quality)
    assert 0.6 < expected < 0.99
    assert label_issue_auroc(probabilities, given, true) == pytest.approx(expected, abs=1e-12)


def test_label_issue_auroc_is_the_margin_written_out(audited):
    probabilities, given, true = audited
    own = np.float64(probabilities)[np.arange(300), given]
    rivals = np.float64(probabilities)
    rivals[np.arange(300), given] = -1
    expected = roc_auc_score(given != true, rivals.max(axis=1) - own)
    assert label_issue_auroc(probabilities, given, true) == pytest.approx(expected, abs=1e-12)


class TestWrongCentreAngle:
    """Points on a circle at angles one can see."""

    @staticmethod
    def on_circle(degrees: list[float]) -> np.ndarray:
        radians = np.radians(np.array(degrees))
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)

    def test_by_hand(self) -> None:
        """Centres at 0, 40 and 180 degrees, each class two points 10 degrees off its centre.

        To the nearest other centre: classes 0 and 1 see each other at 30 and 50 degrees, mean 40; class 2 sees class 1
        at 130 and 150, mean 140. The median is 40.
        """
        embeddings = self.on_circle([-10, 10, 30, 50, 170, 190])
        assert wrong_centre_angle_deg(embeddings, np.repeat(np.arange(3), 2)) == pytest.approx(40, abs=1e-4)

    def test_one_class_apart_does_not_hide_the_collapse_of_the_others(self) -> None:
        """Nine classes on one spot and one at 60 degrees: the widest angle says 60, this says about 1."""
        embeddings = self.on_circle([-1, 1] * 9 + [59, 61])
        labels = np.repeat(np.arange(10), 2)
        assert centroid_spread_deg(embeddings, labels) == pytest.approx(60, abs=1e-3)
        assert wrong_centre_angle_deg(embeddings, labels) == pytest.approx(1, abs=1e-3)

"""How near the classes come to sitting on one another's centres: the collapse detector's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noisylabels.metrics.angles import angle_deg, nearest_other
from noisylabels.metrics.by_class import as_directions, by_class
from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import EmbeddingMetric


def wrong_centre_angle_deg(embeddings: Floats, labels: Labels) -> float:
    """Median over classes of the mean angle from a class's embeddings to the nearest other class's centre.

        median_c (1/n_c) sum_{i in c} angle(x_i, m_{k(c)}),   k(c) = argmin_{k != c} angle(m_c, m_k)

    with x_i the L2-normalised embeddings, m_c the mean direction of class c, n_c its images.

    A model that puts everything in one direction scores near 0, however superb its intra-class angle looks; so does
    one that keeps a class apart and piles up the others, which the *widest* angle between centres would miss. A model
    that has merely learnt little keeps its embeddings spread, and scores high.

    Args:
        embeddings: ``(M, D)``.
        labels: classes, ``(M,)``.

    Returns:
        Degrees in [0, 180]; higher is better.

    Raises:
        Undefined: as ``nearest_centroid_angle_deg``.

    Reference: our own.
    """
    grouped = by_class(as_directions(embeddings), labels)
    centres = grouped.mean_directions()
    angles = angle_deg(grouped.points, centres[nearest_other(centres)][grouped.member])
    return float(np.median(np.bincount(grouped.member, weights=angles) / grouped.counts))


@dataclass(frozen=True)
class WrongCentreAngle(EmbeddingMetric):
    """:func:`wrong_centre_angle_deg` of the test set, merged identities taken as the one class they now are.

    A model cannot be blamed for not telling apart what its labels have merged, so true classes count as the class that
    carries their label, and classes that no label carries are left out; n counts the others.
    """

    kind = "wrong_centre_angle_deg"
    unit = "deg"
    higher_is_better = True
    lower = 0.0
    upper = 180.0
    directions_only = True

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return wrong_centre_angle_deg(embeddings, labels)

    def compute(self, evaluation: Evaluation) -> float:
        carried = evaluation.carrying_class[evaluation.test_true]
        return self.of(evaluation.test_embeddings[carried >= 0], carried[carried >= 0])

    def count(self, evaluation: Evaluation) -> int:
        carried = evaluation.carrying_class[evaluation.test_true]
        return len(np.unique(carried[carried >= 0]))

"""Angles on the unit sphere: within classes, between neighbouring classes, across all classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import Float64, as_directions, by_class
from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import EmbeddingMetric

BLOCK = 1024  # rows of the C x C cosine matrix held at once


def intra_class_angle_deg(embeddings: Floats, labels: Labels) -> float:
    """Mean angle between an embedding and the mean direction of its class, every class weighing the same.

        (1/C) sum_c (1/n_c) sum_{i in c} angle(x_i, m_c),   m_c = sum_{i in c} x_i / |sum_{i in c} x_i|

    with x_i the L2-normalised embeddings and n_c >= 2 the images of class c. A class of one image is left out: its
    angle is zero by construction.

    Args:
        embeddings: ``(M, D)``.
        labels: true classes, ``(M,)``.

    Returns:
        Degrees in [0, 180]; lower is better, but only beside separability: a network that maps everything to one
        point scores 0, so read it with :func:`nearest_centroid_angle_deg`.

    Raises:
        Undefined: fewer than two classes, no class with two images, an embedding of length zero or not finite, or a
            class whose embeddings cancel.

    Reference: "Intra" in the angle statistics of Deng et al., ArcFace, CVPR 2019 (there averaged over images).
    """
    grouped = by_class(as_directions(embeddings), labels)
    angles = angle_deg(grouped.points, grouped.mean_directions()[grouped.member])
    class_angles = np.bincount(grouped.member, weights=angles) / grouped.counts
    return float(class_angles[grouped.counts > 1].mean())


def nearest_centroid_angle_deg(embeddings: Floats, labels: Labels) -> float:
    """Mean over classes of the angle from a class's mean direction to the nearest other one.

        (1/C) sum_c min_{k != c} angle(m_c, m_k)

    with m_c as in :func:`intra_class_angle_deg`; arguments and errors likewise.

    Returns:
        Degrees in [0, 180]; higher is better. C directions spread as widely as possible reach
        arccos(-1 / (C - 1)) when D >= C - 1, so 180 needs two classes.

    Reference: "Inter" in the angle statistics of Deng et al., ArcFace, CVPR 2019.
    """
    centres = by_class(as_directions(embeddings), labels).mean_directions()
    return float(angle_deg(centres, centres[nearest_other(centres)]).mean())


def centroid_spread_deg(embeddings: Floats, labels: Labels) -> float:
    """The widest angle between any two class mean directions.

        max_{c, k} angle(m_c, m_k)

    with m_c as in :func:`intra_class_angle_deg`; arguments and errors likewise. Near 0 every class points the
    same way.

    Returns:
        Degrees in [0, 180]; higher is better.

    Reference: our own.
    """
    centres = by_class(as_directions(embeddings), labels).mean_directions()
    farthest = np.concatenate([cosines.argmin(axis=1) for _, cosines in cosine_blocks(centres)])
    return float(angle_deg(centres, centres[farthest]).max())


def angle_deg(a: Float64, b: Float64) -> Float64:
    """Angle between matching rows of unit vectors ``(B, D)``, in degrees, ``(B,)``.

        2 atan2(|a - b|, |a + b|)

    exact to rounding at every angle, where arccos(a . b) loses half its digits near 0 and 180 degrees.

    Reference: W. Kahan, How Futile are Mindless Assessments of Roundoff?, 2006, section 12.

    >>> angle_deg(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    array([90.])
    """
    halves = np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(np.degrees(2 * halves))


def nearest_other(directions: Float64) -> NDArray[np.intp]:
    """For each of C >= 2 unit vectors ``(C, D)`` the row of the nearest other one, ``(C,)``, a block at a time."""
    return np.concatenate([_without_self(rows, cosines).argmax(axis=1) for rows, cosines in cosine_blocks(directions)])


def cosine_blocks(directions: Float64) -> Iterator[tuple[slice, Float64]]:
    """Cosines of a block of rows with every row, block after block."""
    for start in range(0, len(directions), BLOCK):
        rows = slice(start, min(start + BLOCK, len(directions)))
        yield rows, directions[rows] @ directions.T


def _without_self(rows: slice, cosines: Float64) -> Float64:
    others = cosines.copy()
    others[np.arange(len(others)), np.arange(rows.start, rows.stop)] = -np.inf
    return others


@dataclass(frozen=True)
class _Angle(EmbeddingMetric):
    unit = "deg"
    lower = 0.0
    upper = 180.0
    directions_only = True


@dataclass(frozen=True)
class _CentroidAngle(_Angle):
    higher_is_better = True

    def count(self, evaluation: Evaluation) -> int:
        return len(np.unique(evaluation.test_true))


@dataclass(frozen=True)
class IntraClassAngle(_Angle):
    """:func:`intra_class_angle_deg` of the test set; n counts its images, less those alone in their class."""

    kind = "intra_class_angle_deg"
    higher_is_better = False

    def count(self, evaluation: Evaluation) -> int:
        _, counts = np.unique(evaluation.test_true, return_counts=True)
        return int(counts[counts > 1].sum())

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return intra_class_angle_deg(embeddings, labels)


@dataclass(frozen=True)
class NearestCentroidAngle(_CentroidAngle):
    """:func:`nearest_centroid_angle_deg` of the test set; n counts its classes."""

    kind = "nearest_centroid_angle_deg"

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return nearest_centroid_angle_deg(embeddings, labels)


@dataclass(frozen=True)
class CentroidSpread(_CentroidAngle):
    """:func:`centroid_spread_deg` of the test set; n counts its classes."""

    kind = "centroid_spread_deg"

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return centroid_spread_deg(embeddings, labels)

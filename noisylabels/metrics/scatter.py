"""Scatter within classes against scatter between them: neural collapse and Fisher's ratio.

With n_c points x_i and mean mu_c in each of C classes, M points in all, and mu the mean of the class means:

    Sigma_W = (1/M) sum_c sum_{i in c} (x_i - mu_c)(x_i - mu_c)^T      every image weighs the same
    Sigma_B = (1/C) sum_c (mu_c - mu)(mu_c - mu)^T                     every class weighs the same
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from noisylabels.metrics.by_class import FLOAT32_STEP, ByClass, Float64, as_directions, as_points, by_class
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import EmbeddingMetric, Undefined


def nc1(embeddings: Floats, labels: Labels) -> float:
    """Within-class variability, measured in units of the distance between classes; 0 is full neural collapse.

        NC1 = tr(Sigma_W pinv(Sigma_B)) / C

    on raw embeddings. With singular values s_r and right singular vectors v_r of the centred class means over sqrt(C),
    the trace is sum_r (1/M) sum_i ((x_i - mu_c(i)) . v_r)^2 / s_r^2, which needs no D x D matrix and squares no
    condition number. The sum runs over the directions in which the class means lie further apart than float32 resolves
    at the length of the longest embedding; of the singular values this drops the C-th too (centring makes it zero, but
    for rounding), so that at most min(C - 1, D) remain.

    Args:
        embeddings: ``(M, D)``.
        labels: true classes, ``(M,)``.

    Returns:
        A ratio in [0, inf); lower is better. Means that almost coincide in some direction inflate it; a direction in
        which they do coincide drops out of it. Read it with :func:`noisylabels.metrics.effective_rank.effective_rank`.

    Raises:
        Undefined: fewer than two classes, no class with two images, an embedding of length zero or not finite, or
            class means that all coincide.

    Reference: Papyan, Han & Donoho, PNAS 117(40), 2020, with their division by C; their notebook
    (neuralcollapse/neuralcollapse) leaves it out and prints C times this number.
    """
    grouped = by_class(as_points(embeddings), labels)
    longest = np.linalg.norm(grouped.points, axis=1).max()
    num_classes = len(grouped.counts)
    _, spread, axes = np.linalg.svd(_centred_means(grouped) / np.sqrt(num_classes), full_matrices=False)
    kept = spread > FLOAT32_STEP * longest
    if not kept.any():
        raise Undefined("class means coincide: there is no scatter between classes")
    within = np.mean((grouped.centred() @ axes[kept].T) ** 2, axis=0)
    return float(np.sum(within / spread[kept] ** 2) / num_classes)


def fisher_ratio(embeddings: Floats, labels: Labels) -> float:
    """Scatter between classes over scatter within them, on L2-normalised embeddings.

        tr Sigma_B / tr Sigma_W

    Args:
        embeddings: ``(M, D)``; scaled to length one first, so that only directions count.
        labels: true classes, ``(M,)``.

    Returns:
        A ratio in [0, inf); higher is better.

    Raises:
        Undefined: fewer than two classes, no class with two images, an embedding of length zero or not finite, or a
            scatter within classes below what float32 resolves on the unit sphere (the ratio has no bound there).

    Reference: the trace form of Fisher's criterion, Fukunaga, Introduction to Statistical Pattern Recognition, 1990,
    chapter 10.
    """
    grouped = by_class(as_directions(embeddings), labels)
    within = np.mean(np.sum(grouped.centred() ** 2, axis=1))
    if within <= FLOAT32_STEP**2:
        raise Undefined("there is no scatter within classes: the ratio is unbounded")
    return float(np.mean(np.sum(_centred_means(grouped) ** 2, axis=1)) / within)


def _centred_means(grouped: ByClass) -> Float64:
    return np.asarray(grouped.means - grouped.means.mean(axis=0))


@dataclass(frozen=True)
class Nc1(EmbeddingMetric):
    """:func:`nc1` of the test set; n counts its images."""

    kind = "nc1"
    unit = "ratio"
    higher_is_better = False
    lower = 0.0
    upper = inf
    directions_only = False

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return nc1(embeddings, labels)


@dataclass(frozen=True)
class FisherRatio(EmbeddingMetric):
    """:func:`fisher_ratio` of the test set; n counts its images."""

    kind = "fisher_ratio"
    unit = "ratio"
    higher_is_better = True
    lower = 0.0
    upper = inf
    directions_only = True

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return fisher_ratio(embeddings, labels)

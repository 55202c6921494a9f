"""The cosine silhouette, exact and linear in the number of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import FLOAT32_STEP, ByClass, Float64, as_directions, by_class
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import EmbeddingMetric

BLOCK = 1024  # images compared with the C classes at once


def cosine_silhouette(embeddings: Floats, labels: Labels) -> float:
    """How much nearer an image lies to its own class than to the next one, on average.

        (1/M) sum_i (b_i - a_i) / max(a_i, b_i)

    a_i is the mean cosine distance from i to the *other* images of its class, b_i the smallest, over other classes, of
    the mean distance to that class's images. An image alone in its class scores 0, as does one with a_i = b_i.

    No distance matrix is needed. Cosine distance between unit vectors, 1 - x . y, is affine in y, so its sum over a
    class of n_c images with mean mu_c is n_c (1 - x . mu_c): M C dot products give every a and b exactly, O(M C D).

    Args:
        embeddings: ``(M, D)``.
        labels: true classes, ``(M,)``.

    Returns:
        An index in [-1, 1]; higher is better.

    Raises:
        Undefined: fewer than two classes, no class with two images, or an embedding of length zero or not finite.

    Reference: Rousseeuw, J. Comput. Appl. Math. 20, 1987; equals ``sklearn.metrics.silhouette_score(metric="cosine")``.
    """
    grouped = by_class(as_directions(embeddings), labels)
    starts = range(0, len(grouped.points), BLOCK)
    return float(np.concatenate([_of_block(grouped, slice(start, start + BLOCK)) for start in starts]).mean())


def _of_block(grouped: ByClass, rows: slice) -> Float64:
    """The silhouettes of a block of images, ``(B,)``."""
    own = grouped.member[rows]
    each = np.arange(len(own))
    to_class = 1 - grouped.points[rows] @ grouped.means.T
    to_own = to_class[each, own]
    to_class[each, own] = np.inf
    return silhouettes(to_own, to_class.min(axis=1), grouped.counts[own])


def silhouettes(to_own: Float64, to_next: Float64, own_count: NDArray[np.intp]) -> Float64:
    """Of B images, from mean cosine distances to *all* images of their own class, itself included, and of the next.

    All arguments and the result have shape ``(B,)``; ``own_count`` is n_c of the image's class.
    """
    # The distance of an image to itself is 0, so leaving it out changes the divisor only.
    a = _resolved(to_own * own_count / np.maximum(own_count - 1, 1))
    b = _resolved(to_next)
    larger = np.maximum(a, b)
    defined = (own_count > 1) & (larger > 0)
    return np.divide(b - a, larger, out=np.zeros_like(a), where=defined)


def _resolved(distances: Float64) -> Float64:
    """Distances with what float32 directions cannot resolve set to 0, so that coinciding images have distance 0."""
    return np.where(distances > FLOAT32_STEP**2, distances, 0.0)


@dataclass(frozen=True)
class CosineSilhouette(EmbeddingMetric):
    """:func:`cosine_silhouette` of the test set; n counts its images."""

    kind = "cosine_silhouette"
    unit = "index"
    higher_is_better = True
    lower = -1.0
    upper = 1.0
    directions_only = True

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return cosine_silhouette(embeddings, labels)

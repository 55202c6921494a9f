"""Embeddings seen by class: the shared first step of every compactness metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined

Float64 = NDArray[np.float64]

# Embeddings arrive in float32, so a point of length r is known to about r * FLOAT32_STEP and no better. What is
# smaller than that is rounding, not geometry, however many digits float64 shows.
FLOAT32_STEP = float(np.finfo(np.float32).eps)


def as_points(embeddings: Floats) -> Float64:
    """Embeddings ``(M, D)`` in float64.

    Raises:
        Undefined: there is none, one is not finite, or one has length zero (the network is dead for that image).
    """
    points = np.asarray(embeddings, dtype=np.float64)
    if not points.size:
        raise Undefined("there are no test embeddings")
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise Undefined(f"{np.count_nonzero(~finite)} of {len(points)} embeddings are not finite")
    zero = ~points.any(axis=1)
    if zero.any():
        raise Undefined(f"{np.count_nonzero(zero)} of {len(points)} embeddings have length zero")
    return points


def as_directions(embeddings: Floats) -> Float64:
    """L2-normalised embeddings ``(M, D)`` in float64. Raises :class:`Undefined` as :func:`as_points` does."""
    points = as_points(embeddings)
    lengths: Float64 = np.linalg.norm(points, axis=1, keepdims=True)
    return points / lengths


@dataclass(frozen=True, eq=False)
class ByClass:
    """Points and the C >= 2 classes that own at least one of them; classes without a point do not appear.

    Attributes:
        points: ``(M, D)`` float64.
        member: ``(M,)`` in ``[0, C)``, the class of each point, numbered among the classes present.
        counts: ``(C,)``, points in each class.
        means: ``(C, D)``, the mean of each class.
    """

    points: Float64
    member: NDArray[np.intp]
    counts: NDArray[np.intp]
    means: Float64

    def centred(self) -> Float64:
        """Each point minus the mean of its class, ``(M, D)``."""
        return self.points - self.means[self.member]

    def mean_directions(self) -> Float64:
        """Where the class means of points on the unit sphere lie, scaled back to length one, ``(C, D)``.

        Raises:
            Undefined: the points of a class cancel, so that its mean points nowhere.
        """
        lengths: Float64 = np.linalg.norm(self.means, axis=1, keepdims=True)
        if lengths.min() <= FLOAT32_STEP:
            raise Undefined(f"{np.count_nonzero(lengths <= FLOAT32_STEP)} class means have no direction")
        return self.means / lengths


def by_class(points: Float64, labels: Labels) -> ByClass:
    """Group points ``(M, D)`` by labels ``(M,)`` in O(M log M + M D).

    Raises:
        Undefined: fewer than two classes are present, or no class has two points, so that nothing can be compact.
    """
    _, member, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise Undefined(f"needs test images of at least two classes; got {len(counts)}")
    if counts.max() < 2:
        raise Undefined("needs a class with at least two test images; every class has one")
    order = np.argsort(member, kind="stable")
    first = np.cumsum(counts) - counts
    means = np.add.reduceat(points[order], first, axis=0) / counts[:, None]
    return ByClass(points, member, counts, means)

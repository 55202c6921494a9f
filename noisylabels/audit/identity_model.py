"""The two-covariance model of embeddings: what an identity adds, and what a photograph adds to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noisylabels.audit.given_classes import Flags, GivenClasses, blocks
from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.search import unit_rows

Float32 = NDArray[np.float32]

MOST_DIRECTIONS = 128
"""Directions kept, those in which identities differ most: what is left of 512 costs time and tells little."""

LEAST = 1e-6
"""Ratio of variances between and within below which a direction tells nothing, whatever rounding leaves of it."""

RIDGE = 1e-3
"""Added to the scatter within classes, as a share of its mean eigenvalue: a dead direction then stays finite."""


@dataclass(frozen=True, eq=False)
class IdentityModel:
    """Whether images show one person: ``x = mu + y + e``, y drawn once a person, e once an image, both Gaussian.

    In the directions kept the covariance of e is the identity and that of y is diagonal. Of n images of one person
    with sum S, against n different persons, the model says

        log p(x_1 .. x_n) - (a term of each x_i alone) = 1/2 sum_j [ b_j S_j^2 / (1 + n b_j) - log(1 + n b_j) ]

    which is :meth:`log_evidence`. Differences of it are log likelihood ratios, in nats: that sets A and B show one
    person rather than two is ``E(S_A + S_B, n_A + n_B) - E(S_A, n_A) - E(S_B, n_B)``. Numbers of images are accounted
    for, so a class of three and one of three hundred are judged alike.

    Attributes:
        mean: ``(D,)``, of the unit vectors.
        projection: ``(D, d)``, to the directions kept.
        between: b, ``(d,)``, descending, positive: variance of persons in units of the variance of their images.

    Reference: Chen et al., Bayesian face revisited: a joint formulation, ECCV 2012; Brümmer & de Villiers, The speaker
    partitioning problem, Odyssey 2010, for sets of any size. Tag: exact, with the moment estimate of :func:`fit`.
    """

    mean: Float64
    projection: Float64
    between: Float64

    def points(self, embeddings: Floats) -> Float32:
        """Embeddings ``(N, D)``, which may be memory-mapped, as float32 ``(N, d)``; their lengths do not count.

        Raises:
            Undefined: an embedding of length zero or not finite.
        """
        out = np.empty((len(embeddings), len(self.between)), dtype=np.float32)
        for rows in blocks(len(embeddings)):
            out[rows] = (unit_rows(embeddings[rows]).astype(np.float64) - self.mean) @ self.projection
        return out

    def log_evidence(self, sums: Float64, counts: ArrayLike) -> Float64:
        """E(S, n) of sums ``(..., d)`` and numbers of images ``(...,)``, in nats, ``(...,)``; 0 where n and S are 0.

        One number for all sums will do, and is faster.
        """
        share = np.asarray(counts, dtype=np.float64)[..., None] * self.between
        squares = np.einsum("...d,...d,...d->...", sums, sums, self.between / (1 + share))
        return np.asarray(0.5 * (squares - np.log1p(share).sum(axis=-1)))


def fit(
    embeddings: Floats, classes: GivenClasses, kept: Flags, *, most_directions: int = MOST_DIRECTIONS
) -> IdentityModel:
    """The model of kept images by the moments of a one-way analysis of variance; two passes over the embeddings.

        W = (T - sum_c S_c S_c^T / n_c) / (N - C),   B = (sum_c S_c S_c^T / n_c - S S^T / N - (C - 1) W) / n_0

    with T the second moments, S_c the class sums, ``n_0 = (N - sum n_c^2 / N) / (C - 1)`` images in a typical class and
    C - 1 taken out of both. W gets a ridge and is made the identity, B diagonal.

    Args:
        embeddings: ``(N, D)``; memory D^2 + C D float64 beside a block of them.
        classes: their given labels; wrong ones inflate W and shrink B, so ``kept`` should leave out the worst.
        kept: ``(N,)``.
        most_directions: at least 1.

    Raises:
        Undefined: fewer than two classes or no class with two images are kept, the images of every class coincide, or
            classes do not differ by more than their images do by chance.

    Reference: Searle, Casella & McCulloch, Variance Components, 1992, section 3.6 (unbalanced one-way moments).
    """
    sums, counts = classes.sums(lambda rows: unit_rows(embeddings[rows]), embeddings.shape[1], kept)
    second = _second_moments(embeddings, kept)
    present = counts > 0
    sums, counts, total = sums[present], counts[present], int(counts.sum())
    num_classes = len(counts)
    if num_classes < 2 or total == num_classes:
        raise Undefined(f"needs two classes and two images of one; got {num_classes} classes of {total} images")
    of_classes = (sums / counts[:, None]).T @ sums
    mean = sums.sum(axis=0) / total
    within = (second - of_classes) / (total - num_classes)
    scatter = of_classes - total * np.outer(mean, mean)
    typical = total - (counts.astype(np.float64) ** 2).sum() / total
    between = (scatter - (num_classes - 1) * within) / typical
    if np.trace(within) <= 0:
        raise Undefined("the embeddings of every class coincide")
    return _diagonal(mean, within, between, most_directions)


def _second_moments(embeddings: Floats, kept: Flags) -> Float64:
    """Of the kept unit vectors, ``(D, D)``."""
    second = np.zeros((embeddings.shape[1], embeddings.shape[1]))
    for rows in blocks(len(embeddings)):
        points = unit_rows(embeddings[rows]).astype(np.float64)[kept[rows]]
        second += points.T @ points
    return second


def _diagonal(mean: Float64, within: Float64, between: Float64, most_directions: int) -> IdentityModel:
    """Both covariances made diagonal at once; directions in which classes do not differ are left out."""
    spread, axes = np.linalg.eigh(within)
    spread = np.maximum(spread, 0) + RIDGE * spread.mean()
    whitening = axes / np.sqrt(spread)
    ratios, turn = np.linalg.eigh(whitening.T @ between @ whitening)
    best = np.argsort(-ratios, kind="stable")[:most_directions]
    best = best[ratios[best] > LEAST]
    if not len(best):
        raise Undefined("classes differ by no more than their images do by chance")
    return IdentityModel(mean, whitening @ turn[:, best], ratios[best])

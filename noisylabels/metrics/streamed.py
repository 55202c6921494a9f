"""Compactness of embeddings that are larger than memory: all of its metrics in two passes over a mapped array.

The functions of :mod:`noisylabels.metrics` hold the embeddings in float64, several times; a million of them do not fit.
Here a pass adds up what the class means are made of, a second compares every embedding with them, a block at a time.
Memory grows with C D and with the block, not with M. What costs is the one product that silhouettes need, of the
embeddings with the C class means; the rest together takes a small part of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.sparse import csr_array

from noisylabels.metrics.angles import angle_deg, cosine_blocks
from noisylabels.metrics.by_class import FLOAT32_STEP, Float64, as_points
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.silhouette import silhouettes

BLOCK_BYTES = 1 << 25
"""What the cosines of a block with all classes may take."""


@dataclass(frozen=True)
class Compactness:
    """The compactness metrics of ``METRICS``, by their names there; NaN where one is undefined.

    Each equals its function in :mod:`noisylabels.metrics` to 1e-6 of its value, mostly to 1e-12: the next class of an
    image is looked for in float32, so that of two that lie equally near to seven digits either may be taken, and
    ``effective_rank`` sees no singular value below 1e-8 of the largest.

    Attributes:
        n: embeddings.
        num_classes: classes among them.
    """

    intra_class_angle_deg: float
    nearest_centroid_angle_deg: float
    centroid_spread_deg: float
    wrong_centre_angle_deg: float
    nc1: float
    fisher_ratio: float
    cosine_silhouette: float
    effective_rank: float
    n: int
    num_classes: int


def compactness(embeddings: Floats, labels: Labels) -> Compactness:
    """Every compactness metric of embeddings ``(M, D)`` with classes ``(M,)``, in two passes, O(M D (C + D)).

    Args:
        embeddings: float32 or float64, an array or a memory map; read in order, twice, never copied whole.
        labels: true classes, any integers.

    Raises:
        Undefined: fewer than two classes, no class with two images, an embedding of length zero or not finite, or a
            class whose embeddings cancel.

    Reference: as the functions of the same names. One at a time, and in float64, those are the oracle.
    """
    classes, member, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise Undefined(f"needs images of at least two classes; got {len(classes)}")
    if counts.max() < 2:
        raise Undefined("needs a class with at least two images; every class has one")
    sums = _summed(embeddings, member, counts)
    return _compared(embeddings, member, sums)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the first pass leaves.

    Attributes:
        counts: ``(C,)``.
        raw_means, means: ``(C, D)``, of the embeddings and of their directions.
        coarse_means: the latter in float32.
        centres: ``(C, D)``, the latter scaled to length one.
        longest: the greatest length of an embedding.
    """

    counts: NDArray[np.intp]
    raw_means: Float64
    means: Float64
    coarse_means: NDArray[np.float32]
    centres: Float64
    longest: float

    def between_axes(self) -> tuple[Float64, Float64]:
        """Singular values and axes ``(R, D)`` of the raw class means, as :func:`noisylabels.metrics.scatter.nc1`."""
        centred = (self.raw_means - self.raw_means.mean(axis=0)) / np.sqrt(len(self.counts))
        _, spread, axes = np.linalg.svd(centred, full_matrices=False)
        kept = spread > FLOAT32_STEP * self.longest
        return spread[kept], axes[kept]


def _blocks(embeddings: Floats, num_classes: int) -> Iterator[tuple[slice, Float64, Float64]]:
    """Rows, their embeddings ``(B, D)`` and the lengths of these ``(B, 1)``."""
    rows = _rows_at_once(embeddings, num_classes)
    for start in range(0, len(embeddings), rows):
        block = slice(start, min(start + rows, len(embeddings)))
        points = as_points(embeddings[block])
        yield block, points, np.linalg.norm(points, axis=1, keepdims=True)


def _rows_at_once(embeddings: Floats, num_classes: int) -> int:
    """As many as keep a block's cosines with all classes, in float32, within ``BLOCK_BYTES``."""
    return max(1, BLOCK_BYTES // (4 * max(num_classes, int(embeddings.shape[1]))))


def _summed(embeddings: Floats, member: NDArray[np.intp], counts: NDArray[np.intp]) -> _Sums:
    dim, longest = embeddings.shape[1], 0.0
    raw, directed = np.zeros((len(counts), dim)), np.zeros((len(counts), dim))
    for rows, points, lengths in _blocks(embeddings, len(counts)):
        present, own = np.unique(member[rows], return_inverse=True)
        adding = csr_array((np.ones(len(own)), (own, np.arange(len(own)))))
        raw[present] += adding @ points
        directed[present] += adding @ (points / lengths)
        longest = max(longest, float(lengths.max()))
    raw, directed = raw / counts[:, None], directed / counts[:, None]
    length = np.linalg.norm(directed, axis=1, keepdims=True)
    if length.min() <= FLOAT32_STEP:
        raise Undefined(f"{np.count_nonzero(length <= FLOAT32_STEP)} class means have no direction")
    return _Sums(counts, raw, directed, directed.astype(np.float32), directed / length, longest)


def _compared(embeddings: Floats, member: NDArray[np.intp], sums: _Sums) -> Compactness:
    counts, classes, total = sums.counts, len(sums.counts), len(embeddings)
    nearest, widest = _nearest_and_widest(sums.centres)
    own_angle, wrong_angle = np.zeros(classes), np.zeros(classes)
    scatter = np.zeros((embeddings.shape[1],) * 2, order="F")  # sum of (x - mu)(x - mu)^T, its upper half
    within, silhouette = 0.0, 0.0
    cosines = np.empty((_rows_at_once(embeddings, classes), classes), dtype=np.float32)
    for rows, points, lengths in _blocks(embeddings, classes):
        own, directions = member[rows], points / lengths
        own_angle += np.bincount(own, angle_deg(directions, sums.centres[own]), classes)
        wrong_angle += np.bincount(own, angle_deg(directions, nearest[own]), classes)
        scatter = dsyrk(1.0, (points - sums.raw_means[own]).T, 1.0, scatter, overwrite_c=True)
        within += float(np.sum((directions - sums.means[own]) ** 2))
        silhouette += float(_silhouettes(directions, own, sums, cosines[: len(own)]).sum())
    scatter = scatter + np.triu(scatter, 1).T
    between = np.mean(np.sum((sums.means - sums.means.mean(axis=0)) ** 2, axis=1))
    return Compactness(
        intra_class_angle_deg=float((own_angle / counts)[counts > 1].mean()),
        nearest_centroid_angle_deg=float(angle_deg(sums.centres, nearest).mean()),
        centroid_spread_deg=widest,
        wrong_centre_angle_deg=float(np.median(wrong_angle / counts)),
        nc1=_nc1(sums, scatter / total),
        fisher_ratio=float(between / (within / total)) if within / total > FLOAT32_STEP**2 else float("nan"),
        cosine_silhouette=silhouette / total,
        effective_rank=_effective_rank(scatter + (counts[:, None] * sums.raw_means).T @ sums.raw_means),
        n=total,
        num_classes=classes,
    )


def _nc1(sums: _Sums, within: Float64) -> float:
    """From the scatter within classes ``(D, D)``, along the axes in which class means differ."""
    spread, axes = sums.between_axes()
    along = np.einsum("rd,rd->r", axes @ within, axes)
    return float(np.sum(along / spread**2) / len(sums.counts)) if len(spread) else float("nan")


def _effective_rank(second_moment: Float64) -> float:
    """From X^T X, whose eigenvalues are the squares of X's singular values."""
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(second_moment), 0))
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _nearest_and_widest(centres: Float64) -> tuple[Float64, float]:
    """Each centre's nearest other one ``(C, D)``, and the widest angle between any two, from one pass over cosines."""
    nearest, widest = np.empty(len(centres), dtype=np.intp), 0.0
    for rows, cosines in cosine_blocks(centres):
        farthest = cosines.argmin(axis=1)
        widest = max(widest, float(angle_deg(centres[rows], centres[farthest]).max()))
        cosines[np.arange(len(cosines)), np.arange(rows.start, rows.stop)] = -np.inf
        nearest[rows] = cosines.argmax(axis=1)
    return centres[nearest], widest


def _silhouettes(directions: Float64, own: NDArray[np.intp], sums: _Sums, cosines: NDArray[np.float32]) -> Float64:
    """Of a block: the next class is found by a product in float32, distances are in float64.

    Args:
        cosines: room for the product ``(B, C)``, the same for every block: fresh memory costs more than its sum.
    """
    np.matmul(directions.astype(np.float32), sums.coarse_means.T, out=cosines)
    cosines[np.arange(len(own)), own] = -np.inf
    to_next = 1 - np.einsum("bd,bd->b", directions, sums.means[cosines.argmax(axis=1)])
    to_own = 1 - np.einsum("bd,bd->b", directions, sums.means[own])
    return silhouettes(to_own, to_next, sums.counts[own])

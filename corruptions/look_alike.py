"""Which classes look alike: the nearest other classes of each class, by the centres of their features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.examples import Examples
from corruptions.portable import Standardiser, row_chunks

NONE = -1
"""Stands where there is no such look-alike."""

_CENTRE_BITS = 4
_UNIT_BITS = 20
_SIMILARITIES = 1 << 22


def look_alikes(basis: Examples, count: int) -> NDArray[np.int64]:
    """The ``count`` other classes whose centres point in the most similar direction, most similar first, (K, count).

    Features are standardised over the basis, which puts its mean at the origin; the centre of a class is the mean of
    its standardised features; two classes are as similar as the cosine between their centres. Cosine and not Euclidean
    distance because it is how embeddings are compared, and because under a distance the most average class is the
    nearest of nearly all others: it would be everybody's look-alike.

    A function of the basis alone, not of its row order, the machine or the thread count: whole numbers throughout, each
    sum exact. Never K x K numbers: in chunks of classes, the time is that of one K x F by F x K product.

    Args:
        basis: at least one example, with features.
        count: at least 1.

    Returns:
        Class ids, int64; ties go to the lower id; -1 where the class has no examples or there are not that many others
        that have.

    Raises:
        ValueError: the basis has no features, or count is below 1.

    Reference: the idea of confusing look-alike identities is common; the definition is our own.

    >>> basis = Examples.of([0, 1, 2, 3], 5, features=[[0, 9], [1, 9], [9, 0], [9, 1]])
    >>> look_alikes(basis, 1).tolist()
    [[1], [0], [3], [2], [-1]]
    """
    if count < 1:
        raise ValueError(f"count of look-alikes must be at least 1; got {count}")
    present = np.flatnonzero(basis.class_sizes())
    directions = _unit_centres(basis)[present]
    found = np.full((basis.num_classes, count), NONE, dtype=np.int64)
    width = min(count, len(present) - 1)
    if width == 0:
        return found
    step = max(_SIMILARITIES // len(present), 1)
    for start in range(0, len(present), step):
        rows = np.arange(start, min(start + step, len(present)))
        similarity = _cosines(directions[rows], directions)
        found[present[rows], :width] = present[_nearest(similarity, rows, width)]
    return found


def _class_sums(basis: Examples) -> NDArray[np.int64]:
    """Sum of the standardised features of each class, in units of 1/128, shape (K, F); zeros where it is empty."""
    features = basis.features
    if features is None:
        raise ValueError("look-alike classes need features; got none")
    standardise = Standardiser.learnt(features)
    sums = np.zeros((basis.num_classes, features.shape[1]), dtype=np.int64)
    order = np.argsort(basis.true, kind="stable")
    for chunk in row_chunks(*features.shape):
        rows = order[chunk]
        classes, starts = np.unique(basis.true[rows], return_index=True)
        sums[classes] += np.add.reduceat(standardise(features[rows]), starts, axis=0, dtype=np.int64)
    return sums


def _unit_centres(basis: Examples) -> NDArray[np.float64]:
    """Directions of the class centres as whole numbers of 2^-20, (K, F); 0 where the class is empty or at the mean."""
    sizes = np.maximum(basis.class_sizes(), 1)[:, None]
    centres = np.rint(_class_sums(basis) * (1 << _CENTRE_BITS) / sizes).astype(np.int64)
    lengths = np.sqrt((centres * centres).sum(axis=1).astype(np.float64))[:, None]
    return np.rint(centres / np.where(lengths > 0, lengths, 1.0) * (1 << _UNIT_BITS))


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cosines in units of 2^-40, exact: by Cauchy and Schwarz no partial sum of a row times a row can pass 2^41."""
    return np.asarray(a @ b.T).astype(np.int64)


def _nearest(similarity: NDArray[np.int64], own: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """Columns of the largest entries of each row but its own, largest first, ties to the lower column."""
    columns = similarity.shape[1]
    similarity[np.arange(len(own)), own] = -(1 << 42)
    # One whole number for both orders: similarity first (43 bits), then the column, so that no two keys tie.
    keys = -(similarity * columns) + np.arange(columns)
    best = np.argpartition(keys, width - 1, axis=1)[:, :width]
    order = np.argsort(np.take_along_axis(keys, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)

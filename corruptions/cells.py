"""Cells of feature space: k-means in whole numbers, so that the cells are the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.portable import Standardiser, exact_product, random_signs, row_chunks
from corruptions.quota import smallest

MAX_CELLS = 2_048
MAX_FITTED = 20_000
MAX_DIMENSIONS = 64
_STEPS = 20
_COORDINATE_BITS = 15


@dataclass(frozen=True, eq=False)
class FeatureCells:
    """k centres in a space of at most 64 dimensions; an example belongs to the nearest, ties to the lower number.

    Features are standardised and, where there are more than 64, projected by a random matrix of +-1, which keeps
    distances to within a tenth or so. Lloyd's algorithm runs on at most 20,000 examples of the basis, from the k of
    them with the smallest draws, for 20 steps or until nothing moves; centres are rounded to whole numbers at each
    step and a centre that loses all its examples stays where it is.

    Attributes:
        standardise: learnt from the basis.
        projection: +-1, int8, shape (F, d), the identity where F <= 64.
        factor: power of two that brings the basis' largest coordinate to about 2^15.
        centres: whole numbers, float64, shape (k, d).

    Reference: Lloyd, Least squares quantization in PCM, 1982; the whole-number form is our own.
    """

    standardise: Standardiser
    projection: NDArray[np.int8]
    factor: float
    centres: NDArray[np.float64]

    @classmethod
    def learnt(cls, basis: Examples, num_cells: int, seed: int) -> Self:
        """From the features of the basis; never more cells than examples that are fitted, nor than 2,048.

        Raises:
            ValueError: the basis has no features.
        """
        if basis.features is None:
            raise ValueError("cells need features; got none")
        draws = example_draws(seed, "cells/fitted", basis.ids)
        fitted = smallest(draws, min(len(basis), MAX_FITTED))
        fitted = fitted[np.argsort(draws[fitted])]
        standardise = Standardiser.learnt(basis.features)
        num_columns = basis.features.shape[1]
        projection = np.eye(num_columns, dtype=np.int8)
        if num_columns > MAX_DIMENSIONS:
            projection = random_signs(seed, "cells/projection", MAX_DIMENSIONS, num_columns).T
        raw = _projected(basis.features, fitted, standardise, projection)
        _, exponent = np.frexp(np.abs(raw).max())
        factor = float(np.ldexp(1.0, _COORDINATE_BITS - int(exponent)))
        points = _whole(raw, factor)
        return cls(standardise, projection, factor, _lloyd(points, min(num_cells, MAX_CELLS, len(fitted))))

    def __len__(self) -> int:
        return len(self.centres)

    def of(self, features: NDArray[Any]) -> NDArray[np.int64]:
        """Cell of each row of features, in [0, k), int64, shape (N,)."""
        cells = np.empty(len(features), dtype=np.int64)
        for chunk in row_chunks(len(features), max(features.shape[1], len(self))):
            rows = np.arange(len(features))[chunk]
            points = _whole(_projected(features, rows, self.standardise, self.projection), self.factor)
            cells[chunk] = nearest_centre(points, self.centres)
        return cells


def nearest_centre(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the nearest centre by squared distance, ties to the lower, shape (n,); holds n x k numbers.

    All whole numbers below 2^17, in at most 64 dimensions: every sum is exact.
    """
    squares = (centres * centres).sum(axis=1)
    nearest: NDArray[np.int64] = np.argmin(squares - 2.0 * exact_product(points, centres.T), axis=1)
    return nearest


def _lloyd(points: NDArray[np.float64], num_cells: int) -> NDArray[np.float64]:
    centres = points[:num_cells].copy()
    for _ in range(_STEPS):
        cells = np.concatenate([nearest_centre(points[r], centres) for r in row_chunks(len(points), num_cells)])
        order = np.argsort(cells, kind="stable")
        taken, starts, sizes = np.unique(cells[order], return_index=True, return_counts=True)
        moved = centres.copy()
        moved[taken] = np.rint(np.add.reduceat(points[order], starts, axis=0) / sizes[:, None])
        if (moved == centres).all():
            break
        centres = moved
    return centres


def _projected(
    features: NDArray[Any], rows: NDArray[np.int64], standardise: Standardiser, projection: NDArray[np.int8]
) -> NDArray[np.float64]:
    out = np.empty((len(rows), projection.shape[1]))
    for chunk in row_chunks(len(rows), features.shape[1]):
        out[chunk] = exact_product(standardise(features[rows[chunk]]), projection)
    return out


def _whole(raw: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    limit = 2.0 ** (_COORDINATE_BITS + 1)
    return np.clip(np.rint(raw * factor), -limit, limit)

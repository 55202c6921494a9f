"""A sparse row-stochastic matrix of confusions, and labels drawn from its rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from corruptions.quota import exact

Cells = tuple[tuple[int, int, float], ...]
"""(true class, given class, probability), the non-zero cells of a row-stochastic matrix."""

ROW_SUM_TOLERANCE = 1e-6
"""Room for probabilities printed with six digits."""

_RESOLUTION_BITS = 40
RESOLUTION = 1 << _RESOLUTION_BITS
"""Unit of the thresholds: probabilities are whole multiples of 2^-40."""


@dataclass(frozen=True, eq=False)
class SparseConfusion:
    """Row-stochastic M over class ids; memory grows with its non-zero cells, never with K x K.

    Rows that are absent or have no mass off the diagonal are the identity's: those classes are never confused. The
    others are the *sources*, numbered 0 to S - 1 by class id.

    Attributes:
        sources: class id of each source, ascending, int64, shape (S,).
        leaving: ``1 - M_ii`` of each source, exact, in [0, 1], S numbers.
        targets: off-diagonal class ids, source after source, int64, shape (E,).
        thresholds: ``source * 2^40 + 2^40 * P(given <= target | leaves)``, non-decreasing int64, shape (E,). Whole
            numbers, so that drawing is bit-identical everywhere; probabilities are resolved to 2^-40.
    """

    sources: NDArray[np.int64]
    leaving: tuple[Fraction, ...]
    targets: NDArray[np.int64]
    thresholds: NDArray[np.int64]

    @classmethod
    def from_cells(cls, cells: Iterable[tuple[int, int, float]]) -> Self:
        """M from its cells in any order; zeros may be listed.

        Raises:
            ValueError: a probability outside [0, 1], a negative class id, a cell given twice, or a row that
                does not sum to one within 1e-6; the row is named.
        """
        rows = _rows(cells)
        off_diagonal = {i: {j: p for j, p in sorted(row.items()) if j != i and p > 0} for i, row in rows.items()}
        sources = sorted(i for i, row in off_diagonal.items() if row)
        thresholds = [
            (number << _RESOLUTION_BITS) + upto
            for number, i in enumerate(sources)
            for upto in _cumulative(list(off_diagonal[i].values()))
        ]
        return cls(
            sources=np.array(sources, dtype=np.int64),
            leaving=tuple(1 - exact(rows[i].get(i, 0.0)) for i in sources),
            targets=np.array([j for i in sources for j in off_diagonal[i]], dtype=np.int64),
            thresholds=np.array(thresholds, dtype=np.int64),
        )

    def check_fits(self, num_classes: int) -> None:
        """Raises ValueError where a class id is not in [0, K)."""
        outside = [c for ids in (self.sources, self.targets) for c in ids.tolist() if c >= num_classes]
        if outside:
            raise ValueError(f"classes of the confusion must be in [0, {num_classes}); got {outside[0]}")

    def source_of(self, true: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
        """Source number of each example's true class, -1 where the class is never confused, shape (N,)."""
        number = np.full(num_classes, -1, dtype=np.int64)
        number[self.sources] = np.arange(len(self.sources))
        return number[true]

    def draw(self, sources: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Inverse-CDF draw of the given class of examples that leave their own: class ids, shape (n,).

        Args:
            sources: source number of each, shape (n,).
            words: one uniform 64-bit word each, shape (n,); its upper 40 bits are used.
        """
        position = (sources << _RESOLUTION_BITS) + (words >> 64 - _RESOLUTION_BITS).astype(np.int64)
        return self.targets[np.searchsorted(self.thresholds, position, side="right")]


def dense_matrix(cells: Iterable[tuple[int, int, float]], num_classes: int) -> NDArray[np.float64]:
    """M of such cells as a (K, K) array, rows scaled to sum to one; for few classes.

    >>> dense_matrix([(0, 1, 1.0)], 2)
    array([[0., 1.],
           [0., 1.]])
    """
    matrix, rows = np.eye(num_classes), _rows(cells)
    for i, row in rows.items():
        matrix[i] = 0.0
        matrix[i, list(row)] = list(row.values())
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _rows(cells: Iterable[tuple[int, int, float]]) -> dict[int, dict[int, float]]:
    rows: dict[int, dict[int, float]] = {}
    for i, j, p in cells:
        if i < 0 or j < 0:
            raise ValueError(f"class ids must not be negative; got cell ({i}, {j})")
        if not 0 <= p <= 1:
            raise ValueError(f"probabilities must be in [0, 1]; got {p} at ({i}, {j})")
        row = rows.setdefault(i, {})
        if j in row:
            raise ValueError(f"a cell must be given once; got ({i}, {j}) twice")
        row[j] = p
    for i, row in rows.items():
        if abs(math.fsum(row.values()) - 1) > ROW_SUM_TOLERANCE:
            raise ValueError(f"rows must sum to 1; row {i} sums to {math.fsum(row.values()):.6g}")
    return rows


def _cumulative(masses: list[float]) -> list[int]:
    """The masses' running share of their total, in units of 2^-40; the last is exactly 2^40."""
    running = list(itertools.accumulate(masses))
    return [round(mass / running[-1] * RESOLUTION) for mass in running]

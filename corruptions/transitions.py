"""Who was mistaken for whom: wrong labels counted by cell, sparse at any number of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_DENSE_CLASSES = 1_000


@dataclass(frozen=True, eq=False)
class Transitions:
    """The wrong labels counted by cell: ``count[n]`` examples of true class ``true[n]`` are labelled ``given[n]``.

    Only cells that occur and that lie off the diagonal, by row and then by column, three int64 arrays of equal length.
    Never K x K numbers: 10,575 identities would make a matrix of 0.9 GB.
    """

    true: NDArray[np.int64]
    given: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def counted(cls, true: NDArray[np.int64], given: NDArray[np.int64], num_given_classes: int) -> Transitions:
        """The cells of wrong labels, both int64 of the same shape; no entry may be right."""
        cells = true * num_given_classes
        cells += given
        keys, counts = np.unique(cells, return_counts=True)
        rows, columns = np.divmod(keys, num_given_classes)
        return cls(rows, columns, counts)

    def __len__(self) -> int:
        return len(self.count)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Transitions):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("true", "given", "count"))

    __hash__ = None  # type: ignore[assignment]

    def matrix(self, kept_by_class: NDArray[np.int64], num_given_classes: int) -> NDArray[np.float64]:
        """Realised ``T[i, j] = P(given j | true i)`` of the kept examples, (K, K'), rows sum to one.

        The row of a class without kept examples is the identity's: nothing of it was seen to be wrong.

        Args:
            kept_by_class: kept examples of each true class, shape (K,).
            num_given_classes: K'.

        Raises:
            ValueError: K' is above 1,000; the cells hold the same numbers sparsely.
        """
        if num_given_classes > MAX_DENSE_CLASSES:
            raise ValueError(
                f"a transition matrix is dense and refused above {MAX_DENSE_CLASSES:,} classes; "
                f"got {num_given_classes:,}: read the sparse transitions"
            )
        T = np.zeros((len(kept_by_class), num_given_classes))
        T[self.true, self.given] = self.count
        diagonal = np.where(kept_by_class == 0, 1, kept_by_class - T.sum(axis=1))
        T[np.arange(len(T)), np.arange(len(T))] = diagonal
        matrix: NDArray[np.float64] = T / np.maximum(kept_by_class, 1)[:, None]
        return matrix

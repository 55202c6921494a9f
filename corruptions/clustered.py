"""Clustered noise: wrong labels side by side in feature space, whole cells at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.cells import FeatureCells
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, integers_below
from corruptions.examples import Examples
from corruptions.quota import order_by_group, quota


@dataclass(frozen=True)
class Clustered(Corruption):
    """Exactly ``n = floor(rate * N + 1/2)`` wrong labels, concentrated in cells of feature space.

    The space is cut into ``k = max(2, round(N_basis / cell_size))`` k-means cells (see ``FeatureCells``; at most 2,048,
    so that cells grow beyond 102,400 examples at the default size). Each cell has one target label, uniform among the
    classes other than its most frequent true class in the basis. Cells are taken in the order of a draw: every example
    of a taken cell whose true class is not the target gets it. The last cell is taken in part, smallest draws first.

    Symmetric noise of the same rate is scattered: among an example's neighbours the right label keeps its majority, and
    a network that averages over neighbours absorbs it. Here the neighbours are wrong together.

    Attributes:
        rate: share of examples with a wrong label, in [0, 1]. What can be had is 1 less the share of examples whose
            true class is their cell's target; a cell's target is never its most frequent class in the basis, so half
            of the basis' own examples can always be had.
        cell_size: examples a cell holds on average, at least 1.

    Record details: ``num_cells``, ``num_cells_taken`` (the last one perhaps in part).

    Raises:
        ValueError: cell_size below 1; in ``apply``, no features, or more than can be had.

    Reference: Drory, Avidan & Giryes, On the resistance of neural nets to label noise (locally concentrated noise);
    this generator is our own.

    >>> features = [[0], [1], [1], [2], [90], [91], [92], [92]]
    >>> noise = Clustered(rate=0.5, cell_size=4).apply([0, 0, 0, 0, 1, 1, 1, 1], 3, seed=2, features=features)
    >>> noise.given.tolist(), noise.record.details["num_cells_taken"]
    ([0, 0, 0, 0, 2, 2, 2, 2], 1)
    """

    kind: ClassVar[str] = "clustered"
    cell_size: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.cell_size, bool) or self.cell_size != int(self.cell_size) or self.cell_size < 1:
            raise ValueError(f"cell_size must be a whole number of at least 1; got {self.cell_size}")
        object.__setattr__(self, "cell_size", int(self.cell_size))

    def needs(self) -> frozenset[str]:
        return frozenset({"features"})

    def cells(self, basis: Examples, seed: int) -> FeatureCells:
        """The cells of feature space that the basis is cut into.

        Raises:
            ValueError: the basis has no features.
        """
        return FeatureCells.learnt(basis, max(2, round(len(basis) / self.cell_size)), seed)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        assert examples.features is not None and basis.features is not None  # noqa: PT018  # needs() saw to it
        K, num_asked = examples.num_classes, quota(self.rate, len(examples))
        cells = self.cells(basis, seed)
        cell_of = cells.of(examples.features)
        basis_cell_of = cell_of if basis is examples else cells.of(basis.features)
        numbers = np.arange(len(cells), dtype=np.int64)
        steps = integers_below(K - 1, example_draws(seed, "clustered/target", numbers))
        target = (most_frequent(basis.true, basis_cell_of, len(cells)) + 1 + steps) % K
        place = np.empty_like(numbers)
        place[np.argsort(example_draws(seed, "clustered/cell", numbers))] = numbers
        can_be_wrong = np.flatnonzero(examples.true != target[cell_of])
        draws = example_draws(seed, "clustered/which", examples.ids[can_be_wrong])
        chosen = can_be_wrong[order_by_group(draws, place[cell_of[can_be_wrong]])[:num_asked]]
        given = examples.true.copy()
        given[chosen] = target[cell_of[chosen]]
        details = {"num_cells": len(cells), "num_cells_taken": len(np.unique(cell_of[chosen]))}
        return Decision(given, details, num_asked=num_asked)


def most_frequent(true: NDArray[np.int64], cell_of: NDArray[np.int64], num_cells: int) -> NDArray[np.int64]:
    """The class that most examples of each cell have, ties to the lower id, 0 where a cell is empty, shape (k,).

    >>> most_frequent(np.array([2, 1, 1, 2, 3]), np.array([0, 0, 0, 2, 2]), 3)
    array([1, 0, 2])
    """
    width = int(true.max()) + 1
    keys, counts = np.unique(cell_of * width + true, return_counts=True)
    cells, classes = np.divmod(keys, width)
    order = np.lexsort((classes, -counts, cells))
    taken, first = np.unique(cells[order], return_index=True)
    found = np.zeros(num_cells, dtype=np.int64)
    found[taken] = classes[order][first]
    return found

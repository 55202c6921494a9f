"""Pair noise: every class is mistaken for the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.asymmetric import per_class_flips
from corruptions.class_maps import pair
from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples
from corruptions.sparse_confusion import SparseConfusion


@dataclass(frozen=True)
class Pair(Corruption):
    """``T_ii = 1 - rate``, ``T[i, (i + 1) mod K] = rate``: ``asymmetric:map=pair`` by its own name and draws.

    Attributes:
        rate: share of each class that gets the next class's label, in [0, 1]. From 0.5 on the wrong label is the more
            frequent one, and which is right cannot be told from the labels.

    Record details: as for ``asymmetric``.

    Reference: "pair flipping" of Han et al., Co-teaching, NeurIPS 2018 (flips in expectation there, exact here).

    >>> Pair(rate=0.5).apply([0, 0, 1, 1, 2, 2], 3, seed=7).record.flipped_by_class
    (1, 1, 1)
    """

    kind: ClassVar[str] = "pair"
    rate_of: ClassVar[str] = "examples of each class"

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64]:
        return (1 - self.rate) * np.eye(num_classes) + self.rate * np.roll(np.eye(num_classes), 1, axis=1)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        confusion = SparseConfusion.from_cells((i, j, 1.0) for i, j in pair(examples.num_classes))
        return per_class_flips(self, examples, confusion, seed)

"""Pair noise: every class is mistaken for the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corruptions.asymmetric import Asymmetric
from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples


@dataclass(frozen=True)
class Pair(Corruption):
    """``T_ii = 1 - rate``, ``T[i, (i + 1) mod K] = rate``: ``asymmetric:map=pair`` by its own name, with its draws.

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

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return Asymmetric(self.rate, map="pair")._decide(examples, basis, seed)

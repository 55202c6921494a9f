"""Symmetric (uniform) noise, under both of the conventions that share its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, integers_below
from corruptions.examples import Examples
from corruptions.quota import quota, smallest_drawn

_BLOCK = 1 << 13
"""Labels drawn at a time: ten million of them need no second array."""


@dataclass(frozen=True)
class Symmetric(Corruption):
    """Exactly ``n = floor(rate * N + 1/2)`` examples, those with the smallest draws, get a random label.

    Exclusive (the default): ``given = (true + 1 + t) mod K`` with t uniform on [0, K - 1), hence every wrong class is
    equally likely and all n labels are wrong: ``T = (1 - rate) I + rate / (K - 1) (J - I)``, J all ones.

    Inclusive: ``given`` uniform on [0, K), own class included, so about ``rate * (K - 1) / K`` of all labels are
    wrong: 18 %, not 20 %, at K = 10. ``T = (1 - rate) I + rate / K J``. Which n examples are chosen is the same.

    Attributes:
        rate: share of examples that get a random label, in [0, 1].
        inclusive: the random label may be the true one.

    Reference: exclusive as in Patrini et al., CVPR 2017, and Co-teaching, NeurIPS 2018 (in expectation there, exact
    here); inclusive as in the code of DivideMix, ICLR 2020, and ELR, NeurIPS 2020.

    >>> noise = Symmetric(rate=0.4).apply([0, 1, 2, 3, 4], 5, seed=7)
    >>> noise.record.num_flipped, noise.record.realised_rate
    (2, 0.4)
    """

    kind: ClassVar[str] = "symmetric"
    inclusive: bool = False

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64]:
        return uniform_matrix(self.rate, num_classes, inclusive=self.inclusive)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        chosen = smallest_drawn(seed, "symmetric/which", examples.ids, quota(self.rate, len(examples)))
        given = relabelled(examples, chosen, seed, "symmetric/target", inclusive=self.inclusive)
        return Decision(given, {"num_chosen": len(chosen)}, num_asked=None if self.inclusive else len(chosen))


def uniform_matrix(rate: float, num_classes: int, *, inclusive: bool) -> NDArray[np.float64]:
    """``(1 - rate) I + rate U``, U uniform over all classes or over all others, shape (K, K)."""
    uniform = np.full((num_classes, num_classes), 1 / (num_classes if inclusive else num_classes - 1))
    if not inclusive:
        np.fill_diagonal(uniform, 0.0)
    return (1 - rate) * np.eye(num_classes) + rate * uniform


def relabelled(
    examples: Examples, chosen: NDArray[np.int64], seed: int, purpose: str, *, inclusive: bool
) -> NDArray[np.int64]:
    """True labels, (N,), but for the chosen rows, which get a uniform draw of all classes or of all others."""
    K, given = examples.num_classes, examples.true.copy()
    for start in range(0, len(chosen), _BLOCK):
        rows = chosen[start : start + _BLOCK]
        words = example_draws(seed, purpose, examples.ids[rows])
        given[rows] = integers_below(K, words) if inclusive else _other(examples.true[rows], K, words)
    return given


def _other(true: NDArray[np.int64], num_classes: int, words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """One of the K - 1 other classes, uniformly."""
    return (true + 1 + integers_below(num_classes - 1, words)) % num_classes

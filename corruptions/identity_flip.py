"""Identity flip: single images filed under another person of the data set (closed-set noise)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, integers_below
from corruptions.examples import Examples
from corruptions.highest_rate import highest_rate
from corruptions.look_alike import look_alikes
from corruptions.quota import quota, smallest
from corruptions.swap_pairs import swap_pairs

_BLOCK = 1 << 20
"""Labels drawn at a time, to bound the memory of ten million of them."""


@dataclass(frozen=True)
class IdentityFlip(Corruption):
    """Exactly ``n = floor(rate * N + 1/2)`` examples get the label of another identity, a person with examples.

    ``uniform``: of the P identities that have examples in the basis, any other one, each with probability
    ``1 / (P - 1)``. A label that nobody has is no person and is never given. ``look_alike``: one of the ``neighbours``
    nearest look-alikes (see ``look_alikes``), or of as many as there are, each equally likely. The n examples are those
    of the smallest draws among those that have a target at all.

    ``keep_frequency``: labels change hands in pairs, so that every label keeps its number of examples and every label
    that moves is wrong. All examples stand in draw order; the 1st and 2nd, the 3rd and 4th and so on swap labels, where
    they differ; the others are paired anew (see ``swap_pairs``) and follow. The first n/2 pairs of this list swap. Of
    an odd n, the last pair's first example takes the other's label and no more: two sizes are then off by one.

    Attributes:
        rate: share of examples that get a wrong label, in [0, 1]. With ``keep_frequency`` at most
            ``2 min(floor(N / 2), N - M) / N``, M the size of the largest class.
        targets: ``uniform`` or ``look_alike`` (needs features).
        neighbours: look-alikes to choose from, at least 1.
        keep_frequency: swap labels; for uniform targets only.

    Record details: ``num_identities`` (P); with ``keep_frequency`` ``num_pairs`` (pairs that swap) and ``half_pair``
    (whether one label moved without the other).

    Raises:
        ValueError: unknown targets, neighbours below 1, keep_frequency with look-alikes, neighbours beside uniform
            targets; in ``apply``, more than can be had.

    Reference: uniform targets as in BoundaryFace, ECCV 2022 (there a floor per identity, exact here); swaps after
    NoiseFace (Hu et al., Noise-tolerant paradigm for training face recognition CNNs, CVPR 2019), which permutes the
    labels inside the chosen subset; the nested list of pairs and look-alike targets are our own.

    >>> noise = IdentityFlip(rate=0.5, keep_frequency=True).apply([0, 0, 0, 1, 1, 2, 2, 2], 3, seed=7)
    >>> noise.record.num_flipped, sorted(noise.given.tolist())
    (4, [0, 0, 0, 1, 1, 2, 2, 2])
    """

    kind: ClassVar[str] = "identity_flip"
    targets: str = "uniform"
    neighbours: int = 5
    keep_frequency: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.targets not in ("uniform", "look_alike"):
            raise ValueError(f"targets must be one of uniform, look_alike; got {self.targets!r}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1; got {self.neighbours}")
        if self.targets == "uniform" and self.neighbours != type(self).neighbours:
            raise ValueError(f"neighbours are for look_alike targets; got neighbours={self.neighbours} beside uniform")
        if self.keep_frequency and self.targets != "uniform":
            raise ValueError(f"keep_frequency swaps labels at random; got targets={self.targets}")

    def needs(self) -> frozenset[str]:
        return frozenset({"features"}) if self.targets == "look_alike" else frozenset()

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        present = np.flatnonzero(basis.class_sizes())
        draws = example_draws(seed, "identity_flip/which", examples.ids)
        if self.keep_frequency:
            return self._swapped(examples.true, np.argsort(draws), len(present))
        if self.targets == "uniform":
            others = np.full(examples.num_classes, len(present))
            others[present] -= 1
            listed = None
        else:
            listed = look_alikes(basis, min(self.neighbours, examples.num_classes - 1))
            others = (listed >= 0).sum(axis=1)
        has_target = (others > 0)[examples.true]
        self._check(int(has_target.sum()), len(examples))
        candidates = np.flatnonzero(has_target)
        chosen = candidates[smallest(draws[candidates], quota(self.rate, len(examples)))]
        given = examples.true.copy()
        for start in range(0, len(chosen), _BLOCK):
            rows = chosen[start : start + _BLOCK]
            words = example_draws(seed, "identity_flip/target", examples.ids[rows])
            own = examples.true[rows]
            number = _number_below(others[own], words)
            given[rows] = _other_present(own, present, number) if listed is None else listed[own, number]
        return Decision(given, {"num_identities": len(present)}, num_asked=len(chosen))

    def _swapped(self, true: NDArray[np.int64], order: NDArray[np.int64], num_identities: int) -> Decision:
        first, second = swap_pairs(true, order)
        self._check(2 * len(first), len(true))
        asked = quota(self.rate, len(true))
        given = true.copy()
        given[first[: (asked + 1) // 2]] = true[second[: (asked + 1) // 2]]
        given[second[: asked // 2]] = true[first[: asked // 2]]
        details = {"num_identities": num_identities, "num_pairs": asked // 2, "half_pair": asked % 2 == 1}
        return Decision(given, details, num_asked=asked)

    def _check(self, available: int, num_examples: int) -> None:
        if quota(self.rate, num_examples) > available:
            raise ValueError(
                f"identity_flip can make at most {highest_rate(available, num_examples)} of these labels wrong; "
                f"got rate={self.rate} ({available} of {num_examples} can be had)"
            )


def _number_below(limits: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A number in [0, limit) for each word; few limits differ."""
    number = np.empty(len(words), dtype=np.int64)
    for limit in np.unique(limits).tolist():
        at = limits == limit
        number[at] = integers_below(limit, words[at])
    return number


def _other_present(own: NDArray[np.int64], present: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ``number``-th of the present identities in ascending order, one's own not counted."""
    place = np.searchsorted(present, own)
    is_present = present[np.minimum(place, len(present) - 1)] == own
    other: NDArray[np.int64] = present[number + (is_present & (number >= place))]
    return other

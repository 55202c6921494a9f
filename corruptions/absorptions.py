"""Identities absorbed by others, in order: the labels that come of it, and what a record says about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.identity_groups import IdentityGroups
from corruptions.quota import smallest_per_group


@dataclass(frozen=True, eq=False)
class Absorptions:
    """Who is absorbed by whom, in the order in which it happens.

    Attributes:
        absorbed: class ids, int64, shape (m,), all different.
        absorber: the class whose label each gets, int64, shape (m,).
        first: the first member of each one's group, int64, shape (m,).
        is_fallback: grouped for want of a listed look-alike, bool, shape (m,).
    """

    absorbed: NDArray[np.int64]
    absorber: NDArray[np.int64]
    first: NDArray[np.int64]
    is_fallback: NDArray[np.bool_]

    @classmethod
    def of(cls, groups: IdentityGroups, layout: str) -> Absorptions:
        """All that the groups can absorb: into the first member (``star``) or into the one before (``chain``)."""
        at = np.flatnonzero(groups.place)
        first = groups.members[at - groups.place[at]]
        absorber = first if layout == "star" else groups.members[at - 1]
        return cls(groups.members[at], absorber, first, groups.is_fallback[at])

    def __len__(self) -> int:
        return len(self.absorbed)

    def upto(self, count: int) -> Absorptions:
        """The first ``count`` of them."""
        return Absorptions(self.absorbed[:count], self.absorber[:count], self.first[:count], self.is_fallback[:count])

    def pairs(self) -> list[list[int]]:
        """Pairs absorbed, absorber."""
        pairs: list[list[int]] = np.stack((self.absorbed, self.absorber), axis=1).tolist()
        return pairs

    def labels(self, examples: Examples, moving: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Given labels, (N,), when ``moving[i]`` examples of the i-th absorbed, those of the smallest draws, move."""
        num_classes = examples.num_classes
        is_whole = moving == examples.class_sizes()[self.absorbed]
        label_of = np.arange(num_classes)
        label_of[self.absorbed[is_whole]] = self.absorber[is_whole]
        given: NDArray[np.int64] = label_of[examples.true]
        in_part = np.flatnonzero(~is_whole & (moving > 0))
        if in_part.size:
            number = np.full(num_classes, -1)
            number[self.absorbed[in_part]] = in_part
            rows = np.flatnonzero((number >= 0)[examples.true])
            which = number[examples.true[rows]]
            draws = example_draws(seed, "identity_merge/image", examples.ids[rows])
            chosen = smallest_per_group(draws, which, moving)
            given[rows[chosen]] = self.absorber[which[chosen]]
        return given

    def details(self, moving: NDArray[np.int64], sizes: NDArray[np.int64], is_whole: bool) -> dict[str, Any]:
        """What a record says.

        Args:
            moving: how many examples of each move, shape (m,).
            sizes: how many examples each class has, shape (K,).
            is_whole: whether it is asked that all examples of an absorbed identity move.
        """
        own = sizes[self.absorbed]
        arrives = (moving > 0) | (own == 0)  # of nobody's examples, what was asked would become
        stays = (moving < own) | ((own == 0) & (not is_whole))
        held = np.ones(len(sizes), dtype=np.int64)
        held[self.absorbed[~stays]] = 0
        held += np.bincount(self.absorber[arrives], minlength=len(sizes))
        spread = int((arrives & stays).sum())
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for first, absorbed in zip(self.first.tolist(), self.absorbed.tolist(), strict=True):
            groups[first].append(absorbed)
        pairs = self.pairs()
        left_empty = ((held[self.absorbed] == 0) & ~stays & is_whole).tolist()
        return {
            "groups": [[first, *others] for first, others in groups.items()],
            "absorbed_into": pairs,
            "absorbed_whole": [pair for pair, is_empty in zip(pairs, left_empty, strict=True) if is_empty],
            "absorbed_in_part": self.absorbed[stays].tolist(),
            "num_absorbed": len(pairs),
            "identities_per_class": held.tolist(),
            "clusters_per_identity": {
                str(labels): count for labels, count in ((1, len(sizes) - spread), (2, spread)) if count
            },
            "absorbed_without_examples": self.absorbed[own == 0].tolist(),
        }

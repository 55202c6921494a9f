"""Identity split: one person filed under several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.checks import class_id
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.quota import quota, rank_in_group, smallest

MAX_SKEWED_PARTS = 32
"""Each part is half of the one before: a 33rd would be empty in any data set."""


@dataclass(frozen=True)
class IdentitySplit(Corruption):
    """Exactly ``m = floor(rate * K + 1/2)`` identities are cut into ``parts`` labels each.

    The identities are those of the smallest draws. Part 0 keeps the label; part p >= 1 of the i-th of them, in the
    order of their draws, gets the new label ``K + i * (parts - 1) + (p - 1)``. So there are ``K' = K + m (parts - 1)``
    labels, and the examples of the parts from 1 on have a wrong one. What a label is called does not depend on the rate
    nor on the examples: a validation part that is corrupted separately splits the same identities. The part of an
    example is read off its rank, by a draw of its own, among the n examples of its identity at hand.

    Attributes:
        rate: share of the K identities that are split, in [0, 1].
        parts: labels of a split identity, at least 2. At most 32 where they are skewed.
        balance: ``balanced``: the sizes of the parts differ by one at most, the first are the larger ones. ``skewed``:
            each part is half as large as the one before, ``n 2^-(p+1) / (1 - 2^-parts)``, apportioned exactly by
            largest remainders (Hamilton; ties to the earlier part).

    Record details: ``split_from`` (pairs new label, identity), ``num_split``, ``examples_per_part`` (``parts`` numbers,
    over all split identities), ``num_with_empty_parts`` (split identities with fewer examples at hand than labels, or
    too few for the small parts of a skewed split).

    Raises:
        ValueError: fewer than two parts, more than 32 skewed ones, an unknown balance.

    Reference: WebFace12M-Conflict, 617,970 identities under 1,017,970 labels, in An et al., Killing two birds with one
    stone (Partial FC), CVPR 2022; "K clusters" of an identity in ESL (arXiv 2208.04352). How those were cut is not
    published; the cut is our own.

    >>> noise = IdentitySplit(rate=0.5).apply([0, 0, 0, 1, 1, 1], 2, seed=7)
    >>> noise.given, noise.record.details["split_from"]
    (array([2, 0, 0, 1, 1, 1]), [[2, 0]])
    """

    kind: ClassVar[str] = "identity_split"
    rate_of: ClassVar[str] = "identities"
    parts: int = 2
    balance: str = "balanced"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "parts", class_id(self.parts))
        if self.balance not in ("balanced", "skewed"):
            raise ValueError(f"balance must be one of balanced, skewed; got {self.balance!r}")
        if self.parts < 2:
            raise ValueError(f"parts must be at least 2; got {self.parts}")
        if self.balance == "skewed" and self.parts > MAX_SKEWED_PARTS:
            raise ValueError(f"skewed parts must be at most {MAX_SKEWED_PARTS}; got {self.parts}")

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        num_classes, sizes = examples.num_classes, examples.class_sizes()
        largest = max(int(basis.class_sizes().max()), 2)
        if self.parts > largest and self.rate > 0:
            raise ValueError(
                f"identity_split can make at most {largest} parts, the images of the largest identity; got {self.parts}"
            )
        draws = example_draws(seed, "identity_split/class", np.arange(num_classes))
        split = smallest(draws, quota(self.rate, num_classes))
        split = split[np.argsort(draws[split])]
        number = np.full(num_classes, -1)
        number[split] = np.arange(len(split))
        rows = np.flatnonzero((number >= 0)[examples.true])
        which = number[examples.true[rows]]
        part = self._parts(example_draws(seed, "identity_split/image", examples.ids[rows]), which, sizes[split])
        given = examples.true.copy()
        moves = part > 0
        given[rows[moves]] = num_classes + which[moves] * (self.parts - 1) + part[moves] - 1
        sizes_of_parts = np.bincount(which * self.parts + part, minlength=len(split) * self.parts)
        details = _details(split, sizes_of_parts.reshape(-1, self.parts), num_classes)
        return Decision(given, details, num_given_classes=num_classes + len(split) * (self.parts - 1))

    def _parts(
        self, draws: NDArray[np.uint64], which: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Part of each example of the split identities, in [0, parts)."""
        rank = rank_in_group(draws, which)
        if self.balance == "balanced":
            return rank % self.parts
        ends = np.cumsum(skewed_sizes(sizes, self.parts), axis=1)
        part = np.zeros(len(rank), dtype=np.int64)
        for p in range(self.parts - 1):
            part += rank >= ends[which, p]
        return part


def skewed_sizes(sizes: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """n examples of each identity in shares of ``2^(parts-1) : ... : 2 : 1``, by largest remainders, (m, parts).

    Args:
        sizes: n of each identity, below 2^31, shape (m,).
        parts: at most 32.

    >>> skewed_sizes(np.array([7, 10, 1]), 3).tolist()
    [[4, 2, 1], [6, 3, 1], [1, 0, 0]]
    """
    weights = 1 << np.arange(parts)[::-1]
    floors, remainders = np.divmod(sizes[:, None] * weights, weights.sum())
    turn = np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1)
    left: NDArray[np.int64] = sizes - floors.sum(axis=1)
    apportioned: NDArray[np.int64] = floors + (turn < left[:, None])
    return apportioned


def _details(split: NDArray[np.int64], sizes: NDArray[np.int64], num_classes: int) -> dict[str, Any]:
    """``sizes[i, p]``: examples of part p of the i-th split identity."""
    parts = sizes.shape[1]
    new = num_classes + np.arange(len(split) * (parts - 1))
    return {
        "split_from": np.stack((new, np.repeat(split, parts - 1)), axis=1).tolist(),
        "num_split": len(split),
        "examples_per_part": sizes.sum(axis=0).tolist(),
        "num_with_empty_parts": int((sizes == 0).any(axis=1).sum()),
    }

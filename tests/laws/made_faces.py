"""People made of numbers: embeddings whose true identities are known, with every fault that the audit looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class MadeFaces:
    """Embeddings, what they show, what is claimed, and which labels are at fault."""

    embeddings: NDArray[np.float32]
    true: NDArray[np.int64]
    given: NDArray[np.int64]
    merged: frozenset[int]
    split: frozenset[tuple[int, int]]

    @property
    def is_wrong(self) -> NDArray[np.bool_]:
        """Whether an image is of a person whom its label does not stand for, merges and splits apart."""
        homes: dict[int, set[int]] = {}
        for label in np.unique(self.given).tolist():
            people, counts = np.unique(self.true[self.given == label], return_counts=True)
            homes[label] = set(people[counts >= 3].tolist())
        pairs = zip(self.given.tolist(), self.true.tolist(), strict=True)
        return np.array([person not in homes[label] for label, person in pairs])


def photographs(people: NDArray[np.int64], dim: int, spread: Any, draws: np.random.Generator) -> NDArray[np.float32]:
    """Unit centres of the people plus noise of this length, one row an image."""
    centres = draws.standard_normal((int(people.max()) + 1, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = draws.standard_normal((len(people), dim)) * (np.asarray(spread) / np.sqrt(dim))[..., None]
    return (centres[people] + noise).astype(np.float32)


def make_faces(seed: int = 0, *, people: int = 60, dim: int = 24) -> MadeFaces:
    """Classes of 6 to 14 images; four merged pairs, four people under two labels, 4 % of labels flips, 3 strangers."""
    draws = np.random.default_rng(seed)
    true = np.repeat(np.arange(people), draws.integers(6, 15, people))
    given = true.copy()
    flipped = draws.choice(len(true), len(true) // 25, replace=False)
    given[flipped] = (true[flipped] + draws.integers(1, people, len(flipped))) % people
    merged, split = set(), set()
    for absorbed, absorber in ((0, 1), (2, 3), (4, 5), (6, 7)):
        given[given == absorbed] = absorber
        merged.add(absorber)
    for new, person in enumerate((10, 20, 30, 40), start=people):
        rows = np.flatnonzero((true == person) & (given == person))
        given[rows[::2]] = new
        split.add((person, new))
    strangers = np.arange(people, people + 3)
    true, given = np.concatenate([true, strangers]), np.concatenate([given, [50, 51, 52]])
    embeddings = photographs(true, dim, np.full(len(true), 0.9), draws)
    return MadeFaces(embeddings, true, given, frozenset(merged), frozenset(split))

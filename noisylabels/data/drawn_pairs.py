"""Pairs for people of whom nobody has published any: drawn, in folds that share nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws, integers_below
from corruptions.quota import smallest
from noisylabels.data.errors import DataError
from noisylabels.data.pairs import VerificationPairs

_BLOCK = 4096
_MAX_BLOCKS = 256


def drawn_pairs(people: NDArray[np.int64], *, per_fold: int, folds: int = 10, seed: int = 0) -> VerificationPairs:
    """``per_fold`` pairs of the same person and as many of different people, in each fold, none twice.

    As in LFW's View 2, every person is in one fold only, so that a threshold is never tested on people it was chosen
    on, and the pairs come fold by fold, the same ones first.

    Args:
        people: int64[I], whom each item shows; people are dealt to the folds by draws of their numbers.
        per_fold: pairs of either kind.
        folds: at least 1.
        seed: of all draws.

    Raises:
        DataError: a fold has fewer pairs of a kind.
    """
    numbers = np.unique(people)
    fold_of_number = np.empty(len(numbers), dtype=np.int64)
    fold_of_number[np.argsort(example_draws(seed, "pairs/fold", numbers))] = np.arange(len(numbers)) % folds
    fold_of_item = fold_of_number[np.searchsorted(numbers, people)]
    found = []
    for fold in range(folds):
        items = np.flatnonzero(fold_of_item == fold)
        found += [
            _same(people, items, per_fold, seed, fold),
            _different(people, items, per_fold, seed, fold),
        ]
    first, second = np.concatenate(found).T.copy()
    is_same = np.tile(np.repeat([True, False], per_fold), folds)
    return VerificationPairs(first, second, is_same, np.repeat(np.arange(folds), 2 * per_fold))


def _same(people: NDArray[np.int64], items: NDArray[np.int64], count: int, seed: int, fold: int) -> NDArray[np.int64]:
    """int64[count, 2]: those with the smallest draws of all pairs of items of one person, ascending."""
    groups = [items[people[items] == person] for person in np.unique(people[items])]
    pairs = [np.stack([group[rows] for rows in np.triu_indices(len(group), 1)], axis=1) for group in groups]
    every = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])
    if len(every) < count:
        raise DataError(f"pairs must be at most {len(every)}, all of the same person in fold {fold}; got {count}")
    return every[smallest(example_draws(seed, "pairs/same", every @ np.array([len(people), 1])), count)]


def _different(
    people: NDArray[np.int64], items: NDArray[np.int64], count: int, seed: int, fold: int
) -> NDArray[np.int64]:
    """int64[count, 2]: the first of an endless list of drawn pairs that are of two people and were not there before."""
    found: dict[tuple[int, int], None] = {}
    for block in range(_MAX_BLOCKS if len(items) else 0):
        places = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
        ends = [
            items[integers_below(len(items), example_draws(seed, f"pairs/{fold}/{end}", places))]
            for end in ("first", "second")
        ]
        differ = people[ends[0]] != people[ends[1]]
        pairs = np.sort(np.stack(ends, axis=1)[differ], axis=1)
        found |= dict.fromkeys(map(tuple, pairs.tolist()))
        if len(found) >= count:
            return np.array(list(found)[:count], dtype=np.int64)
    raise DataError(f"pairs must be at most {len(found)}, all of different people in fold {fold}; got {count}")

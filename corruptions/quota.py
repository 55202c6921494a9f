"""Exactly so many, and always the same ones: how many examples a rate means, and which examples those are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws

_WORDS = 1 << 64
_BLOCK = 1 << 13
"""Examples handled at a time: their words stay in the processor's cache and below the size that is mapped afresh."""


def exact(share: float | Fraction) -> Fraction:
    """The decimal number that was written, as a fraction: 0.35 is 7/20, not the nearest binary number just below it.

    ``repr`` gives the shortest decimal that reads back as the same float, which is what the user typed for up to 15
    digits. It keeps order: a larger float has a larger decimal.

    >>> exact(0.35)
    Fraction(7, 20)
    """
    return share if isinstance(share, Fraction) else Fraction(repr(float(share)))


def quota(share: float | Fraction, total: int) -> int:
    """``floor(share * total + 1/2)`` in exact arithmetic: the nearest whole number of examples, halves upwards.

    In floats ``0.145 * 100 + 0.5`` is 14.999999999999998 and would lose an example that was asked for.

    >>> quota(0.145, 100), math.floor(0.145 * 100 + 0.5)
    (15, 14)
    """
    return math.floor(exact(share) * total + Fraction(1, 2))


def smallest(draws: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Rows of the ``count`` smallest draws, ascending; draws are distinct, so the set is definite.

    A larger count only adds rows: the nested noise levels rest on this.

    >>> smallest(np.array([30, 10, 40, 20], dtype=np.uint64), 2)
    array([1, 3])
    """
    if count == 0:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(draws <= np.partition(draws, count - 1)[count - 1])


def smallest_drawn(seed: int, purpose: str, ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """``smallest(example_draws(seed, purpose, ids), count)`` without ever holding all the draws.

    Draws are uniform, so it is known beforehand between which two words the count-th smallest of N lies, but for one
    time in 10^15: what is below is taken at once, only what lies between is kept and sorted. Should it lie elsewhere,
    all draws are made after all. For ten million examples this is quicker than the memory for their words alone.
    """
    lower, upper = _bracket(count, len(ids))
    is_chosen = np.zeros(len(ids), dtype=bool)
    between, rows = [], []
    for start in range(0, len(ids), _BLOCK):
        draws = example_draws(seed, purpose, ids[start : start + _BLOCK])
        is_chosen[start : start + _BLOCK] = draws < lower
        inside = np.flatnonzero((draws >= lower) & (draws <= upper))
        between.append(draws[inside])
        rows.append(inside + start)
    missing = count - int(np.count_nonzero(is_chosen))
    candidates = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    if not 0 <= missing <= len(candidates):
        return smallest(example_draws(seed, purpose, ids), count)
    is_chosen[candidates[np.argsort(np.concatenate(between))[:missing]] if missing else candidates[:0]] = True
    return np.flatnonzero(is_chosen)


def _bracket(count: int, total: int) -> tuple[np.uint64, np.uint64]:
    """Two words that hold the count-th smallest of so many uniform words between them, by eight standard deviations."""
    share = count / max(total, 1)
    spread = 8 * math.sqrt(share * (1 - share) / max(total, 1)) + 8 / max(total, 1)
    lower, upper = (min(max(share + side, 0.0), 1.0) for side in (-spread, spread))
    first, last = (np.uint64(min(int(side * _WORDS), _WORDS - 1)) for side in (lower, upper))
    return first, last


def smallest_per_group(
    draws: NDArray[np.uint64], groups: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows of the ``counts[g]`` smallest draws within each group g, ascending.

    Args:
        draws: distinct words, shape (N,).
        groups: group of each row, in [0, G), shape (N,).
        counts: how many rows of each group, shape (G,).

    >>> smallest_per_group(np.array([30, 10, 40, 20], dtype=np.uint64), np.array([0, 0, 1, 1]), np.array([1, 0]))
    array([1])
    """
    return np.flatnonzero(rank_in_group(draws, groups) < counts[groups])


def rank_in_group(draws: NDArray[np.uint64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's place, from 0, among the draws of its own group in ascending order, shape (N,).

    Args:
        draws: distinct words, shape (N,).
        groups: group of each row, at least 0, shape (N,).

    >>> rank_in_group(np.array([30, 10, 40, 20], dtype=np.uint64), np.array([0, 0, 1, 1]))
    array([1, 0, 1, 0])
    """
    order = order_by_group(draws, groups)
    sizes = np.bincount(groups)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank


def order_by_group(draws: NDArray[np.uint64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by group and, within a group, by draw, shape (N,).

    One sort of words whose upper bits are the group and whose lower bits are the draw's upper ones: several times
    faster than sorting by two keys. Where the kept bits of two draws tie, which is rare, the two keys decide.
    """
    group_bits = int(groups.max(initial=0)).bit_length()
    keys = groups.astype(np.uint64) << np.uint64(64 - group_bits) if group_bits else np.zeros_like(draws)
    keys |= draws >> np.uint64(group_bits)
    order = np.argsort(keys)
    ordered = keys[order]
    if group_bits and (ordered[1:] == ordered[:-1]).any():
        return np.lexsort((draws, groups))
    return order

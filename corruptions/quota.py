"""Exactly so many, and always the same ones: how many examples a rate means, and which examples those are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


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
    last = np.partition(draws, count - 1)[count - 1]
    return np.flatnonzero(draws <= last)


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
    order = np.lexsort((draws, groups))
    sizes = np.bincount(groups, minlength=len(counts))
    first = np.cumsum(sizes) - sizes
    ordered_groups = groups[order]
    rank = np.arange(len(order)) - first[ordered_groups]
    return np.sort(order[rank < counts[ordered_groups]])

"""Pairs of examples of different classes, each example in one pair at most: what trades labels keeps class sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def swap_pairs(true: NDArray[np.int64], order: Rows) -> tuple[Rows, Rows]:
    """As many disjoint pairs of rows with different labels as there can be: their first and second rows, (n,) each.

    There can be ``n = min(floor(N / 2), N - M)``, M the size of the largest class, for a pair holds one of it at most.

    Rows are paired in ``order``: the 1st with the 2nd, the 3rd with the 4th, and so on. Of the pairs of one label, the
    rows, still in order, are paired anew, the first half of them with the second half; again and again while that makes
    pairs. What is left is sorted by class and paired across. If two or more rows of one class c are left then, the last
    pairs without c are parted, and both rows of each get one of c.

    Args:
        true: labels, shape (N,).
        order: all rows, each once, in random order.

    >>> first, second = swap_pairs(np.array([0, 0, 1, 2, 0, 0, 1]), np.arange(7))
    >>> first.tolist(), second.tolist()
    ([0, 2, 3], [6, 4, 1])
    """
    even = len(order) - len(order) % 2
    first, second, left = _paired(true, order[:even:2], order[1:even:2], order[even:])
    made = [(first, second)]
    while first.size:
        half = len(left) // 2
        first, second, left = _paired(true, left[:half], left[half : 2 * half], left[2 * half :])
        made.append((first, second))
    first, second, left = _paired_across(true, left)
    made.append((first, second))
    firsts, seconds = (np.concatenate(rows) for rows in zip(*made, strict=True))
    return _completed(true, firsts, seconds, left)


def _paired(true: NDArray[np.int64], first: Rows, second: Rows, odd: Rows) -> tuple[Rows, Rows, Rows]:
    """The pairs of different labels, and all other rows in order."""
    differ = true[first] != true[second]
    return first[differ], second[differ], np.concatenate((first[~differ], second[~differ], odd))


def _paired_across(true: NDArray[np.int64], left: Rows) -> tuple[Rows, Rows, Rows]:
    """As many pairs as these rows allow: sorted by class, the largest first, no class reaches as far as the shift."""
    if not left.size:
        return left, left, left
    classes, counts = np.unique(true[left], return_counts=True)
    by_class = left[np.argsort(np.where(true[left] == classes[counts.argmax()], -1, true[left]), kind="stable")]
    shift = max(int(counts.max()), (len(left) + 1) // 2)
    pairs = len(left) - shift
    return by_class[:pairs], by_class[shift:], by_class[pairs:shift]


def _completed(true: NDArray[np.int64], first: Rows, second: Rows, left: Rows) -> tuple[Rows, Rows]:
    """The rows left, of one class, each put beside a row of the last pairs without that class."""
    if len(left) < 2:
        return first, second
    c = true[left[0]]
    without = np.flatnonzero((true[first] != c) & (true[second] != c))
    parted = without[max(len(without) - len(left) // 2, 0) :]
    kept = np.ones(len(first), dtype=bool)
    kept[parted] = False
    return (
        np.concatenate((first[kept], first[parted], second[parted])),
        np.concatenate((second[kept], left[: 2 * len(parted)])),
    )

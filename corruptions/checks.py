"""The door of the room: labels and example ids are what they must be, or one sentence says where they are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SHOWN = 3


def checked_labels(labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """A fresh int64 copy of class labels, shape (N,), N >= 1, every value in [0, K).

    Raises:
        ValueError: not one-dimensional, empty, not integers (floats, strings and booleans are refused even where they
            could be read as integers), or out of range; the first offending rows are named.

    >>> checked_labels([0, 12, 3, -1], 10)
    Traceback (most recent call last):
    ValueError: labels must be in [0, 10); got 12, -1 at rows 1, 3
    """
    array = _integers(labels, "labels")
    if array.size == 0:
        raise ValueError("labels must hold at least one example; got none")
    outside = np.flatnonzero((array < 0) | (array >= num_classes))
    if outside.size:
        raise ValueError(f"labels must be in [0, {num_classes}); got {_offenders(array, outside)}")
    return array.astype(np.int64)


def checked_ids(example_ids: ArrayLike | None, num_examples: int) -> NDArray[np.int64]:
    """A fresh int64 copy of the examples' ids, shape (N,), all different; the row numbers where none are given.

    Raises:
        ValueError: not one-dimensional integers, not as many as the labels, or not unique.
    """
    if example_ids is None:
        return np.arange(num_examples, dtype=np.int64)
    array = _integers(example_ids, "example_ids")
    if len(array) != num_examples:
        raise ValueError(f"example_ids must be one per label; got {len(array)} ids for {num_examples} labels")
    values, counts = np.unique(array, return_counts=True)
    if len(values) != num_examples:
        repeated = np.flatnonzero(np.isin(array, values[counts > 1]))
        raise ValueError(f"example_ids must be unique; got {_offenders(array, repeated)}")
    return array.astype(np.int64)


def _integers(values: ArrayLike, what: str) -> NDArray[np.integer]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, one per example; got shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{what} must be integers; got dtype {array.dtype}")
    return array


def _offenders(array: NDArray[np.integer], rows: NDArray[np.intp]) -> str:
    """``12 at rows 3, 17, 20, ... (5 in all)``: values without repeats, then rows."""
    shown = rows[:_SHOWN].tolist()
    values = ", ".join(str(value) for value in dict.fromkeys(array[shown].tolist()))
    more = f", ... ({len(rows)} in all)" if len(rows) > _SHOWN else ""
    return f"{values} at row{'s' if len(rows) > 1 else ''} {', '.join(map(str, shown))}{more}"

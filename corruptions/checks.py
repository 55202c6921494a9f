"""The door of the room: labels and example ids are what they must be, or one sentence says where they are not."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_CLASSES = 2**31
"""Class ids are below: no array of them could be held above."""

_SHOWN = 3


def checked_labels(labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """A fresh, read-only int64 copy of class labels, shape (N,), N >= 1, every value in [0, K).

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
    if array.min() < 0 or array.max() >= num_classes:
        outside = np.flatnonzero((array < 0) | (array >= num_classes))
        raise ValueError(f"labels must be in [0, {num_classes}); got {_offenders(array, outside)}")
    return _read_only(array.astype(np.int64))


def class_id(value: object) -> int:
    """A class id as a plain integer.

    Raises:
        TypeError: not an integer.
        ValueError: 2^31 or above. Negative ones are left to who knows what they are for.

    >>> class_id(np.int64(7))
    7
    """
    number = operator.index(value)  # type: ignore[arg-type]
    if number >= MAX_CLASSES:
        raise ValueError(f"class ids must be below 2^31; got {number}")
    return number


def checked_ids(example_ids: ArrayLike | None, num_examples: int) -> NDArray[np.int64]:
    """A fresh, read-only int64 copy of the examples' ids, shape (N,), all different; row numbers where none are given.

    Raises:
        ValueError: not one-dimensional integers, not as many as the labels, or not unique.
    """
    if example_ids is None:
        return _read_only(np.arange(num_examples, dtype=np.int64))
    array = _integers(example_ids, "example_ids")
    if len(array) != num_examples:
        raise ValueError(f"example_ids must be one per label; got {len(array)} ids for {num_examples} labels")
    ascending = np.sort(array)
    again = ascending[1:][ascending[1:] == ascending[:-1]]
    if again.size:
        repeated = np.flatnonzero(np.isin(array, again))
        raise ValueError(f"example_ids must be unique; got {_offenders(array, repeated)}")
    return _read_only(array.astype(np.int64))


def checked_features(features: ArrayLike, num_examples: int) -> NDArray[Any]:
    """A read-only view of features, shape (N, F), F >= 1; further dimensions are flattened.

    Raises:
        ValueError: not one row per example, no columns, not numbers, or not finite.
    """
    array = np.asarray(features)
    if array.ndim < 2 or array.shape[0] != num_examples or array.size == 0:
        raise ValueError(f"features must be (N, F), one row per label; got {array.shape} for {num_examples} labels")
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise ValueError(f"features must be whole numbers or floats; got dtype {array.dtype}")
    flat = array.reshape(num_examples, -1)
    if np.issubdtype(flat.dtype, np.floating) and not (np.isfinite(flat.min()) and np.isfinite(flat.max())):
        rows = np.flatnonzero(~np.isfinite(flat).all(axis=1))
        raise ValueError(f"features must be finite; row {rows[0]} is not ({len(rows)} in all)")
    return _read_only(flat.view())


def checked_annotations(annotations: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.int64]]:
    """Read-only int64 copies of label sets by name, each one-dimensional and none of them negative.

    Raises:
        ValueError: a set is not one-dimensional integers, or has a negative label.
    """
    checked = {}
    for name, labels in annotations.items():
        array = _integers(labels, f"annotations {name!r}")
        if array.size and array.min() < 0:
            raise ValueError(f"annotations {name!r} must not be negative; got {array.min()}")
        checked[name] = _read_only(array.astype(np.int64))
    return checked


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


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

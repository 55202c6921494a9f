"""Verification pairs: which two items, whether they are of the same person, and in which fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError, and_more


@dataclass(frozen=True, eq=False, repr=False)
class VerificationPairs:
    """P pairs of items; nothing in it can be changed. An item is an image, or a video of several.

    A protocol chooses the threshold for a fold on the other folds and tests it there; a set without folds has 0
    throughout.

    Attributes:
        first: int64[P], a row in a list of items, at least 0.
        second: int64[P], another row in it.
        is_same: bool[P], whether both show the same person.
        fold: int64[P], at least 0.

    Raises:
        DataError: no pair, or an array is not as above; the message names the first pairs at fault.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    is_same: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("first", "second", "is_same", "fold"):
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        counts = [len(self.first), len(self.second), len(self.is_same), len(self.fold)]
        if len(set(counts)) > 1 or not counts[0]:
            raise DataError(f"first, second, is_same and fold must be equally many, one pair at least; got {counts}")
        for name in ("first", "second", "fold"):
            _refuse(getattr(self, name) < 0, f"{name} must be at least 0")
        _refuse(self.first == self.second, "a pair must be of two different items")

    def __len__(self) -> int:
        return len(self.is_same)

    def __repr__(self) -> str:
        same = int(self.is_same.sum())
        return f"VerificationPairs({same} same + {len(self) - same} different, {len(np.unique(self.fold))} folds)"

    @property
    def num_items(self) -> int:
        """One more than the largest row: how many items there must be at least."""
        return int(max(self.first.max(), self.second.max())) + 1


@dataclass(frozen=True, eq=False)
class NamedPairs:
    """Pairs as a file states them, before it is known where the images are.

    Attributes:
        items: distinct names, such as ``"Abel_Pacheco/Abel_Pacheco_0001"``, in order of first appearance.
        pairs: pairs of rows in ``items``.
    """

    items: tuple[str, ...]
    pairs: VerificationPairs

    def among(self, row_of: Mapping[str, int]) -> VerificationPairs:
        """The pairs whose items are both known, in the order of the file, as rows of the known items.

        Raises:
            DataError: no pair is.
        """
        rows = np.array([row_of.get(name, -1) for name in self.items], dtype=np.int64)
        first, second = rows[self.pairs.first], rows[self.pairs.second]
        known = (first >= 0) & (second >= 0)
        if not known.any():
            raise DataError(f"a pair must have both its items; none of {len(known)} has, such as {self.items[0]!r}")
        return VerificationPairs(first[known], second[known], self.pairs.is_same[known], self.pairs.fold[known])


def contiguous_folds(count: int, folds: int = 10) -> NDArray[np.int64]:
    """Cut pairs 0..count - 1 into runs of equal length, int64[count]; the first runs have one more where it is uneven.

    These are the folds of scikit-learn's ``KFold(shuffle=False)``, which insightface's and facenet's protocol uses.

    >>> contiguous_folds(7, 3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    sizes = np.full(folds, count // folds)
    sizes[: count % folds] += 1
    return np.repeat(np.arange(folds), sizes)


def _checked(name: str, array: Any) -> NDArray[Any]:
    """The array itself where nobody can write to it, else a read-only copy."""
    dtype = np.bool_ if name == "is_same" else np.int64
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
        got = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{name} must be a 1-dimensional {dtype.__name__} array; got {got}")
    frozen: NDArray[Any] = array.copy() if array.flags.writeable else array
    frozen.flags.writeable = False
    return frozen


def _refuse(is_wrong: NDArray[np.bool_], rule: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
        raise DataError(f"{rule}; not so at pair {wrong[0]}{and_more(wrong.size - 1)}")

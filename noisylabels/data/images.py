"""Labelled images as one frozen value of plain arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError

_SHOWN_ROWS = 5


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """N labelled images; nothing in it can be changed.

    A writeable array is copied on the way in, so that its owner keeps no way to alter it; a read-only array (a loader's
    own, or a read-only memory map) is taken as it is.

    Attributes:
        images: uint8[N, C, H, W], C-contiguous, intensities 0..255; C is 1 (grey) or 3 (RGB).
        labels: int64[N], in [0, K).
        ids: int64[N], each image's stable and unique number in its source; subsets and splits are drawn from it, so
            they do not depend on the order of rows.
        class_names: K distinct names; ``class_names[k]`` is what label k means.

    Raises:
        DataError: a shape, type, count, label or id is not as above; the message names the first rows at fault.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_array("images", self.images, np.uint8, ndim=4)
        _require_array("labels", self.labels, np.int64, ndim=1)
        _require_array("ids", self.ids, np.int64, ndim=1)
        if self.images.shape[1] not in (1, 3) or 0 in self.images.shape[2:]:
            raise DataError(f"images must be (N, 1 or 3, H, W) with H, W > 0; got {self.images.shape}")
        if not len(self.images) == len(self.labels) == len(self.ids):
            counts = f"{len(self.images)}, {len(self.labels)} and {len(self.ids)}"
            raise DataError(f"images, labels and ids must be equally many; got {counts}")
        if not self.class_names or len(set(self.class_names)) != self.num_classes:
            raise DataError(f"class names must be distinct and at least one; got {self.class_names!r}")
        self._check_labels()
        self._check_ids()
        for name in ("images", "labels", "ids"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))

    @property
    def num_classes(self) -> int:
        """K, counting classes without an image."""
        return len(self.class_names)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"ImageSet({len(self)} images of {shape}, {self.num_classes} classes)"

    def take(self, rows: NDArray[Any]) -> ImageSet:
        """The images at some rows, in that order.

        Args:
            rows: row numbers, each at most once, or bool[N].

        Raises:
            IndexError: a row is out of range.
            DataError: a row comes twice.
        """
        chosen = (self.images[rows], self.labels[rows], self.ids[rows])
        for array in chosen:  # fresh arrays that nobody else holds: no second copy
            array.flags.writeable = False
        return ImageSet(*chosen, class_names=self.class_names)

    def class_sizes(self) -> NDArray[np.int64]:
        """int64[K], the number of images of each class."""
        return np.bincount(self.labels, minlength=self.num_classes)

    def fingerprint(self) -> str:
        """SHA-256 of everything in the set, 64 hex digits: equal on every machine, and only for equal content."""
        header = json.dumps({"shape": self.images.shape, "class_names": self.class_names})
        digest = hashlib.sha256(header.encode() + b"\0")
        digest.update(np.ascontiguousarray(self.images).data)
        for array in (self.labels, self.ids):
            digest.update(array.astype("<i8").data)
        return digest.hexdigest()

    def _check_labels(self) -> None:
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= self.num_classes))
        if wrong.size:
            got = self.labels[wrong[0]]
            raise DataError(f"labels must be in [0, {self.num_classes}); got {got} at {_rows(wrong)}")

    def _check_ids(self) -> None:
        order = np.argsort(self.ids, kind="stable")
        repeats = order[1:][np.diff(self.ids[order]) == 0]
        if repeats.size:
            raise DataError(f"ids must be unique; got {self.ids[repeats[0]]} again at {_rows(np.sort(repeats))}")


def _require_array(name: str, array: Any, dtype: type[np.generic], *, ndim: int) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != ndim:
        got = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{name} must be a {ndim}-dimensional {dtype.__name__} array; got {got}")


def _rows(rows: NDArray[np.int64]) -> str:
    """Row numbers for a message, the first few and their count.

    >>> _rows(np.array([3, 17]))
    'rows 3, 17 (2 in all)'
    """
    shown = ", ".join(map(str, rows[:_SHOWN_ROWS])) + (", ..." if rows.size > _SHOWN_ROWS else "")
    return f"rows {shown} ({rows.size} in all)"


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    if not array.flags.writeable and array.flags.c_contiguous:
        return array
    copy = array.copy(order="C")
    copy.flags.writeable = False
    return copy

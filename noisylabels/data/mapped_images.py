"""Image sets larger than memory: rows of a memory-mapped array, read when they are looked at and not before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError
from noisylabels.data.images import ImageSet

IN_MEMORY_BYTES = 1 << 30
"""An image set of so many bytes of pixels at most is copied into memory, a larger one stays on the disk."""

BLOCK_BYTES = 1 << 24


class MappedImages:
    """Some rows of a stored array, uint8 ``(N, C, H, W)``; indexing reads those rows into a fresh array.

    It answers to ``shape``, ``dtype``, ``ndim``, ``nbytes``, ``len`` and indexing as an array does. A function of NumPy
    is handed all of it in memory: whoever looks at everything goes by ``blocks``.

    Args:
        store: uint8, shape (M, C, H, W), usually a read-only memory map.
        rows: int64[N] in [0, M): which of its rows, in which order.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, store: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._store, self._rows = np.asarray(store), rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._store.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of all its pixels, wherever they are."""
        return len(self._rows) * int(np.prod(self._store.shape[1:]))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        found: NDArray[np.uint8] = self._store[self._rows[first]]
        if rest:
            found = found[tuple(rest) if found.ndim == 3 else (slice(None), *rest)]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def take(self, rows: NDArray[Any]) -> MappedImages:
        """Some of these rows, given by numbers or as bool[N]; no pixel is read."""
        return MappedImages(self._store, self._rows[rows])

    def blocks(self) -> Iterator[NDArray[np.uint8]]:
        """All images in order, some 16 MiB at a time."""
        step = max(1, BLOCK_BYTES // max(1, self.nbytes // max(1, len(self))))
        for start in range(0, len(self), step):
            yield self[start : start + step]


@dataclass(frozen=True, eq=False, repr=False)
class MappedImageSet(ImageSet):
    """An image set whose ``images`` are :class:`MappedImages`: the same in every answer, but on the disk."""

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.ids):
            counts = f"{len(self.images)}, {len(self.labels)} and {len(self.ids)}"
            raise DataError(f"images, labels and ids must be equally many; got {counts}")
        self._check_labels()
        self._check_ids()
        for name in ("labels", "ids"):
            array = getattr(self, name).copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def take(self, rows: NDArray[Any]) -> ImageSet:
        """As ``ImageSet.take``; in memory where the images chosen are few enough."""
        mapped = cast(MappedImages, self.images).take(rows)
        return image_set(mapped, self.labels[rows], self.ids[rows], self.class_names)

    def fingerprint(self) -> str:
        """As ``ImageSet.fingerprint``, and equal to it; reads every image once."""
        header = json.dumps({"shape": self.images.shape, "class_names": self.class_names})
        digest = hashlib.sha256(header.encode() + b"\0")
        for block in cast(MappedImages, self.images).blocks():
            digest.update(block.data)
        for array in (self.labels, self.ids):
            digest.update(array.astype("<i8").data)
        return digest.hexdigest()


def image_set(
    images: MappedImages, labels: NDArray[np.int64], ids: NDArray[np.int64], class_names: tuple[str, ...]
) -> ImageSet:
    """A set of mapped images: read into memory up to ``IN_MEMORY_BYTES``, else left where it is.

    Raises:
        DataError: as ``ImageSet``.
    """
    if images.nbytes > IN_MEMORY_BYTES:
        return MappedImageSet(cast(NDArray[np.uint8], images), labels, ids, class_names)
    copies = (images[:], labels.copy(), ids.copy())
    for array in copies:
        array.flags.writeable = False
    return ImageSet(*copies, class_names=class_names)

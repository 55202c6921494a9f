"""A verification set: images of people nobody trained on, and pairs of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError
from noisylabels.data.pairs import VerificationPairs


@dataclass(frozen=True, eq=False, repr=False)
class VerificationSet:
    """M images of I items, and pairs of items; nothing in it can be changed. An item is a photograph, or a video.

    Attributes:
        images: uint8[M, C, H, W], C-contiguous, as in an ``ImageSet``.
        items: int64[M], the item that each image is of, in [0, I), ascending; every item has an image. Where items are
            photographs it is 0..M - 1.
        people: int64[I], whom each item shows, a row of ``names``; None where the source does not say, as ``.bin``
            files do not.
        names: distinct names of the people, as the source writes them; empty where ``people`` is None.
        pairs: rows of items.
        published: pairs that the protocol has in all; fewer in ``pairs`` where images are missing.

    Raises:
        DataError: shapes, types or numbers are not as above, or ``is_same`` of a pair contradicts ``people``.
    """

    images: NDArray[np.uint8]
    items: NDArray[np.int64]
    people: NDArray[np.int64] | None
    names: tuple[str, ...]
    pairs: VerificationPairs
    published: int

    def __post_init__(self) -> None:
        images, items = self.images, self.items
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
            raise DataError(f"images must be uint8 (M, 1 or 3, H, W); got {images.dtype} {images.shape}")
        if items.dtype != np.int64 or items.shape != images.shape[:1]:
            raise DataError(f"items must be int64, one an image; got {items.dtype} {items.shape} of {len(images)}")
        if items[0] != 0 or not np.isin(np.diff(items), (0, 1)).all():
            raise DataError("items must be 0, 1, 2, ... in ascending order, each with an image")
        if self.pairs.num_items > self.num_items:
            raise DataError(f"pairs must be of {self.num_items} items; got row {self.pairs.num_items - 1}")
        if self.published < len(self.pairs):
            raise DataError(f"published must be at least the {len(self.pairs)} pairs; got {self.published}")
        self._check_people()
        for name in ("images", "items", "people"):
            if (array := getattr(self, name)) is not None:
                object.__setattr__(self, name, _frozen(array))

    def _check_people(self) -> None:
        people, names = self.people, self.names
        if people is None:
            if names:
                raise DataError(f"names must be empty where it is not known who items show; got {len(names)}")
            return
        if people.dtype != np.int64 or people.shape != (self.num_items,):
            raise DataError(f"people must be int64, one an item; got {people.dtype} {people.shape} of {self.num_items}")
        if len(set(names)) != len(names) or people.min() < 0 or people.max() >= len(names):
            raise DataError(f"people must be rows of {len(names)} distinct names")
        same = people[self.pairs.first] == people[self.pairs.second]
        wrong = np.flatnonzero(same != self.pairs.is_same)
        if wrong.size:
            raise DataError(f"is_same must agree with people; pair {wrong[0]} does not ({wrong.size} in all)")

    @property
    def num_items(self) -> int:
        """I."""
        return int(self.items[-1]) + 1

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"VerificationSet({len(self.images)} images of {shape}, {self.num_items} items, {self.coverage})"

    @property
    def coverage(self) -> str:
        """How many of the protocol's pairs there are, in words; what a report must say beside any figure.

        Such as ``"1,426 of 5,000 pairs (1,150 same, 276 different)"``.
        """
        same = int(self.pairs.is_same.sum())
        count = f"{len(self.pairs):,}" + (f" of {self.published:,}" if self.published > len(self.pairs) else "")
        return f"{count} pairs ({same:,} same, {len(self.pairs) - same:,} different)"


def shared_people(trained: Iterable[str], verification: VerificationSet) -> tuple[str, ...]:
    """People of a verification set who were trained on, by name, sorted: their pairs say nothing about new people.

    Names are compared as they are written. LFW and YouTube Faces write them alike, and share nearly everybody.

    Args:
        trained: class names of the training images.
        verification: with names.
    """
    return tuple(sorted(set(trained) & set(verification.names)))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    if not array.flags.writeable and array.flags.c_contiguous:
        return array
    copy = array.copy(order="C")
    copy.flags.writeable = False
    return copy

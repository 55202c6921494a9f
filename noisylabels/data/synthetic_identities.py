"""Made-up people: a stand-in for faces that needs no download and belongs to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError
from noisylabels.data.dataset import TEST_SEED, Dataset
from noisylabels.data.drawn_pairs import drawn_pairs
from noisylabels.data.errors import DataError
from noisylabels.data.images import ImageSet
from noisylabels.data.selection import share_of, smallest_draws
from noisylabels.data.synthetic_drawing import draw_faces
from noisylabels.data.verification import VerificationSet

_FIRST_HELD_OUT = 2**19
"""Numbers of people held out begin here, so that more people to train on are never those."""
_PICTURES = 2**20
"""Numbers of pictures that a person can have."""
_BLOCK = 256
"""Pictures drawn at a time: their float64 planes stay within a hundred megabytes."""


@dataclass(frozen=True, kw_only=True)
class SyntheticIdentities(Dataset):
    """SYNTHETIC drawings of made-up people, to try face studies without data; figures on them say nothing of faces.

    A person is 24 numbers (shapes and colours of head, hair, eyes, brows, nose, mouth); a picture is 23 more (place,
    tilt and turn of the head, light, expression, a covered part, background) and pixel noise. Every number is a
    function of (seed, person, picture) alone: more people or more pictures change no other picture, and the same bits
    come out on every machine. An image's id is person * 2^20 + picture.

    Attributes:
        identities: people to train on.
        images: pictures of each, pool and test together.
        size: side of the square images, pixels.
        grey: one channel (luma) rather than RGB.
        test: share of each person's pictures kept for testing; rounded as ``validation`` is.
        held_out: people for ``verification``, with as many pictures each; 0 for none, else at least 20.
        pairs: pairs of the same person, and as many of different people, in each of the ten folds.
        seed: another one is another world.

    Source: our own.
    """

    kind: ClassVar[str] = "synthetic_identities"

    identities: int = 100
    images: int = 20
    size: int = 32
    grey: bool = False
    test: float = 0.25
    held_out: int = 40
    pairs: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = {"identities": (2, _FIRST_HELD_OUT), "images": (2, _PICTURES), "size": (8, 256), "pairs": (1, 10**6)}
        for name, (lowest, highest) in (bounds | {"held_out": (0, _FIRST_HELD_OUT)}).items():
            if not lowest <= getattr(self, name) <= highest:
                raise UsageError(f"{name} must be in [{lowest}, {highest}]; got {getattr(self, name)}")
        if 0 < self.held_out < 20:
            raise UsageError(f"held_out must be 0 or at least 20, two people a fold; got {self.held_out}")
        if not 0 < self.test < 1:
            raise UsageError(f"test must be in (0, 1); got {self.test}")

    def verification(self, root: Path) -> VerificationSet | None:
        """Pictures of ``held_out`` further people, and ten folds of drawn pairs that share nobody; None without them.

        Raises:
            DataError: a fold has fewer pairs than asked for.
        """
        if not self.held_out:
            return None
        people = np.repeat(np.arange(self.held_out), self.images)
        pairs = drawn_pairs(people, per_fold=self.pairs, seed=self.seed)
        images = self._drawn(_FIRST_HELD_OUT + people)[0]
        names = tuple(map(_name, range(_FIRST_HELD_OUT, _FIRST_HELD_OUT + self.held_out)))
        return VerificationSet(images, np.arange(len(people)), people, names, pairs, published=len(pairs))

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        labels = np.repeat(np.arange(self.identities), self.images)
        images, ids = self._drawn(labels)
        everything = ImageSet(images, labels, ids, tuple(map(_name, range(self.identities))))
        counts = share_of(everything.class_sizes(), self.test)
        if not counts.any():
            raise DataError(f"somebody must have a test image; got test={self.test} of {self.images} images")
        is_test = smallest_draws(labels, ids, counts, seed=TEST_SEED, purpose="test")
        return everything.take(~is_test), everything.take(is_test)

    def _drawn(self, people: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pictures 0, 1, ... of each person, read-only, and their numbers."""
        numbers = people * _PICTURES + np.arange(len(people)) % self.images
        images = np.empty((len(people), 1 if self.grey else 3, self.size, self.size), dtype=np.uint8)
        for start in range(0, len(people), _BLOCK):
            block = slice(start, start + _BLOCK)
            drawn = draw_faces(people[block], numbers[block], size=self.size, seed=self.seed)
            images[block] = _luma(drawn) if self.grey else drawn
        images.flags.writeable = False
        return images, numbers


def _luma(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(299 R + 587 G + 114 B) / 1000, rounded: Rec. 601, in whole numbers."""
    weighted = images.astype(np.int64) * np.array([299, 587, 114])[:, np.newaxis, np.newaxis]
    grey: NDArray[np.uint8] = ((weighted.sum(axis=1, keepdims=True) + 500) // 1000).astype(np.uint8)
    return grey


def _name(person: int) -> str:
    return f"synthetic person {person}"

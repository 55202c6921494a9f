"""What the images trained on share with the people held out to verify: nothing, or those are not new people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.compared import of_arrays
from noisylabels.data.images import ImageSet
from noisylabels.data.mapped_images import MappedImages
from noisylabels.data.overlap import SIMILARITY, overlap
from noisylabels.data.verification import VerificationSet

SMALLEST_SIDE = 16
"""Smaller pictures are all alike."""


@dataclass(frozen=True)
class HeldOutOverlap:
    """What a training and a verification set share.

    Attributes:
        people: names that both have, sorted.
        same_pixels: training images that are also among the verification images.
        near: those that are not, but have a near duplicate there; None where it was not looked for, in images smaller
            than 16 pixels or larger than memory: ``noisylabels data overlap`` looks for them in the files.
        images: compared, of either set.
    """

    people: tuple[str, ...]
    same_pixels: int
    near: int | None
    images: tuple[int, int]

    @property
    def text(self) -> str:
        """In a line."""
        named = f" ({self.people[0]!r}, ...)" if self.people else ""
        near = "not looked for" if self.near is None else f"{self.near} of similarity {SIMILARITY} or more"
        return (
            f"{self.images[0]:,} training and {self.images[1]:,} verification images share {len(self.people)} people "
            f"by name{named}, {self.same_pixels} identical images; near duplicates: {near}"
        )


def held_out_overlap(trained: ImageSet, verification: VerificationSet) -> HeldOutOverlap:
    """Compare by name, by pixels and, where that is feasible, by near duplicates."""
    people = verification.people
    rows = verification.items if people is None else people[verification.items]
    names = verification.names or tuple(map(str, range(verification.num_items)))
    numbers = tuple(map(str, range(len(verification.images))))
    theirs = of_arrays("verification", [verification.images], rows.astype(np.int64), names, numbers)
    shared = tuple(sorted(set(trained.class_names) & set(verification.names)))
    images = (len(trained), len(verification.images))
    pixels: NDArray[np.uint8] | MappedImages = trained.images
    if isinstance(pixels, MappedImages) or pixels.shape[-1] < SMALLEST_SIDE:
        known = {image.tobytes() for image in verification.images}
        same = sum(pixels[row].tobytes() in known for row in range(len(trained)))
        return HeldOutOverlap(shared, same, None, images)
    ids = tuple(map(str, trained.ids.tolist()))
    found = overlap(of_arrays("training", [trained.images], trained.labels, trained.class_names, ids), theirs)
    return HeldOutOverlap(shared, len(found.same_pixels), len(found.near), images)

"""A verification set from the people whom a choice of faces has held out."""

from __future__ import annotations

import numpy as np

from noisylabels.catalog import UsageError
from noisylabels.data.drawn_pairs import drawn_pairs
from noisylabels.data.face_source import FaceSource
from noisylabels.data.identities import ChosenFaces
from noisylabels.data.verification import VerificationSet


def check_held_out(held_out: int, pairs: int) -> None:
    """Hold the two parameters to their ranges.

    Raises:
        UsageError: fewer than two people a fold, or no pair.
    """
    if held_out and held_out < 20:
        raise UsageError(f"held_out must be 0 or at least 20, two people a fold; got {held_out}")
    if held_out < 0 or pairs < 1:
        raise UsageError(f"held_out must be at least 0 and pairs at least 1; got {held_out} and {pairs}")


def held_out_verification(
    source: FaceSource, chosen: ChosenFaces, *, pairs: int, size: int, grey: bool
) -> VerificationSet:
    """All images of the people held out, in memory, and ten folds of drawn pairs that share nobody.

    Args:
        source: all images.
        chosen: with people held out.
        pairs: of the same person, and as many of different people, in each fold.
        size, grey: as the source decodes.

    Raises:
        DataError: a fold has fewer pairs than asked for, or an image cannot be used.
    """
    numbers, people = np.unique(source.people[chosen.held_out], return_inverse=True)
    drawn = drawn_pairs(people.astype(np.int64), per_fold=pairs)
    images = source.decode(chosen.held_out, size=size, grey=grey)
    names = tuple(source.names[number] for number in numbers.tolist())
    return VerificationSet(images, np.arange(len(images)), people.astype(np.int64), names, drawn, published=len(drawn))

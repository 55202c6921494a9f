"""Labeled Faces in the Wild: View 1 to train on some people and verify others, View 2 to verify models of elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.face_source import FaceSource, FileFaces, listed_files
from noisylabels.data.faces import Faces
from noisylabels.data.identities import ChosenFaces
from noisylabels.data.pair_files import lfw_item, read_lfw_pairs, read_people
from noisylabels.data.pairs import NamedPairs
from noisylabels.data.verification import VerificationSet

_TRAIN, _TEST, _PAIRS, _VIEW_2 = "peopleDevTrain.txt", "peopleDevTest.txt", "pairsDevTest.txt", "pairs.txt"


@dataclass(frozen=True, kw_only=True)
class Lfw(Faces):
    """LFW, View 1: train on people of peopleDevTrain, verify on the 1,000 pairs of pairsDevTest, who are other people.

    ``<root>`` holds the official lists, and the images as ``images/<name>/<name>_0001.jpg`` or
    ``<name>/<name>_0001.jpg``. Detected, aligned or deep-funnelled versions are all read; square crops are best. An
    image's id is its place in the order of peopleDevTrain.txt, 0..9,524.

    Of the 4,038 people to train on 298 have at least 5 images and 111 at least 10; the 1,711 people of peopleDevTest
    are never trained on.

    Source: G. B. Huang, M. Ramesh, T. Berg and E. Learned-Miller, Labeled Faces in the Wild, University of
    Massachusetts, Amherst, Technical Report 07-49, 2007.
    """

    kind: ClassVar[str] = "lfw"

    root: str = "lfw"
    min_images: int = 5

    def verification(self, root: Path) -> VerificationSet:
        """All images of the people of peopleDevTest, and the pairs of pairsDevTest.txt (one fold).

        Raises:
            MissingDataError, DataError: as ``prepare``.
        """
        self._checked(root)
        held_out = self._held_out(root)
        pairs = read_lfw_pairs(self._folder(root) / _PAIRS)
        return _photographs(held_out, pairs, size=self.size, grey=self.grey)

    def _source(self, root: Path) -> FaceSource:
        return _faces(self._folder(root), _TRAIN)

    def _held_out(self, root: Path) -> FileFaces:
        folder = self._folder(root)
        held_out = _faces(folder, _TEST)
        if both := sorted({name for name, _ in read_people(folder / _TRAIN)} & set(held_out.names)):
            raise DataError(
                f"{folder}: nobody must be in both {_TRAIN} and {_TEST}; {both[0]!r} is ({len(both)} in all)"
            )
        return held_out

    def _digest(self, root: Path, source: FaceSource, chosen: ChosenFaces) -> str:
        held_out = self._held_out(root)
        parts = [source.digest(chosen.rows), held_out.digest(np.arange(len(held_out.files)))]
        pairs = (self._folder(root) / _PAIRS).read_bytes() if (self._folder(root) / _PAIRS).is_file() else b""
        return hashlib.sha256("".join(parts).encode() + pairs).hexdigest()


def lfw_view2(root: Path, *, size: int = 112, grey: bool = False) -> VerificationSet:
    """LFW's View 2: the 6,000 pairs of pairs.txt in ten folds, for a model that was trained on other people.

    LFW's own people to train on are among those pairs: a model of data set ``lfw`` must not be judged by them.

    Args:
        root: the folder of LFW, as in ``Lfw``.
        size: side of the square images, pixels.
        grey: one channel rather than three.

    Raises:
        MissingDataError, DataError: the lists or images are not there, or not what they should be.
    """
    pairs = read_lfw_pairs(root / _VIEW_2)
    items = sorted(pairs.items)
    people = sorted({item.partition("/")[0] for item in items})
    listing = ((f"{item}.jpg", item.partition("/")[0]) for item in items)
    folder, files = listed_files(_images(root), listing, what="LFW")
    return _photographs(FileFaces(folder, tuple(people), files), pairs, size=size, grey=grey)


def _faces(folder: Path, people_list: str) -> FileFaces:
    """Every image that a list of people says there is, in its order."""
    if not (folder / people_list).is_file():
        raise MissingDataError(
            f"no LFW at {folder} (looked for {people_list}, and for images/<name>/<name>_0001.jpg or "
            "<name>/<name>_0001.jpg); put the official images and lists there, or set NOISYLABELS_DATA"
        )
    people = read_people(folder / people_list)
    listing = ((f"{lfw_item(name, i)}.jpg", name) for name, count in people for i in range(1, count + 1))
    images, files = listed_files(_images(folder), listing, what="LFW")
    return FileFaces(images, tuple(name for name, _ in people), files)


def _images(folder: Path) -> Path:
    return folder / "images" if (folder / "images").is_dir() else folder


def _photographs(faces: FileFaces, named: NamedPairs, *, size: int, grey: bool) -> VerificationSet:
    """A verification set whose items are the images, one by one; every pair must be of them."""
    rows = np.arange(len(faces.files))
    row_of = {file.name.removesuffix(".jpg"): row for row, file in enumerate(faces.files)}
    pairs = named.among(row_of)
    if len(pairs) < len(named.pairs):
        unknown = next(item for item in named.items if item not in row_of)
        raise DataError(f"every pair must be of images that the list of people has; {unknown!r} is not one")
    images = faces.decode(rows, size=size, grey=grey)
    return VerificationSet(images, rows, faces.people, faces.names, pairs, published=len(named.pairs))

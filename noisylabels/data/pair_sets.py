"""Verification sets by name: what ``noisylabels verify --pairs`` can be given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from noisylabels.catalog import UsageError
from noisylabels.data.face_source import FileFaces, listed_files
from noisylabels.data.lfw import Lfw, lfw_view2
from noisylabels.data.pair_files import read_labelled_paths
from noisylabels.data.verification import VerificationSet
from noisylabels.data.verification_bin import bin_verification
from noisylabels.data.ytf import ytf_verification


@dataclass(frozen=True, kw_only=True)
class PairSet(ABC):
    """Where verification pairs come from; relative paths start at the data folder."""

    kind: ClassVar[str]

    @abstractmethod
    def load(self, root: Path, *, size: int, grey: bool) -> VerificationSet:
        """Images and pairs.

        Args:
            root: the data folder.
            size: side of the square images, pixels.
            grey: one channel rather than three.

        Raises:
            MissingDataError, DataError: they are not there, or not what they should be.
        """


@dataclass(frozen=True, kw_only=True)
class LfwPairs(PairSet):
    """Labeled Faces in the Wild: View 2's 6,000 pairs in ten folds, or View 1's 1,000 pairs of pairsDevTest.

    Attributes:
        root: the folder with the official lists and images.
        view: 2, which is for models trained elsewhere, or 1.
    """

    kind: ClassVar[str] = "lfw"

    root: str = "lfw"
    view: int = 2

    def __post_init__(self) -> None:
        if self.view not in (1, 2):
            raise UsageError(f"view must be 1 or 2; got {self.view}")

    def load(self, root: Path, *, size: int, grey: bool) -> VerificationSet:
        if self.view == 1:
            return Lfw(root=self.root, size=size, grey=grey).verification(root)
        return lfw_view2(root / Path(self.root).expanduser(), size=size, grey=grey)


@dataclass(frozen=True, kw_only=True)
class YtfPairs(PairSet):
    """YouTube Faces: pairs of videos in ten folds, those whose frames are there.

    Attributes:
        root: the folder with ``splits.txt`` and the frames.
        frames: the first so many of each video; ``None`` for all.
    """

    kind: ClassVar[str] = "ytf"

    root: str = "ytf"
    frames: int | None = None

    def load(self, root: Path, *, size: int, grey: bool) -> VerificationSet:
        return ytf_verification(root / Path(self.root).expanduser(), size=size, grey=grey, frames=self.frames)


@dataclass(frozen=True, kw_only=True)
class BinPairs(PairSet):
    """An insightface ``.bin`` file (lfw.bin, cfp_fp.bin, agedb_30.bin); read without executing what it holds.

    Attributes:
        file: the file.
    """

    kind: ClassVar[str] = "bin"

    file: str

    def load(self, root: Path, *, size: int, grey: bool) -> VerificationSet:
        return bin_verification(root / Path(self.file).expanduser(), size=size, grey=grey)


@dataclass(frozen=True, kw_only=True)
class ListedPairs(PairSet):
    """A list of your own: lines ``label path0 path1``, label 1 for the same person, else 0; ten runs of lines as folds.

    Attributes:
        file: the list.
        images: the folder that its paths start at; a path says nothing of whom an image shows.
    """

    kind: ClassVar[str] = "list"

    file: str
    images: str

    def load(self, root: Path, *, size: int, grey: bool) -> VerificationSet:
        named = read_labelled_paths(root / Path(self.file).expanduser())
        listing = ((item, "") for item in named.items)
        folder, files = listed_files(root / Path(self.images).expanduser(), listing, what="the list of pairs")
        rows = np.arange(len(files))
        images = FileFaces(folder, ("",), files).decode(rows, size=size, grey=grey)
        return VerificationSet(images, rows, None, (), named.pairs, published=len(named.pairs))


PAIR_SETS: dict[str, type[PairSet]] = {"lfw": LfwPairs, "ytf": YtfPairs, "bin": BinPairs, "list": ListedPairs}
"""Printed name to class."""

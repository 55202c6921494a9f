"""CASIA-WebFace, from where the user has put it: folders of aligned images, or RecordIO."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from noisylabels.catalog import UsageError
from noisylabels.data.errors import MissingDataError
from noisylabels.data.face_records import list_faces
from noisylabels.data.face_source import FaceSource, FileFaces, RecordFaces
from noisylabels.data.faces import Faces
from noisylabels.data.held_out import check_held_out, held_out_verification
from noisylabels.data.identities import ChosenFaces, choose_faces
from noisylabels.data.tree import read_tree
from noisylabels.data.verification import VerificationSet

LFW_OVERLAP = frozenset(
    {
        *("0000513", "0004763", "0005009", "0005082", "0005172", "0166921", "0208962", "0454042"),
        *("0662519", "0706787", "0955471", "1056413", "1091782", "1193098", "1303492", "3478560"),
    }
)
"""Identities of CASIA-WebFace whose names are also in LFW, by the published list."""


@dataclass(frozen=True, kw_only=True)
class Casia(Faces):
    """CASIA-WebFace: 494,414 images of 10,575 people, never downloaded: put your own copy under <root>.

    ``<root>`` holds aligned images as ``<identity>/<image>``, or ``train.rec`` (with or without ``train.idx``). With
    folders, class names are the identities' numbers and an image's id is its place in the sorted paths; with RecordIO,
    class names are the labels and ids are the records' keys.

    The labels are not clean: 9 to 13 % of them are said to be wrong, so a rate of added noise is nominal.

    Attributes:
        remove_overlap: leave out ``LFW_OVERLAP``, which testing on LFW calls for. With folders only: in RecordIO it is
            not known which label is whose.
        held_out: people for ``verification``, chosen by draws of their names before any others; 0 for none.
        pairs: pairs of the same person, and as many of different people, in each of the ten folds.

    Source: D. Yi, Z. Lei, S. Liao and S. Z. Li, Learning face representation from scratch, arXiv:1411.7923, 2014.
    """

    kind: ClassVar[str] = "casia"

    root: str = "casia-webface"
    remove_overlap: bool = False
    held_out: int = 0
    pairs: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        check_held_out(self.held_out, self.pairs)

    def verification(self, root: Path) -> VerificationSet | None:
        """All images of the people held out, and ten folds of drawn pairs that share nobody; None without them.

        Raises:
            MissingDataError, DataError: as ``prepare``; also where a fold has fewer pairs than asked for.
        """
        if not self.held_out:
            return None
        source, chosen = self._checked(root)
        return held_out_verification(source, chosen, pairs=self.pairs, size=self.size, grey=self.grey)

    def _source(self, root: Path) -> FaceSource:
        folder = self._folder(root)
        if (folder / "train.rec").is_file():
            if self.remove_overlap:
                raise UsageError("remove_overlap needs folders named by identity; RecordIO has numbers of its own")
            return RecordFaces(list_faces(Path(os.path.realpath(folder / "train.rec"))))
        if not folder.is_dir():
            raise MissingDataError(
                f"no CASIA-WebFace at {folder} (looked for <identity>/<image> and train.rec); it is never downloaded: "
                "put your own copy there, or give root as an absolute path or one below the data folder"
            )
        tree = read_tree(folder)
        return FileFaces(tree.root, tree.class_names, tree.files)

    def _choose(self, source: FaceSource) -> ChosenFaces:
        return choose_faces(
            source,
            min_images=self.min_images,
            identities=self.identities,
            max_images=self.max_images,
            outside=self.outside,
            held_out=self.held_out,
            excluded=LFW_OVERLAP if self.remove_overlap else frozenset(),
        )

    def _digest(self, root: Path, source: FaceSource, chosen: ChosenFaces) -> str:
        return source.digest(np.union1d(chosen.rows, chosen.held_out))

"""Images that were packed before: nothing is decoded, and a set larger than memory stays on the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError
from noisylabels.data.face_source import FaceSource
from noisylabels.data.faces import Faces
from noisylabels.data.held_out import check_held_out, held_out_verification
from noisylabels.data.identities import ChosenFaces, choose_faces
from noisylabels.data.images import ImageSet
from noisylabels.data.mapped_images import MappedImages, image_set
from noisylabels.data.packed_files import PackedStore, open_store
from noisylabels.data.verification import VerificationSet


@dataclass(frozen=True, eq=False)
class PackedFaces:
    """The images of a store as a ``FaceSource``; its names, ids and keys are those of the source that was packed."""

    store: PackedStore

    @property
    def names(self) -> tuple[str, ...]:
        return self.store.index.class_names

    @property
    def people(self) -> NDArray[np.int64]:
        return self.store.index.labels

    @property
    def ids(self) -> NDArray[np.int64]:
        return self.store.index.ids

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.store.index.keys

    def mapped(self, rows: NDArray[np.int64]) -> MappedImages:
        """The images at some rows, where they are."""
        return MappedImages(self.store.images, rows)

    def decode(self, rows: NDArray[np.int64], *, size: int, grey: bool) -> NDArray[np.uint8]:
        """The images at some rows, copied into memory.

        Raises:
            UsageError: they are stored with another size or other channels.
        """
        _require_shape(self.store, size=size, grey=grey)
        images = self.mapped(rows)[:]
        images.flags.writeable = False
        return images

    def digest(self, rows: NDArray[np.int64]) -> str:
        """As a ``FaceSource``; every pixel of those rows is read, and compared with what was packed.

        Raises:
            DataError: an image is not the one that was packed.
        """
        return _digest(self.store, rows.tobytes())


@lru_cache(maxsize=4)
def _digest(store: PackedStore, chosen: bytes) -> str:
    rows = np.frombuffer(chosen, dtype=np.int64)
    store.require_pixels(rows)
    index, digest = store.index, hashlib.sha256()
    for row in rows.tolist():
        name = f"{index.class_names[index.labels[row]]}\0{index.image_names[row]}".encode()
        digest.update(len(name).to_bytes(8, "little") + name + index.pixel_sha256[row].tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Packed(Faces):
    """Images packed by ``noisylabels data pack``: memory-mapped, streamed from the disk where they exceed a gigabyte.

    What is chosen from a store is what ``casia`` would choose from the files or records it was packed from: ids, draws
    and pixels are the same. Up to 1 GiB of chosen images is copied into memory; a larger set is only mapped, as are
    its training images, and its batches are read from the disk one by one. Either way a run comes to the same bits.

    Attributes:
        size: side of the stored images; another one is refused, not scaled.
        grey: whether they are stored with one channel; likewise.
        held_out: people for ``verification``, chosen by draws of their names before any others; 0 for none.
        pairs: pairs of the same person, and as many of different people, in each of the ten folds.
    """

    kind: ClassVar[str] = "packed"

    size: int = 112
    held_out: int = 0
    pairs: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        check_held_out(self.held_out, self.pairs)

    def verification(self, root: Path) -> VerificationSet | None:
        """All images of the people held out, in memory, and ten folds of drawn pairs; None without them.

        Raises:
            MissingDataError, DataError: as ``prepare``; also where a fold has fewer pairs than asked for.
        """
        if not self.held_out:
            return None
        source, chosen = self._checked(root)
        return held_out_verification(source, chosen, pairs=self.pairs, size=self.size, grey=self.grey)

    def _source(self, root: Path) -> PackedFaces:
        store = open_store(self._folder(root))
        _require_shape(store, size=self.size, grey=self.grey)
        return PackedFaces(store)

    def _choose(self, source: FaceSource) -> ChosenFaces:
        return choose_faces(
            source,
            min_images=self.min_images,
            identities=self.identities,
            max_images=self.max_images,
            outside=self.outside,
            held_out=self.held_out,
        )

    def _digest(self, root: Path, source: FaceSource, chosen: ChosenFaces) -> str:
        return source.digest(np.union1d(chosen.rows, chosen.held_out))

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        source, chosen = self._checked(root)
        mapped = MappedImages(self._source(root).store.images, chosen.rows)
        everything = image_set(mapped, chosen.labels, source.ids[chosen.rows], chosen.names)
        return self._divided(everything, source, chosen)


def _require_shape(store: PackedStore, *, size: int, grey: bool) -> None:
    channels, side, _ = store.shape
    if (channels == 1, side) != (grey, size):
        holds = f"size={side},grey={str(channels == 1).lower()}"
        raise UsageError(f"{store.folder} holds images of {holds}; got size={size},grey={str(grey).lower()}")

"""All images of a source, whatever a data set would choose from it: as two sources are compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisylabels import catalog
from noisylabels.data.casia import Casia
from noisylabels.data.dataset import Dataset
from noisylabels.data.decoding import SUFFIXES, UndecodableError, decode
from noisylabels.data.encoded import InMemory
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.face_source import FileFaces, listed_files
from noisylabels.data.folder import Folder
from noisylabels.data.lfw import Lfw
from noisylabels.data.mapped_images import MappedImages
from noisylabels.data.pack_source import PackSource, pack_source
from noisylabels.data.packed import Packed
from noisylabels.data.packed_files import PackedStore, open_store
from noisylabels.data.tree import read_tree

Pixels = NDArray[np.uint8] | MappedImages
Looked = tuple[NDArray[np.uint8] | None, bytes | None]
"""An image's pixels (C, S, S), None where it cannot be decoded, and the SHA-256 of its file where it has one."""


@dataclass(frozen=True, kw_only=True)
class YtfFrames:
    """YouTube Faces, every frame there is: <root>/<person>/<video>/<frame>."""

    kind: ClassVar[str] = "ytf"

    root: str = "ytf"


@dataclass(frozen=True, eq=False)
class Compared:
    """N images of K people, in a fixed order.

    Attributes:
        text: what the user called it.
        names: K distinct names.
        people: int64[N] in [0, K).
        image_names: N, as the source calls its images.
        side: of the square pixels, where they are fixed; None where images are still encoded, and can have any.
        grey: whether the pixels have one channel only.
        look: with a side and whether grey, every image in order.
    """

    text: str
    names: tuple[str, ...]
    people: NDArray[np.int64]
    image_names: tuple[str, ...]
    side: int | None
    grey: bool
    look: Callable[[int, bool], Iterator[Looked]]

    def __len__(self) -> int:
        return len(self.people)


def compared(text: str, root: Path, table: dict[str, type[Dataset]]) -> Compared:
    """All images of the source that a data set's text names.

    What the text chooses (``min_images``, ``identities``, ...) does not matter: ``lfw`` is all images of LFW. ``ytf``,
    too, is a source. Those without files give the images of their three splits.

    Args:
        text: such as ``lfw``, ``folder:root=pets``, ``packed:root=store`` or ``ytf``.
        root: the data folder.
        table: the data sets there are.

    Raises:
        UsageError: no such data set or parameter.
        MissingDataError, DataError: its files are not there, or not what they should be.
    """
    kinds = cast(dict[str, type[Any]], {**table, "packed": Packed, "ytf": YtfFrames})
    source = catalog.build(kinds, text, what="dataset")
    if isinstance(source, Packed):
        return _of_store(text, open_store(_below(root, source.root)))
    if isinstance(source, (Lfw, YtfFrames)):
        folder = _below(root, source.root)
        return _of_source(text, PackSource(_nested(folder / "images" if (folder / "images").is_dir() else folder)))
    if isinstance(source, Casia):
        return _of_source(text, pack_source(_below(root, source.root)))
    if isinstance(source, Folder):
        tree = read_tree(_below(root, source.root))
        return _of_source(text, PackSource(FileFaces(tree.root, tree.class_names, tree.files)))
    return _of_splits(text, source, root)


def _below(root: Path, folder: str) -> Path:
    return root / Path(folder).expanduser()


def _nested(folder: Path) -> FileFaces:
    """Every image below a folder, at any depth; the first folder on its way is the person."""
    if not folder.is_dir():
        raise MissingDataError(f"no images at {folder} (looked for <person>/.../<image>); set NOISYLABELS_DATA or root")
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(place).relative_to(folder).as_posix()
        if below != ".":
            images = (name for name in files if name.lower().endswith(SUFFIXES) and not name.startswith("."))
            names += [f"{below}/{name}" for name in images]
    people = tuple(sorted({name.partition("/")[0] for name in names}))
    if not people:
        raise MissingDataError(f"no images at {folder} (looked for <person>/.../<image>)")
    root, listed = listed_files(folder, ((name, name.partition("/")[0]) for name in sorted(names)), what="the folder")
    return FileFaces(root, people, listed)


def _of_source(text: str, source: PackSource) -> Compared:
    def look(side: int, grey: bool) -> Iterator[Looked]:
        for row in range(len(source)):
            try:
                content = source.encoded(row)
                pixels = decode(cast(Path, InMemory(content)), size=side, grey=grey)
            except UndecodableError:
                yield None, None
                continue
            yield np.ascontiguousarray(pixels), hashlib.sha256(content).digest()

    faces = source.faces
    return Compared(text, faces.names, faces.people, source.image_names, None, False, look)


def _of_store(text: str, store: PackedStore) -> Compared:
    index, (channels, own, _) = store.index, store.shape

    def look(side: int, grey: bool) -> Iterator[Looked]:
        for row in range(len(index.labels)):
            yield _scaled(store.images[row], side, grey), index.file_sha256[row].tobytes()

    return Compared(text, index.class_names, index.labels, index.image_names, own, channels == 1, look)


def _of_splits(text: str, dataset: Dataset, root: Path) -> Compared:
    splits = dataset.prepare(root)
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    people = np.concatenate([part.labels for part in parts.values()])
    names = tuple(f"{name} {number}" for name, part in parts.items() for number in part.ids.tolist())
    arrays = [part.images for part in parts.values()]
    return of_arrays(text, arrays, people, splits.train.class_names, names)


def of_arrays(
    text: str, arrays: Sequence[Pixels], people: NDArray[np.int64], names: tuple[str, ...], image_names: tuple[str, ...]
) -> Compared:
    """Decoded images, which have no files, as a source.

    Args:
        text: what the source is called.
        arrays: uint8 (n, C, S, S) each, in this order.
        people: int64[N], rows of ``names``, of all of them.
        names: distinct.
        image_names: N.

    Raises:
        DataError: the images are not square.
    """

    def look(side: int, grey: bool) -> Iterator[Looked]:
        for images in arrays:
            for row in range(len(images)):
                yield _scaled(images[row], side, grey), None

    channels, height, width = arrays[0].shape[1:]
    if height != width:
        raise DataError(f"{text}: images must be square to be compared; got {height} x {width}")
    return Compared(text, names, people, image_names, height, channels == 1, look)


def _scaled(image: NDArray[np.uint8], side: int, grey: bool) -> NDArray[np.uint8]:
    """A stored image with another side or in grey, as ``decode`` would scale it; itself where nothing changes."""
    if image.shape[1] == side and (image.shape[0] == 1 or not grey):
        return np.ascontiguousarray(image)
    picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
    if grey:
        picture = picture.convert("L")
    picture = picture.resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(picture).reshape(side, side, -1).transpose(2, 0, 1))

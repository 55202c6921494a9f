"""Where faces come from: image files listed by identity, or the records of a RecordIO file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.encoded import decode_all
from noisylabels.data.errors import DataError, MissingDataError, and_more
from noisylabels.data.face_records import FaceRecords
from noisylabels.data.tree import ImageFile, ImageTree


class FaceSource(Protocol):
    """N images of people, not decoded yet; rows are positions in it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Distinct names of the K people, in the order that classes shall have."""

    @property
    def people(self) -> NDArray[np.int64]:
        """int64[N] in [0, K): whom each image shows."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """int64[N]: each image's stable number."""

    @property
    def keys(self) -> NDArray[np.int64]:
        """int64[N], distinct: what draws of images are made from; no other image's key moves with it."""

    def decode(self, rows: NDArray[np.int64], *, size: int, grey: bool) -> NDArray[np.uint8]:
        """uint8[n, C, size, size], read-only: the images at some rows."""

    def digest(self, rows: NDArray[np.int64]) -> str:
        """SHA-256 of the names and bytes of the images at some rows, 64 hex digits."""


@dataclass(frozen=True, eq=False)
class FileFaces:
    """Image files below a folder.

    Attributes:
        root: the folder, symlinks resolved.
        names: of the people.
        files: one an image, ``class_name`` its person; ids are positions in it.
    """

    root: Path
    names: tuple[str, ...]
    files: tuple[ImageFile, ...]

    @cached_property
    def people(self) -> NDArray[np.int64]:
        number_of = {name: number for number, name in enumerate(self.names)}
        return np.array([number_of[file.class_name] for file in self.files], dtype=np.int64)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        return np.arange(len(self.files))

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        return text_keys([file.name for file in self.files])

    def decode(self, rows: NDArray[np.int64], *, size: int, grey: bool) -> NDArray[np.uint8]:
        sources = ((file.name, self.root / file.name) for file in self._at(rows))
        return decode_all(sources, len(rows), size=size, grey=grey, where=str(self.root))

    def digest(self, rows: NDArray[np.int64]) -> str:
        return ImageTree(self.root, (), self._at(rows), None).fingerprint()

    def _at(self, rows: NDArray[np.int64]) -> tuple[ImageFile, ...]:
        return tuple(self.files[row] for row in rows.tolist())


@dataclass(frozen=True, eq=False)
class RecordFaces:
    """The images of a RecordIO file; people are numbers and their names those numbers, ids are the records' keys."""

    records: FaceRecords

    @cached_property
    def _numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        numbers, people = np.unique(self.records.labels, return_inverse=True)
        return numbers, people.astype(np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self._numbers[0].tolist()))

    @property
    def people(self) -> NDArray[np.int64]:
        return self._numbers[1]

    @property
    def ids(self) -> NDArray[np.int64]:
        return self.records.keys

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.records.keys

    def decode(self, rows: NDArray[np.int64], *, size: int, grey: bool) -> NDArray[np.uint8]:
        keys = self.records.keys[rows].tolist()
        sources = zip((f"record {key}" for key in keys), self.records.images(rows.tolist()), strict=True)
        return decode_all(sources, len(rows), size=size, grey=grey, where=str(self.records.path))

    def digest(self, rows: NDArray[np.int64]) -> str:
        state = self.records.path.stat()
        return _digest(self.records, rows.tobytes(), (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=4)
def _digest(records: FaceRecords, rows: bytes, stamp: tuple[int, int]) -> str:
    chosen = np.frombuffer(rows, dtype=np.int64)
    digest = hashlib.sha256()
    for key, image in zip(records.keys[chosen].tolist(), records.images(chosen.tolist()), strict=True):
        digest.update(key.to_bytes(8, "little") + hashlib.sha256(image).digest())
    digest.update(records.labels[chosen].astype("<i8").tobytes())
    return digest.hexdigest()


def text_keys(texts: Sequence[str]) -> NDArray[np.int64]:
    """One number for each text, the same whatever other texts there are: what draws by name are made from."""
    digests = b"".join(hashlib.sha256(text.encode()).digest()[:8] for text in texts)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def listed_files(folder: Path, names: Iterable[tuple[str, str]], *, what: str) -> tuple[Path, tuple[ImageFile, ...]]:
    """The files that a published list says there are.

    Args:
        folder: where they are.
        names: POSIX path below it and person of each file.
        what: the data set's name, for the message.

    Returns:
        The folder with symlinks resolved, and the files in the order of ``names``.

    Raises:
        MissingDataError: some are not there; the first is named and the others counted.
        DataError: one is no regular file, or a symlink leads out of the folder.
    """
    root = Path(os.path.realpath(folder))
    files: list[ImageFile] = []
    missing: list[str] = []
    inside = {""}
    for name, person in names:
        parent, path = name.rpartition("/")[0], f"{root}/{name}"
        if parent not in inside:
            _require_inside(root, f"{root}/{parent}")
            inside.add(parent)
        try:
            state = os.lstat(path)
            if stat.S_ISLNK(state.st_mode):
                _require_inside(root, path)
                state = Path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
            continue
        if not stat.S_ISREG(state.st_mode):
            raise DataError(f"images must be regular files; {path!r} is not")
        files.append(ImageFile(name, person, (state.st_size, state.st_mtime_ns)))
    if missing:
        raise MissingDataError(f"{what} at {folder} lacks {missing[0]!r}{and_more(len(missing) - 1)}")
    return root, tuple(files)


def _require_inside(root: Path, path: str) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise DataError(f"symlinks must stay inside {str(root)!r}; {path!r} leaves it")

"""Packed images on disk: ``images.npy``, ``index.npz``, ``errors.jsonl``, and ``index.json``, which says all is there.

``images.npy`` is uint8 (N, C, H, W), row after row. ``index.npz`` has for each row ``labels``, ``ids`` and ``keys``
(int64), ``pixel_sha256`` and ``file_sha256`` (uint8, 32 each), and names in UTF-8, end to end, with the places where
they end: ``class_names``, ``class_ends``, ``image_names``, ``image_ends``. ``errors.jsonl`` has a line for every image
of the source that was left out or converted. ``index.json``, with counts and the SHA-256 of the three, is written last.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.npy import array_like, npy_header, unpacked
from noisylabels.data.errors import DataError, MissingDataError, and_more

IMAGES, ARRAYS, ERRORS, INDEX = "images.npy", "index.npz", "errors.jsonl", "index.json"
FORMAT, VERSION = "noisylabels-packed-images", 1

_MAX_INDEX_BYTES = 1 << 20
_SHA = 32
_KINDS: dict[type, str] = {int: "a whole number, at least 0", list: "a list", str: "a text"}
_FIELDS = {
    "count": int,
    "shape": list,
    "classes": int,
    "source": str,
    "skipped": int,
    "converted": int,
    "images_sha256": str,
    "arrays_sha256": str,
    "errors_sha256": str,
}


@dataclass(frozen=True, eq=False)
class PackedIndex:
    """What is known of N packed images of K classes, row by row; arrays are read-only.

    Attributes:
        labels: int64[N] in [0, K).
        ids, keys: int64[N], distinct, as in the source that was packed.
        pixel_sha256, file_sha256: uint8[N, 32]: of the stored pixels, and of the file or record they came from.
        class_names: K distinct names.
        image_names: of the images in the source.
    """

    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    keys: NDArray[np.int64]
    pixel_sha256: NDArray[np.uint8]
    file_sha256: NDArray[np.uint8]
    class_names: tuple[str, ...]
    image_names: tuple[str, ...]

    def to_npz(self) -> bytes:
        """The content of ``index.npz``: equal indices are equal bytes."""
        arrays = {name: getattr(self, name) for name in ("labels", "ids", "keys", "pixel_sha256", "file_sha256")}
        for what, names in (("class", self.class_names), ("image", self.image_names)):
            encoded = [name.encode() for name in names]
            arrays[f"{what}_names"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
            arrays[f"{what}_ends"] = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), content.getvalue())
        return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class PackedStore:
    """A folder of packed images, found to be whole but for the pixels themselves.

    Attributes:
        folder: where it is.
        images: uint8[N, C, H, W], a read-only memory map.
        index: what is known of each row.
        about: the content of ``index.json``.
    """

    folder: Path
    images: NDArray[np.uint8]
    index: PackedIndex
    about: dict[str, Any]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """C, H and W."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def require_files(self) -> None:
        """Hash the files that ``index.json`` speaks of, whole.

        Raises:
            DataError: one of them is missing, or another one.
        """
        for name, field in ((IMAGES, "images_sha256"), (ARRAYS, "arrays_sha256"), (ERRORS, "errors_sha256")):
            if not (self.folder / name).is_file():
                raise DataError(f"{self.folder} must hold {name}, which {INDEX} speaks of; it does not")
            with (self.folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.about[field]:
                raise DataError(f"{self.folder / name} must have SHA-256 {self.about[field]}; got {found}")

    def require_pixels(self, rows: NDArray[np.int64]) -> None:
        """Hash the pixels at some rows and compare with the index.

        Raises:
            DataError: some are not those that were packed; the first is named and the others counted.
        """
        wrong = [row for row in rows.tolist() if _sha(self.images[row]) != self.index.pixel_sha256[row].tobytes()]
        if wrong:
            where, name = self.folder / IMAGES, self.index.image_names[wrong[0]]
            more = and_more(len(wrong) - 1)
            raise DataError(f"{where}: row {wrong[0]} must be {name!r} as it was packed; its SHA-256 differs{more}")


def open_store(folder: Path) -> PackedStore:
    """Open packed images: everything is checked but the pixels, which ``require_pixels`` looks at.

    A store that has been opened is kept until one of its files changes.

    Raises:
        MissingDataError: no store there, or one whose packing has not ended.
        DataError: a file is not what it should be, or does not belong to the others.
    """
    if not (folder / INDEX).is_file():
        if (folder / IMAGES).exists():
            raise MissingDataError(f"{folder} is not packed to the end; go on with noisylabels data pack ... --resume")
        raise MissingDataError(
            f"no packed images at {folder} (looked for {INDEX}); make them with noisylabels data pack, "
            "or give root as an absolute path or one below the data folder"
        )
    stamps = []
    for name in (INDEX, ARRAYS, IMAGES):
        if not (folder / name).is_file():
            raise DataError(f"{folder} must hold {name}, which {INDEX} speaks of; it does not")
        state = (folder / name).stat()
        stamps.append((state.st_size, state.st_mtime_ns, state.st_ino))
    return _opened(folder.absolute(), tuple(stamps))


@lru_cache(maxsize=4)
def _opened(folder: Path, stamps: tuple[tuple[int, int, int], ...]) -> PackedStore:
    about = read_about(folder)
    images = _mapped(folder / IMAGES, (about["count"], *about["shape"]), stamps[2][0])
    content = (folder / ARRAYS).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != about["arrays_sha256"]:
        raise DataError(f"{folder / ARRAYS} must have SHA-256 {about['arrays_sha256']}; got {found}")
    try:
        index = _index(content, about["count"], about["classes"])
    except DataError:
        raise
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, OverflowError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{folder / ARRAYS} is not an index of packed images: {said}") from None
    return PackedStore(folder, images, index, about)


def read_about(folder: Path) -> dict[str, Any]:
    """The content of ``index.json``.

    Raises:
        DataError: it is not one of this version.
    """
    path = folder / INDEX
    with path.open("rb") as file:
        content = file.read(_MAX_INDEX_BYTES + 1)
    try:
        about = json.loads(content) if len(content) <= _MAX_INDEX_BYTES else None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DataError(f"{path} is not an index of packed images (format {FORMAT!r})")
    if about.get("version") != VERSION:
        raise DataError(f"{path}: the version must be {VERSION}; got {about.get('version')!r:.40}")
    for name, kind in _FIELDS.items():
        if type(about.get(name)) is not kind or (kind is int and about[name] < 0):
            raise DataError(f"{path}: {name} must be {_KINDS[kind]}; got {about.get(name)!r:.40}")
    shape = about["shape"]
    if len(shape) != 3 or not all(type(n) is int and 0 < n <= 4096 for n in shape) or shape[0] not in (1, 3):
        raise DataError(f"{path}: shape must be [1 or 3, H, W]; got {shape!r:.40}")
    if not about["count"] or not about["classes"]:
        raise DataError(f"{path}: there must be an image and a class; got {about['count']} and {about['classes']}")
    return about


def _mapped(path: Path, shape: tuple[int, ...], size: int) -> NDArray[np.uint8]:
    """The images as a read-only map, once the file is found to be exactly as long as its shape says."""
    try:
        with path.open("rb") as file:
            found, fortran, dtype = npy_header(file)
            start = file.tell()
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if found != shape or dtype != np.uint8 or fortran:
        raise DataError(f"{path} must hold uint8 of shape {shape}, as {INDEX} says; got {dtype} of shape {found}")
    needed = start + int(np.prod(np.array(shape, dtype=object)))
    if size != needed:
        raise DataError(f"{path} must have {needed} bytes; got {size}")
    return np.asarray(np.memmap(path, np.uint8, "r", start, shape))


def _index(content: bytes, count: int, classes: int) -> PackedIndex:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:

        def array(name: str, dtype: type[np.generic], *shape: int) -> NDArray[Any]:
            member = archive.getinfo(f"{name}.npy")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("members must be stored as they are")
            wanted = np.broadcast_to(np.zeros((), dtype=dtype), shape)
            return array_like(unpacked(archive, member, len(content)), wanted)

        def names(what: str, number: int) -> tuple[str, ...]:
            ends = array(f"{what}_ends", np.int64, number)
            starts = np.concatenate([[0], ends[:-1]])
            if (starts > ends).any():
                raise ValueError(f"{what}_ends must not fall")
            text = array(f"{what}_names", np.uint8, int(ends[-1])).tobytes()
            return tuple(text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True))

        labels, ids, keys = (array(name, np.int64, count) for name in ("labels", "ids", "keys"))
        pixels, files = (array(name, np.uint8, count, _SHA) for name in ("pixel_sha256", "file_sha256"))
        index = PackedIndex(labels, ids, keys, pixels, files, names("class", classes), names("image", count))
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must be in [0, {classes}); got {labels.min()} to {labels.max()}")
    for what, numbers in (("ids", ids), ("keys", keys)):
        if len(np.unique(numbers)) != count:
            raise ValueError(f"{what} must be distinct")
    if len(set(index.class_names)) != classes:
        raise ValueError("class names must be distinct")
    return index


def _sha(image: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(image.data).digest()

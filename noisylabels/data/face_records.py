"""Labelled face images in RecordIO, as insightface packs them: which record is an image, and of whom.

A record's content is the header ``<IfQQ`` (flag, label, id, id2; 24 bytes), ``flag`` more float32 labels where the flag
is not 0, then the encoded image. Record 0 of an indexed file holds no image but two labels, [n + 1, m]: records 1..n
are the images, n + 1..m - 1 say which of them belong to each identity and hold no image either.

Source: mxnet ``recordio.py`` (``pack``, ``unpack``), insightface ``face2rec2.py`` and its readers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError
from noisylabels.data.recordio import RecordReader, RecordWriter, read_index

_HEADER = struct.Struct("<IfQQ")
_MAX_LABEL = 2**24
"""Whole numbers from here on are not all float32 values: such a label could have been another one."""


@dataclass(frozen=True)
class RecordContent:
    """What a record holds.

    Attributes:
        labels: one float where the flag is 0, else ``flag`` of them.
        id: the number the writer gave it.
        image: the encoded image; empty for records about records.
    """

    labels: tuple[float, ...]
    id: int
    image: bytes


def unpack(content: bytes, where: str) -> RecordContent:
    """Take a record's content apart.

    Args:
        content: the record.
        where: file and offset, for the message.

    Raises:
        DataError: it is shorter than its header says.
    """
    labels, number, start = _header(content, len(content), where)
    return RecordContent(labels, number, content[start:])


def pack(labels: Sequence[float], number: int, image: bytes) -> bytes:
    """The content of a record: with flag 0 for one label, else with as many extra labels.

    >>> unpack(pack([3], 7, b"image"), "here")
    RecordContent(labels=(3.0,), id=7, image=b'image')
    """
    if len(labels) == 1:
        return _HEADER.pack(0, labels[0], number, 0) + image
    return _HEADER.pack(len(labels), 0.0, number, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


@dataclass(frozen=True, eq=False)
class FaceRecords:
    """The images of a RecordIO file, in order of their keys; arrays are read-only.

    Attributes:
        path: the ``.rec`` file.
        keys: int64[n]: the keys of the index, or 1..n in file order where there is none.
        labels: int64[n]: identities, at least 0; the first label where a record has several.
        offsets: int64[n]: where each record starts.
    """

    path: Path
    keys: NDArray[np.int64]
    labels: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def images(self, rows: Iterable[int]) -> Iterable[bytes]:
        """The encoded images at some rows, read one at a time.

        Raises:
            DataError: a record is not what it was when the file was listed.
        """
        with RecordReader(self.path) as reader:
            for row in rows:
                offset = int(self.offsets[row])
                yield unpack(reader.read(offset), f"{self.path} at byte {offset}").image


def list_faces(path: Path) -> FaceRecords:
    """List the images of a ``.rec`` file: by the ``.idx`` beside it, or by a scan where there is none.

    Only headers are read. A listing is kept until the file changes.

    Raises:
        MissingDataError: no such file.
        DataError: a malformed record or index line, a label that is no whole number in [0, 2^24), no image at all, or
            not as many images as the header record says; the message names the file and the offset or line.
    """
    return _listed(path, _stamp(path), _stamp(path.with_suffix(".idx")))


@lru_cache(maxsize=2)
def _listed(path: Path, stamp: tuple[int, int] | None, index_stamp: tuple[int, int] | None) -> FaceRecords:
    keys: list[int] = []
    labels: list[int] = []
    offsets: list[int] = []
    about: list[tuple[tuple[float, ...], str]] = []
    with RecordReader(path) as reader:
        positions = _scanned(reader) if index_stamp is None else _indexed(path.with_suffix(".idx"))
        for key, offset in positions:
            where = f"{path} at byte {offset}"
            found, is_image = _labels_of(reader, offset, where)
            if is_image:
                keys.append(key if index_stamp else len(keys) + 1)
                labels.append(_identity(found, where))
                offsets.append(offset)
            elif key == 0:
                about.append((found, where))
    if not keys:
        raise DataError(f"{path} must hold labelled images; got none in {len(positions)} records")
    if len(about) == 1:  # several: a writer that numbers nothing, so none of them is known to be the header
        _check_count(*about[0], len(keys))
    return FaceRecords(path, *(_read_only(values) for values in (keys, labels, offsets)))


def write_faces(path: Path, faces: Iterable[tuple[int, bytes]]) -> None:
    """Write labelled encoded images as ``<stem>.rec`` and ``<stem>.idx``, with the records about identities.

    Args:
        path: the ``.rec`` file to make.
        faces: identity and encoded image, all images of an identity in a row.

    Raises:
        FileExistsError: the file is there already.
        DataError: an identity is not in [0, 2^24), comes back after another one, or has an empty image.
    """
    ranges: dict[int, tuple[int, int]] = {}
    count, previous = 0, None
    with RecordWriter(path) as writer:
        for count, (identity, image) in enumerate(faces, start=1):
            _identity((float(identity),), f"image {count}")
            if not image or (identity in ranges and identity != previous):
                raise DataError(f"image {count}: must have content and follow the others of identity {identity}")
            writer.write(count, pack([identity], count, image))
            ranges[identity] = (ranges.get(identity, (count,))[0], count + 1)
            previous = identity
        for number, (start, end) in enumerate(ranges.values(), start=count + 1):
            writer.write(number, pack([start, end], number, b""))
        writer.write(0, pack([count + 1, count + 1 + len(ranges)], 0, b""))


def _stamp(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _indexed(index: Path) -> list[tuple[int, int]]:
    keys, offsets = read_index(index)
    return sorted(zip(keys.tolist(), offsets.tolist(), strict=True))


def _scanned(reader: RecordReader) -> list[tuple[int, int]]:
    """Id and offset of every record."""
    positions, offset = [], 0
    while offset < reader.size:
        start, _, end = reader.head(offset, _HEADER.size)
        number = _HEADER.unpack(start)[2] if len(start) == _HEADER.size else -1
        positions.append((number, offset))
        offset = end
    return positions


def _labels_of(reader: RecordReader, offset: int, where: str) -> tuple[tuple[float, ...], bool]:
    """A record's labels, and whether an image follows them."""
    start, length, _ = reader.head(offset, _HEADER.size)
    extra = 4 * _HEADER.unpack(start)[0] if len(start) == _HEADER.size else 0
    if extra:
        start, length, _ = reader.head(offset, _HEADER.size + min(extra, length))
    labels, _, end = _header(start, length, where)
    return labels, end < length


def _header(start: bytes, length: int, where: str) -> tuple[tuple[float, ...], int, int]:
    """Labels, id, and where the image begins."""
    if length < _HEADER.size:
        raise DataError(f"{where}: a record must have a header of {_HEADER.size} bytes; got {length} bytes in all")
    flag, label, number, _ = _HEADER.unpack_from(start)
    end = _HEADER.size + 4 * flag
    if end > length:
        raise DataError(f"{where}: a record with flag {flag} must have {end} bytes at least; got {length}")
    labels = struct.unpack_from(f"<{flag}f", start, _HEADER.size) if flag else (label,)
    return labels, number, end


def _identity(labels: tuple[float, ...], where: str) -> int:
    label = labels[0]
    if not (math.isfinite(label) and label == int(label) and 0 <= label < _MAX_LABEL):
        raise DataError(f"{where}: a label must be a whole number in [0, 2^24); got {label}")
    return int(label)


def _check_count(labels: tuple[float, ...], where: str, count: int) -> None:
    """That a header record [n + 1, m] says as many images as there are."""
    if len(labels) < 2 or not all(math.isfinite(label) and label == int(label) for label in labels[:2]):
        raise DataError(f"{where}: the header record must hold [n + 1, m]; got {list(labels[:4])}")
    end, last = int(labels[0]), int(labels[1])
    if not 1 <= end <= last:
        raise DataError(f"{where}: the header record must hold [n + 1, m] with 1 <= n + 1 <= m; got {[end, last]}")
    if end - 1 != count:
        raise DataError(f"{where}: the header record says {end - 1} images; the file has {count}")


def _read_only(values: list[int]) -> NDArray[np.int64]:
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array

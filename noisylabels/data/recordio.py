"""MXNet RecordIO, the container of ``train.rec`` and ``train.idx``: records read one at a time, never the whole file.

A record is one part or several. A part is

    magic 0xced7230a | uint32: flag in the top 3 bits, length in the low 29 | content | zeros up to a multiple of 4

in little-endian order; the flag is 0 for a whole record, else 1, 2, ..., 2, 3 for its first, middle and last part. A
writer cuts a record wherever the magic stands in it at a multiple of 4 bytes, and drops those four bytes: a reader must
join the parts *with the magic between them*. Public readers that join them without it hand out a broken image.

Source: dmlc-core ``recordio.h`` and mxnet ``recordio.py``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.errors import DataError, MissingDataError

MAGIC = 0xCED7230A
MAX_LENGTH = 2**29 - 1
"""Bytes of one part."""

_MAGIC_BYTES = struct.pack("<I", MAGIC)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_NEXT: dict[int | None, tuple[int, int]] = {None: (_WHOLE, _FIRST), _FIRST: (_MIDDLE, _LAST), _MIDDLE: (_MIDDLE, _LAST)}


class RecordReader:
    """A RecordIO file, open for reading; a context manager.

    Args:
        path: the ``.rec`` file.

    Raises:
        MissingDataError: no such file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingDataError(f"no RecordIO file at {path}")
        self.path = path
        self._stream: BinaryIO = path.open("rb")
        self.size = os.fstat(self._stream.fileno()).st_size

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, offset: int) -> bytes:
        """The content of the record that starts at a byte offset.

        Raises:
            DataError: no whole record starts there; the message names the file and the offset of the part at fault.
        """
        return self._read_from(offset)[0]

    def head(self, offset: int, count: int) -> tuple[bytes, int, int]:
        """The first ``count`` bytes of a record, how many it has, and where the next one starts.

        The rest of a record in one part is skipped, not read: so a file of gigabytes is listed in seconds.

        Raises:
            DataError: as ``read``.
        """
        flag, length = self._part(offset, None)
        if flag == _WHOLE:
            return self._stream.read(min(count, length)), length, offset + 8 + _padded(length)
        content, end = self._read_from(offset)
        return content[:count], len(content), end

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """Every record in file order: its offset and its content.

        Raises:
            DataError: as ``read``.
        """
        offset = 0
        while offset < self.size:
            content, end = self._read_from(offset)
            yield offset, content
            offset = end

    def _read_from(self, offset: int) -> tuple[bytes, int]:
        parts: list[bytes] = []
        previous: int | None = None
        while previous not in (_WHOLE, _LAST):
            flag, length = self._part(offset, previous)
            parts.append(self._stream.read(length))
            offset += 8 + _padded(length)
            previous = flag
        return _MAGIC_BYTES.join(parts), offset

    def _part(self, offset: int, previous: int | None) -> tuple[int, int]:
        """Flag and length of the part at an offset; the stream is left at its content."""
        where = f"{self.path} at byte {offset}"
        if not 0 <= offset <= self.size - 8:
            raise DataError(f"{where}: a record must start with 8 bytes; the file has {self.size} bytes")
        self._stream.seek(offset)
        magic, word = struct.unpack("<II", self._stream.read(8))
        if magic != MAGIC:
            raise DataError(f"{where}: a record must start with the magic number {MAGIC:#x}; got {magic:#x}")
        flag, length = word >> 29, word & MAX_LENGTH
        if flag not in _NEXT[previous]:
            wanted = " or ".join(map(str, _NEXT[previous]))
            raise DataError(f"{where}: the part's flag must be {wanted}; got {flag}")
        if _padded(length) > self.size - offset - 8:
            left = self.size - offset - 8
            raise DataError(f"{where}: a part of {length} bytes must lie in the file; {left} bytes are left")
        return flag, length


def read_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The keys and byte offsets in a ``.idx`` file, lines of ``key TAB offset``, both int64[n], in file order.

    Raises:
        MissingDataError: no such file.
        DataError: a line is not so, a number is negative, or a key comes twice.
    """
    if not path.is_file():
        raise MissingDataError(f"no RecordIO index at {path}")
    pairs: dict[int, int] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.split()
            if len(fields) != 2 or not all(field.isdigit() and len(field) < 19 for field in fields):
                raise DataError(f"{path}, line {number}: must be a key, a tab and an offset; got {line[:60]!r}")
            key, offset = map(int, fields)
            if key in pairs:
                raise DataError(f"{path}, line {number}: keys must be unique; got {key} again")
            pairs[key] = offset
    return np.array(list(pairs), dtype=np.int64), np.array(list(pairs.values()), dtype=np.int64)


class RecordWriter:
    """Writes ``<stem>.rec`` and ``<stem>.idx``, in the same parts as dmlc-core; a context manager.

    Args:
        path: the ``.rec`` file to make; the index is written beside it on leaving the context.

    Raises:
        FileExistsError: the file is there already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO = path.open("xb")
        self._offsets: dict[int, int] = {}

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        lines = (f"{key}\t{offset}\n" for key, offset in self._offsets.items())
        self.path.with_suffix(".idx").write_text("".join(lines), encoding="ascii", newline="\n")

    def write(self, key: int, content: bytes) -> None:
        """Append a record under a new key.

        Raises:
            DataError: the key is negative or was used, or the content is of 2^29 bytes or more.
        """
        if key < 0 or key in self._offsets:
            raise DataError(f"record keys must be at least 0 and new; got {key}")
        if len(content) > MAX_LENGTH:
            raise DataError(f"a record must be shorter than 2^29 bytes; got {len(content)}")
        self._offsets[key] = self._stream.tell()
        cuts = _aligned_magic(content)
        starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(content)]
        flags = [_FIRST, *[_MIDDLE] * (len(cuts) - 1), _LAST] if cuts else [_WHOLE]
        for flag, start, end in zip(flags, starts, ends, strict=True):
            length = end - start
            self._stream.write(struct.pack("<II", MAGIC, flag << 29 | length))
            self._stream.write(content[start:end] + bytes(_padded(length) - length))


def _aligned_magic(content: bytes) -> list[int]:
    """Where the magic stands at a multiple of four bytes."""
    words = np.frombuffer(content, dtype="<u4", count=len(content) // 4)
    return [4 * int(place) for place in np.flatnonzero(words == MAGIC)]


def _padded(length: int) -> int:
    return -(-length // 4) * 4

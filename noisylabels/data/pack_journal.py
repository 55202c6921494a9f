"""How far a pack has come: one line for each run of images that is safely on the disk."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from noisylabels.atomic import write_atomically
from noisylabels.data.errors import DataError


class PackingError(Exception):
    """The disk or another process stands in the way; the pack can be gone on with."""

    exit_code: ClassVar[int] = 1


class PackLockedError(Exception):
    """Another process is packing into the same folder."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Remark:
    """What there is to say of an image: it was left out, or its picture was converted.

    Attributes:
        source_row: its row in the source.
        skipped: whether it cannot be used.
        text: why, or how.
    """

    source_row: int
    skipped: bool
    text: str


@dataclass
class PackProgress:
    """What is packed so far; lists grow together.

    Attributes:
        seen: how many images of the source have been looked at.
        source_rows: for each image stored, its row in the source.
        pixel_sha256: hex digits of its pixels' hash.
        file_sha256: hex digits of the hash of the encoded image.
        remarks: in the order of the source.
    """

    seen: int = 0
    source_rows: list[int] = field(default_factory=list)
    pixel_sha256: list[str] = field(default_factory=list)
    file_sha256: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def extend(self, other: PackProgress) -> None:
        """Add what came after."""
        self.seen = other.seen
        for name in ("source_rows", "pixel_sha256", "file_sha256", "remarks"):
            getattr(self, name).extend(getattr(other, name))


class Journal:
    """A file of JSON lines: first what is being packed, then what has been.

    A line is appended when its images are on the disk, and counts once it ends in a newline; a torn last line is cut
    off when the journal is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, settings: dict[str, Any]) -> None:
        """Start anew, whole or not at all."""
        write_atomically(self.path, _line(settings))

    def read(self) -> tuple[dict[str, Any], PackProgress]:
        """Settings, and all that is packed.

        Raises:
            DataError: a whole line is not one of a journal.
        """
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        packed = PackProgress()
        try:
            first, *rest = whole.splitlines()
            settings: dict[str, Any] = dict(json.loads(first))
            for line in rest:
                packed.extend(_progress(json.loads(line)))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DataError(f"{self.path} is not a journal of a pack; remove the folder and pack anew") from None
        return settings, packed

    def append(self, packed: PackProgress) -> None:
        """Add a run of images; on return it is on the disk.

        Raises:
            OSError: it could not be written; the line does not count then.
        """
        values = vars(packed) | {"remarks": [[r.source_row, r.skipped, r.text] for r in packed.remarks]}
        line = _line(values)
        descriptor = os.open(self.path, os.O_WRONLY)
        end = os.fstat(descriptor).st_size
        try:
            write_at(descriptor, line, end, self.path)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
        finally:
            os.close(descriptor)


def write_at(descriptor: int, content: bytes | memoryview, offset: int, path: Path) -> None:
    """Write all of it at an offset of an open file; unlike a write through a map, a full disk is an error here.

    Raises:
        OSError: with ``path`` as its file name.
    """
    left = memoryview(content)
    try:
        while left:
            count = os.pwrite(descriptor, left, offset)
            left, offset = left[count:], offset + count
    except OSError as error:
        error.filename = str(path)
        raise


def _progress(values: dict[str, Any]) -> PackProgress:
    return PackProgress(
        int(values["seen"]),
        [int(row) for row in values["source_rows"]],
        [str(digest) for digest in values["pixel_sha256"]],
        [str(digest) for digest in values["file_sha256"]],
        [Remark(int(row), bool(skipped), str(text)) for row, skipped, text in values["remarks"]],
    )


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"

"""Files that are there whole or not at all, and lines that are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"
"""How the name of a file ends that is still being written, or whose writer was killed."""


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` whole or not at all: temporary file, fsync, rename, fsync of the folder.

    Once it returns, the content outlives a power cut.

    Raises:
        OSError: it cannot be written; ``filename`` is ``path``, or the folder that cannot be made. What was there
            before is there still, unless only the last fsync failed.
    """
    _make_folder(path.parent)
    with _naming(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            try:
                _write_all(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    r"""Add ``line`` and a newline at the end of ``path``, or leave the file as it was; for one writer at a time.

    A kill may still leave part of a line: the next one is not glued to it, and readers pass over it.

    Raises:
        OSError: it cannot be written; ``filename`` is ``path``.
    """
    with _naming(path):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            end = os.fstat(descriptor).st_size
            torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            try:
                _write_all(descriptor, (b"\n" if torn else b"") + line + b"\n")
            except BaseException:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)


def drop_unfinished(folder: Path) -> None:
    """Remove what killed writers left; for whoever holds the folder alone."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def _write_all(descriptor: int, content: bytes) -> None:
    """One write may take less than it was given, and does from 2 GiB on."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in, so that they outlive a power cut as well."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with _naming(folder):
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name what was to be written or made: a descriptor has no name, a temporary file has another's."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error

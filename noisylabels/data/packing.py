"""Pack a source of images into one memory-mapped file: interrupted anywhere, it goes on and ends in the same bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from noisylabels.catalog import UsageError
from noisylabels.data.conversions import conversions
from noisylabels.data.decoding import UndecodableError, decode
from noisylabels.data.encoded import InMemory
from noisylabels.data.errors import and_more
from noisylabels.data.pack_finish import finish, header
from noisylabels.data.pack_journal import Journal, PackingError, PackLockedError, PackProgress, Remark, write_at
from noisylabels.data.pack_source import PackSource
from noisylabels.data.packed_files import ARRAYS, ERRORS, FORMAT, IMAGES, INDEX, VERSION, read_about

JOURNAL, LOCK = "journal.jsonl", ".lock"
CHUNK = 256
"""Images between two lines of the journal: what an interruption can cost."""

_NAMES = frozenset({IMAGES, ARRAYS, ERRORS, INDEX, JOURNAL, LOCK})


@dataclass(frozen=True)
class PackOptions:
    """How images are stored.

    Attributes:
        size: side of the square images, pixels, in [1, 1024].
        grey: one channel rather than three.
        errors: what becomes of a pack with images that cannot be used: ``fail`` looks at all of them, writes their list
            and stops before the end; ``skip`` leaves them out.
    """

    size: int = 112
    grey: bool = False
    errors: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 1024:
            raise UsageError(f"size must be in [1, 1024]; got {self.size}")
        if self.errors not in ("fail", "skip"):
            raise UsageError(f"errors must be fail or skip; got {self.errors!r}")


def pack(
    source: PackSource,
    out: Path,
    options: PackOptions = PackOptions(),
    *,
    resume: bool = False,
    on_chunk: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """Decode every image of a source and store it; the content of ``index.json``, which is written last.

    The files are those of ``packed_files``; nothing is written outside ``out``. Images are in the order of the source;
    one that is left out moves neither ids nor labels of the others. A line of the journal is written when its images
    are on the disk, so an interrupted pack loses a chunk at most, and one that is gone on with ends in the same bytes
    as one that was not interrupted. Room for all images is reserved first.

    Args:
        source: what to pack.
        out: a new or empty folder, or with ``resume`` one that an interrupted pack left.
        options: how.
        resume: go on; a pack that is already done is left as it is.
        on_chunk: told how many images have been looked at, and how many there are.

    Raises:
        UsageError: ``out`` holds something else, or a pack of another source or of other options.
        DataError: some images cannot be used and ``options.errors`` is ``fail``, or none can.
        PackingError: no room on the disk, or what is on it is not what was written.
        PackLockedError: another process is at it.
    """
    if source.holds(out):
        raise UsageError(f"--out must not lie inside the source; {out} does")
    out.mkdir(parents=True, exist_ok=True)
    _require_ours(out, resume=resume)
    with _locked(out), _full_disk_told(out):
        if (out / INDEX).exists():
            about = _require_same(out, source, options)
        else:
            journal = Journal(out / JOURNAL)
            progress = _begun(journal, source, options)
            _store_all(journal, progress, source, options, on_chunk)
            about = finish(out, progress, source, _shape(options), skip=options.errors == "skip")
        _tidy(out)
    return about


def _require_ours(out: Path, *, resume: bool) -> None:
    """That the folder is empty, or holds a pack and may be gone on with."""
    entries = sorted(entry.name for entry in out.iterdir())
    foreign = [name for name in entries if name not in _NAMES and not _is_left_over(name)]
    if foreign:
        more = and_more(len(foreign) - 1)
        raise UsageError(f"--out must be a new or empty folder; {out} holds {foreign[0]!r}{more}")
    if links := [name for name in entries if (out / name).is_symlink() or not (out / name).is_file()]:
        raise UsageError(f"{out / links[0]} must be a regular file; it is not")
    if resume or not set(entries) - {LOCK}:
        return
    if INDEX in entries:
        raise UsageError(f"{out} already holds packed images; remove the folder to pack anew")
    raise UsageError(f"{out} holds a pack that was interrupted; add --resume to go on, or remove the folder")


def _is_left_over(name: str) -> bool:
    """Whether a file is what an interrupted atomic write leaves."""
    return any(name.startswith(f".{ours}.") for ours in _NAMES)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        raise PackLockedError(f"another process is packing into {out}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _full_disk_told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        free = shutil.disk_usage(out).free
        where = error.filename or out
        raise PackingError(
            f"no room to write {where}: {error.strerror}, {free:,} bytes are free on its disk; "
            "make room and go on with --resume"
        ) from error


def _shape(options: PackOptions) -> tuple[int, int, int]:
    return (1 if options.grey else 3, options.size, options.size)


def _require_same(out: Path, source: PackSource, options: PackOptions) -> dict[str, Any]:
    """That a pack which is done is of so many images and of these options."""
    about = read_about(out)
    wanted = {"shape": list(_shape(options)), "source": source.kind, "classes": len(source.faces.names)}
    found = {name: about[name] for name in wanted}
    if found != wanted or about["count"] + about["skipped"] != len(source):
        raise UsageError(f"{out} holds packed images of another source or of other options; remove the folder")
    return about


def _begun(journal: Journal, source: PackSource, options: PackOptions) -> PackProgress:
    """What is packed so far: nothing, with room for everything, or what the journal says."""
    settings = {"format": FORMAT, "version": VERSION, "size": options.size, "grey": options.grey}
    settings |= {"count": len(source), "listing": source.listing()}
    if journal.path.exists():
        found, progress = journal.read()
        if differ := sorted(name for name in settings if found.get(name) != settings[name]):
            changed = "the source has changed since" if differ == ["listing"] else f"other {', '.join(differ)}"
            raise UsageError(f"{journal.path.parent} holds a pack that cannot be gone on with: {changed}; remove it")
        return progress
    _reserve(journal.path.parent / IMAGES, (len(source), *_shape(options)))
    journal.begin(settings)
    return PackProgress()


def _reserve(path: Path, shape: tuple[int, ...]) -> None:
    """An array of zeros whose blocks are the disk's: a full disk is found now, and as an error rather than a signal."""
    path.unlink(missing_ok=True)
    try:
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        offset, size = int(images.offset), int(images.offset + images.nbytes)
        del images
        with path.open("r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), offset, size - offset)
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = str(path)
        raise


def _store_all(
    journal: Journal,
    progress: PackProgress,
    source: PackSource,
    options: PackOptions,
    on_chunk: Callable[[int, int], None],
) -> None:
    """Look at the rest of the source, chunk by chunk; ``progress`` grows."""
    path = journal.path.parent / IMAGES
    image_bytes = int(np.prod(_shape(options)))
    offset = len(header(len(source), _shape(options)))
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        on_chunk(progress.seen, len(source))
        while progress.seen < len(source):
            images, chunk = _decoded(source, progress.seen, options)
            write_at(descriptor, images.reshape(-1).data, offset + len(progress.source_rows) * image_bytes, path)
            os.fsync(descriptor)
            journal.append(chunk)
            progress.extend(chunk)
            on_chunk(progress.seen, len(source))
    finally:
        os.close(descriptor)


def _decoded(source: PackSource, start: int, options: PackOptions) -> tuple[NDArray[np.uint8], PackProgress]:
    """The next chunk's images, and what its line in the journal says."""
    chunk = PackProgress(min(start + CHUNK, len(source)))
    images: list[NDArray[np.uint8]] = []
    for row in range(start, chunk.seen):
        try:
            content = source.encoded(row)
            image = np.ascontiguousarray(decode(cast(Path, InMemory(content)), size=options.size, grey=options.grey))
        except UndecodableError as error:
            chunk.remarks.append(Remark(row, True, str(error)))
            continue
        images.append(image)
        chunk.source_rows.append(row)
        chunk.pixel_sha256.append(hashlib.sha256(image.data).hexdigest())
        chunk.file_sha256.append(hashlib.sha256(content).hexdigest())
        chunk.remarks += [Remark(row, False, text) for text in conversions(content, grey=options.grey)]
    return np.array(images, dtype=np.uint8).reshape(-1, *_shape(options)), chunk


def _tidy(out: Path) -> None:
    """Remove what only an unfinished pack needs."""
    for entry in out.iterdir():
        if entry.name in (JOURNAL, LOCK) or _is_left_over(entry.name):
            entry.unlink(missing_ok=True)

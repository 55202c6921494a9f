"""Who works in a folder: a lock that dies with its process, and beside it a note that says whose it is.

The lock is the system's (``flock``), so a process that is killed frees it in that moment, and whoever comes next takes
over without being asked. Where the system vouches for it across hosts nothing else is needed. On network disks that
depends on how they are mounted: two hosts may each be given "the" lock. There a note that another host left behind,
which an owner that ends well removes, means either a death or an owner that cannot be seen; nobody but the user knows,
so the folder is refused with the command that clears it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from filelock import FileLock, Timeout

from noisylabels.atomic import write_atomically

LOOKING_SECONDS = 1.0
"""How long to wait for a lock: whoever only looks (``is_held``) lets go at once."""

ONE_KERNEL = frozenset(
    {"btrfs", "ext2", "ext3", "ext4", "f2fs", "fuse.fuse-overlayfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
)
"""File systems that one kernel alone writes to: its lock is the truth, whatever hosts (containers) are called."""


class LockedError(Exception):
    """Another process is running this study, or this run."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class Owner:
    """Who holds a folder; ``started`` is when it took it, in ISO 8601, for people only."""

    pid: int
    host: str
    started: str

    @classmethod
    def this_process(cls) -> Self:
        """The one that asks."""
        return cls(os.getpid(), os.uname().nodename, datetime.now(UTC).isoformat(timespec="seconds"))

    @classmethod
    def noted_in(cls, folder: Path) -> Self | None:
        """Whoever left the folder's note; None without one that can be read."""
        try:
            note = json.loads(_note(folder).read_bytes())
            return cls(int(note["pid"]), str(note["host"]), str(note["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started}"


@contextlib.contextmanager
def locked(folder: Path, *, join: bool = False) -> Iterator[bool]:
    """Hold a folder for this process, and say so in its note.

    Args:
        folder: made where it is not there.
        join: go on without the lock where another process holds it.

    Yields:
        Whether this process holds it; always, unless it joins another.

    Raises:
        LockedError: another process holds it, or one of another host may.
    """
    with _lock(folder) as is_ours:
        if not is_ours and not join:
            owner = Owner.noted_in(folder) or "a process that left no note"
            raise LockedError(f"{folder} is being run by {owner}; wait for it, or share its work with sweep --join")
        if not is_ours:
            yield False
            return
        _refuse_a_strangers(folder)
        write_atomically(_note(folder), json.dumps(asdict(Owner.this_process())).encode())
        try:
            yield True
        finally:
            _note(folder).unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold a folder without a note, if it is free; says whether it was."""
    with _lock(folder) as is_ours:
        yield is_ours


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder at this moment."""
    if not (folder / ".lock").exists():
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # it may be looked at only: its note is all there is to go by
        return Owner.noted_in(folder) is not None


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=LOOKING_SECONDS)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _refuse_a_strangers(folder: Path) -> None:
    owner = Owner.noted_in(folder)
    if owner is None or owner.host == Owner.this_process().host or file_system(folder) in ONE_KERNEL:
        return
    raise LockedError(
        f"{folder} was last run by {owner}, which did not say that it ended, and locks need not reach other hosts on "
        f"this disk ({file_system(folder) or 'unknown file system'}); "
        f"if it has ended, take over: rm {shlex.quote(str(_note(folder)))}"
    )


def file_system(folder: Path) -> str:
    """Type of the file system that the folder lies on, as the kernel calls it; empty where it does not say."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    where, kind = folder.resolve(), ""
    longest = -1
    for line in mounts:
        place, _, what = line.partition(" - ")
        mounted = Path(place.split()[4].replace("\\040", " "))
        if where.is_relative_to(mounted) and len(mounted.parts) >= longest:
            longest, kind = len(mounted.parts), what.split()[0]
    return kind


def _note(folder: Path) -> Path:
    return folder / ".owner.json"

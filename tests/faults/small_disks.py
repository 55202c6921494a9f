"""Disks that are full or may not be written to; tests that need one skip where mounting is not allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = os.sysconf("SC_PAGESIZE")


class SmallDisk:
    """A file system in memory, with ballast in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / ".ballast"

    def leave(self, pages: int) -> None:
        """Fill it so that so many pages are free."""
        self.ballast.unlink(missing_ok=True)
        free = shutil.disk_usage(self.folder).free // PAGE
        if free > pages:
            with self.ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, (free - pages) * PAGE)


@contextmanager
def small_disk(folder: Path, pages: int) -> Iterator[SmallDisk]:
    """A disk of so many pages at ``folder``."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs", folder)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody may write to, root included."""
    if os.geteuid():
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    _mount("--bind", folder, folder)
    try:
        _mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments: object) -> None:
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a disk to fill")
    answer = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"mounting is not allowed here: {answer.stderr.strip()}")

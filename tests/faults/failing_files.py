"""A file layer that fails: the n-th call of a kind, every write short, or the power at any moment.

``os`` is patched, through which ``pathlib`` and ``tempfile`` go as well, so what is tested is the product's own code.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noisylabels.atomic import UNFINISHED

CALLS = ("open", "write", "fsync", "replace", "close", "chmod", "mkdir", "unlink", "ftruncate")

Files = dict[str, bytes]
"""Path relative to a folder to content."""


def files_in(folder: Path) -> Files:
    """Every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass
class Fault:
    """Makes call number ``nth`` of ``os.<call>`` fail; half of what a failing write was given is written first."""

    call: str
    nth: int
    number: int = errno.ENOSPC
    count: int = 0

    @property
    def struck(self) -> bool:
        return self.count >= self.nth

    @contextmanager
    def injected(self) -> Iterator[None]:
        real = getattr(os, self.call)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, self.call, lambda *arguments, **named: self._called(real, *arguments, **named))
            yield

    def _called(self, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.count += 1
        if self.count != self.nth:
            return real(*arguments, **named)
        if self.call == "write":
            descriptor, content = arguments
            real(descriptor, content[: len(content) // 2])
        if self.call == "close":  # a descriptor is gone even where closing it fails
            real(*arguments)
        raise OSError(self.number, os.strerror(self.number))


@contextmanager
def short_writes(share: float = 0.3) -> Iterator[None]:
    """Every write takes a part only of what it is given, as a full pipe, a signal or 2 GiB would have it."""
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda fd, content: real(fd, content[: max(1, int(len(content) * share))]))
        yield


class PowerCutError(BaseException):
    """Everything stops: no handler and no ``finally`` gets anything done any more."""


@dataclass
class Disk:
    """A disk with a cache: what was not fsynced may be gone after a power cut.

    Attributes:
        calls_left: how many calls of ``CALLS`` succeed before the power goes.
        unsynced: inodes whose content is in the cache only.
        names: what names, new or replaced, are in the cache only: the path, and what it was before (None: nothing).
    """

    calls_left: int
    unsynced: set[int] = field(default_factory=set)
    names: list[tuple[Path, bytes | None]] = field(default_factory=list)
    _opened: dict[int, Path] = field(default_factory=dict)

    @property
    def cut(self) -> bool:
        return self.calls_left < 0

    @contextmanager
    def plugged_in(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for call in CALLS:
                patch.setattr(os, call, self._recorded(getattr(os, call), getattr(self, f"_{call}", None)))
            yield

    def _recorded(self, real: Callable[..., Any], record: Callable[..., None] | None) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self.calls_left -= 1
            if self.cut:
                raise PowerCutError
            if record is None:
                return real(*arguments, **named)
            return record(real, *arguments, **named)

        return called

    def _open(self, real: Callable[..., int], path: Any, flags: int, *rest: Any, **named: Any) -> int:
        is_new = not Path(path).exists()
        descriptor = real(path, flags, *rest, **named)
        self._opened[descriptor] = Path(path)
        if is_new:
            self.names.append((Path(path), None))
        if flags & os.O_TRUNC:
            self.unsynced.add(os.fstat(descriptor).st_ino)
        return descriptor

    def _write(self, real: Callable[..., int], descriptor: int, content: Any) -> int:
        self.unsynced.add(os.fstat(descriptor).st_ino)
        return real(descriptor, content)

    def _fsync(self, real: Callable[..., None], descriptor: int) -> None:
        real(descriptor)
        about = os.fstat(descriptor)
        self.unsynced.discard(about.st_ino)
        if stat.S_ISDIR(about.st_mode):
            self.names = [entry for entry in self.names if entry[0].parent != self._opened[descriptor]]

    def _replace(self, real: Callable[..., None], source: Any, target: Any) -> None:
        before = Path(target).read_bytes() if Path(target).exists() else None
        real(source, target)
        self.names.append((Path(target), before))

    def _mkdir(self, real: Callable[..., None], path: Any, *rest: Any, **named: Any) -> None:
        real(path, *rest, **named)
        self.names.append((Path(path), None))

    def left(self, folder: Path, *, content: bool, names: bool) -> Files:
        """The files when the power is back, where the cached content, the cached names, or both, are gone."""
        files: dict[Path, bytes] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                files[path] = b"" if content and path.stat().st_ino in self.unsynced else path.read_bytes()
        for path, before in reversed(self.names if names else []):
            files = {file: data for file, data in files.items() if file != path and path not in file.parents}
            if before is not None:
                files[path] = before
        return {str(path.relative_to(folder)): data for path, data in files.items()}


def put_files(folder: Path, files: Files) -> None:
    """A folder with those files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def is_unfinished(name: str) -> bool:
    """Whether a file is one that its writer had not finished."""
    return Path(name).name.startswith(".") and name.endswith(UNFINISHED)

"""Trackers that do what a tracker must not, each as real ones have done; the laws must tell."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from noisylabels.tracking import NoTracker, Recording, Tracker
from noisylabels.tracking.items import Bundle, Row, Scalar, TrackedRun
from noisylabels.tracking.tracker import TrackingError


@dataclass
class Heard(Recording):
    """Keeps what it is told."""

    run: TrackedRun
    rows: list[Row] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    summary: Mapping[str, Scalar] | None = None
    failed: bool | None = None

    def log(self, row: Row) -> None:
        self.rows.append(row)

    def keep(self, bundle: Bundle) -> None:
        self.bundles.append(bundle)

    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        self.summary, self.failed = summary, failed


@dataclass(frozen=True)
class Listener(NoTracker):
    """Not wrong at all: what was told, for tests to look at."""

    kind: ClassVar[str] = "listener"
    heard: list[Heard] = field(default_factory=list)

    def open(self, run: TrackedRun) -> Recording:
        self.heard.append(Heard(run))
        return self.heard[-1]


@dataclass(frozen=True)
class Raises(NoTracker):
    """A client that lets its user have its own errors."""

    kind: ClassVar[str] = "raises"

    def open(self, run: TrackedRun) -> Recording:
        raise TrackingError("the door is shut: /home/somebody/.netrc")


@dataclass(frozen=True)
class Hangs(NoTracker):
    """A client that waits for a server for ever."""

    kind: ClassVar[str] = "hangs"

    def open(self, run: TrackedRun) -> Recording:
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class Dies(NoTracker):
    """A client that takes its process with it."""

    kind: ClassVar[str] = "dies"

    def open(self, run: TrackedRun) -> Recording:
        os._exit(3)


class _Edits(Heard):
    def log(self, row: Row) -> None:
        figures: Any = row.figures
        figures["_step"] = row.step

    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        said: Any = summary
        said.clear()


@dataclass(frozen=True)
class Edits(NoTracker):
    """A client that puts its own entries into the caller's dictionaries."""

    kind: ClassVar[str] = "edits"

    def open(self, run: TrackedRun) -> Recording:
        config: Any = run.config
        config["_client"] = {}
        return _Edits(run)


@dataclass(frozen=True)
class Strays(NoTracker):
    """A client that keeps a cache at home."""

    kind: ClassVar[str] = "strays"

    def open(self, run: TrackedRun) -> Recording:
        (Path("~").expanduser() / ".cache-of-tracker").write_text(run.name)
        return Heard(run)


@dataclass(frozen=True)
class Telltale(NoTracker):
    """A client that notes where it ran."""

    kind: ClassVar[str] = "telltale"

    def open(self, run: TrackedRun) -> Recording:
        Path("telltale").mkdir(exist_ok=True)
        (Path("telltale") / "run.json").write_text(f'{{"host": "{socket.gethostname()}", "cwd": "{Path.cwd()}"}}')
        return Heard(run)


class _Hoards(Heard):
    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        Path("hoard.txt").write_text("\n".join(str(row.figures) for row in self.rows))


@dataclass(frozen=True)
class Hoards(NoTracker):
    """A client that writes when it is done: W&B's own flushes every 15 s."""

    kind: ClassVar[str] = "hoards"

    def open(self, run: TrackedRun) -> Recording:
        return _Hoards(run)


WRONG: tuple[type[Tracker], ...] = (Edits, Strays, Telltale, Hoards)

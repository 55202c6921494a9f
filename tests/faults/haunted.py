"""A store whose runs go wrong in their workers, as a file in each run's folder says.

A line of ``haunted`` is ``moment:fault``; the worker that first gets to the first line's moment strikes the line and
meets the fault. So n equal lines spoil n attempts.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from noisylabels.catalog import UsageError
from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder


def break_down(folder: Path) -> None:
    raise RuntimeError("a ghost")


def ask_the_impossible(folder: Path) -> None:
    raise UsageError("a ghost must have a sheet; got none")


def wait_to_be_let_go(folder: Path) -> None:
    while not (folder / "go").exists():
        time.sleep(0.02)


FAULTS: Mapping[str, Callable[[Path], object]] = {
    "error": break_down,
    "say": lambda folder: (print("boo", file=sys.stderr, flush=True), os._exit(0)),
    "usage": ask_the_impossible,
    "exit3": lambda folder: sys.exit(3),
    "exit0": lambda folder: os._exit(0),
    "segfault": lambda folder: ctypes.string_at(0),
    "kill": lambda folder: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda folder: time.sleep(600),
    "wait": wait_to_be_let_go,
    "allocate": lambda folder: torch.empty(1 << 55, dtype=torch.uint8),
}


class CountedCheckpoints(StoredCheckpoints):
    """Each that is kept leaves a line in ``kept``."""

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        super().keep(content)
        with (self.folder / "kept").open("a") as file:
            file.write("kept\n")


@dataclass(frozen=True)
class HauntedRun(RunFolder):
    """Moments: ``spec``, before anything; ``epoch N``, once logged; ``finish`` and ``finished``, around the result."""

    def spec(self) -> RunSpec:
        self._meet("spec")
        return super().spec()

    def append(self, epoch: Epoch) -> None:
        super().append(epoch)
        self._meet(f"epoch {epoch.epoch}")

    def checkpoints(self, *, every_seconds: float | None = None) -> StoredCheckpoints:
        """Each epoch where there are faults, else, by itself, none within the hour."""
        usual = 0.0 if (self.path / "haunted").exists() else 3600.0
        return CountedCheckpoints(self.path, self.path.name, usual if every_seconds is None else every_seconds)

    def finish(self, result: RunResult) -> None:
        self._meet("finish")
        super().finish(result)
        self._meet("finished")

    def _meet(self, moment: str) -> None:
        script = self.path / "haunted"
        if multiprocessing.parent_process() is None or not script.exists():
            return
        lines = script.read_text().splitlines()
        if lines and lines[0].partition(":")[0] == moment:
            script.write_text("\n".join(lines[1:]))
            FAULTS[lines[0].partition(":")[2]](self.path)


class HauntedStudy(StudyFolder):
    """A study of such runs."""

    def run(self, run_id: str) -> RunFolder:
        return HauntedRun(super().run(run_id).path)

    def haunt(self, spec: RunSpec, *lines: str) -> None:
        """Let these faults wait for the run's workers; from here on, each epoch is kept."""
        folder: Path = self.run(spec.run_id).path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "haunted").write_text("\n".join(lines))

    def let_go(self, spec: RunSpec) -> None:
        """End its ``wait``."""
        (self.run(spec.run_id).path / "go").touch()

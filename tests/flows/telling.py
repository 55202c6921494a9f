"""A study's folder, told to a tracker in this process as the process beside a sweep does it; what a W&B run holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noisylabels.cli.tracked_study import study_view
from noisylabels.store import StudyFolder
from noisylabels.tracking import Tracker
from noisylabels.tracking.following import HERE, Came, play_back
from noisylabels.tracking.ledger import Told
from noisylabels.tracking.mirror import Telling
from noisylabels.tracking.training_images import TrainingImages

KEY = "5ec2e7" * 6 + "abcd"
"""Of the length of a W&B key, and nobody's."""


TYPED = "--typed-by-somebody"
"""On the command line."""


@dataclass(frozen=True)
class Surroundings:
    """A user's home, and the environment that the client finds itself in."""

    home: Path

    @contextmanager
    def of(self, folder: Path, tracker: Tracker, url: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
                patch.delenv(name)
            values = {"HOME": str(self.home), "WANDB_API_KEY": KEY, "WANDB_BASE_URL": url or "http://127.0.0.1:9"}
            for name, value in (values | dict(tracker.environment())).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["noisylabels", TYPED])
            try:
                yield
            finally:
                if "wandb" in sys.modules:
                    sys.modules["wandb"].teardown()


Tell = Callable[..., Came]


def played_back(home: Path, folder: StudyFolder, tracker: Tracker, url: str = "") -> Came:
    """A study's folder, told by a user who lives there."""
    with Surroundings(home).of(folder.path, tracker, url):
        telling = Telling(tracker, folder.path.name, Told(HERE, tracker.destination()), TrainingImages(Path()))
        return play_back(telling, lambda: study_view(HERE), lambda line: None)


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    """Play a study's folder back to a tracker: ``tell(folder, tracker, url=...)``."""
    home = tmp_path / "home of somebody"
    home.mkdir()

    def call(folder: StudyFolder, tracker: Tracker, *, url: str = "") -> Came:
        return played_back(home, folder, tracker, url)

    return call


@dataclass(frozen=True)
class OfflineRun:
    """A W&B run as ``wandb leet inspect --json`` reads it back: its records, by type."""

    folder: Path
    records: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, folder: Path, run_id: str) -> OfflineRun:
        (place,) = (folder / "wandb").glob(f"*run-*-{run_id}")
        answer = subprocess.run(
            [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(place)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"HOME": str(folder), "WANDB_ERROR_REPORTING": "false"},
            timeout=120,
        )
        return cls(place, tuple(json.loads(line) for line in answer.stdout.splitlines()))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def about(self) -> dict[str, Any]:
        return self.of("run")[0]

    @property
    def config(self) -> dict[str, Any]:
        return {name: value for name, value in self.about["config"]["update"].items() if name != "_wandb"}

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [record["item"] for record in self.of("history")]

    @property
    def summary(self) -> dict[str, Any]:
        return {name: value for record in self.of("summary") for name, value in record["update"].items()}

    @property
    def axes(self) -> dict[str, str]:
        return {one["glob_name"]: one["step_metric"] for one in self.of("metric") if "glob_name" in one}

    def table(self, name: str) -> dict[str, Any]:
        """A table's file: columns and data."""
        content: dict[str, Any] = json.loads((self.folder / "files" / self.summary[f"{name}.path"]).read_text())
        return content


__all__ = ["KEY", "OfflineRun", "Surroundings", "Tell", "played_back", "tell"]

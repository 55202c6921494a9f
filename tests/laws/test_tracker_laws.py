"""Laws of every tracker in the table, and twins that break one each."""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noisylabels.catalog import MissingExtraError, UsageError, build, full_text
from noisylabels.store import StudyFolder
from noisylabels.tracking import TRACKERS, Recording, Tracker, tracker_named
from noisylabels.tracking.items import Axis, Matrix, Picture, Points, Row, Table, TrackedRun
from tests.flows.telling import Surroundings, Tell, tell
from tests.flows.telltales import telltales_in
from tests.flows.tracked_runs import study, write_study
from tests.laws.tracker_twins import Edits, Hoards, Listener, Strays, Telltale

__all__ = ["tell"]

INSTALLED = [name for name in TRACKERS if name == "none" or importlib.util.find_spec(name)]
CASES = [pytest.param(TRACKERS[name](), id=name) for name in INSTALLED]


def a_run(**values: Any) -> TrackedRun:
    config = {"head": "softmax", "asked_rate": 0.4, "seed": 0}
    about = TrackedRun("a-1", "a", "family", "study", "softmax", ("symmetric",), config, (Axis("train/*", "epoch"),))
    return dataclasses.replace(about, **values)


def rows() -> list[Row]:
    counts = np.eye(3, dtype=np.int64)
    counts.flags.writeable = False
    items = {
        "table": Table(("name", "value"), (("x", 1.5), ("y", None))),
        "matrix": Matrix("counts", "given", ("a", "b", "c"), counts),
        "points": Points("plane", ((0.5, -1.0, "a"), (1.0, 0.25, "b"))),
        "picture": Picture(_png(), "a dot"),
    }
    return [Row(1, {"epoch": 1, "train/loss": 2.0}), Row(2, {"epoch": 2, "train/loss": 1.0}), Row(3, {"x": 0.5}, items)]


def _png() -> bytes:
    from noisylabels.tracking.flips import image_grid

    return image_grid(np.zeros((1, 1, 4, 4), dtype=np.uint8), ["a\n> b"])


def plain(value: Any) -> Any:
    """A copy that can be compared, arrays as nested lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else copy.copy(value)


def edits(tracker: Tracker, folder: Path) -> bool:
    """Whether anything that it was told is another thing afterwards."""
    about, said, summary = a_run(), rows(), {"status": "ok"}
    before = plain([about, said, summary])
    with Surroundings(folder).of(folder, tracker, ""):
        recording: Recording = tracker.open(about)
        for row in said:
            recording.log(row)
        recording.end(summary, failed=False)
    return bool(plain([about, said, summary]) != before)


@pytest.mark.parametrize("tracker", CASES)
def test_nothing_that_is_told_is_edited(tracker: Tracker, tmp_path: Path) -> None:
    assert not edits(tracker, tmp_path)


def test_the_law_tells_a_tracker_that_edits(tmp_path: Path) -> None:
    assert edits(Edits(), tmp_path)


def written_outside(tell: Tell, folder: StudyFolder, tracker: Tracker) -> set[str]:
    """What lies beside the study afterwards that did not before."""
    root = folder.path.parents[1]

    def there() -> set[str]:
        return {str(path.relative_to(root)) for path in root.rglob("*") if folder.path not in path.parents}

    before = there()
    tell(folder, tracker)
    return there() - before


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return write_study(tmp_path / "runs", study(axes={"corruption": ["symmetric"], "rate": [0.4]}, claims=[]))


@pytest.mark.parametrize("tracker", CASES)
def test_all_it_writes_is_in_the_study_and_tells_of_no_place(
    tracker: Tracker, tell: Tell, folder: StudyFolder, tmp_path: Path
) -> None:
    assert written_outside(tell, folder, tracker) == set()
    assert telltales_in(folder.path, [str(tmp_path)]) == {}
    stood = {path: path.read_bytes() for path in (folder.path / "runs").rglob("*") if path.is_file()}
    assert tell(folder, tracker).told == 0, "nothing is told twice"
    assert {path: path.read_bytes() for path in (folder.path / "runs").rglob("*") if path.is_file()} == stood


def test_the_law_tells_a_tracker_that_strays(tell: Tell, folder: StudyFolder) -> None:
    assert written_outside(tell, folder, Strays()) == {"home of somebody/.cache-of-tracker"}


def test_the_law_tells_a_tracker_that_notes_the_machine(tell: Tell, folder: StudyFolder, tmp_path: Path) -> None:
    tell(folder, Telltale())
    assert telltales_in(folder.path, [str(tmp_path)]) == {"telltale/run.json": [str(tmp_path), "host"]}


KILLED = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from noisylabels.tracking.items import Row, TrackedRun
from {module} import {name} as kind
tracker = kind()
os.environ.update(tracker.environment())
recording = tracker.open(TrackedRun("a-1", "a", "family", "study", "softmax", (), {{}}, ()))
for epoch in range(1, 6):
    recording.log(Row(epoch, {{"epoch": epoch, "train/loss": 1000.0 + epoch}}))
time.sleep(1.0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def kept_after_a_kill(tracker: Tracker, folder: Path) -> bytes:
    """All files of a process that was killed a second after its last row."""
    kind = type(tracker)
    script = KILLED.format(root=str(Path(__file__).parents[2]), module=kind.__module__, name=kind.__name__)
    environment = os.environ | {"HOME": str(folder)}
    killed = subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, check=False, timeout=120)
    assert killed.returncode == -9
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("tracker", [case for case in CASES if case.id != "none"])
def test_a_kill_loses_at_most_the_last_second(tracker: Tracker, tmp_path: Path) -> None:
    """As text in W&B's records, as a float in TensorBoard's."""
    kept = kept_after_a_kill(tracker, tmp_path)
    as_float = {epoch: np.float32(1000 + epoch).tobytes() for epoch in range(1, 6)}
    assert [epoch for epoch in as_float if b"%d" % (1000 + epoch) in kept or as_float[epoch] in kept] == [1, 2, 3, 4, 5]


def test_the_law_tells_a_tracker_that_hoards(tmp_path: Path) -> None:
    assert b"1001" not in kept_after_a_kill(Hoards(), tmp_path)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_is_named_as_every_plugin_is(name: str) -> None:
    kind = TRACKERS[name]
    assert kind.kind == name
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert build(TRACKERS, full_text(kind()), what="tracker") == kind()


def test_short_forms_and_wrong_names() -> None:
    assert tracker_named("wandb:online") == tracker_named("wandb:mode=online")
    assert tracker_named("wandb:offline") == tracker_named("wandb")
    with pytest.raises(UsageError, match="unknown tracker 'wandbb'; did you mean 'wandb'"):
        tracker_named("wandbb")
    with pytest.raises(UsageError, match="mode must be 'offline' or 'online'; got 'onlin'"):
        tracker_named("wandb:onlin")
    with pytest.raises(UsageError, match="timeout_seconds must be above 0; got 0"):
        tracker_named("wandb:timeout_seconds=0")


@pytest.mark.parametrize("name", [name for name in TRACKERS if name != "none"])
def test_what_is_not_installed_is_said_with_the_way_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'noisylabels\[{name}\]'"):
        TRACKERS[name]().check()


def test_what_a_listener_hears_is_what_is_in_the_folder(tell: Tell, folder: StudyFolder) -> None:
    listener = Listener()
    tell(folder, listener)
    assert len(listener.heard) == 1 + 1
    run = listener.heard[0]
    assert [row.step for row in run.rows] == [1, 2, 3, 4]
    assert run.failed is False
    assert run.bundles[0].kind == "noise-record"

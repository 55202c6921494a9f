"""A study's folder as trackers are told of it: W&B offline, read back by its own tools; a server; TensorBoard."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from corruptions.files import read_noise
from noisylabels.store import StudyFolder
from noisylabels.tracking import Wandb, tracker_named
from noisylabels.tracking.describing import AXES
from noisylabels.tracking.items import TrackedRun
from tests.flows.telling import KEY, OfflineRun, Tell, played_back, tell
from tests.flows.telltales import telltales, telltales_in
from tests.flows.tracked_runs import begin, end_attempt, epochs_of, result_of, study, told, write_study
from tests.flows.wandb_server import WandbServer, serving

pytest.importorskip("wandb", reason="needs W&B's client: pip install 'noisylabels[wandb]'")
RUNS = 4
TWO = {"head": ["softmax"], "corruption": ["symmetric"], "rate": [0.0, 0.4]}

__all__ = ["tell"]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return write_study(tmp_path / "runs of somebody", study(axes=TWO, claims=[]))


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study that was told offline; only to be looked at."""
    root = tmp_path_factory.mktemp("offline")
    folder = write_study(root / "runs")
    came = played_back(root, folder, tracker_named("wandb"))
    assert (came.told, came.already, came.left_out, came.problem) == (RUNS + 1, 0, 0, "")
    return folder


def test_offline_runs_are_read_back_by_wandbs_own_tool(offline: StudyFolder) -> None:
    spec = study().plan()[-1]
    result = result_of(spec)
    run = OfflineRun.read(offline.path, f"{spec.run_id}-1")
    about = {name: run.about[name] for name in ("project", "run_group", "job_type", "tags", "display_name", "run_id")}
    assert about == {
        "project": "tracked",
        "run_group": "tracked",
        "job_type": "arcface:margin=0.2",
        "tags": ["symmetric", "digits"],
        "display_name": "arcface:margin=0.2 symmetric:rate=0.4 seed 0",
        "run_id": f"{spec.run_id}-1",
    }
    flat = {name: run.config[name] for name in ("head", "head_margin", "asked_rate", "seed", "train_epochs", "study")}
    assert flat == {"head": "arcface:margin=0.2", "head_margin": 0.2, "asked_rate": 0.4, "seed": 0} | {
        "train_epochs": 3,
        "study": "tracked",
    }
    assert run.config["realised_rate"] == result.realised_rate
    assert all(isinstance(value, str | int | float) for value in run.config.values())
    assert run.axes == {axis.metrics: axis.along for axis in AXES}
    assert {"train/*": "epoch", "degradation/*": "realised_rate"}.items() <= run.axes.items()
    assert [row["train/loss"] for row in run.rows[:-1]] == [epoch.train_loss for epoch in epochs_of(spec)]
    assert [row["epoch"] for row in run.rows[:-1]] == [1, 2, 3]
    last = run.rows[-1]
    assert last["realised_rate"] == result.realised_rate
    assert last["degradation/accuracy"] == run.summary["degradation/accuracy"] == result.value("accuracy")
    assert last["degradation/accuracy_by_noisy_val"] == result.value("accuracy", "noisy_val")
    assert not any(name.startswith("memorisation/") for name in last), "an undefined metric is no figure"
    assert run.summary["status"] == "ok"
    assert run.of("exit")[0].get("exit_code", 0) == 0


def test_tables_say_what_the_labels_are(offline: StudyFolder) -> None:
    spec = study().plan()[-1]
    run = OfflineRun.read(offline.path, f"{spec.run_id}-1")
    labels = read_noise(offline.run(spec.run_id).path)
    flips = run.table("noise/flips")
    assert flips["columns"][:3] == ["id", "true_label", "given_label"]
    listed = np.array([row[:3] for row in flips["data"]])
    expected = np.column_stack([labels.ids, labels.true, labels.given])[labels.true != labels.given]
    np.testing.assert_array_equal(listed[np.argsort(listed[:, 0])], expected[np.argsort(expected[:, 0])])
    counted = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counted, (labels.true, labels.given), 1)
    for name in ("noise/transitions_table", "predictions/confusion_table"):
        cells = run.table(name)["data"]
        assert len(cells) == 100
        shown = np.array([count for *_, count in sorted(cells, key=lambda cell: (int(cell[0]), int(cell[1])))])
        np.testing.assert_array_equal(shown.reshape(10, 10), counted)
    measured = {(row[0], row[1]): row for row in run.table("measurements")["data"]}
    assert measured["memorisation", "last_epoch"][2] is None
    assert measured["memorisation", "last_epoch"][-1] == "no wrong labels"
    assert (run.folder / "files" / run.summary["noise/pictures.path"]).read_bytes()[:4] == b"\x89PNG"
    artifact = run.of("artifact")[0]
    assert (artifact["type"], artifact["use_after_commit"]) == ("noise-record", True)
    assert {(one["path"], one["local_path"]) for one in artifact["manifest"]["contents"]} == {
        (name, f"runs/{spec.run_id}/{name}") for name in ("noise.json", "noise.npz")
    }
    assert json.loads(artifact["metadata"])["realised_rate"] == labels.record.realised_rate


def test_the_study_is_a_run_of_its_own(offline: StudyFolder) -> None:
    (run_id,) = [line["run"] for line in told(offline.path) if line["run"].startswith("study-")]
    run = OfflineRun.read(offline.path, run_id)
    assert run.axes == {"curve/*": "realised_rate"}
    rates = [row["realised_rate"] for row in run.rows[:-1]]
    assert rates == sorted({result_of(spec).realised_rate for spec in study().plan()})
    at_top = [result_of(spec) for spec in study().plan() if spec.head == "softmax" and "0.4" in spec.corruption]
    assert run.rows[-2]["curve/accuracy/softmax"] == pytest.approx(np.mean([one.value("accuracy") for one in at_top]))
    robust = run.table("robustness")
    assert len(robust["data"]) == 2 * 2
    assert run.table("claims")["data"][0][2] in ("no claim", "supported", "refuted")
    assert run.summary["runs_ok"] == RUNS


def test_what_is_uploaded_from_a_copy_is_what_is_told_online(tell: Tell, folder: StudyFolder, tmp_path: Path) -> None:
    """Two ways, twice each, two servers that keep the same in the end; the copy is uploaded by ``wandb sync``."""
    with serving(WandbServer()) as ours, serving(WandbServer()) as theirs:
        came = tell(folder, tracker_named("wandb:online"), url=ours.url)
        assert (came.told, came.problem) == (3, "")
        first = ours.content()
        (folder.path / "tracking" / "told.jsonl").unlink()
        assert tell(folder, tracker_named("wandb:online"), url=ours.url).told == 3
        assert ours.content() == first, "a server that was told before was told something else"
        requests = len(ours.sent)
        assert tell(folder, tracker_named("wandb:online"), url=ours.url).already == 2
        assert len([sent for sent in ours.sent[requests:] if b"otel" not in sent]) == 0

        shutil.rmtree(folder.path / "wandb")
        tell(folder, tracker_named("wandb"))
        copy = tmp_path / "elsewhere"
        shutil.move(folder.path, copy)
        for _ in range(2):
            sync = [sys.executable, "-m", "wandb", "sync", *map(str, copy.glob("wandb/offline-run-*"))]
            environment = os.environ | {"WANDB_BASE_URL": theirs.url, "WANDB_API_KEY": KEY, "HOME": str(tmp_path)}
            answer = subprocess.run(
                sync, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=200
            )
            assert answer.returncode == 0, answer.stderr
            assert theirs.content() == first
        assert (ours.unanswered, theirs.unanswered) == ([], [])
        assert len(ours.runs) == 3
        assert len(ours.artifacts) == 2, "runs that were told the same labels share their record"
        assert all(
            one.is_committed and set(one.files) == {"noise.json", "noise.npz"} for one in ours.artifacts.values()
        )
        assert all(run.exit_code == 0 for run in ours.runs.values())
        assert all(len(run.uses) == 1 for (_, name), run in ours.runs.items() if not name.startswith("study"))


def test_no_key_host_place_or_command_line_in_any_file(tell: Tell, folder: StudyFolder, tmp_path: Path) -> None:
    """Nor sent, but for the key that opens the door; and nothing is written but in the study."""
    with serving(WandbServer()) as server:
        for text in ("wandb", "wandb:online", "tensorboard"):
            assert tell(folder, tracker_named(text), url=server.url).problem == ""
    places = [str(tmp_path), "home of somebody", "runs of somebody"]
    for name in ("wandb", "tensorboard", "tracking"):
        assert list((folder.path / name).rglob("*"))
        assert telltales_in(folder.path / name, places) == {}
    sent = re.sub(rb"'Authorization': '[^']*'", b"", b"\n".join(server.sent))
    assert telltales(sent, places) == []
    assert not [path for path in (tmp_path / "home of somebody").rglob("*wandb*") if path.is_file()]


@dataclass(frozen=True)
class Careless(Wandb):
    """W&B as it comes."""

    kind: ClassVar[str] = "wandb"

    def _settings(self, run: TrackedRun) -> Any:
        return None

    def environment(self) -> Mapping[str, str]:
        return {}


def test_that_search_finds_what_the_client_writes_where_nobody_stops_it(
    tell: Tell, folder: StudyFolder, tmp_path: Path
) -> None:
    tell(folder, Careless())
    found = {one for said in telltales_in(folder.path / "wandb", [str(tmp_path)]).values() for one in said}
    assert {"host", "command line"} <= found


def test_a_run_that_failed_and_one_that_is_unfinished_are_told_as_such(tell: Tell, tmp_path: Path) -> None:
    asked = study(name="broken", claims=[])
    plan = asked.plan()
    folder = StudyFolder(tmp_path / "broken")
    folder.path.mkdir()
    (folder.path / "study.json").write_bytes(asked.model_dump_json().encode())
    failed, unfinished = (folder.run(spec.run_id) for spec in plan[:2])
    failed.begin(plan[0])
    end_attempt(failed, "error", "ValueError: /home/somebody/faces/x.png is no image")
    failed.fail("ValueError: /home/somebody/faces/x.png is no image")
    begin(unfinished, plan[1], epochs=2)
    tell(folder, tracker_named("wandb"))
    first = OfflineRun.read(folder.path, f"{plan[0].run_id}-1")
    assert (first.summary["status"], first.of("exit")[0]["exit_code"]) == ("failed", 1)
    assert first.summary["reason"] == "ValueError: x.png is no image"
    second = OfflineRun.read(folder.path, f"{plan[1].run_id}-1")
    assert second.summary["status"] == "unfinished"
    assert [row["epoch"] for row in second.rows] == [1, 2]


def test_tensorboards_own_reader_finds_the_figures(tell: Tell, folder: StudyFolder) -> None:
    """Told twice it is one file; final figures stand at the realised rate, per mille."""
    module = "tensorboard.backend.event_processing.event_accumulator"
    reader = pytest.importorskip(module, reason="needs pip install 'noisylabels[tensorboard]'")
    for _ in range(2):
        tell(folder, tracker_named("tensorboard"))
        (folder.path / "tracking" / "told.jsonl").unlink()
    spec = study(axes=TWO, claims=[]).plan()[-1]
    (place,) = folder.path.glob(f"tensorboard/softmax_symmetric_rate=0.4_seed_0_{spec.run_id}-1")
    events = reader.EventAccumulator(str(place))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(epoch.epoch, pytest.approx(epoch.train_loss)) for epoch in epochs_of(spec)]
    (accuracy,) = events.Scalars("degradation/accuracy")
    assert (accuracy.step, accuracy.value) == (400, pytest.approx(result_of(spec).value("accuracy")))
    assert {"noise/pictures", "noise/transitions", "predictions/confusion", "embeddings/plane"} <= set(
        events.Tags()["images"]
    )
    assert {"config", "summary", "measurements", "noise/flips"} <= set(events.Tags()["tensors"])

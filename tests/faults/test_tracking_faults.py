"""Fault 30: a tracker that is absent, shut, silent, broken or killed changes no run and holds nobody up for long."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from noisylabels.cli import tracked
from noisylabels.cli.tracked import order, telling
from noisylabels.store import StudyFolder
from noisylabels.tracking import NoTracker, Tracker
from tests.flows.telling import KEY, OfflineRun
from tests.flows.tracked_runs import begin, finish, study, told
from tests.flows.wandb_server import WandbServer, serving
from tests.laws.tracker_twins import Dies, Hangs, Raises

Cli = Callable[..., tuple[int, str, str]]
COMMAND = [sys.executable, "-c", "from noisylabels.cli import main; main()"]
STUDY = """
seeds = 2
[base]
dataset = "digits:per_class=12,test_per_class=5"
model = "small_cnn:width=4"
[base.train]
epochs = {epochs}
batch_size = 16
augment = "none"
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]
rate = [0.0, 0.2, 0.4]
"""
RUNS = 12


def one_run_beside(tracker: Tracker, root: Path) -> tuple[float, str]:
    """A command whose body is one run, told to a tracker: the seconds it took to leave, and the run's result."""
    spec = study().plan()[0]
    folder = StudyFolder(root / "tracked")
    asked = order(tracker, folder.path, Path(), is_live=True)
    with telling(asked, quiet=True):
        finish(folder.run(spec.run_id), spec)
        time.sleep(1.5)
        left = time.monotonic()
    seconds = time.monotonic() - left
    return seconds, (folder.run(spec.run_id).path / "result.json").read_text()


@pytest.mark.parametrize(
    ("tracker", "line"),
    [
        (Raises(), "tracking by raises stopped: TrackingError: the door is shut: .netrc; "),
        (Hangs(), "tracking by hangs stopped: it did not come to an end within 2 s; "),
        (Dies(), "tracking by dies stopped: its process died; "),
    ],
)
def test_a_tracker_that_breaks_costs_a_line(
    tracker: Tracker, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracked, "END_SECONDS", 2.0)
    _, alone = one_run_beside(NoTracker(), tmp_path / "alone")
    assert capsys.readouterr().err == ""
    seconds, beside = one_run_beside(tracker, tmp_path / "beside")
    said = capsys.readouterr().err
    assert said.startswith(f"noisylabels: {line}no run is the worse for it, and noisylabels sync tracked --track ")
    assert said.count("\n") == 1
    assert seconds < 20
    assert beside == alone


def test_what_the_body_raises_is_passed_on_and_the_teller_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracked, "INTERRUPTED_SECONDS", 1.0)
    asked = order(Hangs(), tmp_path / "tracked", Path(), is_live=True)

    def body() -> None:
        spec = study().plan()[0]
        begin(StudyFolder(tmp_path / "tracked").run(spec.run_id), spec, epochs=1)
        time.sleep(1.5)
        raise KeyboardInterrupt

    def tracked_body() -> None:
        with telling(asked, quiet=True):
            body()

    with pytest.raises(KeyboardInterrupt):
        tracked_body()
    assert "within 1 s" in capsys.readouterr().err


def test_two_do_not_tell_of_one_study_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = order(NoTracker(), tmp_path / "tracked", Path(), is_live=True)
    with telling(asked, quiet=True):
        _wait_for(lambda: (tmp_path / "tracked" / "tracking" / ".lock").exists())
        time.sleep(0.5)
        with telling(asked, quiet=True):
            pass
        assert "another process tells of this study already" in capsys.readouterr().err
    assert capsys.readouterr().err == ""


def test_what_cannot_be_tracked_is_said_before_anything_runs(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = ("sweep", "--dataset", "digits", "--name", "x")
    code, _, err = cli(*sweep, "--track", "wandbb")
    assert (code, "unknown tracker 'wandbb'; did you mean 'wandb'?" in err) == (2, True)
    code, _, err = cli("sync", "quickstart")
    assert code in (2, 3)
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "nowhere")
    code, _, err = cli(*sweep, "--track", "wandb:online")
    assert code == 3
    assert err.startswith("noisylabels: wandb:online needs a key")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for command in (sweep, ("train", "--dataset", "digits")):
        code, _, err = cli(*command, "--track", "wandb")
        assert (code, err) == (
            3,
            "noisylabels: tracking by wandb needs W&B's client: pip install 'noisylabels[wandb]'\n",
        )
    assert not Path("runs").exists()


@dataclass(frozen=True)
class Swept:
    """What a sweep in a process of its own came to."""

    code: int
    errors: str
    seconds: float
    folder: Path

    def results(self) -> dict[str, str]:
        found = {}
        for file in sorted(self.folder.glob("runs/*/result.json")):
            result = json.loads(file.read_text())
            del result["provenance"]
            found[result["run_id"]] = json.dumps(result, sort_keys=True)
        return found


def swept(root: Path, *options: str, epochs: int = 3, url: str = "", **environment: str) -> Swept:
    file = root / "tiny" / "study.toml"
    file.parent.mkdir(parents=True)
    file.write_text(STUDY.format(epochs=epochs))
    (root / "home").mkdir()
    values = os.environ | {"HOME": str(root / "home"), "WANDB_API_KEY": KEY, "WANDB_BASE_URL": url} | environment
    began = time.monotonic()
    command = [
        *COMMAND,
        "sweep",
        str(file),
        "--runs",
        str(root / "runs"),
        "--workers",
        "2",
        "--device",
        "cpu",
        *options,
    ]
    answer = subprocess.run(command, env=values, cwd=root, capture_output=True, text=True, check=False, timeout=280)
    return Swept(answer.returncode, answer.stderr, time.monotonic() - began, root / "runs" / "tiny")


@pytest.fixture(scope="module")
def untracked(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    return swept(tmp_path_factory.mktemp("untracked"))


def _closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["refusing", "hanging", "500", "401", "500 later", "broken client", "offline"])
def test_results_are_those_of_an_untracked_sweep(fault: str, untracked: Swept, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    refusals: dict[str, int | str] = {"hanging": "hang", "500": 500, "401": 401, "500 later": 500}
    server = WandbServer(refusals.get(fault))
    if fault == "500 later":
        server.refuses = re.compile("file_stream|upload")
    environment = {}
    if fault == "broken client":
        broken = tmp_path / "broken" / "wandb"
        broken.mkdir(parents=True)
        (broken / "__init__.py").write_text("raise RuntimeError('of the wrong version')")
        environment["PYTHONPATH"] = os.pathsep.join([str(broken.parent), os.environ.get("PYTHONPATH", "")])
    with serving(server):
        url = _closed_port() if fault == "refusing" else server.url
        track = "wandb" if fault in ("offline", "broken client") else "wandb:mode=online,timeout_seconds=5"
        came = swept(tmp_path / "root", "--track", track, url=url, **environment)
    assert came.code == untracked.code == 0
    assert len(came.results()) == RUNS
    assert came.results() == untracked.results()
    lines = [line for line in came.errors.splitlines() if "track" in line]
    assert len(lines) == 1, came.errors
    assert ("tracked by wandb: 13 runs" in lines[0]) == (fault == "offline")
    assert came.seconds - untracked.seconds < tracked.END_SECONDS + 30
    if fault == "offline":
        for spec_id in untracked.results():
            assert len(OfflineRun.read(came.folder, f"{spec_id}-1").rows) == 4


@pytest.mark.slow
def test_the_teller_killed_loses_a_second_and_the_sweep_nothing(untracked: Swept, tmp_path: Path) -> None:
    """By SIGKILL, once the first runs are told; what is missing is played back afterwards."""
    pytest.importorskip("wandb")
    file = tmp_path / "tiny" / "study.toml"
    file.parent.mkdir()
    file.write_text(STUDY.format(epochs=3))
    folder = tmp_path / "runs" / "tiny"
    command = [*COMMAND, "sweep", str(file), "--runs", str(tmp_path / "runs"), "--workers", "1", "--track", "wandb"]
    with subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as sweep:
        _wait_for(lambda: bool(told(folder)))
        teller = next(pid for pid in _processes_in(folder))
        os.kill(teller, signal.SIGKILL)
        _, errors = sweep.communicate(timeout=280)
    assert sweep.returncode == 0
    assert Swept(0, errors, 0, folder).results() == untracked.results()
    assert "tracking by wandb stopped: its process died" in errors
    first = told(folder)[0]["run"]
    assert len(OfflineRun.read(folder, first).rows) == 4
    again = subprocess.run(
        [*COMMAND, "sync", "tiny", "--runs", str(tmp_path / "runs"), "--track", "wandb"],
        capture_output=True, text=True, check=True, timeout=280,
    )  # fmt: skip
    assert again.stdout.startswith("tiny: ")
    assert {line["run"][:16] for line in told(folder)} >= set(untracked.results())


@pytest.mark.slow
def test_a_run_that_is_killed_has_all_but_its_last_second_in_the_tracker(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    file = tmp_path / "tiny" / "study.toml"
    file.parent.mkdir()
    file.write_text(STUDY.format(epochs=400).replace("seeds = 2", "seeds = 1"))
    folder = tmp_path / "runs" / "tiny"
    options = ["--rate", "0.4", "--head", "softmax", "--name", "tiny", "--engine", "local:max_attempts=1"]
    command = [*COMMAND, "sweep", str(file), "--runs", str(tmp_path / "runs"), "--track", "wandb", *options]
    with subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as sweep:
        _wait_for(lambda: bool(list(folder.glob("wandb/offline-run-*/*.wandb"))))
        (run,) = (folder / "runs").iterdir()
        time.sleep(2)
        logged = (run / "events.jsonl").read_bytes().count(b"\n")
        worker = next(pid for pid in _holding(run / "log.txt"))
        os.kill(worker, signal.SIGKILL)
        sweep.communicate(timeout=280)
    assert sweep.returncode == 1
    told_run = OfflineRun.read(folder, f"{run.name}-1")
    epochs = [row["epoch"] for row in told_run.rows if "epoch" in row]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= logged
    assert told_run.of("exit")[0]["exit_code"] == 1


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def _processes_in(folder: Path) -> list[int]:
    """Python processes whose working folder that is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            here, program = (entry / "cwd").readlink() == folder, (entry / "exe").readlink().name
        except OSError:
            continue
        if here and program.startswith("python"):
            found.append(int(entry.name))
    return found


def _holding(file: Path) -> list[int]:
    """Processes that have a file open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if entry.readlink() == file:
                found.append(int(entry.parts[2]))
        except OSError:
            continue
    return found

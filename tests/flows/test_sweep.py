"""Sweeps end to end: done once, interrupted, killed, resumed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from noisylabels.engines.worker import Place, work
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

COMMAND = [sys.executable, "-c", "from noisylabels.cli import main; main()"]
STUDY = """
question = "Does the smallest sweep there is come to an end?"
[base]
dataset = "digits:per_class=30,test_per_class=20"
model = "small_cnn:width=4"
[base.train]
epochs = {epochs}
batch_size = 32
learning_rate = 0.1
augment = "none"
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]
rate = [0.0, 0.4]
"""
RUNS = 4

Cli = Callable[..., tuple[int, str, str]]


def write_study(folder: Path, epochs: int) -> Path:
    file = folder / "tiny" / "study.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(STUDY.format(epochs=epochs))
    return file


def stored(runs: Path) -> dict[str, str]:
    """Results by run id, without what may differ between two executions."""
    found = {}
    for file in runs.glob("tiny/runs/*/result.json"):
        result = json.loads(file.read_text())
        del result["provenance"]
        found[result["run_id"]] = json.dumps(result, sort_keys=True)
    return found


def test_a_sweep_runs_reports_and_is_done_once(noisylabels: Cli, tmp_path: Path) -> None:
    study, runs = write_study(tmp_path, epochs=2), tmp_path / "runs"
    code, out, err = noisylabels("sweep", study, "--runs", runs, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert sum(answer["statuses"].values()) == RUNS
    assert answer["failures"] == []
    assert answer["already_done"] == 0
    assert "cam_softmax" in Path(answer["report_markdown"]).read_text()
    assert "<html" in Path(answer["report_html"]).read_text()[:400]
    assert len([line for line in err.splitlines() if line.startswith("[")]) == RUNS
    before = {file: file.stat().st_mtime_ns for file in runs.glob("tiny/runs/*/*")}
    code, out, _ = noisylabels("sweep", study, "--runs", runs)
    assert code == 0
    assert f"all {RUNS} runs were done already" in out
    assert {file: file.stat().st_mtime_ns for file in runs.glob("tiny/runs/*/*")} == before
    code, out, _ = noisylabels("status", "tiny", "--runs", runs)
    assert out.splitlines()[-1].startswith(f"tiny: {RUNS} runs, ")
    assert out.endswith("; not running\n")


def test_an_interrupted_sweep_says_so_and_going_on_gives_what_an_undisturbed_one_gives(
    noisylabels: Cli, tmp_path: Path
) -> None:
    """Ctrl-C as a terminal sends it, to all processes at once; the other signals are among the faults."""
    study = write_study(tmp_path, epochs=20)
    runs = tmp_path / "runs"
    interrupted = subprocess.Popen(
        [*COMMAND, "sweep", str(study), "--runs", str(runs), "--workers", "2"],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: list(runs.glob("tiny/runs/*/events.jsonl")))
    processes = children_of(interrupted.pid)
    os.killpg(interrupted.pid, signal.SIGINT)
    _, complaint = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    again = shlex.join(["noisylabels", "sweep", str(study), "--runs", str(runs), "--workers", "2"])
    assert complaint.endswith(f"interrupted; what is finished is kept: {again} goes on from here\n")
    assert "stopping: runs under way finish their epoch if that is soon; once more stops at once" in complaint
    assert "Traceback" not in complaint
    wait_for(lambda: not any(alive(pid) for pid in processes))
    assert noisylabels("sweep", study, "--runs", runs)[0] == 0
    resumed = stored(runs)
    assert len(resumed) == RUNS
    spec = RunSpec.model_validate(json.loads(next(iter(resumed.values())))["spec"])
    whole = StudyFolder(tmp_path / "whole").run(spec.run_id)
    whole.begin(spec)
    work(whole, Place(tmp_path))
    undisturbed = whole.result()
    assert undisturbed is not None
    assert resumed[spec.run_id] == json.dumps(
        undisturbed.model_dump(mode="json", exclude={"provenance"}), sort_keys=True
    )


def test_a_run_that_breaks_is_named_and_the_sweep_says_so(noisylabels: Cli, tmp_path: Path) -> None:
    """One step an epoch, one epoch: a training that cannot be, found only when it begins."""
    study, runs = write_study(tmp_path, epochs=1), tmp_path / "runs"
    options = ("--runs", runs, "--name", "tiny", "--set", "train.batch_size=9999", "--rate", "0")
    code, out, err = noisylabels("sweep", study, *options)
    assert code == 1
    assert "2 failed" in out
    reason = "a training needs at least 2 optimiser steps; got 1"
    assert out.count(reason) == err.count(reason) == 2
    assert "log.txt" in err
    assert reason in noisylabels("status", "tiny", "--runs", runs)[1]


def wait_for(condition: object, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    """All descendants, from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

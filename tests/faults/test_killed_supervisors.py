"""Fault 2: the supervisor is killed by -9 again and again; no run is lost or done twice, the report is the same."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.faults.forked import children_of, command, wait_for
from tests.faults.haunted import HauntedStudy

Cli = Callable[..., tuple[int, str, str]]

STUDY = """
seeds = {seeds}
[base]
dataset = "digits:per_class=20,test_per_class=10"
model = "small_cnn:width=4"
[base.train]
epochs = 2
batch_size = 32
augment = "none"
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]
rate = {rates}
"""


def study_file(folder: Path, seeds: int, rates: list[float]) -> Path:
    file = folder / "tiny" / "study.toml"
    file.parent.mkdir()
    file.write_text(STUDY.format(seeds=seeds, rates=rates))
    return file


def results(folder: StudyFolder, plan: list[RunSpec]) -> dict[str, tuple[bytes, int]]:
    """What is done, to the byte, and when it was written."""
    files = {spec.run_id: folder.run(spec.run_id).path / "result.json" for spec in plan}
    return {name: (file.read_bytes(), file.stat().st_mtime_ns) for name, file in files.items() if file.exists()}


def without_times(report: Path) -> str:
    """The report but for how long its runs took, which it prints in one place."""
    text, places = re.subn(
        r"median [\d.]+, longest [\d.]+, all together \d+", "TIMES", report.read_text(encoding="utf-8")
    )
    assert places == 1
    return text


def assert_equal_reports(disturbed: Path, undisturbed: Path) -> None:
    for name in ("report.md", "report.html"):
        one, other = without_times(disturbed / name), without_times(undisturbed / name)
        differing = [pair for pair in zip(one.splitlines(), other.splitlines(), strict=False) if pair[0] != pair[1]]
        assert not differing[:1], name
        assert len(one) == len(other), name


def assert_each_done_once(folder: StudyFolder, plan: list[RunSpec]) -> None:
    for spec in plan:
        attempts = folder.run(spec.run_id).attempts()
        assert [attempt.outcome for attempt in attempts].count("done") == 1
        assert attempts[-1].outcome == "done"
        assert {attempt.reason for attempt in attempts[:-1]} <= {"its supervisor died"}


class Disturbed:
    """A study whose sweeps are killed; what was done must stay as it is, to the byte and the second."""

    def __init__(self, folder: StudyFolder, plan: list[RunSpec]) -> None:
        self.folder, self.plan = folder, plan
        self.found: dict[str, tuple[bytes, int]] = {}

    def has_more_results(self) -> bool:
        return len(results(self.folder, self.plan)) > len(self.found)

    def epochs(self) -> int:
        return sum(self.folder.run(spec.run_id).epochs_logged() for spec in self.plan)

    def look(self) -> None:
        now = results(self.folder, self.plan)
        assert {name: now.get(name) for name in self.found} == self.found, "a finished run was lost or done again"
        self.found = now

    def is_done(self) -> bool:
        return len(self.found) == len(self.plan)


@pytest.mark.slow
def test_six_runs_whose_supervisor_is_killed_at_every_turn(cli: Cli, tmp_path: Path) -> None:
    """In the middle of a run and right after one was done, in turn."""
    file = study_file(tmp_path, seeds=1, rates=[0.0, 0.2, 0.4])
    plan, folder = Study.from_toml(file).plan(), HauntedStudy(tmp_path / "runs" / "tiny")
    for spec in plan:
        folder.haunt(spec)  # by no fault, but each epoch is kept
    study, kills = Disturbed(folder, plan), 0
    while kills < 3 and not study.is_done():
        kill_a_sweep(file, study, in_the_middle=kills % 2 == 0)
        study.look()
        kills += 1
    assert kills == 3
    code, _, err = cli("sweep", file, "--device", "cpu")
    assert code == 0, err
    study.look()
    assert_each_done_once(folder, plan)
    undisturbed = tmp_path / "undisturbed"
    assert cli("sweep", file, "--runs", undisturbed, "--device", "cpu")[0] == 0
    assert_equal_reports(folder.path, undisturbed / "tiny")


def kill_a_sweep(file: Path, study: Disturbed, *, in_the_middle: bool) -> None:
    """And see that its workers do not outlive it."""
    begun = study.epochs()
    runs = study.folder.path.parent
    sweep = command(runs / "said", "sweep", file, "--runs", runs, "--device", "cpu", "--workers", "2")
    due = (lambda: study.epochs() != begun) if in_the_middle else study.has_more_results
    wait_for(lambda: due() or not sweep.is_running())
    sweep.signal(signal.SIGKILL)
    sweep.exit_code()
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    wait_for(lambda: not children_of(server), seconds=60)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_sixty_runs_whose_supervisor_is_killed_every_few_seconds(cli: Cli, tmp_path: Path) -> None:
    """As a user has it: the command itself, in a fresh process without a home, killed wherever it happens to be."""
    file = study_file(tmp_path, seeds=15, rates=[0.0, 0.4])
    plan, folder = Study.from_toml(file).plan(), StudyFolder(tmp_path / "runs" / "tiny")
    assert len(plan) == 60
    program = [sys.executable, "-c", "from noisylabels.cli import main; main()"]
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "NOISYLABELS_RUNS")}
    draws, study = random.Random(0), Disturbed(folder, plan)
    for _ in range(1000):
        sweep = subprocess.Popen(
            [*program, "sweep", str(file), "--device", "cpu"], cwd=tmp_path, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(partial(progressed_or_ended, study, sweep))
        time.sleep(draws.uniform(0, 4))
        sweep.kill()
        ended = sweep.wait()
        study.look()
        if ended == 0:
            break
    assert study.is_done()
    assert_each_done_once(folder, plan)
    undisturbed = tmp_path / "undisturbed"
    assert cli("sweep", file, "--runs", undisturbed, "--device", "cpu")[0] == 0
    assert_equal_reports(folder.path, undisturbed / "tiny")


def progressed_or_ended(study: Disturbed, sweep: subprocess.Popen[bytes]) -> bool:
    return study.has_more_results() or sweep.poll() is not None

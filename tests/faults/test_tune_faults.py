"""Tuning under faults: interrupted anywhere, killed, broken trials; the end is that of an undisturbed tuning."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StoreError
from noisylabels.study import Study
from noisylabels.tuning.plan import TuningPlan
from noisylabels.tuning.record import Tuning, read_tuning
from noisylabels.tuning.sampling import RandomSearch, Sampler, TreeParzen
from noisylabels.tuning.search import search
from tests.flows import tuning_runs as made
from tests.flows.test_tune import write_study

pytest.importorskip("optuna", reason="needs the extra 'tune'")

COMMAND = [sys.executable, "-c", "from noisylabels.cli import main; main()"]


def undisturbed(path: Path, plan: TuningPlan) -> Tuning:
    folder = made.folder_in(path)
    return search(plan, folder, made.MadeUpRuns(folder))


@pytest.mark.parametrize("sampler", [RandomSearch(), TreeParzen(round=2, startup=2)], ids=["random", "tpe"])
def test_a_tuning_interrupted_before_any_run_goes_on_and_ends_as_if_it_had_not_been(
    sampler: Sampler, tmp_path: Path
) -> None:
    """Stopped before the n-th run for every n, each time by a new search that knows only what is in the store."""
    plan = made.plan(trials=4, sampler=sampler, study=made.study(axes={"corruption": ["symmetric"], "rate": [0.4]}))
    wanted = undisturbed(tmp_path / "undisturbed", plan)
    for number in range(4):
        folder = made.folder_in(tmp_path / str(number))
        first = made.MadeUpRuns(folder, stop_after=number)
        with pytest.raises(KeyboardInterrupt):
            search(plan, folder, first)
        second = made.MadeUpRuns(folder)
        assert search(plan, folder, second) == wanted
        assert len(first.begun) == number
        assert not set(first.begun) & set(second.begun)
        assert len(first.begun) + len(second.begun) == 4


def test_a_tuning_interrupted_again_and_again(tmp_path: Path) -> None:
    plan, folder = made.plan(trials=4, sampler=TreeParzen(round=2, startup=2)), made.folder_in(tmp_path / "often")
    begun: list[str] = []
    for _ in range(8):
        runs = made.MadeUpRuns(folder, stop_after=1)
        with contextlib.suppress(KeyboardInterrupt):
            search(plan, folder, runs)
        begun += runs.begun
    assert len(begun) == len(set(begun)) == 8
    assert search(plan, folder, made.MadeUpRuns(folder, stop_after=0)) == undisturbed(tmp_path / "once", plan)


def test_a_sampler_that_forgets_what_it_was_told_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a tuning that goes on with a fresh sampler, as one does that keeps no record of the told values."""
    plan = made.plan(trials=6, sampler=TreeParzen(round=2, startup=2))
    wanted = undisturbed(tmp_path / "undisturbed", plan)
    monkeypatch.setattr(
        "noisylabels.tuning.sampling.Suggestions.tell", lambda self, scores: setattr(self, "asked", [])
    )  # fmt: skip
    assert undisturbed(tmp_path / "forgetful", plan) != wanted


def broken_in_places(spec: RunSpec) -> RunResult | str:
    """High learning rates break, low ones diverge."""
    if spec.train.learning_rate > 0.3:
        return "the worker was killed by SIGKILL (out of memory?)"
    if spec.train.learning_rate < 0.06:
        return made.made_up(spec, noisy=0.99, status="diverged")
    return made.made_up(spec, noisy=0.3)


def test_trials_that_break_or_diverge_count_and_are_never_chosen(tmp_path: Path) -> None:
    folder = made.folder_in(tmp_path)
    tuning = search(made.plan(trials=12), folder, made.MadeUpRuns(folder, broken_in_places))
    for method in tuning.methods:
        ended = [trial.status for trial in method.trials]
        assert len(ended) == 12
        assert {"failed", "diverged", "ok"} == set(ended)
        assert {trial.score for trial in method.trials if trial.status != "ok"} == {0.0}
        assert method.trials[method.chosen - 1].status == "ok"
        assert all("SIGKILL" in trial.reason for trial in method.trials if trial.status == "failed")


def test_only_what_failed_is_tried_again_and_what_takes_its_worker_down_is_not(tmp_path: Path) -> None:
    plan, folder = made.plan(trials=12), made.folder_in(tmp_path)
    first = search(plan, folder, made.MadeUpRuns(folder, broken_in_places))
    failed = [trial.run_id for method in first.methods for trial in method.trials if trial.status == "failed"]
    folder.run(failed[0]).fail("it kills its worker each time", is_quarantined=True)
    again = made.MadeUpRuns(folder)
    second = search(plan, folder, again)
    assert sorted(again.begun) == sorted(failed[1:])
    ended = {trial.run_id: trial.status for method in second.methods for trial in method.trials}
    assert [run_id for run_id, status in ended.items() if status == "failed"] == [failed[0]]


def test_a_method_whose_every_trial_broke_keeps_its_default(tmp_path: Path) -> None:
    folder = made.folder_in(tmp_path)
    tuning = search(made.plan(trials=3), folder, made.MadeUpRuns(folder, lambda spec: "no"))
    assert [method.chosen for method in tuning.methods] == [1, 1]
    assert [method.preset.train for method in tuning.methods] == [{}, {}]


def test_an_engine_that_leaves_nothing_is_a_failed_trial(tmp_path: Path) -> None:
    tuning = search(made.plan(trials=2), made.folder_in(tmp_path), lambda specs: None)
    assert {(trial.status, trial.reason) for method in tuning.methods for trial in method.trials} == {
        ("failed", "the engine left no result")
    }


def test_a_trial_whose_result_is_garbage_is_named(tmp_path: Path) -> None:
    plan, folder = made.plan(trials=2), made.folder_in(tmp_path)
    search(plan, folder, made.MadeUpRuns(folder))
    (folder.run(plan.candidates[0].spec.run_id).path / "result.json").write_bytes(b"\x00\x01")
    with pytest.raises(StoreError, match="is not a result"):
        search(plan, folder, made.MadeUpRuns(folder))


@pytest.mark.slow
def test_a_tuning_killed_by_the_system_goes_on_and_runs_nothing_twice(tmp_path: Path) -> None:
    """kill -9 once the first trial is done; then the same command. The trials are those of a tuning left alone."""
    study = write_study(tmp_path)

    def command(name: str) -> list[str]:
        out = tmp_path / name / "study.toml"
        return [*COMMAND, "tune", str(study), "--trials", "2", "--runs", str(tmp_path / "runs"), "--out", str(out)]

    killed = subprocess.Popen([*command("tuned"), "--workers", "1"], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 250
    while not (done := list(tmp_path.glob("runs/tiny-tuning/runs/*/result.json"))):
        assert time.monotonic() < end, "no trial was done"
        assert killed.poll() is None, "it ended by itself"
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = {file: file.stat().st_mtime_ns for file in done}
    assert len(done) < 4, "it was over before it was killed"
    assert not (tmp_path / "tuned").exists()
    subprocess.run(command("tuned"), check=True, capture_output=True)
    assert {file: file.stat().st_mtime_ns for file in done} == before
    tuning = read_tuning(tmp_path / "tuned" / "tuning.json")
    assert tuning is not None
    trials = [trial for method in tuning.methods for trial in method.trials]
    assert {trial.status for trial in trials} <= {"ok", "collapsed"}
    plan = TuningPlan(Study.from_toml(study), "symmetric:rate=0.2,inclusive=false", 2, RandomSearch())
    alone = undisturbed(tmp_path / "made up", plan)
    assert [trial.run_id for trial in trials] == [trial.run_id for method in alone.methods for trial in method.trials]
    assert len(list(tmp_path.glob("runs/tiny-tuning/runs/*/result.json"))) == 4

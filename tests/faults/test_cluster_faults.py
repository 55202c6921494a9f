"""Engines beyond this machine under faults: lost workers, requests that nothing can meet, what is not installed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from noisylabels.catalog import UsageError
from noisylabels.engines import slurm_engine, slurm_queue
from noisylabels.engines.dispatch import Dispatch
from noisylabels.engines.engine import Engine, Progress
from noisylabels.engines.ray_engine import Ray
from noisylabels.engines.slurm_engine import Slurm
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from tests.flows.small_clusters import process_at, ray_nodes, run, specs_of, wait_for

Cli = Callable[..., tuple[int, str, str]]
TINY = ("--dataset", "digits:per_class=20,test_per_class=20", "--model", "small_cnn:width=4", "--head", "softmax")
COMMAND = [sys.executable, "-c", "from noisylabels.cli import main; main()", "sweep", *TINY, "--name", "tiny"]

needs_submitit = pytest.mark.skipif(
    find_spec("submitit") is None,
    reason="submitit is not installed: pip install 'noisylabels[slurm]'",
)


# What is not there


@pytest.mark.parametrize(
    ("engine", "package", "complaint"),
    [
        ("ray", "ray", "the engine 'ray' needs Ray: pip install 'noisylabels[ray]'"),
        ("slurm:cluster=local", "submitit", "the engine 'slurm' needs submitit: pip install 'noisylabels[slurm]'"),
    ],
)
def test_a_missing_package_is_named_with_how_to_get_it(
    engine: str, package: str, complaint: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = cli("sweep", *TINY, "--name", "tiny", "--engine", engine)
    assert (code, out) == (3, "")
    assert err.startswith(f"noisylabels: {complaint}")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("runs/tiny/runs/*/*.json")), "nothing was begun"


def test_a_machine_without_slurm_is_told_which_commands_it_lacks(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    command_in(tmp_path / "bin", "squeue", "true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    code, _, err = cli("sweep", *TINY, "--name", "tiny", "--engine", "slurm")
    assert code == 3
    assert "needs SLURM's commands on the PATH; not there: sbatch, srun, scancel, scontrol;" in err
    assert err.count("\n") == 1


def test_a_wrong_name_of_an_engine_is_answered_with_the_nearest(cli: Cli) -> None:
    code, _, err = cli("sweep", *TINY, "--engine", "slrum:partition=gpu")
    assert code == 2
    assert err == "noisylabels: unknown engine 'slrum'; did you mean 'slurm'? known: local, ray, slurm\n"


# What becomes of a run is read in the store


def settled(folder: StudyFolder, spec: RunSpec, *, max_attempts: int, deaths: list[str]) -> list[Progress]:
    dispatch = Dispatch([spec], folder, engine="ray", max_attempts=max_attempts)
    looks = []
    for reason in deaths:
        assert dispatch.next() == spec
        dispatch.settle(spec, "killed", reason)
        looks.append(dispatch.progress([]))
    return looks


def test_a_lost_worker_is_tried_again_and_a_run_that_always_loses_it_is_quarantined_with_all_reasons(
    tmp_path: Path,
) -> None:
    folder, (spec,) = StudyFolder(tmp_path), specs_of(1)
    first, second = settled(folder, spec, max_attempts=2, deaths=["a node was lost", "a worker was lost"])
    assert (first.retried, first.ended, first.waiting) == (((spec, "a node was lost"),), (), 1)
    assert (second.retried, second.ended, second.waiting) == ((), (spec,), 0)
    failure = folder.run(spec.run_id).failure()
    assert failure is not None
    assert failure.reason == "quarantined after 2 attempts: (1) a node was lost; (2) a worker was lost"
    assert folder.run(spec.run_id).is_quarantined()
    assert [attempt.engine for attempt in folder.run(spec.run_id).attempts()] == ["ray", "ray"]


# SLURM as its commands answer: nothing runs, so that every answer can be had


def command_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder: ``sbatch`` leaves scripts in it, ``squeue`` prints its file ``queue``, ``scancel`` notes its jobs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    sbatch = 'echo x >> sent; n=$(wc -l < sent); cp "$1" script-$n; echo "Submitted batch job $n"'
    scripts = {"sbatch": sbatch, "squeue": "cat queue", "scancel": 'echo "$@" >> cancelled'}
    for name, script in (scripts | {"srun": "true", "scontrol": "true"}).items():
        command_in(folder, name, f"cd {folder}\n{script}")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm_engine, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(slurm_queue, "QUEUE_SECONDS", 0.0)
    return folder


@needs_submitit
def test_slurm_is_told_all_that_was_asked_and_a_job_that_leaves_nothing_is_given_up(
    pretended: Path, tmp_path: Path
) -> None:
    (pretended / "queue").write_text("1_0|COMPLETED|None\n1_1|OUT_OF_MEMORY|None\n2_0|NODE_FAIL|None\n")
    engine = Slurm(
        "gpu", 90, cpus=4, gpus=2, memory_gb=16, account="lab", extra_parameters={"qos": "long"}, max_attempts=2
    )
    folder, specs = StudyFolder(tmp_path / "a study"), specs_of(2)
    run(engine, specs, folder, workers=7)
    script = (pretended / "script-1").read_text()
    for option in (
        "--array=0-1%2", "--partition=gpu", "--time=90", "--cpus-per-task=4", "--gpus-per-node=2", "--mem=16GB",
        "--account=lab", "--qos=long", "--requeue", "--signal=USR2@90", "--job-name='a study'",
    ):  # fmt: skip
        assert f"#SBATCH {option}\n" in script
    assert "srun --unbuffered" in script
    assert " --cpus-per-task=4 " in script.splitlines()[-1]
    reasons = [result.reason for result in folder.failures(specs)]
    lost = f"it left no log; {folder.path} must lie on a disk that all nodes share"
    gone = "one that the queue no longer knows"
    assert reasons == [
        f"quarantined after 2 attempts: (1) job 1_0 ended as COMPLETED and left no result: {lost}; "
        f"(2) job 2_0 ended as NODE_FAIL and left no result: {lost}",
        f"quarantined after 2 attempts: (1) job 1_1 ended as OUT_OF_MEMORY and left no result: {lost}; "
        f"(2) job 2_1 ended as {gone} and left no result: {lost}",
    ]
    assert [attempt.outcome for attempt in folder.run(specs[1].run_id).attempts()] == ["oom", "killed"]
    assert sorted(path.name for path in folder.path.iterdir()) == ["runs"]


@needs_submitit
def test_no_more_jobs_are_queued_than_allowed(pretended: Path, tmp_path: Path) -> None:
    (pretended / "queue").write_text("")
    run(Slurm(max_queued=2, max_attempts=1), specs_of(5), StudyFolder(tmp_path / "study"), workers=2)
    arrays = [
        [line for line in (pretended / f"script-{number}").read_text().splitlines() if "--array" in line]
        for number in (1, 2, 3)
    ]
    assert arrays == [["#SBATCH --array=0-1%2"]] * 2 + [[]]
    assert not (pretended / "script-4").exists()


@needs_submitit
def test_jobs_that_can_never_begin_are_an_error_and_leave_the_queue(pretended: Path, tmp_path: Path) -> None:
    (pretended / "queue").write_text(
        "1_0|PENDING|Priority\n1_1|PENDING|PartitionTimeLimit\n9_4|PENDING|BadConstraints\n"
    )
    with pytest.raises(UsageError) as refused:
        run(Slurm(minutes=100000), specs_of(2), StudyFolder(tmp_path / "study"))
    assert str(refused.value) == (
        "SLURM will never begin job 1_1 (PartitionTimeLimit); ask for less (--engine slurm:...)"
    )
    assert (pretended / "cancelled").read_text() == "1\n"


@needs_submitit
def test_what_slurm_says_against_jobs_is_said_once(
    pretended: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command_in(pretended, "sbatch", "echo 'sbatch: error: invalid partition specified: gppu' >&2; exit 1")
    with pytest.raises(UsageError) as refused:
        run(Slurm("gppu"), specs_of(2), StudyFolder(tmp_path / "study"))
    assert str(refused.value) == "SLURM refused the jobs: sbatch: error: invalid partition specified: gppu"
    assert capsys.readouterr() == ("", "")


@needs_submitit
def test_a_queue_that_does_not_answer_is_asked_again(pretended: Path, tmp_path: Path) -> None:
    (pretended / "queue").write_text("1|FAILED|None\n")
    command_in(pretended, "squeue", f"rm {pretended}/busy 2> /dev/null && exit 1; cat {pretended}/queue")
    (pretended / "busy").touch()
    folder, specs = StudyFolder(tmp_path / "study"), specs_of(1)
    run(Slurm(max_attempts=1), specs, folder)
    (failure,) = folder.failures(specs)
    assert "job 1 ended as FAILED" in failure.reason
    assert not (pretended / "busy").exists()


@needs_submitit
def test_a_stopped_sweep_takes_its_jobs_out_of_the_queue(pretended: Path, tmp_path: Path) -> None:
    (pretended / "queue").write_text("1_0|RUNNING|None\n1_1|PENDING|Resources\n")
    seen: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress)
        if progress.running != tuple(specs[:1]):
            return
        raise KeyboardInterrupt

    specs = specs_of(2)
    with pytest.raises(KeyboardInterrupt):
        run(Slurm(), specs, StudyFolder(tmp_path / "study"), observe=interrupt)
    assert (pretended / "cancelled").read_text() == "1\n"
    assert (seen[-1].waiting, seen[-1].running) == (1, (specs[0],))


# Real workers


@contextmanager
def killing_whoever_is_at(folder: StudyFolder, spec: RunSpec) -> Iterator[list[int]]:
    """Kill every process that takes up this run, for as long as this lasts; their ids."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            pid = process_at(folder, spec)
            if pid is not None and pid not in killed:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def assert_one_is_quarantined_and_the_rest_is_done(engine: Engine, folder: StudyFolder) -> None:
    specs = specs_of(3, epochs=30)
    with killing_whoever_is_at(folder, specs[1]) as killed:
        run(engine, specs, folder)
    assert [result.run_id for result in folder.results(specs)] == [specs[0].run_id, specs[2].run_id]
    (failure,) = folder.failures(specs)
    assert failure.reason.startswith("quarantined after 2 attempts: ")
    assert [attempt.outcome for attempt in folder.run(specs[1].run_id).attempts()] == ["killed"] * 2
    assert len(killed) == 2


@needs_submitit
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_submitit_quarantines_a_run_that_always_kills_its_worker(tmp_path: Path) -> None:
    assert_one_is_quarantined_and_the_rest_is_done(Slurm(cluster="local", max_attempts=2), StudyFolder(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's processes outlive the objects that started them
def test_ray_refuses_what_no_node_has_and_quarantines_a_run_that_always_kills_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StudyFolder(tmp_path)
    with ray_nodes({"num_cpus": 2, "num_gpus": 1}) as (cluster, _):
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        before = time.monotonic()
        with pytest.raises(UsageError, match=r"one run needs 1 CPU, 2 GPU on one node, and no node of the Ray cluster"):
            run(Ray(gpus=2), specs_of(1), folder)
        assert time.monotonic() - before < 60
        assert not list(tmp_path.glob("runs/*/spec.json")), "it was refused before anything was begun"
        assert_one_is_quarantined_and_the_rest_is_done(Ray(gpus=0.5, max_attempts=2), folder)


def descendants(pid: int) -> list[int]:
    found, frontier = [], [pid]
    while frontier:
        children = [
            int(child)
            for parent in frontier
            for task in Path(f"/proc/{parent}/task").glob("*/children")
            for child in task.read_text().split()
        ]
        found, frontier = found + children, children
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_rays_own_instance_outlives_its_sweep(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'noisylabels[ray]'")
    command = [*COMMAND, "--runs", str(tmp_path), "--set", "train.batch_size=32", "--workers", "1", "--engine"]
    sweep = subprocess.Popen(
        [*command, "ray", "--set", "train.epochs=3000", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: list(tmp_path.glob("tiny/runs/*/events.jsonl")))
    processes = descendants(sweep.pid)
    assert len(processes) > 3, "a raylet, its agents and workers"
    sweep.send_signal(number)
    out, err = sweep.communicate(timeout=300)
    assert out == ""
    if number != signal.SIGKILL:
        assert sweep.returncode == 130
        assert err.splitlines()[-1].startswith("noisylabels: interrupted; what is finished is kept")
        assert "Traceback" not in err
    wait_for(lambda: not any(alive(pid) for pid in processes))
    (folder,) = (StudyFolder(path) for path in tmp_path.glob("tiny"))
    (file,) = folder.path.glob("runs/*/spec.json")
    run_folder = folder.run(file.parent.name)
    assert run_folder.spec().run_id == file.parent.name
    assert not run_folder.is_claimed()
    assert run_folder.result() is run_folder.failure() is None

"""Engines beyond this machine: what they hand over, and that no number depends on who carried a run."""

from __future__ import annotations

import contextlib
import os
import pickle  # noqa: TID251 - to measure what travels
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from noisylabels.attempts import Ledger
from noisylabels.catalog import UsageError, build, full_text
from noisylabels.engines import slurm_job
from noisylabels.engines.local import Local
from noisylabels.engines.ray_engine import Ray, room_for
from noisylabels.engines.slurm_engine import Slurm
from noisylabels.engines.slurm_job import Job
from noisylabels.engines.worker import Place
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder
from tests.flows.small_clusters import parent_of, process_at, ray_nodes, run, specs_of, wait_for

Nodes = Sequence[Mapping[str, float]]
TABLE = {engine.kind: engine for engine in (Ray, Slurm)}

TWO_NODES: Nodes = ({"CPU": 8, "GPU": 2, "memory": 1e9}, {"CPU": 4})


@pytest.mark.parametrize(
    ("needs", "room"),
    [({"CPU": 1}, 12), ({"CPU": 3}, 3), ({"CPU": 0.5}, 24), ({"CPU": 1, "GPU": 0.5}, 4), ({"CPU": 5, "GPU": 1}, 1)],
)
def test_runs_find_room_node_by_node(needs: Mapping[str, float], room: int) -> None:
    assert room_for(needs, TWO_NODES) == room


def room_by_totals(needs: Mapping[str, float], nodes: Nodes) -> int:
    """The wrong way: what the cluster has altogether, as ``ray.cluster_resources()`` gives it."""
    totals = {name: sum(node.get(name, 0) for node in nodes) for name in needs}
    return int(min(totals[name] / amount for name, amount in needs.items()))


def test_resources_of_two_nodes_are_not_added_for_one_run() -> None:
    needs = {"CPU": 10}
    assert room_by_totals(needs, TWO_NODES) == 1
    with pytest.raises(UsageError) as refused:
        room_for(needs, TWO_NODES)
    assert str(refused.value) == (
        "one run needs 10 CPU on one node, and no node of the Ray cluster has that (2 nodes, at most 8 CPU): "
        "ask for less (--engine ray:cpus=...,gpus=...) or add such a node"
    )


def test_an_engine_is_named_like_everything_else() -> None:
    text = 'slurm:partition=gpu,minutes=90,memory_gb=12.5,extra_parameters={"qos":"long","constraint":"a100"}'
    engine = build(TABLE, text, what="engine")
    assert engine == Slurm("gpu", 90, memory_gb=12.5, extra_parameters={"qos": "long", "constraint": "a100"})
    assert build(TABLE, full_text(engine), what="engine") == engine
    assert build(TABLE, "ray:gpus=0.25", what="engine") == Ray(gpus=0.25)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ray:gpus=1.5", "gpus must be a fraction in [0, 1] or a whole number; got 1.5"),
        ("ray:cpus=0", "cpus must be above 0; got 0"),
        ("ray:gpu=1", "unknown parameter 'gpu'; did you mean 'gpus'?"),
        ("slurm:minutes=0", "minutes must be at least 1; got 0"),
        ('slurm:extra_parameters={"x\\n#SBATCH --y":1}', "extra_parameters names options of sbatch"),
        ("slurm:cluster=debug", "cluster must be 'slurm' or 'local'; got 'debug'"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        build(TABLE, text, what="engine")
    assert complaint in str(refused.value)


# SLURM: what travels, and what a job does when its time is up


def job_in(folder: Path) -> tuple[Job, RunFolder]:
    (spec,) = specs_of(1)
    study = StudyFolder(folder)
    study.run(spec.run_id).describe(spec)
    return Job(study, spec.run_id, Place(folder, device="cpu")), study.run(spec.run_id)


@pytest.fixture
def attempted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Put something else in the place of the training."""

    def put(work: Callable[[], None]) -> None:
        def attempt(run: RunFolder, place: Place, ledger: Ledger) -> None:
            ledger.begin()
            work()
            ledger.end("done")

        monkeypatch.setattr(slurm_job, "attempt", attempt)
        monkeypatch.setenv("NOISYLABELS_DATA", "as it was")

    return put


def test_a_job_is_names_and_paths_and_is_queued_again_as_itself(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'noisylabels[slurm]'")
    job, _ = job_in(tmp_path)
    assert len(pickle.dumps(job)) < 1000
    again = job.checkpoint()
    assert (again.function, again.args, again.kwargs) == (job, (), {})


def test_a_job_whose_time_is_up_ends_its_attempt_and_then_asks_to_be_queued_again(
    tmp_path: Path, attempted: Callable[[Callable[[], None]], None]
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'noisylabels[slurm]'")
    job, folder = job_in(tmp_path)
    asked: list[tuple[int, list[str]]] = []
    attempted(lambda: os.kill(os.getpid(), signal.SIGUSR2))

    def queue_again(number: int, frame: object) -> None:
        asked.append((number, [attempt.reason for attempt in folder.attempts()]))
        raise SystemExit(144)

    before = signal.signal(signal.SIGUSR2, queue_again)
    try:
        with pytest.raises(SystemExit, match="144"):
            job()
        assert asked == [(signal.SIGUSR2, ["its job's time was up, or it was preempted"])]
        assert signal.getsignal(signal.SIGUSR2) is queue_again
        attempted(lambda: None)
        job()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert [attempt.outcome for attempt in folder.attempts()] == ["killed", "done"]
    assert {attempt.engine for attempt in folder.attempts()} == {"slurm"}


# All engines: the same numbers

COUNT, EPOCHS = 6, 4


def results_of(folder: StudyFolder, specs: Sequence[RunSpec]) -> list[RunResult]:
    results = folder.results(specs)
    assert [result.run_id for result in results] == [spec.run_id for spec in specs]
    return results


def differences(expected: RunResult, came: RunResult) -> list[str]:
    """Names of all that is not the same, but for where and how fast it ran."""
    whole = {"measurements", "history", "provenance"}
    named = [("rest", expected.model_dump(exclude=whole), came.model_dump(exclude=whole))]
    if [len(came.measurements), len(came.history)] != [len(expected.measurements), len(expected.history)]:
        return ["lengths"]
    pairs = zip(expected.measurements, came.measurements, strict=True)
    named += [(f"measurement {old.name}", old.model_dump(), new.model_dump()) for old, new in pairs]
    epochs = zip(expected.history, came.history, strict=True)
    named += [(f"epoch {old.epoch}", old.model_dump(), new.model_dump()) for old, new in epochs]
    return [name for name, old, new in named if old != new]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[RunResult]:
    """By the local engine with one worker."""
    folder, specs = StudyFolder(tmp_path_factory.mktemp("local")), specs_of(COUNT, epochs=EPOCHS)
    run(Local(), specs, folder, workers=1)
    return results_of(folder, specs)


def assert_the_same(expected: Sequence[RunResult], folder: StudyFolder) -> None:
    for old, new in zip(expected, results_of(folder, [result.spec for result in expected]), strict=True):
        assert differences(old, new) == []


@pytest.mark.slow
def test_the_last_bit_of_one_number_is_a_difference(expected: list[RunResult]) -> None:
    """The comparison itself: a wrong twin must not pass."""
    first = expected[0].measurements[0]
    assert first.value is not None
    nudged = first.model_copy(update={"value": float(np.nextafter(first.value, 2))})
    twin = expected[0].model_copy(update={"measurements": (nudged, *expected[0].measurements[1:])})
    assert differences(expected[0], twin) == [f"measurement {first.name}"]
    assert differences(expected[0], expected[0]) == []


@pytest.mark.slow
def test_two_workers_give_what_one_gives(expected: list[RunResult], tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    run(Local(), [result.spec for result in expected], folder, workers=2)
    assert_the_same(expected, folder)


def slurm_answers() -> bool:
    if shutil.which("sinfo") is None:
        return False
    command = ["timeout", "60", "sinfo", "--noheader", "--states=idle,mix,alloc"]
    answer = subprocess.run(command, check=False, capture_output=True)
    return answer.returncode == 0 and bool(answer.stdout.strip())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_submitit_gives_what_the_local_engine_gives(cluster: str, expected: list[RunResult], tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'noisylabels[slurm]'")
    if cluster == "slurm" and not slurm_answers():
        pytest.skip("needs SLURM with a node that is up")
    folder = StudyFolder(tmp_path / "study")
    run(build(TABLE, f"slurm:cluster={cluster}", what="engine"), [result.spec for result in expected], folder)
    assert_the_same(expected, folder)
    lines = [attempt for result in expected for attempt in folder.run(result.run_id).attempts()]
    assert [(line.engine, line.outcome) for line in lines] == [("slurm", "done")] * COUNT
    assert sorted(path.name for path in folder.path.iterdir()) == ["runs"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's processes outlive the objects that started them
def test_a_ray_cluster_that_loses_a_node_gives_what_the_local_engine_gives(
    expected: list[RunResult], tmp_path: Path
) -> None:
    folder, specs = StudyFolder(tmp_path / "study"), [result.spec for result in expected]
    lost: list[str] = []
    with ray_nodes({"num_cpus": 1}, {"num_cpus": 1}) as (cluster, (_, second)):

        def lose_the_second_node_once_it_works() -> None:
            raylet = second.all_processes["raylet"][0].process.pid

            def at_work() -> list[tuple[str, int]]:
                at = [(spec.run_id, process_at(folder, spec)) for spec in specs]
                return [(run_id, pid) for run_id, pid in at if pid is not None and parent_of(pid) == raylet]

            ((run_id, pid),) = wait_for(at_work)
            cluster.remove_node(second, allow_graceful=False)
            lost.append(run_id)
            with contextlib.suppress(ProcessLookupError):  # it may have died of the loss already
                os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=lose_the_second_node_once_it_works)
        thread.start()
        run(Ray(address=cluster.address), specs, folder)
        thread.join()
        assert_the_same(expected, folder)
        (run_id,) = lost
        outcomes = [attempt.outcome for attempt in folder.run(run_id).attempts()]
        assert (outcomes[0], outcomes[-1]) == ("killed", "done")
        assert cluster.head_node.all_processes["raylet"][0].process.poll() is None, "it was not ours to shut down"

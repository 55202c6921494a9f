"""The supervisor under faults: whatever a worker does, its run is tried again or given up, and no other run notices."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noisylabels.attempts import Attempt, Begun
from noisylabels.catalog import UsageError
from noisylabels.cli import sweeping
from noisylabels.cli.sweeping import pending
from noisylabels.engines import death, heartbeat
from noisylabels.engines.death import cause_of_death
from noisylabels.engines.engine import Progress
from noisylabels.engines.heartbeat import Heartbeat, Pulse
from noisylabels.engines.local import Local
from noisylabels.engines.open_files import FILES_A_WORKER, refuse_too_many_workers
from noisylabels.engines.retrying import verdict
from noisylabels.engines.worker import Place, work
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.faults.forked import wait_for
from tests.faults.haunted import HauntedStudy

Cli = Callable[..., tuple[int, str, str]]


def spec_of(seed: int, epochs: int = 1) -> RunSpec:
    return RunSpec.checked(
        {
            "dataset": "digits:per_class=20,test_per_class=10",
            "corruption": "symmetric:rate=0.2",
            "model": "small_cnn:width=4",
            "seed": seed,
            "train": {"epochs": epochs, "batch_size": 32, "augment": "none"},
        }
    )


def outcomes(folder: StudyFolder, spec: RunSpec) -> list[str]:
    return [attempt.outcome for attempt in folder.run(spec.run_id).attempts()]


def run(folder: StudyFolder, specs: list[RunSpec], engine: Local, **named: Callable[[Progress], None]) -> None:
    observe = named.get("observe", lambda progress: None)
    engine.run(specs, folder, Place(folder.path, device="cpu"), workers=2, observe=observe)


EXIT3 = "the run called sys.exit(3)"
GIVEN_UP = {
    "sys.exit": (["spec:exit3"] * 2, ["error"] * 2, f"failed in 2 attempts: {EXIT3}"),
    "os._exit": (["spec:exit0"] * 2, ["killed"] * 2,
                 "quarantined after 2 attempts: the worker exited with code 0 and left no result"),
    "segfault": (["spec:segfault"] * 2, ["killed"] * 2,
                 "quarantined after 2 attempts: the worker was killed by SIGSEGV"),
    "memory": (["spec:allocate"] * 2, ["oom"] * 2, "quarantined after 2 attempts: out of memory: "),
    "mixed": (["spec:exit3", "spec:exit0"], ["error", "killed"],
              f"(1) {EXIT3}; (2) the worker exited with code 0 and left no result"),
    "usage": (["spec:usage"] * 2, ["error"], "a ghost must have a sheet; got none"),
}  # fmt: skip
OVERCOME = {
    "error": (["spec:error"], ["error", "done"]),
    "killed before its result": (["finish:kill"], ["killed", "done"]),
    "killed after its result": (["finished:kill"], ["done"]),
    "nothing": ([], ["done"]),
}


def test_whatever_a_worker_does_it_is_tried_again_or_given_up_and_the_rest_go_on(tmp_path: Path) -> None:
    """Faults 4, 10 and 15, all at once in one sweep."""
    folder = HauntedStudy(tmp_path)
    specs = {name: spec_of(seed) for seed, name in enumerate([*GIVEN_UP, *OVERCOME])}
    for name, spec in specs.items():
        folder.haunt(spec, *(GIVEN_UP | OVERCOME)[name][0])  # type: ignore[operator]
    seen: list[Progress] = []
    half_done = set()

    def observe(progress: Progress) -> None:
        seen.append(progress)
        if specs["killed before its result"] in [spec for spec, _ in progress.retried]:
            half_done.add(folder.run(specs["killed before its result"].run_id).result())

    run(folder, list(specs.values()), Local(max_attempts=2), observe=observe)
    for name, (_, expected, reason) in GIVEN_UP.items():
        failure = folder.run(specs[name].run_id).failure()
        assert failure is not None, name
        assert reason in failure.reason, name
        assert outcomes(folder, specs[name]) == expected, name
        assert folder.run(specs[name].run_id).is_quarantined() == reason.startswith("quarantined"), name
    for name, (_, expected) in OVERCOME.items():
        assert folder.run(specs[name].run_id).result() is not None, name
        assert outcomes(folder, specs[name]) == expected, name
    assert half_done == {None}, "a run that was killed just before its result counted as done"
    assert sorted(spec.seed for progress in seen for spec in progress.ended) == list(range(len(specs)))
    retried = [(spec.seed, reason) for progress in seen for spec, reason in progress.retried]
    assert (specs["error"].seed, "RuntimeError: a ghost") in retried
    assert len(retried) == 5 + 2
    log = "\n".join(folder.run(specs["segfault"].run_id).last_log_lines(50))
    assert "Fatal Python error: Segmentation fault" in log
    plan = list(specs.values())
    asked_for = {spec.seed for spec in pending(plan, folder)}
    by_itself = {spec.seed for spec in pending(plan, folder, quarantined=False)}
    assert asked_for == {specs[name].seed for name in GIVEN_UP}
    assert by_itself == {specs[name].seed for name in ("sys.exit", "mixed", "usage")}


def test_a_run_killed_in_the_middle_goes_on_from_its_checkpoint_and_ends_like_any(tmp_path: Path) -> None:
    """Fault 1: bit for bit, the first epoch is not trained again, and its neighbour does not notice."""
    folder, spec, neighbour = HauntedStudy(tmp_path), spec_of(0, epochs=4), spec_of(1)
    folder.haunt(spec, "epoch 2:kill")
    run(folder, [spec, neighbour], Local())
    assert outcomes(folder, spec) == ["killed", "done"]
    assert outcomes(folder, neighbour) == ["done"]
    kept = (folder.run(spec.run_id).path / "kept").read_text().split()
    assert len(kept) == 4, "one checkpoint an epoch; a run begun anew keeps five"
    result, whole = folder.run(spec.run_id).result(), StudyFolder(tmp_path / "whole").run(spec.run_id)
    whole.begin(spec)
    work(whole, Place(tmp_path, device="cpu"))
    undisturbed = whole.result()
    assert result is not None
    assert undisturbed is not None
    assert result.model_dump(exclude={"provenance"}) == undisturbed.model_dump(exclude={"provenance"})


def test_a_run_that_hangs_is_killed_and_tried_again_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults 11 and 17: the clock on the wall jumps by eleven days at every look, forwards and backwards."""
    folder, spec = HauntedStudy(tmp_path), spec_of(0, epochs=2)
    folder.haunt(spec, "epoch 1:hang")
    real, looks = time.time, 0

    def jumping() -> float:
        nonlocal looks
        looks += 1
        return real() + 1e6 * (-1) ** looks

    monkeypatch.setattr(time, "time", jumping)
    run(folder, [spec], Local(hang_seconds=3, max_attempts=9))  # nine: where processors are scarce the healthy starve
    attempts = folder.run(spec.run_id).attempts()
    assert attempts[0].outcome == "hung"
    assert attempts[0].reason == "hung: no sign of life for 3 s, so it was killed"
    assert attempts[-1].outcome == "done"
    assert all(0 <= attempt.seconds < 600 for attempt in attempts)


def test_a_hung_worker_says_where_it_was(tmp_path: Path) -> None:
    folder, spec = HauntedStudy(tmp_path), spec_of(0)
    folder.haunt(spec, "spec:hang")
    run(folder, [spec], Local(hang_seconds=1, max_attempts=1))
    failure = folder.run(spec.run_id).failure()
    assert failure is not None
    assert failure.reason == "hung: no sign of life for 1 s, so it was killed"
    assert "haunted.py" in "\n".join(folder.run(spec.run_id).last_log_lines(50))


@pytest.mark.slow
def test_when_the_server_that_workers_are_forked_from_dies_the_run_is_tried_again(tmp_path: Path) -> None:
    """The kernel may choose it when memory is short. The orphan is killed: two workers must not write one folder."""
    folder, spec = HauntedStudy(tmp_path), spec_of(0, epochs=2)
    folder.haunt(spec, "epoch 1:hang")
    orphans: list[int] = []

    def kill_the_server(progress: Progress) -> None:
        if not orphans and folder.run(spec.run_id).epochs_logged():
            orphans.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(multiprocessing.forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]

    run(folder, [spec], Local(), observe=kill_the_server)
    assert outcomes(folder, spec) == ["killed", "done"]
    wait_for(lambda: not Path(f"/proc/{orphans[0]}").exists())


class StoppedWatch:
    """A clock that stands still but for the gaps it is told."""

    def __init__(self, *gaps: float) -> None:
        self.now, self.gaps = 0.0, list(gaps)

    def monotonic(self) -> float:
        return self.now

    def advance(self) -> None:
        self.now += self.gaps.pop(0)


class NaivePulse(Pulse):
    """The twin: takes the clock's word for how long a worker was silent, also where nobody listened."""

    def listen(self) -> None:
        began = self.__dict__.setdefault("began", self._looked)
        super().listen()
        self.silent_seconds = self._looked - began


@pytest.mark.parametrize(("pulse", "expected"), [(Pulse, 4.0), (NaivePulse, 3603.0)])
def test_a_supervisor_that_was_stopped_for_an_hour_does_not_find_its_workers_dead(
    pulse: type[Pulse], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z and fg, or a laptop's lid: three looks a second apart and one an hour later are four seconds at most."""
    clock = StoppedWatch(1, 1, 1, 3600)
    monkeypatch.setattr(heartbeat, "time", clock)
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer:
        listening = pulse(reader, longest_look=1.0)
        while clock.gaps:
            clock.advance()
            listening.listen()
        assert listening.silent_seconds == expected
        Heartbeat(writer).beat()
        Pulse.listen(listening)
        assert listening.silent_seconds == 0


def test_beats_cost_a_byte_a_second_and_never_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where nobody has read for so long that the pipe is full, or nobody is there any more."""
    clock = StoppedWatch(*[0.5] * 10_000)
    monkeypatch.setattr(heartbeat, "time", clock)
    reader, writer = multiprocessing.Pipe(duplex=False)
    fcntl.fcntl(writer.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    heart = Heartbeat(writer)
    for _ in range(4):
        clock.advance()
        heart.beat()
    assert os.read(reader.fileno(), 100) == b".."
    while clock.gaps:
        clock.advance()
        heart.beat()
    reader.close()
    clock.now += 2
    heart.beat()
    writer.close()


@pytest.mark.parametrize(
    ("before", "after", "outcome", "reason"),
    [
        (7, 8, "oom", "out of memory: the worker was killed by SIGKILL, and the kernel says that it killed for want"),
        (7, 7, "killed", "killed by SIGKILL, by whoever it was, not by the kernel for want of memory"),
        (None, None, "killed", "killed by SIGKILL (out of memory?)"),
    ],
)
def test_the_kernels_own_kills_for_want_of_memory_are_told_apart(
    before: int | None, after: int | None, outcome: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 15, by the kernel's counter, which it raises with each such kill."""
    counter = tmp_path / "vmstat"
    monkeypatch.setattr(death, "COUNTERS", (tmp_path / "no_such_file", counter))
    if after is not None:
        counter.write_text(f"nr_free_pages 12\noom_kill {after}\noom_kill_other 99\n")
    said = cause_of_death(-signal.SIGKILL, before)
    assert said[0] == outcome
    assert reason in said[1]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("x: DefaultCPUAllocator: can't allocate memory: y")])
def test_errors_that_mean_out_of_memory(error: BaseException) -> None:
    assert death.is_out_of_memory(error)
    assert not death.is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not death.is_out_of_memory(OSError(28, "No space left on device"))


def attempts_of(*outcomes: str) -> list[Attempt]:
    return [Begun("local").ended(outcome, outcome) for outcome in outcomes]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["killed"] * 3, ("quarantined after 3 attempts: killed", True)),
        (["hung", "oom"], ("quarantined after 2 attempts: (1) hung; (2) oom", True)),
        (["killed"], ("killed", False)),
        (["error"] * 3, ("failed in 3 attempts: error", False)),
        (["killed", "error"], ("failed in 2 attempts: (1) killed; (2) error", False)),
    ],
)
def test_quarantined_is_what_took_its_worker_down_each_time(found: list[str], expected: tuple[str, bool]) -> None:
    assert verdict(attempts_of(*found)) == expected


def test_a_torn_attempt_costs_its_own_line_only(tmp_path: Path) -> None:
    run = StudyFolder(tmp_path).run(spec_of(0).run_id)
    run.begin(spec_of(0))
    first, second = attempts_of("killed", "done")
    run.record(first)
    with (run.path / "attempts.jsonl").open("a") as file:
        file.write('{"started": "2026-01-0')
    run.record(second)
    assert run.attempts() == [first, second]


def test_more_workers_than_open_files_allow_are_refused_with_the_remedy(tmp_path: Path) -> None:
    """Fault 16. What a worker takes is counted, not believed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        refuse_too_many_workers(11)
        with pytest.raises(UsageError) as refused:
            refuse_too_many_workers(12)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (
        str(refused.value) == "12 workers need up to 104 open files; the limit is 100: ulimit -n 104, or --workers 11"
    )
    folder = HauntedStudy(tmp_path)
    specs = [spec_of(0), spec_of(1)]
    for spec in specs:
        folder.haunt(spec, "spec:wait")
    before, most = len(os.listdir("/proc/self/fd")), 0  # noqa: PTH208

    def count(progress: Progress) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) - before)  # noqa: PTH208
        if len(progress.running) == 2:
            folder.let_go(specs[0])
            folder.let_go(specs[1])

    run(folder, specs, Local(), observe=count)
    assert 2 <= most <= 2 * FILES_A_WORKER


@pytest.mark.parametrize("text", ["max_attempts=0", "hang_seconds=0", "grace_seconds=-1", "max_attempt=2"])
def test_senseless_parameters_are_refused(text: str, cli: Cli) -> None:
    code, _, err = cli("sweep", "quickstart", "--engine", f"local:{text}", "--dry-run")
    assert code == 2
    assert text.partition("=")[0] in err


def study_file(folder: Path) -> Path:
    file = folder / "tiny" / "study.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        'seeds = 2\n[base]\ndataset = "digits:per_class=20,test_per_class=10"\nmodel = "small_cnn:width=4"\n'
        '[base.train]\nepochs = 1\nbatch_size = 32\naugment = "none"\n'
    )
    return file


def test_fail_fast_stops_at_the_first_failure_and_the_next_sweep_goes_on(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is told with its last words; in quarantine it waits to be asked for."""
    monkeypatch.setattr(sweeping, "study_folder", lambda study, runs: HauntedStudy(runs / study.name))
    monkeypatch.setattr(sweeping, "write_current", lambda *_: None)
    file = study_file(tmp_path)
    plan, folder = Study.from_toml(file).plan(), HauntedStudy(tmp_path / "runs" / "tiny")
    folder.haunt(plan[0], "spec:say", "spec:say", "spec:say", "spec:error")
    options = ("sweep", file, "--workers", "1", "--device", "cpu", "--engine", "local:max_attempts=2")
    code, out, _ = cli(*options, "--fail-fast")
    assert code == 1
    assert "(1 failed)" in out
    assert out.splitlines()[1].endswith(": the worker exited with code 0 and left no result")
    assert "        | boo\n        log: " in out
    assert folder.results(plan) == []
    code, out, _ = cli(*options, "--json")
    answer = json.loads(out)
    assert code == 1
    assert answer["statuses"] == {"ok": 1, "failed": 1}
    assert answer["failures"][0]["quarantined"] is True
    assert answer["failures"][0]["log"] == ["boo"]
    code, out, _ = cli(*options)
    assert code == 1
    assert "quarantined after 2 attempts: the worker exited with code 0" in out
    assert "quarantined runs are tried again by sweep --retry-failed" in out
    assert outcomes(folder, plan[0]) == ["killed"] * 3, "a quarantined run was tried again unasked"
    code, out, err = cli(*options, "--retry-failed")
    assert code == 0, err
    assert "again: digits" in err
    assert outcomes(folder, plan[0]) == ["killed"] * 3 + ["error", "done"]

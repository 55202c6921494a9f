"""Several processes at one study: one is refused, or they share the work; nothing is done twice."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from noisylabels import ownership
from noisylabels.ownership import LockedError, Owner, claimed, file_system, is_held, locked
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.faults.forked import command, wait_for
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
"""


def study_file(folder: Path, seeds: int) -> Path:
    file = folder / "tiny" / "study.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(STUDY.format(seeds=seeds))
    return file


def dead_owner(folder: Path) -> int:
    """A process that takes the folder and is killed; its id."""
    code = (
        "import os, signal, sys; from pathlib import Path; from noisylabels.ownership import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)]) as process:
        assert process.wait() == -signal.SIGKILL
    return process.pid


def test_a_second_process_is_refused_and_told_who_the_first_is(cli: Cli, tmp_path: Path) -> None:
    """Fault 7."""
    file = study_file(tmp_path, seeds=1)
    with locked(tmp_path / "runs" / "tiny"):
        code, out, err = cli("sweep", file)
        assert (code, out) == (4, "")
        assert re.search(
            rf"tiny is being run by process {os.getpid()} on {re.escape(os.uname().nodename)} since "
            r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\S*; wait for it, or share its work with sweep --join\n$",
            err,
        )
        assert len(err.splitlines()) == 1


def test_the_lock_of_a_dead_process_is_taken_over_without_a_word(tmp_path: Path) -> None:
    """Fault 8."""
    pid = dead_owner(tmp_path)
    owner = Owner.noted_in(tmp_path)
    assert owner is not None
    assert owner.pid == pid
    assert not is_held(tmp_path)
    with locked(tmp_path) as is_ours:
        assert is_ours
        assert is_held(tmp_path)
        taken = Owner.noted_in(tmp_path)
        assert taken is not None
        assert taken.pid == os.getpid()
    assert Owner.noted_in(tmp_path) is None


@pytest.mark.parametrize("join", [False, True])
def test_another_hosts_note_is_refused_where_locks_need_not_reach_it(
    join: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 8: with the exact command to clear it. A local disk has one kernel, whose lock is the truth."""
    folder = tmp_path / "a study's folder"
    folder.mkdir()
    stranger = Owner(4711, "another-host", "2026-01-02T03:04:05+00:00")
    (folder / ".owner.json").write_text(json.dumps(asdict(stranger)))
    monkeypatch.setattr(ownership, "file_system", lambda path: "nfs4")
    with pytest.raises(LockedError) as refused, locked(folder, join=join):
        pass
    said = str(refused.value)
    assert "was last run by process 4711 on another-host since 2026-01-02T03:04:05+00:00" in said
    assert "locks need not reach other hosts on this disk (nfs4)" in said
    with pytest.raises(LockedError), locked(folder):
        pass
    subprocess.run(shlex.split(said.rpartition("take over: ")[2]), check=True)
    with locked(folder) as is_ours:
        assert is_ours
    (folder / ".owner.json").write_text(json.dumps(asdict(stranger)))
    monkeypatch.setattr(ownership, "file_system", lambda path: "ext4")
    with locked(folder) as is_ours:
        assert is_ours


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": "x", "host": 3}', b"\xff"])
def test_a_note_that_nobody_can_read_bars_nobody(note: bytes, tmp_path: Path) -> None:
    (tmp_path / ".owner.json").write_bytes(note)
    with locked(tmp_path) as is_ours:
        assert is_ours


def test_the_kernel_says_what_a_folder_lies_on(tmp_path: Path) -> None:
    asked = subprocess.run(["stat", "-f", "-c", "%T", "/proc"], capture_output=True, text=True, check=True)
    assert file_system(Path("/proc/self")) == asked.stdout.strip() == "proc"
    assert file_system(tmp_path / "not there yet") == file_system(tmp_path)


def test_a_claim_is_one_processs_and_dies_with_it(tmp_path: Path) -> None:
    with claimed(tmp_path) as first, claimed(tmp_path) as second:
        assert (first, second) == (True, False)
    dead_owner(tmp_path)
    with claimed(tmp_path) as is_ours:
        assert is_ours


def how_often_done(folder: StudyFolder, plan: Sequence[RunSpec]) -> Counter[int]:
    """How many runs were done how often."""
    return Counter(sum(attempt.outcome == "done" for attempt in folder.run(spec.run_id).attempts()) for spec in plan)


@pytest.mark.slow
def test_two_that_join_share_the_runs_and_do_none_twice(tmp_path: Path) -> None:
    """Fault 7. The first has one worker, which is at a slow run: the second does the rest, both wait for the last."""
    file = study_file(tmp_path, seeds=2)
    plan, folder = Study.from_toml(file).plan(), HauntedStudy(tmp_path / "runs" / "tiny")
    folder.haunt(plan[0], "spec:wait")
    options = ("sweep", file, "--runs", tmp_path / "runs", "--workers", "1", "--device", "cpu", "--join")
    first = command(tmp_path / "first", *options)
    wait_for(lambda: folder.run(plan[0].run_id).is_claimed())
    second = command(tmp_path / "second", *options)
    wait_for(lambda: len(folder.results(plan)) == 3)
    folder.let_go(plan[0])
    assert (first.exit_code(), second.exit_code()) == (0, 0), (tmp_path / "second").read_text()
    assert len(folder.results(plan)) == 4
    assert how_often_done(folder, plan) == {1: 4}
    for name in ("first", "second"):
        text = (tmp_path / name).read_text()
        assert "tiny: 4 of 4 runs" in text
        assert len([line for line in text.splitlines() if re.match(r"\[\d/4\]", line)]) == 4
    assert (folder.path / "report.md").read_text() == "of 4 results"


def test_who_joined_goes_on_when_the_owner_is_killed_and_writes_the_report(tmp_path: Path) -> None:
    file = study_file(tmp_path, seeds=1)
    plan, folder = Study.from_toml(file).plan(), HauntedStudy(tmp_path / "runs" / "tiny")
    folder.haunt(plan[0], "spec:hang")
    options = ("sweep", file, "--runs", tmp_path / "runs", "--workers", "1", "--device", "cpu", "--join")
    owner = command(tmp_path / "owner", *options)
    wait_for(lambda: (folder.run(plan[0].run_id).path / "log.txt").exists())
    joiner = command(tmp_path / "joiner", *options)
    wait_for(lambda: folder.run(plan[1].run_id).has_result())
    assert joiner.is_running()
    assert not (folder.path / "report.md").exists()
    owner.signal(signal.SIGKILL)
    assert (owner.exit_code(), joiner.exit_code()) == (-signal.SIGKILL, 0), (tmp_path / "joiner").read_text()
    assert [attempt.outcome for attempt in folder.run(plan[0].run_id).attempts()] == ["killed", "done"]
    assert folder.run(plan[0].run_id).attempts()[0].reason == "its supervisor died"
    assert how_often_done(folder, plan) == {1: 2}
    assert (folder.path / "report.md").read_text() == "of 2 results"


def test_only_the_same_study_can_be_joined(cli: Cli, tmp_path: Path) -> None:
    """Its report would be of other runs than those that are there."""
    file = study_file(tmp_path, seeds=1)
    folder = tmp_path / "runs" / "tiny"
    with locked(folder):
        (folder / "study.json").write_text("another study")
        code, _, err = cli("sweep", file, "--join")
    assert code == 2
    assert "--join shares one and the same study; " in err

"""Faults 13 and 14: a disk that is full, at whatever moment, or read-only: one line, exit 1, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.store import RunFolder
from noisylabels.system_error import system_error
from tests.conftest import Cli
from tests.faults.failing_files import files_in, is_unfinished
from tests.faults.small_disks import read_only, small_disk

DATA = "digits:per_class=20,test_per_class=10"
MODEL = "small_cnn:width=2,embedding_dim=8"
TRAIN = ("train", "--dataset", DATA, "--model", MODEL, "--corruption", "symmetric:rate=0.4",
         "--set", "train.epochs=2", "--set", "train.batch_size=32", "-q", "--json")  # fmt: skip
STUDY = f"""
[base]
dataset = "{DATA}"
model = "{MODEL}"
[base.train]
epochs = 1
batch_size = 32
[axes]
corruption = ["symmetric"]
rate = [0.0, 0.4]
"""


@pytest.fixture
def every_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        RunFolder, "checkpoints", lambda self, **_: StoredCheckpoints(self.path, self.path.name, every_seconds=0)
    )


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may be larger; what is too large is refused in the middle of a write, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def said_of(out: str) -> dict[str, object]:
    result = json.loads(out)
    del result["provenance"]
    return result


@pytest.mark.usefixtures("every_epoch_is_kept")
def test_a_run_on_a_disk_that_has_more_room_each_time_ends_as_an_undisturbed_one(cli: Cli, tmp_path: Path) -> None:
    """From no page at all on: each try gets a little further, says what it lacked, and leaves nothing half-written."""
    undisturbed = said_of(cli(*TRAIN, "--runs", tmp_path / "elsewhere")[1])
    runs, refused = tmp_path / "runs", []
    with small_disk(runs, pages=200) as disk:
        for free in (*range(8), 12, 16, 20, 150):
            disk.leave(free)
            code, out, err = cli(*TRAIN, "--runs", runs)
            if code == 0:
                break
            assert code == 1
            line = re.fullmatch(
                r"noisylabels: No space left on device: (\S+); ([\d,]+) bytes are free on its disk; "
                r"make room and run it again: it goes on from what is kept\n",
                err,
            )
            assert line, err
            assert line[1].startswith(f"{runs}/_train")
            assert int(line[2].replace(",", "")) <= (free + 1) * 4096
            assert not [name for name in files_in(runs) if is_unfinished(name)]
            assert not list(runs.rglob("result.json"))
            refused.append(Path(line[1]).name.split("-")[0])
        assert said_of(out) == undisturbed
    assert len(set(refused)) >= 3, refused  # it was not the same file each time


def test_a_file_that_may_not_be_that_large_is_named_with_the_limit(cli: Cli, tmp_path: Path) -> None:
    with largest_file(1500):
        code, out, err = cli(*TRAIN, "--runs", tmp_path / "runs")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"noisylabels: File too large: \S+/noise\.npz; [\d,]+ bytes are free on its disk; "
        r"raise the limit on a file's size \(ulimit -f\) and run it again: it goes on from what is kept\n",
        err,
    )
    assert not [name for name in files_in(tmp_path / "runs") if is_unfinished(name)]
    assert cli(*TRAIN, "--runs", tmp_path / "runs")[0] == 0


def test_a_report_that_finds_no_room_leaves_the_old_one(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    for name in ("report.md", "report.html"):
        (tmp_path / name).write_text("old")
    with largest_file(500):
        code, _, err = cli("report", tmp_path / "study.toml", "--out", tmp_path)
    assert code == 1
    assert err.startswith(f"noisylabels: File too large: {tmp_path}/report.")
    assert err.count("\n") == 1
    assert {name: files_in(tmp_path)[name] for name in ("report.md", "report.html")} == {
        "report.md": b"old",
        "report.html": b"old",
    }
    assert not [name for name in files_in(tmp_path) if is_unfinished(name)]


def test_a_runs_folder_that_is_read_only_is_refused_before_anything_is_trained(cli: Cli, tmp_path: Path) -> None:
    """And what is in it can still be looked at."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "study.toml").write_text(STUDY)
    runs = tmp_path / "runs"
    (runs / "tiny").mkdir(parents=True)
    with read_only(runs):
        for command in (("sweep", tmp_path / "tiny" / "study.toml"), TRAIN):
            code, out, err = cli(*command, "--runs", runs)
            assert (code, out) == (1, "")
            assert re.fullmatch(
                r"noisylabels: (Read-only file system|Permission denied): \S+; "
                r"name a folder that (can be written to|you may use): --runs, .*\$NOISYLABELS_RUNS\n",
                err,
            ), err
        assert cli("status", tmp_path / "tiny" / "study.toml", "--runs", runs)[0] == 0
    assert files_in(runs) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_on_a_full_disk_stops_with_a_line_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """The whole command, its workers included."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "study.toml").write_text(STUDY)
    runs = tmp_path / "runs"
    sweep = [sys.executable, "-c", "from noisylabels.cli import main; main()", "sweep", "tiny/study.toml",
             "--runs", str(runs), "--workers", "1"]  # fmt: skip
    with small_disk(runs, pages=1000) as disk:
        disk.leave(9)
        full = subprocess.run(sweep, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert full.returncode == 1
        assert "Traceback" not in full.stderr
        said = full.stdout + full.stderr
        assert re.search(rf"No space left on device: {runs}/\S+; [\d,]+ bytes are free on its disk; make room", said)
        assert not [name for name in files_in(runs) if is_unfinished(name)]
        disk.leave(1000)
        again = subprocess.run(sweep, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert "(2 ok)" in again.stdout


@pytest.mark.parametrize(
    ("number", "filename", "sentence"),
    [
        (errno.EDQUOT, "/tmp", r"Disk quota exceeded: /tmp; [\d,]+ bytes are free on its disk; make room and run .*"),
        (errno.ENOSPC, "/nowhere/at/all", r"No space left on device: /nowhere/at/all; [\d,]+ bytes are free .*"),
        (errno.ENOSPC, None, "No space left on device; make room and run it again: it goes on from what is kept"),
        (errno.EMFILE, "a", r"Too many open files: a; raise the limit on open files \(ulimit -n 4096\), .* --workers"),
        (errno.EAGAIN, None, r"Resource temporarily unavailable; .* raise that limit \(ulimit -u\), .* --workers"),
        (errno.ENOENT, "a", "No such file or directory: a"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(number: int, filename: str | None, sentence: str) -> None:
    assert re.fullmatch(sentence, system_error(OSError(number, os.strerror(number), filename)))


def test_an_error_of_no_number_is_told_in_its_own_words() -> None:
    assert system_error(OSError("the cable is out")) == "the cable is out"
    assert system_error(OSError()) == "OSError"

"""The index under faults: whatever happens to it, the folders' answer is given, and no sweep fails for its sake."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from noisylabels import index as index_module
from noisylabels.index import Planned, StudyIndex, current_rows
from noisylabels.run_row import Row

LONG_AGO = 1_000_000_000
RUNS = 160
Truth = dict[str, tuple[str, str, int]]
"""State, reason and epochs by run id, as the test made them."""


def write_end(folder: Path, state: str, reason: str = "", epochs: int = 0) -> None:
    """What a run leaves when it ends, spelt here by hand, by rename as the store does."""
    status = "failed" if state == "quarantined" else state
    content = {"run_id": folder.name, "status": status, "reason": reason, "history": [{}] * epochs,
               "provenance": {"quarantined": state == "quarantined"}}  # fmt: skip
    name = "failure.json" if status == "failed" else "result.json"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".new").write_text(json.dumps(content))
    (folder / ".new").replace(folder / name)


def make_study(folder: Path, runs: int = RUNS) -> Truth:
    """Folders of runs that ended long ago, in all ways there are, and of some that did not."""
    truth: Truth = {}
    kinds = ("ok", "ok", "diverged", "collapsed", "failed", "quarantined", "begun", "waiting")
    for number in range(runs):
        run, state = folder / "runs" / f"{number:016x}", kinds[number % len(kinds)]
        reason = f"because of {number} 😀" if state in ("failed", "diverged") else ""
        if state in ("begun", "waiting"):
            run.mkdir(parents=True)
            (run / "spec.json").write_text("{}")
        if state == "begun":
            (run / "log.txt").touch()
            (run / "events.jsonl").write_text("{}\n" * 3 + '{"torn')
        if state not in ("begun", "waiting"):
            write_end(run, state, reason, number % 4)
        os.utime(run, (LONG_AGO, LONG_AGO))
        truth[run.name] = (state, reason, 3 if state == "begun" else 0 if state == "waiting" else number % 4)
    return truth


def told(rows: Mapping[str, Row]) -> Truth:
    return {run_id: (row.state, row.reason, row.epochs) for run_id, row in rows.items()}


@pytest.fixture
def study(tmp_path: Path) -> tuple[StudyIndex, Truth]:
    index, truth = StudyIndex(tmp_path), make_study(tmp_path)
    assert told(index.refresh().rows) == truth
    return index, truth


def kept_rows(index: StudyIndex) -> list[tuple[object, ...]]:
    """What the file holds, read by SQLite alone."""
    with contextlib.closing(sqlite3.connect(index.path)) as connection:
        return connection.execute("SELECT * FROM runs ORDER BY run_id").fetchall()


def test_the_second_look_reads_only_what_is_under_way(study: tuple[StudyIndex, Truth]) -> None:
    index, truth = study
    again = index.refresh()
    assert told(again.rows) == truth
    assert again.read == sum(state == "begun" for state, _, _ in truth.values())
    assert again.notice == ""


UPDATES = """
import sys, itertools; from pathlib import Path; from noisylabels.index import StudyIndex, Planned
index = StudyIndex(Path(sys.argv[1])); ids = sorted(path.name for path in (index.folder / "runs").iterdir())
print("ready", flush=True)
for turn in itertools.count():
    index.update(ids[turn % 7 :: 7])
    index.keep_plan(b"study", [Planned(run_id, str(turn), 1) for run_id in ids])
    index.rebuild() if turn % 5 == 0 else index.refresh()
"""


def test_a_killed_writer_leaves_a_sound_index(study: tuple[StudyIndex, Truth]) -> None:
    """Fault 5: kill -9 while the index is written without pause; a rebuild gives the rows it then has."""
    index, truth = study
    moments = random.Random(0)
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", UPDATES, str(index.folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        if index.path.exists():  # it may be killed between a removal and the writing of the next
            with contextlib.closing(sqlite3.connect(index.path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert told(index.refresh().rows) == truth
        after_the_kill = kept_rows(index)
        index.rebuild()
        assert kept_rows(index) == after_the_kill
        assert len(after_the_kill) == RUNS


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(5000))


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def another_programs(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def of_another_format(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 77")


def without_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE runs")


@pytest.mark.parametrize("spoil", [garbage, half, another_programs, of_another_format, without_a_table, Path.unlink])
def test_a_spoilt_index_is_rebuilt_and_that_is_said(
    spoil: Callable[[Path], None], study: tuple[StudyIndex, Truth]
) -> None:
    index, truth = study
    spoil(index.path)
    found = index.refresh()
    assert told(found.rows) == truth
    assert found.notice.startswith(f"{index.path} was not")
    assert found.notice.endswith("rebuilt from the run folders")
    assert "\n" not in found.notice
    again = index.refresh()
    assert again.notice == ""
    assert again.read < RUNS / 4


def test_an_empty_file_is_filled(study: tuple[StudyIndex, Truth]) -> None:
    index, truth = study
    index.path.write_bytes(b"")
    assert told(index.refresh().rows) == truth
    assert len(kept_rows(index)) == RUNS


def test_no_damaged_page_is_believed(study: tuple[StudyIndex, Truth]) -> None:
    """Every page in turn is overwritten with noise, with zeros, and with a page of other rows."""
    index, truth = study
    sound, page = index.path.read_bytes(), 4096
    assert len(sound) >= 6 * page
    noise = random.Random(2).randbytes(page)
    for start in range(0, len(sound), page):
        for other in (noise, bytes(page), sound[page * 3 : page * 4]):
            index.path.write_bytes(sound[:start] + other + sound[start + page :])
            assert told(index.refresh().rows) == truth


def test_states_that_are_none_and_times_that_are_text_are_not_believed(study: tuple[StudyIndex, Truth]) -> None:
    index, truth = study
    with contextlib.closing(sqlite3.connect(index.path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE runs SET state = 'splendid' WHERE run_id LIKE '%0'")
        connection.execute("UPDATE runs SET ended = 'late' WHERE run_id LIKE '%1'")
        connection.execute("UPDATE runs SET epochs = x'00' WHERE run_id LIKE '%2'")
        connection.commit()
    rows = index.refresh().rows
    assert told(rows) == truth
    assert all(isinstance(row.ended, float) for row in rows.values())


def test_one_that_another_process_holds_is_done_without(
    study: tuple[StudyIndex, Truth], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, truth = study
    monkeypatch.setattr(index_module, "HELD_SECONDS", 0.01)
    before = kept_rows(index)
    with contextlib.closing(sqlite3.connect(index.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        write_end(index.folder / "runs" / f"{7:016x}", "ok")
        found = index.refresh()
        index.update([f"{7:016x}"])
        index.keep_plan(b"study", [])
        assert index.plan(b"study") is None
    assert told(found.rows) == truth | {f"{7:016x}": ("ok", "", 0)}
    assert "cannot be written (database is locked)" in found.notice
    assert kept_rows(index) == before


def test_a_folder_in_its_place_is_done_without(tmp_path: Path) -> None:
    truth, index = make_study(tmp_path, 16), StudyIndex(tmp_path)
    index.path.mkdir()
    found = index.refresh()
    index.update(truth)
    index.keep_plan(b"study", [])
    assert told(found.rows) == truth
    assert "cannot be written (unable to open database file)" in found.notice
    assert index.path.is_dir()


FULL_DISK = """
import resource, signal, sys; from pathlib import Path; from noisylabels.index import StudyIndex, Planned
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index, most = StudyIndex(Path(sys.argv[1])), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
found = index.refresh()
index.update(found.rows)
index.keep_plan(b"study", [Planned(run_id, "x" * 100, 1) for run_id in found.rows])
print(len(found.rows), found.notice)
"""


@pytest.mark.parametrize("most", [0, 1, 4096, 20_000])
def test_a_full_disk_fails_nothing(most: int, study: tuple[StudyIndex, Truth]) -> None:
    """No file may grow beyond so many bytes, as the kernel sees to it; half the index is new, so that it must."""
    index, truth = study
    index.path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(index.folder), str(most)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{RUNS} {index.path} cannot be written (")
    assert told(index.refresh().rows) == truth
    with contextlib.closing(sqlite3.connect(index.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def every_change_is_seen(folder: Path) -> None:
    """A run through all its states, looked at after each; folders' times are what the disk makes them."""
    index, run = StudyIndex(folder), folder / "runs" / "a1"
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: run.mkdir(parents=True), "waiting"),
        (lambda: (run / "log.txt").touch(), "begun"),
        (lambda: write_end(run, "failed", "broke"), "failed"),
        (lambda: (run / "failure.json").unlink(), "begun"),
        (lambda: write_end(run, "quarantined", "killed"), "quarantined"),
        (lambda: (run / "failure.json").unlink(), "begun"),
        (lambda: write_end(run, "diverged", "loss"), "diverged"),
        (lambda: (run / "result.json").unlink(), "begun"),
        (lambda: write_end(run, "ok"), "ok"),
    ]
    for step, state in steps:
        step()
        assert told(index.refresh().rows)["a1"][0] == state
    (run / "result.json").unlink()
    (run / "log.txt").unlink()
    run.rmdir()
    assert index.refresh().rows == {}
    assert kept_rows(index) == []


def same_tick_is_seen(folder: Path) -> None:
    """A failure that is replaced within one tick of the disk's clock, which this disk is made to show."""
    index, run = StudyIndex(folder), folder / "runs" / "b2"
    write_end(run, "failed", "first")
    tick = run.stat().st_mtime_ns
    assert told(index.refresh().rows)["b2"][1] == "first"
    write_end(run, "failed", "second")
    os.utime(run, ns=(tick, tick))
    assert told(index.refresh().rows)["b2"][1] == "second"


def test_every_change_is_seen(tmp_path: Path) -> None:
    every_change_is_seen(tmp_path / "steps")
    same_tick_is_seen(tmp_path / "tick")


def test_an_index_that_believes_what_it_has_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong twin: rows are kept once they are known, as caches keyed by name do."""

    def trusting(folder: Path, known: Mapping[str, Row]) -> tuple[dict[str, Row], list[str]]:
        rows, read = current_rows(folder, {})
        return rows | {run_id: row for run_id, row in known.items() if run_id in rows}, read

    monkeypatch.setattr(index_module, "current_rows", trusting)
    with pytest.raises(AssertionError):
        every_change_is_seen(tmp_path)


def test_an_index_that_trusts_the_newest_times_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong twin: a time vouches at once, the "racy" mistake that version control systems once made."""
    monkeypatch.setattr(index_module, "SETTLED_NS", 0)
    with pytest.raises(AssertionError):
        same_tick_is_seen(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "{}", '{"run_id": "c3"}', "[" * 100_000,
                                     '{"run_id": "d4", "status": "ok"}', '{"run_id": "c3", "status": "failed"}',
                                     '{"run_id": "c3", "status": ["ok"]}'])  # fmt: skip
def test_a_result_that_is_none_is_called_unreadable(content: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "c3"
    run.mkdir(parents=True)
    (run / "result.json").write_text(content)
    row = StudyIndex(tmp_path).refresh().rows["c3"]
    assert row.state == "unreadable"
    assert row.reason.startswith("result.json is not a result (")


def test_a_reason_that_is_no_text_is_kept_all_the_same(tmp_path: Path) -> None:
    write_end(tmp_path / "runs" / "e5", "failed", "half a \ud83d pair, and \x00")
    index = StudyIndex(tmp_path)
    assert index.refresh().rows["e5"].reason == "half a ? pair, and \x00"
    assert index.refresh().notice == ""


def test_what_is_no_run_is_passed_over(tmp_path: Path) -> None:
    write_end(tmp_path / "runs" / "f6", "ok")
    (tmp_path / "runs" / "notes.txt").touch()
    (tmp_path / "runs" / ".trash").mkdir()
    (tmp_path / "runs" / os.fsdecode(b"\xff")).mkdir()
    assert list(StudyIndex(tmp_path).refresh().rows) == ["f6"]


def test_a_plan_is_of_one_study_file_in_one_place(tmp_path: Path) -> None:
    index, plan = StudyIndex(tmp_path / "a"), [Planned("1", "one", 2), Planned("0", "two", 3)]
    index.folder.mkdir()
    assert index.plan(b"study") is None
    index.keep_plan(b"study", plan)
    assert index.plan(b"study") == plan
    assert index.plan(b"another study") is None
    index.folder.rename(tmp_path / "b")
    assert StudyIndex(tmp_path / "b").plan(b"study") is None


def test_looking_at_a_study_that_was_never_run_makes_nothing(tmp_path: Path) -> None:
    found = StudyIndex(tmp_path / "none").refresh()
    assert (found.rows, found.read, found.notice) == ({}, 0, "")
    assert list(tmp_path.iterdir()) == []

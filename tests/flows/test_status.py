"""``noisylabels status`` and ``noisylabels index``: what they say of runs in every state, and how little they read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noisylabels.cli.planned import planned
from noisylabels.cli.standing import SteadyClock, look
from noisylabels.cli.standing_text import summary, text
from noisylabels.index import Planned, StudyIndex
from noisylabels.result import RunResult
from noisylabels.run_row import Row
from noisylabels.store import RunFolder
from noisylabels.study import Study

COMMAND = [sys.executable, "-c", "from noisylabels.cli import main; main()"]
LONG_AGO = 1_000_000_000
Cli = Callable[..., tuple[int, str, str]]


def planned_study(runs: Path, seeds: int) -> tuple[Path, Study]:
    """The folder of a study that was planned here, with a run for each seed."""
    values = {"base": {"dataset": "digits", "train": {"epochs": 8}}, "seeds": seeds}
    study = Study.checked({"name": "many", **values})
    folder = runs / "many"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(study.model_dump_json(indent=1))
    return folder, study


def indexed_study(runs: Path, seeds: int) -> tuple[Path, Study]:
    """The same with its plan in its index, so that other processes look at it without importing torch."""
    folder, study = planned_study(runs, seeds)
    StudyIndex(folder).keep_plan((folder / "study.json").read_bytes(), planned(study.plan()))
    return folder, study


def finish(run: RunFolder, study: Study, status: Any = "ok", reason: str = "") -> None:
    """The result of a run of the study, without the fsync of the store's."""
    spec = next(spec for spec in study.plan() if spec.run_id == run.path.name)
    run.path.mkdir(parents=True, exist_ok=True)
    result = RunResult(run_id=spec.run_id, spec=spec, status=status, reason=reason)
    name = "failure.json" if status == "failed" else "result.json"
    (run.path / ".new").write_text(result.model_dump_json())
    (run.path / ".new").replace(run.path / name)


def run_folders(folder: Path, study: Study) -> list[RunFolder]:
    return [RunFolder(folder / "runs" / spec.run_id) for spec in study.plan()]


def begin(run: RunFolder, epochs: int) -> None:
    run.path.mkdir(parents=True)
    (run.path / "log.txt").write_text("starting\n")
    (run.path / "events.jsonl").write_text("{}\n" * epochs)


COUNTED = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from noisylabels.cli import main
try:
    main()
finally:
    results = sum(path.endswith(("result.json", "failure.json", "spec.json")) for path in opened)
    sys.stderr.write(f"{results} results opened, torch {'torch' in sys.modules}")
"""


def test_a_look_at_many_runs_opens_none_of_their_results(noisylabels: Cli, tmp_path: Path) -> None:
    """The one test of the large study's structure; its times are for ``benchmarks/large_study.py``."""
    folder, study = planned_study(tmp_path, 2000)
    for spec in study.plan():
        run = folder / "runs" / spec.run_id
        run.mkdir(parents=True)
        (run / "result.json").write_text(json.dumps({"run_id": spec.run_id, "status": "ok"}))
    code, out, err = noisylabels("status", "many", "--runs", tmp_path)
    assert code == 0
    assert out == "many: 2000 runs, 2000 done (2000 ok); not running\n"
    assert err == f"noisylabels: {folder / 'study.sqlite'} was not there: rebuilt from the run folders\n"
    changed = folder / "runs" / study.plan()[1234].run_id
    (changed / "result.json").unlink()
    (changed / ".new").write_text(json.dumps({"run_id": changed.name, "status": "collapsed"}))
    (changed / ".new").rename(changed / "result.json")
    for expected, opened in (("1999 ok, 1 collapsed", 1), ("1999 ok, 1 collapsed", 0)):
        second = subprocess.run(
            [sys.executable, "-c", COUNTED, "status", "many", "--runs", str(tmp_path)], capture_output=True, text=True
        )
        assert second.stdout == f"many: 2000 runs, 2000 done ({expected}); not running\n"
        assert second.stderr == f"{opened} results opened, torch False"


HOLD = """
import sys, time; from pathlib import Path; from noisylabels.ownership import claimed
with claimed(Path(sys.argv[1])) as is_ours:
    print(is_ours, flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a run's or a study's lock, and is killed at the end."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def states_of(answer: dict[str, Any]) -> list[str]:
    return [run["state"] for run in answer["runs"]]


def test_every_state_is_told_apart_and_a_dead_worker_is_not_running(noisylabels: Cli, tmp_path: Path) -> None:
    folder, study = planned_study(tmp_path, 9)
    ok, diverged, failed, quarantined, torn, running, killed, begun, _waiting = run_folders(folder, study)
    finish(ok, study)
    finish(diverged, study, "diverged", "the loss was not finite in epoch 2")
    for run, reason in ((failed, "KeyError: 'b'"), (quarantined, "quarantined after 3 attempts: out of memory")):
        begin(run, 1)
        (run.path / "log.txt").write_text("\n".join(f"line {n}" for n in range(3000)) + "\n\n\x1b[31mthe last word\n")
        finish(run, study, "failed", reason)
    failure = json.loads((quarantined.path / "failure.json").read_bytes())
    (quarantined.path / "failure.json").write_text(json.dumps(failure | {"provenance": {"quarantined": True}}))
    torn.path.mkdir()
    (torn.path / "result.json").write_text('{"run_id":')
    for run, epochs in ((running, 3), (killed, 5), (begun, 0)):
        begin(run, epochs)
    with holding(running.path), holding(killed.path) as victim:
        assert states_of(json.loads(noisylabels("status", "many", "--runs", tmp_path, "--json")[1])) == [
            "ok", "diverged", "failed", "quarantined", "unreadable", "running", "running", "interrupted", "waiting"
        ]  # fmt: skip
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        answer = json.loads(noisylabels("status", "many", "--runs", tmp_path, "--json")[1])
        out = noisylabels("status", "many", "--runs", tmp_path)[1].splitlines()
    assert states_of(answer)[5:8] == ["running", "interrupted", "interrupted"]
    assert answer["counts"] == {
        "done": 2, "running": 1, "failed": 1, "quarantined": 1, "unreadable": 1, "interrupted": 2, "waiting": 1
    }  # fmt: skip
    assert answer["results"] == {"ok": 1, "diverged": 1}
    assert not answer["running"]
    assert answer["runs_per_hour"] is None
    label = "digits softmax clean seed"
    assert out[0].startswith(f"{running.path.name}  running  {label} 5  epoch 3 of 8, last sign of life ")
    assert out[1] == f"{killed.path.name}  interrupted  {label} 6  epoch 5 of 8, its worker is dead"
    assert out[3] == f"{failed.path.name}  failed  {label} 2  KeyError: 'b'"
    assert out[4:7] == ["    | line 2998", "    | line 2999", "    |  [31mthe last word"]
    assert "quarantined after 3 attempts" in out[7]
    assert "result.json is not a result" in out[11]
    counts = "1 running, 1 failed, 1 quarantined, 1 unreadable, 2 interrupted, 1 waiting"
    assert out[-1] == f"many: 9 runs, 2 done (1 ok, 1 diverged), {counts}; not running"


def test_failures_are_counted_in_full_and_listed_in_part(noisylabels: Cli, tmp_path: Path) -> None:
    folder, study = planned_study(tmp_path, 60)
    for run in run_folders(folder, study):
        finish(run, study, "failed", "no\nluck \x1b[2J")
    out = noisylabels("status", "many", "--runs", tmp_path)[1].splitlines()
    assert len(out) == 22
    assert out[0].endswith("seed 0  no luck  [2J")
    assert out[-2:] == ["... and 40 more failed or quarantined or unreadable: --json has all",
                        "many: 60 runs, 60 failed; not running"]  # fmt: skip
    answer = json.loads(noisylabels("status", "many", "--runs", tmp_path, "--json")[1])
    assert [run["reason"] for run in answer["runs"]] == ["no\nluck \x1b[2J"] * 60


def test_pace_is_of_the_process_at_it_and_by_a_steady_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five runs ended in the 100 s since the study was taken, twenty before: 180 an hour, and 75 left take 1500 s."""
    began = time.time() - 100
    (tmp_path / ".owner.json").touch()
    os.utime(tmp_path / ".owner.json", (began, began))
    plan = [Planned(f"{number:x}", f"run {number}", 1) for number in range(100)]
    ends = [began - 5000] * 20 + [began + 10] * 5
    rows = {run.run_id: Row(run.run_id, "ok", "", 1, ended) for run, ended in zip(plan, ends, strict=False)}
    clock = SteadyClock.now()
    unsupervised = look(tmp_path, plan, rows, elapsed=clock.since)
    assert unsupervised.pace is None
    with holding(tmp_path):
        monkeypatch.setattr(time, "time", lambda: began - 86_400)  # the wall clock is put back by a day
        standing = look(tmp_path, plan, rows, elapsed=clock.since)
        assert look(tmp_path, plan, rows).pace is None  # twin: by the wall clock alone, which says nothing any more
    assert standing.pace == pytest.approx(0.05, rel=0.2)
    assert standing.eta_seconds == pytest.approx(1500, rel=0.2)
    shown = re.fullmatch(r".*75 waiting; running now, (\d+) runs an hour, about (\d+\.\d) min left", summary(standing))
    assert shown is not None
    assert float(shown[1]) == pytest.approx(180, rel=0.2)
    assert float(shown[2]) == pytest.approx(25, rel=0.2)
    assert text(standing) == summary(standing)


def test_a_study_that_was_never_run_waits_and_nothing_is_written(noisylabels: Cli, tmp_path: Path) -> None:
    code, out, err = noisylabels("status", "digits_pulls", "--runs", tmp_path)
    assert (code, err) == (0, "")
    assert out == "digits_pulls: 48 runs, 48 waiting; not running\n"
    assert list(tmp_path.iterdir()) == []


def test_a_study_file_that_changed_is_planned_anew(noisylabels: Cli, tmp_path: Path) -> None:
    folder, study = planned_study(tmp_path, 3)
    assert noisylabels("status", "many", "--runs", tmp_path)[1] == "many: 3 runs, 3 waiting; not running\n"
    more = Study.checked(study.model_dump(mode="json") | {"seeds": 5})
    (folder / "study.json").write_text(more.model_dump_json(indent=1))
    assert noisylabels("status", "many", "--runs", tmp_path)[1] == "many: 5 runs, 5 waiting; not running\n"
    (folder / "study.json").write_text("{}")
    code, _, err = noisylabels("status", "many", "--runs", tmp_path)
    assert code == 5
    assert "study.json is not a study" in err


def test_watching_tells_each_change_once_and_ends_with_the_study(tmp_path: Path) -> None:
    folder, study = indexed_study(tmp_path, 3)
    runs = run_folders(folder, study)
    finish(runs[0], study)
    watcher = subprocess.Popen(
        [*COMMAND, "status", "many", "--watch", "--every", "0.1", "--runs", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watcher.stdout is not None
    lines = [watcher.stdout.readline()]
    begin(runs[1], 2)
    lines.append(watcher.stdout.readline())
    finish(runs[1], study, "failed", "broke")
    lines.append(watcher.stdout.readline())
    time.sleep(0.5)
    finish(runs[2], study)
    rest, err = watcher.communicate(timeout=120)
    assert watcher.returncode == 0, err
    assert lines == [
        "many: 3 runs, 1 done (1 ok), 2 waiting; not running\n",
        "many: 3 runs, 1 done (1 ok), 1 interrupted, 1 waiting; not running\n",
        "many: 3 runs, 1 done (1 ok), 1 failed, 1 waiting; not running\n",
    ]
    assert rest == "many: 3 runs, 2 done (2 ok), 1 failed; not running\n"


def test_ctrl_c_ends_the_watching_with_130(tmp_path: Path) -> None:
    indexed_study(tmp_path, 2)
    watcher = subprocess.Popen(
        [*COMMAND, "status", "many", "--watch", "--json", "--runs", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watcher.stdout is not None
    assert json.loads(watcher.stdout.readline())["counts"]["waiting"] == 2
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=120)
    assert watcher.returncode == 130
    assert err.splitlines() == [
        "noisylabels: interrupted; what is finished is kept: only the watching ends here, the study does not"
    ]


def test_watching_on_a_narrow_terminal_without_colour(tmp_path: Path) -> None:
    """40 columns and NO_COLOR: no line is longer, nothing is coloured, and the last page stays."""
    folder, study = indexed_study(tmp_path, 2)
    runs = run_folders(folder, study)
    begin(runs[0], 2)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    with holding(runs[0].path):
        watcher = subprocess.Popen(
            [*COMMAND, "status", "many", "--watch", "--every", "0.1", "--runs", str(tmp_path)],
            stdout=theirs, stderr=theirs, stdin=theirs, env=environment | {"NO_COLOR": "1", "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        shown = read_until(ours, "2/8")
        for run in runs:
            finish(run, study)
        shown += read_until(ours, None)
        assert watcher.wait(120) == 0
    assert "many: 2 runs, 2 done (2 ok); not running" in shown
    assert re.search(r"\x1b\[[0-9;]*[34][0-7][;m]", shown) is None
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.rpartition("many:")[0])
    assert max(len(line) for line in re.split(r"[\r\n]+", drawn)) <= 40


def read_until(terminal: int, awaited: str | None) -> str:
    """What is written to a terminal until something awaited is, or until its last writer ends."""
    shown = ""
    while awaited is None or awaited not in shown:
        assert select.select([terminal], [], [], 120)[0], f"waited in vain after {shown!r}"
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # EIO: nobody is at the other end any more
            assert awaited is None, f"it ended after {shown!r}"
            return shown
    return shown


def test_a_rebuilt_index_has_the_same_rows(noisylabels: Cli, tmp_path: Path) -> None:
    folder, study = planned_study(tmp_path, 4)
    for run, status in zip(run_folders(folder, study), ("ok", "collapsed", "failed"), strict=False):
        finish(run, study, status)
        os.utime(run.path, (LONG_AGO, LONG_AGO))
    code, out, _ = noisylabels("index", "many", "--runs", tmp_path)
    assert (code, out) == (0, f"{folder / 'study.sqlite'}: 3 runs, 3 of them read from their folders\n")
    before = contents(folder)
    assert json.loads(noisylabels("index", "many", "--runs", tmp_path, "--json")[1])["read"] == 0
    code, out, err = noisylabels("index", "many", "--rebuild", "--runs", tmp_path)
    assert (code, err) == (0, "")
    assert out == f"{folder / 'study.sqlite'}: 3 runs, 3 of them read from their folders\n"
    assert contents(folder) == before
    assert [len(rows) for rows in before] == [3, 4, 1]


def contents(folder: Path) -> list[list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        return [
            sorted(connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("runs", "plan", "planned_from")
        ]

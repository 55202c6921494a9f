"""Faults 14, 16, 31 and 33: no home, no files left, no terminal, no reader, no locale; and how workers are started."""

from __future__ import annotations

import json
import multiprocessing
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from noisylabels.engines import Local
from noisylabels.engines.worker import Place
from noisylabels.problem import pose
from noisylabels.result import Measurement, RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study

TINY = "digits:per_class=20,test_per_class=10"
STUDY = f"""
[base]
dataset = "{TINY}"
model = "small_cnn:width=2,embedding_dim=8"
[base.train]
epochs = 1
batch_size = 32
"""
COMMANDS = {
    "list": ["list", "heads"],
    "status": ["status", "tiny"],
    "report": ["report", "tiny"],
    "sweep": ["sweep", "tiny/study.toml"],
    "mistake": ["list", "head"],
}
TRAIN = ["train", "--dataset", TINY, "--model", "small_cnn:width=2,embedding_dim=8", "--set", "train.epochs=1",
         "--set", "train.batch_size=32"]  # fmt: skip
PLACES = {
    "plain": (["stdin closed", "no device"], list(COMMANDS)),
    "reader": (["reader gone"], ["list", "status"]),
    "closed": (["stdout closed", "stdin closed"], ["list", "sweep"]),
    "full": (["stdout full"], ["list", "status"]),
    "files": (["no more files"], ["status", "report"]),
    "nobody": (["nobody known"], ["train"]),
}
"""Place to what is odd there, and the commands that are tried in it."""

BARE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "40", "NO_COLOR": "1", "TERM": "dumb",
        "HOME": "/dev/null/home"}  # fmt: skip
"""An ASCII terminal of 40 columns without colours, and a home that cannot be made."""

ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("XDG_", "MPL", "NOISYLABELS_", "TORCH", "LANG", "LC_"))
               and name not in ("USER", "LOGNAME", "FORCE_COLOR", "PYTHONIOENCODING")} | BARE  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """What came of each command in each place."""

    codes: dict[str, int]
    folder: Path

    def of(self, name: str) -> tuple[int, str, str]:
        texts = ((self.folder / f"{name}{ending}").read_text(errors="replace") for ending in (".out", ".err"))
        return self.codes[name], *texts


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """What came of them over one study, whose only run is done."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny").mkdir()
        (folder / "tiny" / "study.toml").write_text(STUDY)
        study = Study.from_toml(folder / "tiny" / "study.toml")
        (spec,) = study.plan()
        store = StudyFolder(folder / "runs" / "tiny")
        store.run(spec.run_id).begin(spec)
        accuracy = Measurement(name="accuracy", value=0.5, unit="share", higher_is_better=True, n=100)
        store.run(spec.run_id).finish(RunResult(run_id=spec.run_id, spec=spec, status="ok", measurements=(accuracy,)))
        cases = {
            f"{place}-{command}": {"command": (COMMANDS | {"train": TRAIN})[command], "surroundings": odd}
            for place, (odd, commands) in PLACES.items()
            for command in commands
        }
        (folder / "cases.json").write_text(json.dumps(cases))
        script = Path(__file__).with_name("forked_commands.py")
        answer = subprocess.run(
            [sys.executable, script, folder], cwd=folder, capture_output=True, text=True, check=False,
            env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        yield Answers(json.loads(answer.stdout.splitlines()[-1]), folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_terminal_locale_colours_home_and_stdin_the_answer_is_plain_text(
    command: str, answers: Answers
) -> None:
    code, out, err = answers.of(f"plain-{command}")
    assert code == (2 if command == "mistake" else 0), err
    assert (err if command == "mistake" else out).strip()
    for text in (out, err):
        assert "Traceback" not in text
        assert "\x1b" not in text
        assert text.isascii() or "\N{REPLACEMENT CHARACTER}" not in text


@pytest.mark.parametrize(
    ("place", "command"), [(place, command) for place in ("reader", "closed") for command in PLACES[place][1]]
)
def test_a_reader_that_left_or_a_closed_stdout_is_no_failure(place: str, command: str, answers: Answers) -> None:
    code, _, err = answers.of(f"{place}-{command}")
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert code == 0, err


@pytest.mark.parametrize("command", PLACES["full"][1])
def test_an_answer_that_cannot_be_written_is_one_line_and_code_1(command: str, answers: Answers) -> None:
    code, _, err = answers.of(f"full-{command}")
    assert err.splitlines()[-1].startswith("noisylabels: No space left on device")
    assert "Exception ignored" not in err
    assert code == 1


@pytest.mark.parametrize("command", PLACES["files"][1])
def test_where_no_file_can_be_opened_the_message_says_what_to_do(command: str, answers: Answers) -> None:
    code, out, err = answers.of(f"files-{command}")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("noisylabels: Too many open files: ")
    assert err.endswith("; raise the limit on open files (ulimit -n 4096), or take fewer --workers\n")
    assert "Traceback" not in err


def test_a_user_without_name_and_home_can_work(answers: Answers) -> None:
    code, out, err = answers.of("nobody-train")
    assert code == 0, err
    assert "accuracy" in out
    assert "Traceback" not in err


FORK_SAFE = "jemalloc_bg_thd"
"""pyarrow's allocator, where it is installed, has a thread that it stops before a fork and starts again after it."""


def test_workers_are_forked_from_a_process_without_threads_that_touched_no_device(answers: Answers) -> None:
    threads, is_cuda_initialised = answers.codes["server"]  # type: ignore[misc]
    others = [name for name in threads if name != FORK_SAFE]
    assert len(others) == 1, f"a fork may wait for ever for a lock that one of the threads {others} held"
    assert not is_cuda_initialised, "CUDA cannot be used in a fork of a process that did"


def test_on_a_terminal_no_color_means_no_colour() -> None:
    """And 40 columns mean 40."""
    ours, theirs = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": "40", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "-c", "from noisylabels.cli import main; main()", "--help"]
    with subprocess.Popen(program, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 65536)
            except OSError:  # the other end is closed: all is read
                break
    os.close(ours)
    assert process.returncode == 0
    assert b"noisylabels" in text
    assert not re.search(rb"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|38|48|4[0-7])[;m]", text)
    lines = re.sub(rb"\x1b\[[0-9;]*m", b"", text).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 40


@pytest.mark.slow
def test_a_whole_sweep_in_bare_surroundings(tmp_path: Path) -> None:
    """With workers: no terminal, no locale, no home, stdin closed."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "study.toml").write_text(STUDY)
    program = f"{sys.executable} -c 'from noisylabels.cli import main; main()' sweep tiny/study.toml <&-"
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        ["sh", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert answer.returncode == 0, answer.stderr
    assert "(1 ok)" in answer.stdout
    assert "Traceback" not in answer.stderr
    assert "\x1b" not in answer.stdout + answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_every_way_to_start_a_worker_gives_the_same_numbers(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spawn is all that macOS and Windows have; here it is made all there is."""
    spec = RunSpec.checked(
        {
            "dataset": TINY,
            "corruption": "symmetric:rate=0.4",
            "model": "small_cnn:width=2,embedding_dim=8",
            "train": {"epochs": 1, "batch_size": 32},
        }
    )
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [method])
    folder = StudyFolder(tmp_path)
    Local().run([spec], folder, Place(tmp_path, device="cpu"), workers=1, observe=lambda progress: None)
    result = folder.run(spec.run_id).result()
    assert result is not None, folder.run(spec.run_id).failure()
    here = execute(spec, pose(spec, tmp_path), device="cpu")
    assert result.model_dump(exclude={"provenance"}) == here.model_dump(exclude={"provenance"})

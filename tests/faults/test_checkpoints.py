"""Checkpoints under faults: what is kept last can be trusted, or is not used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle  # noqa: TID251 - to attack with
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from noisylabels import checkpoint
from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.engines.worker import Place, work
from noisylabels.problem import pose
from noisylabels.result import Epoch
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder

FIRST, SECOND = ({"epochs_done": n, "weights": torch.full((3, 4), float(n))} for n in (1, 2))


def kept_in(folder: Path) -> StoredCheckpoints:
    return StoredCheckpoints(folder, "run", every_seconds=0)


def keep(folder: Path, content: dict[str, Any]) -> None:
    kept_in(folder).keep(lambda: content)


def latest(folder: Path) -> int | None:
    content = kept_in(folder).latest()
    return None if content is None else int(content["epochs_done"])


def stored(folder: Path) -> Path:
    (file,) = folder.glob("checkpoint-*.pt")
    return file


def test_the_last_one_is_there_and_is_the_only_one(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    for content in (FIRST, SECOND):
        keep(tmp_path, content)
    content = kept_in(tmp_path).latest()
    assert content is not None
    assert torch.equal(content["weights"], SECOND["weights"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [stored(tmp_path).name, "checkpoint.json"]
    kept_in(tmp_path).clear()
    assert not list(tmp_path.iterdir())


def test_two_moments_after_one_another_are_kept_once(tmp_path: Path) -> None:
    rare = StoredCheckpoints(tmp_path, "run", every_seconds=3600)
    rare.keep(lambda: pytest.fail("it was not even asked for"))
    assert latest(tmp_path) is None


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def malicious(file: Path) -> None:
    """A pickle that would run a command, with its own right hash in the pointer."""

    class Command:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, (f"touch {file.parent / 'executed'}",)

    forged(file, pickle.dumps(Command()))


def forged(file: Path, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    file.unlink()
    (file.parent / f"checkpoint-{digest}.pt").write_bytes(content)
    point(file, file=f"checkpoint-{digest}.pt", sha256=digest)


def elsewhere(file: Path) -> None:
    """The pointer names a file outside the folder, whose hash is right."""
    outside = file.parent.parent / "outside.pt"
    outside.write_bytes(file.read_bytes())
    point(file, file="../outside.pt")


def point(file: Path, /, **changes: Any) -> None:
    pointer = json.loads(pointer_of(file).read_bytes())
    pointer_of(file).write_text(json.dumps(pointer | changes))


def pointer_of(file: Path) -> Path:
    return file.parent / "checkpoint.json"


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte": (flip_a_byte, "is torn or altered: its SHA-256 is another"),
    "torn": (lambda file: file.write_bytes(file.read_bytes()[:-40]), "is torn or altered"),
    "empty": (lambda file: file.write_bytes(b""), "is torn or altered"),
    "gone": (lambda file: file.unlink(), "No such file or directory"),
    "another run's": (lambda file: point(file, run_id="other"), "its run_id must be 'run'; got 'other'"),
    "another layout": (lambda file: point(file, layout=99), "its layout must be 1; got 99"),
    "another schema": (lambda file: point(file, schema=99), "its schema must be 1; got 99"),
    "pointer torn": (lambda file: pointer_of(file).write_text('{"layout": 1, "sch'), "Unterminated string"),
    "pointer is a list": (lambda file: pointer_of(file).write_text("[]"), "list indices"),
    "pointer is deep": (lambda file: pointer_of(file).write_text("[" * 100_000), "recursion"),
    "pointer names no file": (lambda file: point(file, file=3), "expected string"),
    "outside": (elsewhere, "it must name a file checkpoint-<SHA-256>.pt beside it; got '../outside.pt'"),
    "malicious": (malicious, "Weights only load failed"),
    "no tensors": (lambda file: forged(file, b"PK\x03\x04 not what it looks like"), ""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_trusted_is_not_used_and_the_log_says_why(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    keep(folder, FIRST)
    change, reason = DAMAGE[damage]
    change(stored(folder))
    assert latest(folder) is None
    (said,) = [record.getMessage() for record in caplog.records if record.name == "noisylabels.checkpoint"]
    assert said.startswith(f"{folder / 'checkpoint.json'} is not used, the run begins anew: ")
    assert reason in said
    assert "\n" not in said
    assert not (folder / "executed").exists()
    keep(folder, SECOND)
    assert latest(folder) == 2


def test_where_nothing_was_kept_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert latest(tmp_path) is None
    assert not caplog.records


KILLS = 16

KILLED_AT_RANDOM = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from noisylabels.checkpoint import StoredCheckpoints

def checkpoint(number):
    return {"epochs_done": number, "weights": torch.full((500_000,), float(number))}

def careful(folder):
    kept = StoredCheckpoints(folder, "run", every_seconds=0)
    return lambda number: kept.keep(lambda: checkpoint(number))

def careless(folder):
    return lambda number: torch.save(checkpoint(number), folder / "checkpoint.pt")

def keep_for_ever(keep, told):
    for number in range(1, 1_000_000):
        keep(number)
        os.write(told, b"%d\\n" % number)

moments = random.Random(0)
for attempt in range(int(sys.argv[2])):
    for how in (careful, careless):
        folder = Path(sys.argv[1], how.__name__, str(attempt))
        folder.mkdir(parents=True)
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            keep_for_ever(how(folder), told)
        os.close(told)
        kept = os.read(heard, 100)
        time.sleep(moments.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(heard, 65536):
            kept += more
        os.close(heard)
        print(how.__name__, attempt, kept.split()[-1].decode(), flush=True)
"""


def test_killed_while_it_writes_it_leaves_a_whole_one(tmp_path: Path) -> None:
    """Fault 3, at 16 random moments: never before the last one that was reported as kept.

    Its twin, ``torch.save`` straight to the file, is torn at some of them (11 of 12 with a checkpoint of 48 MB).
    """
    command = [sys.executable, "-c", KILLED_AT_RANDOM, str(tmp_path), str(KILLS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    torn = 0
    for line in answer.stdout.splitlines():
        how, attempt, reported = line.split()
        folder = tmp_path / how / attempt
        if how == "careless":
            torn += not whole(folder / "checkpoint.pt")
            continue
        content = kept_in(folder).latest()
        assert content is not None
        assert content["epochs_done"] in (int(reported), int(reported) + 1)
        assert torch.equal(content["weights"], torch.full((500_000,), float(content["epochs_done"])))
        kept_in(folder).clear()
        assert not list(folder.iterdir()), "what a kill left half-written stays"
    assert len(answer.stdout.splitlines()) == 2 * KILLS
    assert torn >= 1


def whole(file: Path) -> bool:
    try:
        torch.load(file, weights_only=True)
    except (RuntimeError, EOFError):
        return False
    return True


SPEC = RunSpec.checked(
    {
        "dataset": "digits:per_class=40,test_per_class=20",
        "corruption": "symmetric:rate=0.3",
        "model": "small_cnn:width=4",
        "head": "cam_softmax",
        "strategy": "elr",
        "train": {"epochs": 4, "batch_size": 32, "learning_rate": 0.05, "crop_padding": 1},
    }
)


class PowerCutError(Exception):
    """Everything stops."""


def test_a_run_goes_on_where_it_was_and_says_what_the_undisturbed_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the worker's own path: three epochs, a power cut, and the fourth alone is trained afterwards."""
    monkeypatch.setattr(RunFolder, "checkpoints", lambda self: StoredCheckpoints(self.path, self.path.name, 0.0))
    whole, folder = (StudyFolder(tmp_path / name).run(SPEC.run_id) for name in ("whole", "cut"))
    whole.begin(SPEC)
    work(whole, Place(tmp_path, device="cpu"))
    undisturbed = whole.result()

    def cut(epoch: Epoch) -> None:
        if epoch.epoch == 4:
            raise PowerCutError

    folder.begin(SPEC)
    with pytest.raises(PowerCutError):
        work(folder, Place(tmp_path, device="cpu"), on_epoch=cut)
    assert folder.result() is None
    trained: list[int] = []
    real = checkpoint.StoredCheckpoints.keep
    monkeypatch.setattr(StoredCheckpoints, "keep", lambda self, content: (trained.append(1), real(self, content))[1])
    folder.begin(SPEC)
    work(folder, Place(tmp_path, device="cpu"))
    result = folder.result()
    assert result is not None
    assert undisturbed is not None
    assert trained == [1]
    assert result.history == undisturbed.history == tuple(folder.events())
    assert result.measurements == undisturbed.measurements
    assert not list(folder.path.glob("checkpoint*"))


def test_a_run_whose_checkpoint_was_altered_begins_anew_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 24, by the worker's own path."""
    monkeypatch.setattr(RunFolder, "checkpoints", lambda self: StoredCheckpoints(self.path, self.path.name, 0.0))
    spec = RunSpec.checked({**SPEC.model_dump(), "train": {**SPEC.train.model_dump(), "epochs": 2}})
    folder = StudyFolder(tmp_path).run(spec.run_id)
    folder.begin(spec)

    def cut(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        work(folder, Place(tmp_path, device="cpu"), on_epoch=cut)
    flip_a_byte(stored(folder.path))
    folder.begin(spec)
    work(folder, Place(tmp_path, device="cpu"))
    assert "is torn or altered: its SHA-256 is another" in caplog.text
    undisturbed, result = execute(spec, pose(spec, tmp_path), device="cpu"), folder.result()
    assert result is not None
    assert result.history == undisturbed.history
    assert result.measurements == undisturbed.measurements


def test_nothing_in_a_checkpoint_needs_a_pickle_that_executes() -> None:
    """What a real training keeps loads with ``weights_only``; ``latest`` would silently start anew otherwise."""
    seen: list[dict[str, Any]] = []

    class Kept:
        def latest(self) -> None:
            return None

        def keep(self, content: Callable[[], dict[str, Any]]) -> None:
            buffer = io.BytesIO()
            torch.save(content(), buffer)
            seen.append(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))

    execute(SPEC, pose(SPEC, Path("nowhere")), device="cpu", checkpoints=Kept())
    assert [content["training"]["epochs_done"] for content in seen] == [1, 2, 3, 4]

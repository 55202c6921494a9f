"""Checkpoints under faults: what is kept last can be trusted, or is not used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle  # noqa: TID251 - to attack with
import signal
import subprocess
import sys
import time
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


CALLS: list[tuple[Any, str]] = [(os, "fsync"), (Path, "replace"), (os, "open"), (checkpoint, "write_atomically")]


@pytest.mark.parametrize(("owner", "name"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("nth", range(1, 5))
def test_whatever_fails_the_old_or_the_new_one_stands(
    owner: Any, name: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, FIRST)
    real, count = getattr(owner, name), 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing)
        try:
            keep(tmp_path, SECOND)
        except OSError as error:
            assert error.errno == 28  # noqa: PT017 - it need not fail: there may be fewer calls than that
    assert latest(tmp_path) in (1, 2)


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def malicious(file: Path) -> None:
    """A pickle that would run a command, with its own right hash in the pointer."""

    class Command:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, (f"touch {file.parent / 'executed'}",)

    content = pickle.dumps(Command())
    digest = hashlib.sha256(content).hexdigest()
    pointer = json.loads((file.parent / "checkpoint.json").read_bytes())
    file.unlink()
    (file.parent / f"checkpoint-{digest}.pt").write_bytes(content)
    pointer |= {"file": f"checkpoint-{digest}.pt", "sha256": digest}
    (file.parent / "checkpoint.json").write_text(json.dumps(pointer))


def elsewhere(file: Path) -> None:
    """The pointer names a file outside the folder, whose hash is right."""
    outside = file.parent.parent / "outside.pt"
    outside.write_bytes(file.read_bytes())
    point(file, file="../outside.pt")


def point(stored_file: Path, **changes: Any) -> None:
    pointer = json.loads((stored_file.parent / "checkpoint.json").read_bytes())
    (stored_file.parent / "checkpoint.json").write_text(json.dumps(pointer | changes))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped byte": flip_a_byte,
    "torn": lambda file: file.write_bytes(file.read_bytes()[:-40]),
    "empty": lambda file: file.write_bytes(b""),
    "gone": lambda file: file.unlink(),
    "another run's": lambda file: point(file, run_id="other"),
    "another layout": lambda file: point(file, layout=99),
    "another schema": lambda file: point(file, schema=99),
    "pointer torn": lambda file: (file.parent / "checkpoint.json").write_text('{"layout": 1, "sch'),
    "pointer is a list": lambda file: (file.parent / "checkpoint.json").write_text("[]"),
    "pointer names no file": lambda file: point(file, file=3),
    "outside": elsewhere,
    "malicious": malicious,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_trusted_is_not_used(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    keep(folder, FIRST)
    DAMAGE[damage](stored(folder))
    assert latest(folder) is None
    assert not (folder / "executed").exists()
    keep(folder, SECOND)
    assert latest(folder) == 2


KEEP_FOR_EVER = """
import sys, torch
from pathlib import Path
from noisylabels.checkpoint import StoredCheckpoints

kept, number = StoredCheckpoints(Path(sys.argv[1]), "run", every_seconds=0), 0
while True:
    number += 1
    kept.keep(lambda: {"epochs_done": number, "weights": torch.full((500_000,), float(number))})
    print(number, flush=True)
"""


@pytest.mark.parametrize("attempt", range(2))
def test_killed_while_it_writes_it_leaves_a_whole_one(attempt: int, tmp_path: Path) -> None:
    """Not before the last one that was reported as kept (torch.save straight to the file: 11 of 12 torn)."""
    command = [sys.executable, "-c", KEEP_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        time.sleep(0.05 + 0.037 * attempt)
        process.send_signal(signal.SIGKILL)
        reported = [int(line) for line in process.stdout.read().split()] or [1]
    content = kept_in(tmp_path).latest()
    assert content is not None
    assert content["epochs_done"] in (reported[-1], reported[-1] + 1)
    assert torch.equal(content["weights"], torch.full((500_000,), float(content["epochs_done"])))


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


def test_a_full_disk_ends_a_run_with_what_was_kept_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(tmp_path).run(SPEC.run_id)
    folder.begin(SPEC)
    folder.checkpoints(every_seconds=0).keep(lambda: FIRST)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    with pytest.raises(OSError, match="No space left on device"):
        folder.checkpoints(every_seconds=0).keep(lambda: SECOND)
    content = folder.checkpoints().latest()
    assert content is not None
    assert content["epochs_done"] == 1


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

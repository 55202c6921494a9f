"""Fault 9: Ctrl-C, SIGTERM and SIGHUP stop a sweep in good order, a second one at once; what is learnt is kept."""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path

import pytest

from noisylabels.study import Study
from tests.faults.forked import Command, command, wait_for
from tests.faults.haunted import HauntedStudy

STUDY = """
[base]
dataset = "digits:per_class=20,test_per_class=10"
model = "small_cnn:width=4"
[base.train]
epochs = {epochs}
batch_size = 32
augment = "none"
"""


class Sweep:
    """A sweep of one run under way, in its first epochs."""

    def __init__(self, folder: Path, *faults: str, epochs: int = 3000, engine: str = "local", nohup: bool = False):
        file = folder / "tiny" / "study.toml"
        file.parent.mkdir()
        file.write_text(STUDY.format(epochs=epochs))
        (self.spec,) = Study.from_toml(file).plan()
        self.study = HauntedStudy(folder / "runs" / "tiny")
        self.run = self.study.run(self.spec.run_id)
        if faults:
            self.study.haunt(self.spec, *faults)
        self.arguments = ("sweep", str(file), "--runs", str(folder / "runs"), "--device", "cpu", "--engine", engine)
        ignored = [signal.SIGHUP] if nohup else []
        self.command: Command = command(folder / "said", *self.arguments, ignored=ignored)
        wait_for(self.run.epochs_logged)

    def outcome(self) -> tuple[str, str]:
        """The last attempt's."""
        attempt = self.run.attempts()[-1]
        return attempt.outcome, attempt.reason

    def said(self) -> str:
        return self.command.errors.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_once_the_epoch_is_finished_and_kept(number: signal.Signals, tmp_path: Path) -> None:
    """By a checkpoint of that very moment: without the request the next would be due in an hour."""
    sweep = Sweep(tmp_path, engine="local:grace_seconds=100")
    sweep.command.signal(number)
    assert sweep.command.exit_code() == 130
    assert sweep.outcome() == ("killed", "stopped with its sweep, after its checkpoint")
    content = sweep.run.checkpoints().latest()
    assert content is not None
    assert content["training"]["epochs_done"] == sweep.run.epochs_logged()
    again = shlex.join(["noisylabels", *sweep.arguments])
    first, last = sweep.said().splitlines()[-2:]
    assert first == "noisylabels: stopping: runs under way finish their epoch if that is soon; once more stops at once"
    assert last == f"noisylabels: interrupted; what is finished is kept: {again} goes on from here"
    assert sweep.run.failure() is None


def test_a_run_that_does_not_stop_is_ended_after_the_grace(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, "epoch 1:hang", engine="local:grace_seconds=1")
    sweep.command.signal(signal.SIGTERM)
    assert sweep.command.exit_code() == 130
    assert sweep.outcome() == ("killed", "stopped with its sweep")


def test_twice_is_at_once(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, "epoch 1:hang", engine="local:grace_seconds=100")
    sweep.command.signal(signal.SIGINT)
    wait_for(lambda: "stopping: " in sweep.said())
    assert sweep.command.is_running()
    before = time.monotonic()
    sweep.command.signal(signal.SIGINT)
    assert sweep.command.exit_code() == 130
    assert time.monotonic() - before < 50, "it waited for its grace to be over"
    assert sweep.outcome() == ("killed", "stopped with its sweep")
    assert sweep.said().count("stopping: ") == 1


def test_under_nohup_a_terminal_that_closes_ends_nothing(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, "epoch 1:wait", epochs=2, nohup=True)
    sweep.command.signal(signal.SIGHUP)
    sweep.study.let_go(sweep.spec)
    wait_for(lambda: "[1/1]" in sweep.said())
    assert "stopping" not in sweep.said()
    sweep.command.signal(signal.SIGTERM)
    assert sweep.command.exit_code() in (0, 130)
    assert sweep.outcome() == ("done", "")

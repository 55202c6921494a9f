"""One run, wherever its engine took it: ask the store, run, store, and leave a line that says what became of it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from noisylabels.attempts import Attempt, Ledger, Outcome
from noisylabels.engines.death import is_out_of_memory
from noisylabels.engines.heartbeat import beating_with_torch
from noisylabels.ownership import claimed
from noisylabels.problem import pose
from noisylabels.result import Epoch
from noisylabels.run import OnEpoch, execute
from noisylabels.store import RunFolder
from noisylabels.system_error import NO_ROOM, system_error
from noisylabels.trained import FILE, keep_trained
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model


@dataclass(frozen=True)
class Place:
    """Where runs find data and compute: all that is not part of the question.

    Attributes:
        data: the data folder.
        device: ``auto``, ``cpu``, ``cuda``, ...
        threads: of one run. One is the default: small nets gain little from a second, and on a busy machine two threads
            that wait for one another can be many times slower than one.
        download: whether missing public data sets may be fetched.
        keep_model: whether each run's trained model is kept, ``model.pt`` in its folder.
    """

    data: Path
    device: str = "auto"
    threads: int = 1
    download: bool = False
    keep_model: bool = False


class StoppedError(Exception):
    """Somebody asked the run to stop, and all it had learnt is kept."""


def work(
    folder: RunFolder, place: Place, *, on_epoch: OnEpoch = lambda epoch: None, stop: threading.Event | None = None
) -> None:
    """Do the run whose ``spec.json`` lies in the folder, unless it is done already.

    Leaves ``result.json``, or raises; doing it twice does it once. After an interruption it goes on from the last
    checkpoint. ``on_epoch`` sees each epoch once it is logged; once ``stop`` is set, the epoch under way is the last.

    Raises:
        StoppedError: by ``stop``; a checkpoint of that moment is kept.
    """
    if is_done(folder, place):
        return
    torch.set_num_threads(place.threads)
    spec = folder.spec()
    problem = pose(spec, place.data, download=place.download)
    folder.keep_labels(problem.noisy_train)

    def log(epoch: Epoch) -> None:
        folder.append(epoch)
        on_epoch(epoch)

    def keep(model: Model, images: ImageBatches) -> None:
        if place.keep_model:
            keep_trained(folder.path, spec, model, images, problem)

    kept = _Stoppable(folder, stop or threading.Event())
    folder.finish(execute(spec, problem, device=place.device, on_epoch=log, checkpoints=kept, on_trained=keep))


def is_done(folder: RunFolder, place: Place) -> bool:
    """Whether nothing is left to do: there is a result, and the model where it is to be kept."""
    return folder.result() is not None and ((folder.path / FILE).exists() or not place.keep_model)


class _Stoppable:
    """A run's checkpoints, at which it stops when asked to."""

    def __init__(self, folder: RunFolder, stop: threading.Event) -> None:
        self.folder, self.stop = folder, stop
        self.usual = folder.checkpoints()

    def latest(self) -> dict[str, Any] | None:
        return self.usual.latest()

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        if not self.stop.is_set():
            self.usual.keep(content)
            return
        self.folder.checkpoints(every_seconds=0).keep(content)
        raise StoppedError


def attempt(
    folder: RunFolder,
    place: Place,
    ledger: Ledger,
    *,
    beat: Callable[[], None] = lambda: None,
    stop: threading.Event | None = None,
) -> Attempt | None:
    """One attempt at a run, under its claim; whatever becomes of it is told in the run's folder.

    Output goes to ``log.txt``, an error's traceback too. An attempt that fails leaves no ``failure.json``: whether
    another follows is for the engine to say.

    Args:
        folder: the run's; its ``spec.json`` is there.
        place: data and compute.
        ledger: of this attempt.
        beat: called whenever the work goes on, often.
        stop: see ``work``.

    Returns:
        What it came to; None if nothing was attempted, for the run is done or another process is at it.
    """
    with claimed(folder.path) as is_ours:
        if not is_ours or is_done(folder, place):
            return None
        folder.renew()
        ledger.begin()
        with _output_to(folder.path / "log.txt"), beating_with_torch(beat):
            outcome, reason, is_final = _outcome_of(lambda: work(folder, place, on_epoch=lambda _: beat(), stop=stop))
        return ledger.end(outcome, reason, is_final=is_final)


def _outcome_of(run: Callable[[], None]) -> tuple[Outcome, str, bool]:
    """How the run ended, why, and whether it would end so again."""
    try:
        run()
    except StoppedError:
        return "killed", "stopped with its sweep, after its checkpoint", False
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        if is_out_of_memory(error):
            return "oom", f"out of memory: {str(error).strip() or type(error).__name__}".splitlines()[0], False
        if isinstance(error, SystemExit):
            return "error", f"the run called sys.exit({error.code!r})", False
        if isinstance(error, OSError):
            return "error", system_error(error), error.errno in NO_ROOM
        is_final = hasattr(error, "exit_code")  # what was asked for cannot be had: see the command line's exit codes
        return "error", str(error) if is_final else f"{type(error).__name__}: {error}", is_final
    return "done", "", False


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Let this process write to a file whatever it would write to its terminal, C libraries included."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for was, now in zip(before, (1, 2), strict=True):
            os.dup2(was, now)
            os.close(was)

"""One run inside its own process: ask the store, run, store."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from noisylabels.problem import pose
from noisylabels.result import Epoch
from noisylabels.run import OnEpoch, execute
from noisylabels.store import RunFolder
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


def work(folder: RunFolder, place: Place, *, on_epoch: OnEpoch = lambda epoch: None) -> None:
    """Do the run whose ``spec.json`` lies in the folder, unless it is done already.

    Leaves ``result.json``, or raises; doing it twice does it once. After an interruption it goes on from the last
    checkpoint. ``on_epoch`` sees each epoch once it is logged.
    """
    if folder.result() is not None and ((folder.path / FILE).exists() or not place.keep_model):
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

    result = execute(
        spec, problem, device=place.device, on_epoch=log, checkpoints=folder.checkpoints(), on_trained=keep
    )
    folder.finish(result)


def worker_process(folder: RunFolder, place: Place) -> None:
    """``work`` as the body of a process of its own: output goes to ``log.txt``, an error to ``failure.json``.

    Ctrl-C is the supervisor's business; if the supervisor dies, so does this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    with (folder.path / "log.txt").open("a", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            work(folder, place)
        except Exception as error:
            folder.fail(str(error) if hasattr(error, "exit_code") else f"{type(error).__name__}: {error}")
            traceback.print_exc()
            sys.exit(1)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

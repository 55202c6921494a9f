"""What is promised as a ratio against what people would run instead, each measured side by side in one process.

A ratio hardly depends on the machine, so that one committed on another day can be compared with today's:
``python -m benchmarks.check``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import compactness, many_classes, run_memory, train_throughput
from noisylabels import catalog
from noisylabels.data import DATASETS, data_root
from noisylabels.metrics.verification import view2

ROUNDS = 5


@dataclass(frozen=True)
class Ratio:
    """One promise.

    Attributes:
        name: what is measured, of what against what; a memory has no other side.
        goal: to be reached.
        higher_is_better: whether the goal is a lower bound.
        measure: the ratio now; raises ``FileNotFoundError`` where it needs data that are not here.
    """

    name: str
    goal: float
    higher_is_better: bool
    measure: Callable[[], float]

    def is_met(self, value: float) -> bool:
        """Whether a value reaches the goal."""
        return value >= self.goal if self.higher_is_better else value <= self.goal

    def change(self, before: float, now: float) -> float:
        """By what share it is worse than before; negative where it is better."""
        return before / now - 1 if self.higher_is_better else now / before - 1


def training(model: str, against: str) -> float:
    """Images a second of our loop over those of another, one thread, 32 x 32 images."""
    torch.set_num_threads(1)
    root = Path(data_root())
    if not (root / "cifar-10-batches-py").is_dir():
        raise FileNotFoundError("CIFAR-10 is not in the data folder")
    images = catalog.build(DATASETS, "cifar10:per_class=100", what="dataset").prepare(root).train
    loops = {name: getattr(train_throughput, name)(model, images) for name in ("ours", against)}
    rates = train_throughput.measure(loops, ROUNDS)
    return statistics.median(rates["ours"] / rates[against])


def many(kind: str, what: str) -> float:
    """Head and loss at 10,572 classes, forward and backward, over linear and cross-entropy."""
    turns = [{one: many_classes.measured(one, 10_572, 512, 256, 3) for one in ("plain", kind)} for _ in range(ROUNDS)]
    return statistics.median(turn[kind][what] / turn["plain"][what] for turn in turns)


def compact() -> float:
    """Processor time of all compactness metrics over reading and one product, 500,000 x 512 of 10,572 classes: once."""
    with tempfile.TemporaryDirectory() as name:
        compactness.write(Path(name), 500_000, 10_572, 512)
        ours, floor = (compactness.alone(way, Path(name), 500_000) for way in ("ours", "floor"))
    return ours["cpu"] / floor["cpu"]


def memory() -> float:
    """The largest resident set of one run on all of CIFAR-10, MB."""
    if not (Path(data_root()) / "cifar-10-batches-py").is_dir():
        raise FileNotFoundError("CIFAR-10 is not in the data folder")
    return float(run_memory.alone("cifar10", RESNET)["peak_mb"])


def ten_folds() -> float:
    """Seconds of a loop over folds and thresholds over those of ``view2``, 6,000 pairs in ten folds."""
    generator = np.random.default_rng(9)
    is_same, fold = generator.random(6000) < 0.5, np.arange(6000) % 10
    scores = generator.normal(size=6000) + is_same

    def loop() -> float:
        means = []
        for held_out in range(10):
            training = fold != held_out
            levels = np.unique(scores[training])
            right = [np.count_nonzero((scores[training] >= level) == is_same[training]) for level in levels]
            chosen = levels[np.argmax(right)]
            means.append(np.mean((scores[~training] >= chosen) == is_same[~training]))
        return float(np.mean(means))

    slow, fast = seconds(loop), min(seconds(lambda: view2(scores, is_same, fold)) for _ in range(10))
    return slow / fast


def command(*arguments: str) -> float:
    """Seconds of a command over those of a Python that imports typer and numpy's version, in turns."""
    turns = []
    for _ in range(ROUNDS):
        ours = seconds(lambda: run("-c", "from noisylabels.cli import main; main()", *arguments))
        turns.append(ours / seconds(lambda: run("-c", "import typer, rich.table, json, importlib.metadata")))
    return statistics.median(turns)


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(*arguments: str) -> None:
    """A fresh Python, its output thrown away."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


NET, RESNET, CAM = "small_cnn:width=16", "resnet8", "cam_softmax"
RATIOS = (
    Ratio(f"training {NET}, images/s: ours / conventional loop", 3.0, True, lambda: training(NET, "conventional")),
    Ratio(
        f"training {RESNET}, images/s: ours / conventional loop", 3.0, True, lambda: training(RESNET, "conventional")
    ),
    Ratio(f"training {RESNET}, images/s: ours / bare steps", 0.97, True, lambda: training(RESNET, "bare")),
    Ratio(
        "cam_softmax at 10,572 classes, time: ours / linear + cross-entropy", 1.1, False, lambda: many(CAM, "seconds")
    ),
    Ratio("cam_softmax at 10,572 classes, memory: ours / linear + cross-entropy", 1.1, False, lambda: many(CAM, "mb")),
    Ratio(
        "arcface at 10,572 classes, time: ours / linear + cross-entropy", 1.1, False, lambda: many("arcface", "seconds")
    ),
    Ratio(
        "cosface at 10,572 classes, time: ours / linear + cross-entropy", 1.1, False, lambda: many("cosface", "seconds")
    ),
    Ratio("compactness metrics, processor time: ours / reading and one product", 1.5, False, compact),
    Ratio("a run on CIFAR-10, resnet8, MB", 900, False, memory),
    Ratio("LFW ten-fold from scores, time: loop / ours", 100.0, True, ten_folds),
    Ratio("noisylabels --help, time: ours / importing typer", 4.0, False, lambda: command("--help")),
    Ratio("noisylabels list heads, time: ours / importing typer", 6.0, False, lambda: command("list", "heads")),
)

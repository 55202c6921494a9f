"""Within an epoch no step asks the device for a number: the host waits once, at the epoch's end.

On a GPU every such question drains the queue of launched work. Here the operators that would ask are watched, so that
the law is held on machines without one; where there is one, torch's own detector watches as well.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from noisylabels import catalog
from noisylabels.heads import HEADS, REGULARISERS
from noisylabels.losses import LOSSES
from noisylabels.models import MODELS
from noisylabels.spec import RunSpec, TrainSpec
from noisylabels.strategies import STRATEGIES
from noisylabels.training.device import pick_device
from noisylabels.training.fit import Told, Training
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model

CLASSES, IMAGES, BATCH = 4, 64, 16
STEPS = IMAGES // BATCH
ASKING = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2", "unique_dim"}
LOSS_OF = {"sphereface2": "one_vs_all", "sface": "sface", "angular_sparsemax": "sparsemax"}


class Watch(TorchDispatchMode):
    """Notes operators whose result the host has to wait for, while a step is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.advanced, self.asked = 0, 0, []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        within = self.taken > 0 and self.advanced < STEPS
        if within and (name in ASKING or (name in ("index", "index_put", "index_put_") and _by_mask(args[1]))):
            self.asked.append(name)
        return func(*args, **(kwargs or {}))


def _by_mask(indices: Any) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def training(method: dict[str, str], device: torch.device) -> Training:
    head = method.get("head", "softmax")
    loss_name = method.get("loss", LOSS_OF.get(head, "ce"))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (IMAGES, 3, 8, 8), dtype=np.uint8)
    spec = TrainSpec(epochs=2, batch_size=BATCH, learning_rate=0.01, crop_padding=1, precision="float32")
    embedder = catalog.build(MODELS, "small_cnn:width=4", what="model")
    strategy = catalog.build(STRATEGIES, method.get("strategy", "standard"), what="strategy")
    torch.manual_seed(0)
    specs = [RunSpec(dataset="digits", head=head, loss=loss_name).plugin("head") for _ in range(strategy.networks)]
    models = [
        Model(embedder.build(3, 8), one.build(CLASSES, embedder.embedding_dim), device, torch.float32) for one in specs
    ]
    mean, std = torch.full((3,), 127.0), torch.full((3,), 60.0)
    batches = ImageBatches(images, mean, std, padding=1, mirror=True, device=device)
    loss = catalog.build(LOSSES, loss_name, what="loss")
    labels = torch.tensor(generator.integers(0, CLASSES, IMAGES))
    told = Told(labels, CLASSES, noise_rate=0.2 if strategy.oracle_knowledge else None)
    return Training(models, batches, told, loss, strategy, spec, seed=0)


def watched(under_way: Training) -> list[str]:
    """What one epoch asked while its steps were under way."""
    watch, head = Watch(), under_way.models[0].head
    take, advance = under_way.learning.take, head.advance

    def taking(step: Any) -> Any:
        watch.taken += 1
        return take(step)

    def advancing(progress: float, losses: torch.Tensor) -> None:
        advance(progress, losses)
        watch.advanced += 1

    under_way.learning.take, head.advance = taking, advancing  # type: ignore[method-assign]
    with watch:
        under_way.run_epoch()
    assert (watch.taken, watch.advanced) == (STEPS, STEPS)
    return watch.asked


ASK_ANYWAY = {
    *(f"softmax + {name}" for name in ("center", "dage", "gccs", "tl1", "tl2", "tl3", "batch_hard", "pml")),
    "sop",
    "co_teaching_plus",
}
"""Penalties and strategies that ask in every step which classes or examples there are in a batch."""

DRAW_ON_THE_HOST = {"mixup", "regularised", "elr_plus"}
"""They draw a number on the CPU, which waits for no device but looks the same here."""

HEAD_OF = {"noiseface": "arcface", "boundaryface": "arcface", "subcenter_cleaning": "subcenter_arcface"}
OTHERS = [
    *({"head": f"softmax + {name}"} for name in REGULARISERS),
    *({"head": HEAD_OF.get(name, "softmax"), "strategy": name} for name in STRATEGIES if name != "standard"),
]
METHODS = [
    *({"head": name} for name in HEADS),
    *({"loss": name} for name in LOSSES if name not in LOSS_OF.values()),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: "".join(method.values()))
def test_no_head_and_no_loss_asks_within_an_epoch(method: dict[str, str]) -> None:
    assert watched(training(method, torch.device("cpu"))) == []


@pytest.mark.parametrize("method", OTHERS, ids=lambda method: method.get("strategy", method["head"]))
def test_which_penalties_and_strategies_ask_is_known(method: dict[str, str]) -> None:
    name = method.get("strategy", method["head"])
    assert bool(watched(training(method, torch.device("cpu")))) == (name in ASK_ANYWAY | DRAW_ON_THE_HOST)


def test_an_epoch_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a process nor a thread: images are prepared where they are used."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an epoch started a worker")

    under_way = training({}, torch.device("cpu"))
    for starter in (multiprocessing.process.BaseProcess, threading.Thread):
        monkeypatch.setattr(starter, "start", refuse)
    under_way.run_epoch()
    loader = torch.utils.data.DataLoader([0, 1], num_workers=1)  # type: ignore[arg-type, var-annotated]
    with pytest.raises(AssertionError, match="started a worker"):
        next(iter(loader))


def asks_for_the_loss(training: Training) -> None:
    """Prints a running loss, as tutorials do."""
    take = training.learning.take

    def taking(step: Any) -> Any:
        outcome = take(step)
        outcome.losses.mean().item()
        return outcome

    training.learning.take = taking  # type: ignore[method-assign]


def picks_by_a_mask(training: Training) -> None:
    take = training.learning.take

    def taking(step: Any) -> Any:
        outcome = take(step)
        outcome.losses[outcome.losses > 0]
        return outcome

    training.learning.take = taking  # type: ignore[method-assign]


@pytest.mark.parametrize("twin", [asks_for_the_loss, picks_by_a_mask])
def test_one_that_asks_is_found_out(twin: Callable[[Training], None]) -> None:
    asking = training({}, torch.device("cpu"))
    twin(asking)
    assert len(watched(asking)) == STEPS


@contextmanager
def refusing_to_wait() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS, ids=lambda method: "".join(method.values()))
def test_torchs_own_detector_agrees(method: dict[str, str]) -> None:
    under_way = training(method, pick_device("cuda"))
    under_way.run_epoch()
    take = under_way.learning.take

    def taking(step: Any) -> Any:
        with refusing_to_wait():
            return take(step)

    under_way.learning.take = taking  # type: ignore[method-assign]
    under_way.run_epoch()

"""``execute(spec, problem) -> RunResult``: train, then measure."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from noisylabels.losses import Loss
from noisylabels.measuring import measurements_of, outcome_of
from noisylabels.problem import Problem
from noisylabels.result import Epoch, Measurement, RunResult, Status
from noisylabels.spec import RunSpec
from noisylabels.strategies import Strategy
from noisylabels.training.device import pick_device, pick_precision
from noisylabels.training.fit import EpochFit, Told, fit
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.streams import initialised_by

OnEpoch = Callable[[Epoch], None]


def execute(
    spec: RunSpec, problem: Problem, *, device: str = "auto", on_epoch: OnEpoch = lambda epoch: None
) -> RunResult:
    """Run one spec on its problem, ``pose(spec, ...)``: train, then measure.

    Args:
        spec: what to run.
        problem: images and labels.
        device: see ``pick_device``; no part of the run's identity.
        on_epoch: called with each finished epoch.

    Returns:
        The result with status ``ok``, ``diverged`` (and then no measurements) or ``collapsed``.

    Raises:
        ValueError: the spec cannot be run on these images.
    """
    started = time.monotonic()
    trained = _train(spec, problem, pick_device(device), on_epoch)
    measurements: tuple[Measurement, ...] = ()
    status: Status = "diverged"
    reason = f"the training loss or the weights were not finite in epoch {trained.history[-1].epoch}"
    if trained.finite:
        measurements = measurements_of(trained.model, trained.batches, trained.history, problem)
        status, reason = outcome_of(measurements)
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status=status,
        reason=reason,
        noise=problem.noisy_train.record.to_json(),
        measurements=measurements,
        history=tuple(trained.history),
        provenance=_provenance(problem, trained.model, time.monotonic() - started),
    )


@dataclass(frozen=True)
class _Trained:
    model: Model
    batches: dict[str, ImageBatches]
    history: list[Epoch]
    finite: bool


def _train(spec: RunSpec, problem: Problem, device: torch.device, on_epoch: OnEpoch) -> _Trained:
    strategy: Strategy = spec.plugin("strategy")
    names = ["init", *(f"init_{number}" for number in range(1, strategy.networks))]
    models = [_build(spec, problem, device, name) for name in names]
    batches = _batches(spec, problem, device)
    history: list[Epoch] = []

    def record(fitted: EpochFit, model: Model) -> None:
        held_out = model.predictions(batches["validation"]).numpy() if len(batches["validation"]) else None
        held_out_class = None if held_out is None else problem.owner[held_out]
        tested = problem.owner[model.predictions(batches["test"]).numpy()]
        epoch = Epoch(
            epoch=fitted.epoch,
            train_loss=fitted.loss if math.isfinite(fitted.loss) else None,
            train_given_accuracy=fitted.given_accuracy,
            validation_given_accuracy=_share_equal(held_out, problem.validation_given),
            validation_true_accuracy=_share_equal(held_out_class, problem.validation.labels),
            test_accuracy=float((tested == problem.splits.test.labels).mean()),
            head=fitted.state,
        )
        history.append(epoch)
        on_epoch(epoch)

    loss: Loss = spec.plugin("loss")
    finite, model = fit(
        models,
        batches["train"],
        _told(problem, loss, strategy),
        loss,
        strategy,
        spec.train,
        seed=spec.seed,
        on_epoch=record,
    )
    return _Trained(model, batches, history, finite)


def _told(problem: Problem, loss: Loss, strategy: Strategy) -> Told:
    """The given labels, and the truth for a method that declares to need it."""
    transition = problem.noisy_train.transition_matrix() if loss.needs_transition else None
    return Told(
        given=torch.tensor(problem.train_given),
        num_classes=problem.num_given_classes,
        transition=None if transition is None else torch.tensor(transition, dtype=torch.float32),
        noise_rate=problem.noisy_train.record.realised_rate if strategy.oracle_knowledge else None,
    )


def _build(spec: RunSpec, problem: Problem, device: torch.device, stream: str) -> Model:
    _, channels, height, _ = problem.train.images.shape
    embedder_spec = spec.plugin("model")
    with initialised_by(stream, spec.seed):
        embedder = embedder_spec.build(channels, height)
        head = spec.plugin("head").build(problem.num_given_classes, embedder_spec.embedding_dim)
    embedder.to(device, memory_format=torch.channels_last)
    return Model(embedder, head.to(device), device, pick_precision(spec.train.precision, device))


def _batches(spec: RunSpec, problem: Problem, device: torch.device) -> dict[str, ImageBatches]:
    mean, std = channel_statistics(problem.train.images)
    padding = 0 if spec.train.augment == "none" else spec.train.crop_padding
    mirror = spec.train.augment == "crop_flip"
    return {
        "train": ImageBatches(problem.train.images, mean, std, padding=padding, mirror=mirror, device=device),
        "validation": ImageBatches(problem.validation.images, mean, std, device=device),
        "test": ImageBatches(problem.splits.test.images, mean, std, device=device),
    }


def _share_equal(predicted: NDArray[np.int64] | None, labels: NDArray[np.int64]) -> float | None:
    return None if predicted is None else float((predicted == labels).mean())


def _provenance(problem: Problem, model: Model, seconds: float) -> dict[str, Any]:
    packages = ("noisylabels", "torch", "numpy", "scikit-learn", "cleanlab")
    return {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type,
        "precision": str(model.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 2),
        "sizes": {"train": len(problem.train), "validation": len(problem.validation), "test": len(problem.splits.test)},
        "fingerprints": {name: getattr(problem.splits, name).fingerprint() for name in ("train", "validation", "test")},
    }

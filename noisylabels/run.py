"""``execute(spec, problem) -> RunResult``: train, then measure."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from noisylabels.drawn_arrays import drawn_arrays
from noisylabels.losses import Loss
from noisylabels.measuring import evaluation_of, measurements_of, outcome_of
from noisylabels.problem import Problem
from noisylabels.provenance import provenance
from noisylabels.result import Array, Epoch, Measurement, Profile, RunResult, Status
from noisylabels.spec import RunSpec
from noisylabels.strategies import Strategy
from noisylabels.target_cosines import target_profiles
from noisylabels.training.device import pick_device, pick_precision
from noisylabels.training.fit import EpochFit, Told, Training
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.streams import initialised_by

LOG = logging.getLogger(__name__)

OnEpoch = Callable[[Epoch], None]
OnTrained = Callable[[Model, ImageBatches], None]
"""Told of the model at the end of a training that stayed finite, and of the images it was trained on."""


class Checkpoints(Protocol):
    """Where a run keeps what it needs to go on after it was interrupted."""

    def latest(self) -> dict[str, Any] | None:
        """What was kept last, or None where there is nothing that can be trusted."""

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        """Keep it in place of what was kept before, or not, where that would be too often."""


class NoCheckpoints:
    """Nothing is kept: an interrupted run begins anew."""

    def latest(self) -> dict[str, Any] | None:
        return None

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        return None


def execute(
    spec: RunSpec,
    problem: Problem,
    *,
    device: str = "auto",
    on_epoch: OnEpoch = lambda epoch: None,
    checkpoints: Checkpoints | None = None,
    on_trained: OnTrained = lambda model, images: None,
) -> RunResult:
    """Run one spec on its problem, ``pose(spec, ...)``: train, then measure.

    Args:
        spec: what to run.
        problem: images and labels.
        device: see ``pick_device``; no part of the run's identity.
        on_epoch: called with each finished epoch; after an interruption, with those from before it first.
        checkpoints: where to go on from, and what to keep on the way. A run that goes on equals an undisturbed one, bit
            for bit, on the same machine.
        on_trained: called with the trained model before it is measured; it must not edit it.

    Returns:
        The result with status ``ok``, ``diverged`` (and then no measurements) or ``collapsed``.

    Raises:
        ValueError: the spec cannot be run on these images.
    """
    began, started = datetime.now(UTC), time.monotonic()
    trained = _train(spec, problem, pick_device(device), on_epoch, checkpoints or NoCheckpoints())
    measurements: tuple[Measurement, ...] = ()
    profiles: tuple[Profile, ...] = ()
    arrays: tuple[Array, ...] = ()
    status: Status = "diverged"
    reason = f"the training loss or the weights were not finite in epoch {trained.history[-1].epoch}"
    if trained.finite:
        on_trained(trained.model, trained.batches["train"])
        evaluation = evaluation_of(trained.model, trained.batches, problem)
        measurements, arrays = measurements_of(evaluation, trained.history, problem), drawn_arrays(evaluation)
        profiles = target_profiles(trained.model, trained.batches["train"], problem)
        status, reason = outcome_of(measurements)
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status=status,
        reason=reason,
        noise=problem.noisy_train.record.to_json(),
        measurements=measurements,
        history=tuple(trained.history),
        profiles=profiles,
        arrays=arrays,
        provenance=provenance(problem, trained.model, started=began, seconds=time.monotonic() - started),
    )


@dataclass(frozen=True)
class _Trained:
    model: Model
    batches: dict[str, ImageBatches]
    history: list[Epoch]
    finite: bool


def _train(
    spec: RunSpec, problem: Problem, device: torch.device, on_epoch: OnEpoch, checkpoints: Checkpoints
) -> _Trained:
    batches = _batches(spec, problem, device)
    training = _begun(spec, problem, batches["train"], device)
    setting = _setting(training.models[0])
    history: list[Epoch] = []
    kept = checkpoints.latest()
    if kept is not None and kept.get("setting") != setting:
        LOG.warning("the checkpoint of %s is not used under %s, the run begins anew", kept.get("setting"), setting)
    elif kept is not None:
        try:
            training.recall(kept["training"])
            history = [Epoch.model_validate_json(text) for text in kept["history"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # left by another version of this program
            LOG.warning("the checkpoint is not used, the run begins anew: %s", error)
            training = _begun(spec, problem, batches["train"], device)
    for epoch in history:
        on_epoch(epoch)
    while training.finite and training.epochs_done < spec.train.epochs:
        history.append(_looked_at(training.run_epoch(), training.model, batches, problem))
        on_epoch(history[-1])
        checkpoints.keep(
            lambda: {
                "setting": setting,
                "training": training.memory(),
                "history": [epoch.model_dump_json() for epoch in history],
            }
        )
    return _Trained(training.model, batches, history, training.finite and training.weights_are_finite())


def _begun(spec: RunSpec, problem: Problem, images: ImageBatches, device: torch.device) -> Training:
    """The training before its first step."""
    loss, strategy = spec.plugin("loss"), spec.plugin("strategy")
    names = ["init", *(f"init_{number}" for number in range(1, strategy.networks))]
    models = [_build(spec, problem, device, name) for name in names]
    return Training(models, images, _told(problem, loss, strategy), loss, strategy, spec.train, seed=spec.seed)


def _setting(model: Model) -> dict[str, str]:
    """What must be the same for a run to go on as if nothing had happened."""
    return {"torch": str(torch.__version__), "device": model.device.type, "precision": str(model.precision)}


def _looked_at(fitted: EpochFit, model: Model, batches: dict[str, ImageBatches], problem: Problem) -> Epoch:
    """A finished epoch's figures, with those of the held-out images."""
    held_out = model.predictions(batches["validation"]).numpy() if len(batches["validation"]) else None
    held_out_class = None if held_out is None else problem.owner[held_out]
    tested = problem.owner[model.predictions(batches["test"]).numpy()]
    return Epoch(
        epoch=fitted.epoch,
        train_loss=fitted.loss if math.isfinite(fitted.loss) else None,
        train_given_accuracy=fitted.given_accuracy,
        validation_given_accuracy=_share_equal(held_out, problem.validation_given),
        validation_true_accuracy=_share_equal(held_out_class, problem.validation.labels),
        test_accuracy=float((tested == problem.splits.test.labels).mean()),
        head=fitted.state,
    )


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
    verification = problem.verification
    pairs_images = problem.train.images[:0] if verification is None else verification.images
    return {
        "train": ImageBatches(problem.train.images, mean, std, padding=padding, mirror=mirror, device=device),
        "validation": ImageBatches(problem.validation.images, mean, std, device=device),
        "test": ImageBatches(problem.splits.test.images, mean, std, device=device),
        "verification": ImageBatches(pairs_images, mean, std, device=device),
    }


def _share_equal(predicted: NDArray[np.int64] | None, labels: NDArray[np.int64]) -> float | None:
    return None if predicted is None else float((predicted == labels).mean())

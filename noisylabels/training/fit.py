"""The training loop, on one screen. It sees given labels only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from noisylabels.catalog import UsageError
from noisylabels.losses import Loss, LossContext
from noisylabels.spec import TrainSpec
from noisylabels.strategies import Strategy
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model
from noisylabels.training.streams import stream


@dataclass(frozen=True)
class EpochFit:
    """What an epoch's training steps showed: mean per-example loss (nats), share fitted to the given label."""

    epoch: int
    loss: float
    given_accuracy: float


OnEpoch = Callable[[EpochFit], None]


def fit(
    model: Model,
    images: ImageBatches,
    given_labels: Tensor,
    loss: Loss,
    strategy: Strategy,
    spec: TrainSpec,
    *,
    seed: int,
    num_classes: int,
    transition: Tensor | None = None,
    on_epoch: OnEpoch,
) -> bool:
    """Train ``model`` in place; call ``on_epoch`` after each epoch.

    Args:
        model: embedder and head, edited.
        images: the N training images.
        given_labels: int64 ``(N,)`` in [0, K), possibly wrong; the only labels there are here.
        seed: of the streams ``order`` and ``augment``.
        num_classes: K, the labels the model chooses among.
        transition: the true transition matrix, for a loss that declares to need it.
        on_epoch: sees the finished epoch's figures; may evaluate the model.

    Returns:
        True if every loss and the final weights are finite; False otherwise (training stops after the epoch in which
        a loss was not).

    Raises:
        UsageError: the training has a single step, whose learning rate would be 0.
    """
    order, draws = stream("order", seed), stream("augment", seed)
    batch = min(spec.batch_size, len(images))
    steps_an_epoch = len(images) // batch  # a ragged last batch would give its examples another weight
    total = spec.epochs * steps_an_epoch
    if total < 2:
        raise UsageError(f"a training needs at least 2 optimiser steps; got {total} ({len(images)} images)")
    optimizer = make_optimizer(model, spec)
    labels = given_labels.to(model.device)
    criterion = loss.begin(LossContext(num_classes, len(images), transition))
    for epoch in range(1, spec.epochs + 1):
        criterion.begin_epoch(epoch, spec.epochs, lambda: model.probabilities(images))
        model.train()
        rows = torch.randperm(len(images), generator=order)
        losses, fitted = [], []
        for step in range(steps_an_epoch):
            done = (epoch - 1) * steps_an_epoch + step
            set_learning_rate(optimizer, spec, done / total)
            chosen = rows[step * batch : (step + 1) * batch]
            targets = labels[chosen.to(model.device)]
            embeddings = model.embed(images.augmented(chosen, draws))
            logits = model.head.training_logits(embeddings, targets)
            per_example = criterion(logits, targets, chosen)
            objective = strategy.objective(per_example)
            if (penalty := model.head.penalty(embeddings, targets)) is not None:
                objective = objective + penalty
            optimizer.zero_grad(set_to_none=True)
            objective.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            model.head.advance((done + 1) / total, per_example.detach())
            losses.append(per_example.detach().mean())
            fitted.append((logits.detach().argmax(1) == targets).float().mean())
        mean_loss = float(torch.stack(losses).mean())
        on_epoch(EpochFit(epoch, mean_loss, float(torch.stack(fitted).mean())))
        if not math.isfinite(mean_loss):
            return False
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def make_optimizer(model: Model, spec: TrainSpec) -> torch.optim.Optimizer:
    """The optimiser of the spec; weight decay on parameters of two or more dimensions only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if spec.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=spec.learning_rate)
    nesterov = spec.momentum > 0
    return torch.optim.SGD(groups, lr=spec.learning_rate, momentum=spec.momentum, nesterov=nesterov)


def set_learning_rate(optimizer: torch.optim.Optimizer, spec: TrainSpec, progress: float) -> None:
    """Set every group's rate for the step that begins after this share of all steps."""
    for group in optimizer.param_groups:
        group["lr"] = spec.learning_rate * learning_rate_factor(spec, progress)


def learning_rate_factor(spec: TrainSpec, progress: float) -> float:
    """Share of the peak learning rate at ``progress`` in [0, 1): up linearly over ``warmup``, then down to 0.

    Taken at the beginning of a step, so the first step of a warm-up is at rate 0, as in torch's OneCycleLR with a large
    ``div_factor``: it fills the optimiser's momentum and the batch norms, and moves no weight.

    >>> [round(learning_rate_factor(TrainSpec(warmup=0.25), x), 2) for x in (0.0, 0.125, 0.25, 0.625, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < spec.warmup:
        return progress / spec.warmup
    descent = (progress - spec.warmup) / (1 - spec.warmup)
    return 1 - descent if spec.schedule == "one_cycle" else (1 + math.cos(math.pi * descent)) / 2

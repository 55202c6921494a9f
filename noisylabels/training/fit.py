"""The training loop, on one screen. It sees given labels only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noisylabels.catalog import UsageError
from noisylabels.losses import Criterion, Loss, LossContext
from noisylabels.spec import TrainSpec
from noisylabels.strategies import Scored, Step, Strategy, StrategyContext
from noisylabels.training.averaging import Averaged
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model
from noisylabels.training.streams import stream


@dataclass(frozen=True)
class EpochFit:
    """What an epoch's training steps showed: mean per-example loss (nats), share fitted to the given label."""

    epoch: int
    loss: float
    given_accuracy: float
    state: dict[str, float]


@dataclass(frozen=True)
class Told:
    """Everything that training is told of the labels.

    Attributes:
        given: int64 ``(N,)`` in [0, K), possibly wrong; the only labels there are here.
        num_classes: K, the labels the model chooses among.
        transition: the true transition matrix, for a loss that declares to need it; None for all others.
        noise_rate: the true share of wrong labels, for a strategy that declares to need it; None for all others.
    """

    given: Tensor
    num_classes: int
    transition: Tensor | None = None
    noise_rate: float | None = None


OnEpoch = Callable[[EpochFit, Model], None]


def fit(
    models: Sequence[Model],
    images: ImageBatches,
    told: Told,
    loss: Loss,
    strategy: Strategy,
    spec: TrainSpec,
    *,
    seed: int,
    on_epoch: OnEpoch,
) -> tuple[bool, Model]:
    """Train the models in place; call ``on_epoch`` after each epoch.

    Args:
        models: embedder and head, as many as the strategy trains; edited.
        images: the N training images.
        told: their given labels, and what a method may know beside them.
        seed: of the streams ``order``, ``augment`` and ``strategy``.
        on_epoch: sees the finished epoch's figures and the model to measure; may evaluate it.

    Returns:
        True if every loss and the final weights are finite, False otherwise (training stops after the epoch in which a
        loss was not); and the model to measure: the first, or its running average where the strategy asks for one.

    Raises:
        UsageError: the training has a single step, whose learning rate would be 0.
    """
    order, augment, draws = (stream(name, seed) for name in ("order", "augment", "strategy"))
    batch = min(spec.batch_size, len(images))
    steps_an_epoch = len(images) // batch  # a ragged last batch would give its examples another weight
    total = spec.epochs * steps_an_epoch
    if total < 2:
        raise UsageError(f"a training needs at least 2 optimiser steps; got {total} ({len(images)} images)")
    optimizer = make_optimizer(models, spec)
    labels = told.given.to(models[0].device)
    criterion = loss.begin(LossContext(told.num_classes, len(images), told.transition))
    learning = strategy.begin(StrategyContext(told.num_classes, labels, told.noise_rate))
    averaged = Averaged(models[0], strategy.averaging)
    for epoch in range(1, spec.epochs + 1):
        for part in (criterion, learning):
            part.begin_epoch(epoch, spec.epochs, lambda: models[0].probabilities(images))
        for model in models:
            model.train()
        rows = torch.randperm(len(images), generator=order)
        losses, fitted = [], []
        for number in range(steps_an_epoch):
            done = (epoch - 1) * steps_an_epoch + number
            set_learning_rate(optimizer, spec, done / total)
            chosen = rows[number * batch : (number + 1) * batch]
            targets = labels[chosen.to(labels.device)]
            score = _scorer(models, criterion)
            step = Step(
                images.augmented(chosen, augment), targets, chosen, epoch, spec.epochs, done / total, score, draws
            )
            outcome = learning.take(step)
            optimizer.zero_grad(set_to_none=True)
            outcome.objective.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            averaged.update()
            for model in models:
                model.head.advance((done + 1) / total, outcome.losses)
            losses.append(outcome.losses.mean())
            fitted.append((outcome.training_logits.detach().argmax(1) == targets).float().mean())
        mean_loss = float(torch.stack(losses).mean())
        state = models[0].head.state() | criterion.state() | learning.state()
        on_epoch(EpochFit(epoch, mean_loss, float(torch.stack(fitted).mean()), state), averaged.model)
        if not math.isfinite(mean_loss):
            return False, averaged.model
    finite = all(bool(parameter.isfinite().all()) for model in models for parameter in model.parameters())
    return finite, averaged.model


def _scorer(models: Sequence[Model], criterion: Criterion) -> Callable[[Tensor, Tensor, Tensor, int], Scored]:
    def score(images: Tensor, labels: Tensor, rows: Tensor, network: int) -> Scored:
        model = models[network]
        embeddings = model.embed(images)
        logits = model.head.training_logits(embeddings, labels)
        losses = criterion(logits, labels, rows)
        return Scored(
            embeddings, logits, losses, model.head.penalty(embeddings, labels), lambda: model.head.logits(embeddings)
        )

    return score


def make_optimizer(models: Sequence[Model], spec: TrainSpec) -> torch.optim.Optimizer:
    """The optimiser of the spec over all models; weight decay on parameters of two or more dimensions only."""
    matrices = [p for model in models for p in model.parameters() if p.ndim > 1]
    vectors = [p for model in models for p in model.parameters() if p.ndim <= 1]
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

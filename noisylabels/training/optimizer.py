"""The optimiser of a training, and its learning rate at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from noisylabels.spec import TrainSpec
from noisylabels.training.model import Model


def make_optimizer(
    models: Sequence[Model], spec: TrainSpec, others: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The optimiser of the spec over all models; weight decay on parameters of two or more dimensions only.

    Args:
        others: a strategy's own parameters, without weight decay.
    """
    matrices = [p for model in models for p in model.parameters() if p.ndim > 1]
    vectors = [p for model in models for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": spec.weight_decay},
        {"params": [*vectors, *others], "weight_decay": 0.0},
    ]
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

"""Early-learning regularisation: predictions are held to what they were before the wrong labels were learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from noisylabels.bounds import check_at_least, check_within
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext

CLIP = 1e-4
"""Probabilities are kept this far from 0 and 1, as in the authors' code."""


@dataclass(frozen=True)
class Elr(Strategy):
    """``objective = mean(L) + weight * mean(log(1 - <p_i, t_i>))``, ``t_i <- beta t_i + (1 - beta) p_i / sum(p_i)``.

    p is the softmax of the inference logits, clipped to [1e-4, 1 - 1e-4]; t_i is the running target of training example
    i, starting at 0, moved each time the example is seen and not differentiated through.

    Args:
        weight: lambda, at least 0; 3 for symmetric noise on CIFAR-10, 1 for asymmetric, 7 on CIFAR-100; 0 is
            ``standard``.
        beta: memory of the targets, in [0, 1]; 0.7 for symmetric noise on CIFAR-10, 0.9 otherwise.

    Reference: Liu et al., Early-learning regularization prevents memorization of noisy labels, NeurIPS 2020, eq. 6 and
    9; clipping and defaults from shengliu66/ELR. Tag: exact.
    """

    kind: ClassVar[str] = "elr"
    weight: float = 3.0
    beta: float = 0.7

    def __post_init__(self) -> None:
        check_within(0, 1, beta=self.beta)
        check_at_least(0, weight=self.weight)

    def begin(self, context: StrategyContext) -> Learning:
        return ElrLearning(self, context)


class ElrLearning(Learning):
    """Holds the running targets, float32 ``(N, K)``."""

    remembers: ClassVar[tuple[str, ...]] = ("targets",)

    def __init__(self, spec: Elr, context: StrategyContext) -> None:
        self.spec = spec
        size = (len(context.given_labels), context.num_classes)
        self.targets = torch.zeros(size, device=context.given_labels.device)

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        p = scored.plain().softmax(1).clamp(CLIP, 1 - CLIP)
        seen = p.detach() / p.detach().sum(1, keepdim=True)
        rows = step.rows.to(self.targets.device)
        targets = self.spec.beta * self.targets[rows] + (1 - self.spec.beta) * seen
        self.targets[rows] = targets.to(self.targets)
        held = (1 - (p * targets).sum(1)).log().mean()
        objective = scored.penalised(scored.losses.mean() + self.spec.weight * held)
        return Outcome(objective, scored.losses.detach(), scored.logits)

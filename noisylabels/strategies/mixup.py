"""Mixup: training on mixtures of two images and of their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class Mixup(Strategy):
    """``x = lambda x_i + (1 - lambda) x_j``, ``L = lambda L(x, y_i) + (1 - lambda) L(x, y_j)``.

    lambda is drawn from Beta(alpha, alpha) once a batch, j is a random permutation of the batch. The label's mixture is
    one of two losses, so a margin head puts its margin on y_i in the one and on y_j in the other. A head's own penalty
    is mixed likewise.

    Args:
        alpha: of the Beta distribution, above 0; 1 (uniform) is the paper's for CIFAR, 8 or 32 in its study of noise.

    Reference: Zhang et al., mixup, ICLR 2018; the losses are mixed in place of the labels, as in its code. Tag: exact.
    """

    kind: ClassVar[str] = "mixup"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_above(0, alpha=self.alpha)

    def begin(self, context: StrategyContext) -> Learning:
        return MixupLearning(self.alpha)


class MixupLearning(Learning):
    """Draws lambda and the partners from the strategy's stream."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def take(self, step: Step) -> Outcome:
        share = beta_draw(self.alpha, step.draws)
        partner = torch.randperm(len(step.labels), generator=step.draws)
        there = partner.to(step.labels.device)
        mixed = share * step.images + (1 - share) * step.images[there]
        own = step.score(mixed, step.labels, step.rows, 0)
        other = own.again(own.embeddings, step.labels[there], step.rows[partner])
        losses = share * own.losses + (1 - share) * other.losses
        objective = losses.mean()
        if own.penalty is not None and other.penalty is not None:
            objective = objective + share * own.penalty + (1 - share) * other.penalty
        return Outcome(objective, losses.detach(), own.logits)


def beta_draw(alpha: float, draws: torch.Generator) -> float:
    """One draw from Beta(alpha, alpha): ``g1 / (g1 + g2)`` of two Gamma(alpha) draws from the stream."""
    gammas: Tensor = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=draws)
    return float(gammas[0] / gammas.sum())

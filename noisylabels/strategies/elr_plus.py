"""ELR+: early-learning regularisation of two networks, each held to what the other's running average predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.strategies.elr import CLIP
from noisylabels.strategies.mixup import beta_draw
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class ElrPlus(Strategy):
    """Two networks with mixup, each ``mean(L) + weight r mean(log(1 - <p_i, q_i>))``, q mixed targets of its peer.

    Targets are kept for every training example and each network: ``t_i <- beta t_i + (1 - beta) p'_i``, starting at 0,
    p' the softmax of the *peer's* running average of weights for the unmixed image. A batch is mixed for each network
    by its own draw ``l = max(b, 1 - b)``, b from Beta(alpha, alpha), and its own partners j: images
    ``l x_i + (1 - l) x_j``, losses ``l L(x, y_i) + (1 - l) L(x, y_j)`` (each with its own margin), targets
    ``q_i = l t_i + (1 - l) t_j``. p is the softmax of the inference logits of the mixed image, clipped as in ``elr``:
    no margin acts on it. ``r = exp(-5 (1 - min(1, done / ramp))^2)``, 1 where ramp is 0.

    The first network's running average is measured; the released code adds the logits of both. Its decay rises over
    40,000 steps, here as in the toolkit's own average. On CIFAR-100 it also multiplies the mixed labels by the targets
    before the cross-entropy, which the paper does not say; left out.

    Args:
        weight: lambda, at least 0; 3 for symmetric noise on CIFAR-10, 1 for asymmetric, 7 on CIFAR-100; 0 is mixup.
        beta: memory of the targets, in [0, 1]; 0.7 for symmetric noise on CIFAR-10, 0.9 otherwise.
        alpha: of mixup's Beta distribution, above 0.
        ramp: share of training until the weight is full, in [0, 1]; 0 on CIFAR-10, about 0.4 on CIFAR-100.
        decay: of the running averages, per step, in [0, 1); 0 leaves the networks as they are.

    Reference: Liu et al., Early-learning regularization prevents memorization of noisy labels, NeurIPS 2020, section 4
    and appendix; formulas and defaults from shengliu66/ELR. Tag: reconstruction.
    """

    kind: ClassVar[str] = "elr_plus"
    networks: ClassVar[int] = 2
    cost: ClassVar[float] = 2.7
    weight: float = 3.0
    beta: float = 0.7
    alpha: float = 1.0
    ramp: float = 0.0
    decay: float = 0.997

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)
        check_within(0, 1, beta=self.beta, ramp=self.ramp)
        check_above(0, alpha=self.alpha)
        check_within(0, 1 - 1e-9, decay=self.decay)

    @property
    def averaging(self) -> float:
        return self.decay

    def begin(self, context: StrategyContext) -> Learning:
        return ElrPlusLearning(self, context)


class ElrPlusLearning(Learning):
    """Holds the running targets of both networks, float32 ``(2, N, K)``."""

    remembers: ClassVar[tuple[str, ...]] = ("targets",)

    def __init__(self, spec: ElrPlus, context: StrategyContext) -> None:
        self.spec = spec
        size = (2, len(context.given_labels), context.num_classes)
        self.targets = torch.zeros(size, device=context.given_labels.device)

    def take(self, step: Step) -> Outcome:
        first, second = self._regularised(step, 0), self._regularised(step, 1)
        return Outcome(first.objective + second.objective, first.losses, first.training_logits)

    def _regularised(self, step: Step, network: int) -> Outcome:
        """One network's part."""
        targets = self._seen_by_the_peer(step, network)
        draw = beta_draw(self.spec.alpha, step.draws)
        share = max(draw, 1 - draw)
        partner = torch.randperm(len(step.labels), generator=step.draws)
        there = partner.to(step.labels.device)
        own = step.score(share * step.images + (1 - share) * step.images[there], step.labels, step.rows, network)
        other = own.again(own.embeddings, step.labels[there], step.rows[partner])
        losses = share * own.losses + (1 - share) * other.losses
        p = own.plain().softmax(1).clamp(CLIP, 1 - CLIP)
        held = (1 - (p * (share * targets + (1 - share) * targets[there])).sum(1)).log().mean()
        objective = losses.mean() + self.spec.weight * sigmoid_ramp(step.progress, self.spec.ramp) * held
        if own.penalty is not None and other.penalty is not None:
            objective = objective + share * own.penalty + (1 - share) * other.penalty
        return Outcome(objective, losses.detach(), own.logits)

    def _seen_by_the_peer(self, step: Step, network: int) -> Tensor:
        """Move this network's targets for the batch, ``(B, K)``, towards its peer's average."""
        seen = step.averaged(step.images, 1 - network).softmax(1)
        rows = step.rows.to(self.targets.device)
        targets = self.spec.beta * self.targets[network, rows] + (1 - self.spec.beta) * seen
        self.targets[network, rows] = targets.to(self.targets)
        return targets


def sigmoid_ramp(progress: float, ramp: float) -> float:
    """``exp(-5 (1 - min(1, progress / ramp))^2)``; 1 where the ramp is 0.

    >>> [round(sigmoid_ramp(progress, 0.4), 3) for progress in (0.0, 0.2, 0.4, 0.9)]
    [0.007, 0.287, 1.0, 1.0]
    """
    return 1.0 if ramp == 0 else math.exp(-5 * (1 - min(1.0, progress / ramp)) ** 2)

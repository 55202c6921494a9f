"""SOP: the noise in each label is learnt beside the network, by variables that stay sparse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.strategies.soft_targets import one_hot
from noisylabels.strategies.strategy import Learning, Outcome, Scored, Step, Strategy, StrategyContext

FLOOR = 1e-4
"""Corrected probabilities are kept above it, as in the code."""

SPREAD = 1e-8
"""Standard deviation of the noise variables before the first step."""


@dataclass(frozen=True)
class Sop(Strategy):
    """``CE(p~, y) + |onehot(argmax p) + U - V - y|^2`` a batch, ``p~ = (p + U - V)`` made a distribution.

    y is the given label, one-hot; ``U = min(u^2, 1) y`` with a number u for each training example,
    ``V = min(v^2, 1) (1 - y)`` with a vector v for each; p is the softmax of the training logits (with a head's margin
    on y), the argmax is the inference logits'. ``p + U - V`` is kept above 1e-4 and divided by its sum; V is not
    differentiated through in it. So u descends both terms, v the square only, the network the first. u and v take a
    step of plain gradient descent of their own with each batch they are in; they begin at N(0, 1e-8) draws.

    A label's u grows by ``1 + 2 lr_u / (B p_y)`` a visit from 1e-8, the faster the less the network believes the label
    (down to 1e-4, where the clipping stops it); a disagreeing prediction's v by ``1 + 4 lr_v / B`` only: with the
    defaults and batches of 128 it takes some 70 epochs until it counts.

    The loss of the method is not asked: the formula is its own, cross-entropy. SOP+ is ``consistency`` 0.9 and
    ``balance`` 0.1 (with strong augmentation and 300 epochs in the paper): another augmented view x' adds
    ``consistency KL(p(x) || p(x'))``, p(x) not differentiated through, and ``-balance mean_k log(mean_b p~_bk)``. The
    code passes both views in one batch through the network, and x' is augmented more strongly than x.

    Args:
        lr_u, lr_v: learning rates of u and v, at least 0; 10 and 10 for symmetric noise on CIFAR-10, lr_u 1 on
            CIFAR-100, lr_v 100 for asymmetric noise. Both 0 leave (clipped) cross-entropy.
        consistency, balance: at least 0; 0 is SOP.

    Reference: Liu et al., Robust training under label noise by over-parameterization, ICML 2022, section 2; gradients
    and clipping from shengliu66/SOP. Tag: exact.
    """

    kind: ClassVar[str] = "sop"
    cost: ClassVar[float] = 1.1
    lr_u: float = 10.0
    lr_v: float = 10.0
    consistency: float = 0.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(0, lr_u=self.lr_u, lr_v=self.lr_v, consistency=self.consistency, balance=self.balance)

    def begin(self, context: StrategyContext) -> Learning:
        return SopLearning(self, context)


class SopLearning(Learning):
    """Holds u, float32 ``(N,)``, and v, float32 ``(N, K)``, once the first step has drawn them."""

    remembers: ClassVar[tuple[str, ...]] = ("u", "v")

    def __init__(self, spec: Sop, context: StrategyContext) -> None:
        self.spec, self.context = spec, context
        self.u: Tensor | None = None
        self.v: Tensor | None = None

    def take(self, step: Step) -> Outcome:
        if self.u is None or self.v is None:
            self.u, self.v = self._drawn(step.draws)
        rows = step.rows.to(self.u.device)
        u, v = (kept[rows].requires_grad_() for kept in (self.u, self.v))
        scored = step.scored()
        corrected, square = noise_explained(scored, step.labels, u, v)
        objective = F.nll_loss(corrected.log(), step.labels) + square
        if self.spec.balance:
            objective = objective - self.spec.balance * corrected.mean(0).clamp_min(FLOOR).log().mean()
        slopes = torch.autograd.grad(objective, (u, v), retain_graph=True)
        self.u[rows] = u.detach() - self.spec.lr_u * slopes[0]
        self.v[rows] = v.detach() - self.spec.lr_v * slopes[1]
        if self.spec.consistency:
            objective = objective + self.spec.consistency * divergence_of_views(step, scored)
        return Outcome(scored.penalised(objective), scored.losses.detach(), scored.logits)

    def state(self) -> dict[str, float]:
        return {} if self.u is None else {"label_noise": float(self.u.square().clamp(max=1).mean())}

    def _drawn(self, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        examples, device = len(self.context.given_labels), self.context.given_labels.device
        u = SPREAD * torch.randn(examples, generator=draws)
        v = SPREAD * torch.randn(examples, self.context.num_classes, generator=draws)
        return u.to(device), v.to(device)


def noise_explained(scored: Scored, labels: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """``p~``, ``(B, K)``, and the batch's mean square, ``()``, of noise variables ``(B,)`` and ``(B, K)``."""
    given = one_hot(labels, scored.logits)
    towards = u.square().clamp(max=1)[:, None] * given
    away = v.square().clamp(max=1) * (1 - given)
    corrected = (scored.logits.softmax(1) + towards - away.detach()).clamp_min(FLOOR)
    predicted = one_hot(scored.plain().argmax(1), scored.logits)
    square = (predicted + towards - away - given).square().sum(1).mean()
    return corrected / corrected.sum(1, keepdim=True), square


def divergence_of_views(step: Step, scored: Scored) -> Tensor:
    """``mean_b KL(p(x) || p(x'))``, ``()``, nats, of the batch and another augmented view of it."""
    again = step.score(step.view(), step.labels, step.rows, 0).plain().log_softmax(1)
    return F.kl_div(again, scored.plain().detach().softmax(1), reduction="batchmean")

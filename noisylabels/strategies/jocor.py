"""JoCoR: two networks that agree, taught by what both find easy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_within
from noisylabels.strategies.co_teaching import believed_rate, num_kept, smallest_losses
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class Jocor(Strategy):
    """Both networks descend the joint loss of the examples whose joint loss is smallest.

    ``l = (1 - agreement) (L_1 + L_2) + agreement (KL(p_1 || p_2) + KL(p_2 || p_1))``, p the softmax of the inference
    logits; as many examples are kept as in ``co_teaching``.

    Args:
        rate: tau, in [0, 1); -1 asks for the true one. The paper halves it for asymmetric noise on CIFAR-10.
        agreement: lambda, in [0, 1]; 0.9 on CIFAR-10 at 20 and 50 %, 0.65 at 80 %, 0.85 on CIFAR-100.
        ramp: share of training until all of the rate is dropped, in (0, 1].

    Reference: Wei et al., Combating noisy labels by agreement, CVPR 2020, eq. 2 to 5; hongxin001/JoCoR. Tag: exact.
    """

    kind: ClassVar[str] = "jocor"
    networks: ClassVar[int] = 2
    cost: ClassVar[float] = 2.0
    rate: float = -1.0
    agreement: float = 0.9
    ramp: float = 0.05

    def __post_init__(self) -> None:
        if self.rate != -1:
            check_within(0, 1 - 1e-9, rate=self.rate)
        check_within(0, 1, agreement=self.agreement)
        check_within(1e-9, 1, ramp=self.ramp)

    @property
    def oracle_knowledge(self) -> str:
        return "the true noise rate" if self.rate == -1 else ""

    def begin(self, context: StrategyContext) -> Learning:
        return JocorLearning(believed_rate(self.rate, context), self)


class JocorLearning(Learning):
    """Knows the rate it drops; remembers nothing."""

    def __init__(self, rate: float, spec: Jocor) -> None:
        self.rate, self.spec = rate, spec

    def take(self, step: Step) -> Outcome:
        first, second = step.scored(0), step.scored(1)
        apart = symmetric_divergence(first.plain(), second.plain())
        joint = (1 - self.spec.agreement) * (first.losses + second.losses) + self.spec.agreement * apart
        kept = smallest_losses(joint, num_kept(len(step.labels), self.rate, step.progress, self.spec.ramp))
        objective = second.penalised(first.penalised(joint[kept].mean()))
        return Outcome(objective, first.losses.detach(), first.logits)


def symmetric_divergence(a: Tensor, b: Tensor) -> Tensor:
    """``KL(p || q) + KL(q || p)`` of two softmaxes, per row, from logits ``(B, K)``; nats, at least 0."""
    p, q = a.log_softmax(1), b.log_softmax(1)
    there = F.kl_div(q, p, log_target=True, reduction="none").sum(1)
    return there + F.kl_div(p, q, log_target=True, reduction="none").sum(1)

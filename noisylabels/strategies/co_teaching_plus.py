"""Co-teaching+: co-teaching where the two networks disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from noisylabels.bounds import check_within
from noisylabels.strategies.co_teaching import believed_rate, num_kept, smallest_losses
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class CoTeachingPlus(Strategy):
    """Each of two networks descends the mean loss of what the *other* finds easy among what they disagree on.

    They disagree on an example if their inference logits are largest at different classes. Of D such examples in a
    batch, ``D - floor(R D)`` are kept, at least one, R as in ``co_teaching``; until ``warm_up`` all count as
    disagreeing, which is ``co_teaching``. A batch without disagreement teaches nothing. Two networks that agree on a
    wrong label, once it is learnt by both, leave it alone; so do they a right one.

    The released code feeds softmaxes to a cross-entropy that takes a softmax again, and divides the mean of the kept
    losses by their number once more; neither is done here. Its dropped share stays at the rate once it is reached, as
    here; the paper's text lets it rise further in a second variant.

    Args:
        rate: tau, the share of wrong labels that is believed in, in [0, 1); -1 asks for the true one.
        ramp: share of training until all of it is dropped, in (0, 1]; the code's 10 of 200 epochs.
        warm_up: share of training before only disagreement counts, in [0, 1]; the code's 20 of 200 epochs on CIFAR-10,
            5 on CIFAR-100, none on MNIST.

    Reference: Yu et al., How does disagreement help generalization against label corruption?, ICML 2019, algorithm 1;
    schedule from xingruiyu/coteaching_plus. Tag: exact.
    """

    kind: ClassVar[str] = "co_teaching_plus"
    networks: ClassVar[int] = 2
    cost: ClassVar[float] = 2.0
    rate: float = -1.0
    ramp: float = 0.05
    warm_up: float = 0.1

    def __post_init__(self) -> None:
        if self.rate != -1:
            check_within(0, 1 - 1e-9, rate=self.rate)
        check_within(1e-9, 1, ramp=self.ramp)
        check_within(0, 1, warm_up=self.warm_up)

    @property
    def oracle_knowledge(self) -> str:
        return "the true noise rate" if self.rate == -1 else ""

    def begin(self, context: StrategyContext) -> Learning:
        return CoTeachingPlusLearning(believed_rate(self.rate, context), self)


class CoTeachingPlusLearning(Learning):
    """Knows the rate it drops; shows how much the networks disagreed last."""

    def __init__(self, rate: float, spec: CoTeachingPlus) -> None:
        self.rate, self.spec = rate, spec
        self.disagreement = torch.ones(())

    def take(self, step: Step) -> Outcome:
        first, second = step.scored(0), step.scored(1)
        apart = first.plain().argmax(1) != second.plain().argmax(1)
        self.disagreement = apart.float().mean()
        if step.progress < self.spec.warm_up:
            apart = torch.ones_like(apart)
        among = apart.nonzero().squeeze(1)
        of_first, of_second = first.losses[among], second.losses[among]
        if len(among) == 0:
            objective = 0 * (first.losses.sum() + second.losses.sum())
        else:
            count = num_kept(len(among), self.rate, step.progress, self.spec.ramp)
            objective = first.penalised(of_first[smallest_losses(of_second, count)].mean())
            objective = objective + second.penalised(of_second[smallest_losses(of_first, count)].mean())
        return Outcome(objective, first.losses.detach(), first.logits)

    def state(self) -> dict[str, float]:
        return {"disagreement": float(self.disagreement)}

"""Co-teaching: two networks, each taught by what the other finds easy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_within
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class CoTeaching(Strategy):
    """Each of two networks descends the mean loss of the examples with the smallest losses in the *other* network.

    Of a batch of B, ``B - floor(R B)`` are kept, at least one, with ``R = rate * min(1, done / ramp)``, done the share
    of training that is past. Selection looks at the losses of the given labels and is not differentiated through.

    Args:
        rate: tau, the share of wrong labels that is believed in, in [0, 1); -1 asks for the true one.
        ramp: share of training until all of it is dropped, in (0, 1]; the paper's 10 of 200 epochs.

    Reference: Han et al., Co-teaching, NeurIPS 2018, algorithm 1; bhanML/Co-teaching. Tag: exact.
    """

    kind: ClassVar[str] = "co_teaching"
    networks: ClassVar[int] = 2
    cost: ClassVar[float] = 2.0
    rate: float = -1.0
    ramp: float = 0.05

    def __post_init__(self) -> None:
        if self.rate != -1:
            check_within(0, 1 - 1e-9, rate=self.rate)
        check_within(1e-9, 1, ramp=self.ramp)

    @property
    def oracle_knowledge(self) -> str:
        return "the true noise rate" if self.rate == -1 else ""

    def begin(self, context: StrategyContext) -> Learning:
        return CoTeachingLearning(believed_rate(self.rate, context), self.ramp)


class CoTeachingLearning(Learning):
    """Knows the rate it drops; remembers nothing."""

    def __init__(self, rate: float, ramp: float) -> None:
        self.rate, self.ramp = rate, ramp

    def take(self, step: Step) -> Outcome:
        first, second = step.scored(0), step.scored(1)
        count = num_kept(len(step.labels), self.rate, step.progress, self.ramp)
        of_first, of_second = (smallest_losses(scored.losses, count) for scored in (first, second))
        objective = first.penalised(first.losses[of_second].mean())
        objective = objective + second.penalised(second.losses[of_first].mean())
        return Outcome(objective, first.losses.detach(), first.logits)


def believed_rate(rate: float, context: StrategyContext) -> float:
    """The rate a strategy is given, or the true one where it asks for it.

    Raises:
        ValueError: it asks for the true rate and is not told.
    """
    if rate != -1:
        return rate
    if context.noise_rate is None:
        raise ValueError("the true noise rate was asked for (rate=-1) and is not known here")
    return context.noise_rate


def num_kept(batch: int, rate: float, progress: float, ramp: float) -> int:
    """``B - floor(R B)``, at least 1, with ``R = rate * min(1, progress / ramp)``.

    >>> [num_kept(100, 0.4, progress, 0.05) for progress in (0.0, 0.025, 0.05, 0.9)]
    [100, 80, 60, 60]
    """
    return max(batch - int(rate * min(1.0, progress / ramp) * batch + 1e-9), 1)


def smallest_losses(losses: Tensor, count: int) -> Tensor:
    """Rows of the ``count`` smallest losses, ``(count,)``; a loss that is not a number is never among them first."""
    return torch.argsort(losses.detach(), stable=True)[:count]

"""The strategy without a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class Standard(Strategy):
    """Every example counts alike: ``objective = mean(losses)``. Given labels are trusted as they are.

    Reference: empirical risk minimisation. Tag: exact.
    """

    kind: ClassVar[str] = "standard"

    def begin(self, context: StrategyContext) -> Learning:
        return StandardLearning()


class StandardLearning(Learning):
    """Nothing is learnt on the way."""

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        return Outcome(scored.penalised(scored.losses.mean()), scored.losses.detach(), scored.logits)

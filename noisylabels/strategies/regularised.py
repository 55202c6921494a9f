"""The strong baseline: mixup, label smoothing and weight averaging, with no thought of label noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noisylabels.bounds import check_above, check_within
from noisylabels.strategies.mixup import MixupLearning
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class Regularised(Strategy):
    """Mixup, then ``(1 - smoothing) L + smoothing mean_k(-log p_k)``, measured with averaged weights.

    p is the softmax of the training logits. A method against label noise that does not beat this has shown nothing: all
    three are in every strong recipe, and each alone is known to slow the learning of wrong labels.

    Args:
        alpha: of mixup's Beta distribution, above 0.
        smoothing: epsilon, in [0, 1).
        decay: of the running average of the weights, per step, in [0, 1); 0 measures the weights themselves.

    Reference: mixup, Zhang et al., ICLR 2018; label smoothing, Szegedy et al., CVPR 2016; averaging, Polyak & Juditsky,
    1992. Their combination as a baseline is our own. Tag: our own.
    """

    kind: ClassVar[str] = "regularised"
    cost: ClassVar[float] = 1.05
    alpha: float = 1.0
    smoothing: float = 0.1
    decay: float = 0.99

    def __post_init__(self) -> None:
        check_above(0, alpha=self.alpha)
        check_within(0, 1 - 1e-9, smoothing=self.smoothing, decay=self.decay)

    @property
    def averaging(self) -> float:
        return self.decay

    def begin(self, context: StrategyContext) -> Learning:
        return RegularisedLearning(self)


class RegularisedLearning(Learning):
    """Mixup with its losses smoothed."""

    def __init__(self, spec: Regularised) -> None:
        self.mixup = MixupLearning(spec.alpha)
        self.smoothing = spec.smoothing

    def take(self, step: Step) -> Outcome:
        mixed = self.mixup.take(step)
        uniform = -mixed.training_logits.log_softmax(1).mean()
        objective = (1 - self.smoothing) * mixed.objective + self.smoothing * uniform
        return Outcome(objective, mixed.losses, mixed.training_logits)

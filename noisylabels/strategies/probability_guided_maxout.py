"""Probability guided maxout: the surer the network is of a label, the more of the most active units go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from noisylabels.bounds import check_within
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class ProbabilityGuidedMaxout(Strategy):
    """Of an example's D units, ``round(D pi)`` with ``pi = 1 - drop q*`` are kept, the most active ones zeroed.

    q* is the softmax of the inference logits at the given label, not differentiated through. Those kept are multiplied
    by ``r / pi``, r a learned scalar that starts at 1; losses and penalties are those of what is left of the embedding.
    Nothing is zeroed at inference. Only examples that fit their label already are disturbed: right ones early, wrong
    ones when the network begins to memorise them.

    The units are the embedding's, which is the penultimate layer here. A unit is as active as the magnitude of its
    value: in the paper's network units are not negative, here they are centred by a batch norm. Among equally active
    units the last are zeroed first. Heads of cosines do not see ``r / pi``, which then is not learnt.

    Args:
        drop: share of the units that go where q* = 1, in [0, 0.99]; 0.5 in the paper; 0 drops none, which is
            ``standard`` but for r.

    Reference: Ferrari et al., Probability guided maxout, ICPR 2020; clferrari/probability-guided-maxout. Tag: exact for
    units that are not negative.
    """

    kind: ClassVar[str] = "probability_guided_maxout"
    cost: ClassVar[float] = 1.1
    drop: float = 0.5

    def __post_init__(self) -> None:
        check_within(0, 0.99, drop=self.drop)

    def begin(self, context: StrategyContext) -> Learning:
        return MaxoutLearning(self.drop, context.given_labels.device)


class MaxoutLearning(Learning):
    """Learns the scalar r beside the network."""

    def __init__(self, drop: float, device: torch.device) -> None:
        self.drop = drop
        self.scale = nn.Parameter(torch.ones((), device=device))
        self.dropped = torch.zeros(())

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        own = scored.plain().detach().softmax(1).gather(1, step.labels.unsqueeze(1))
        share = 1 - self.drop * own
        mask = least_active(scored.embeddings.detach(), share)
        self.dropped = 1 - mask.float().mean()
        left = scored.embeddings * mask * (self.scale / share)
        disturbed = scored.again(left, step.labels, step.rows)
        objective = disturbed.penalised(disturbed.losses.mean())
        return Outcome(objective, disturbed.losses.detach(), scored.logits)

    def parameters(self) -> list[nn.Parameter]:
        return [self.scale]

    def state(self) -> dict[str, float]:
        return {"dropped": float(self.dropped), "scale": float(self.scale.detach())}


def least_active(units: Tensor, share: Tensor) -> Tensor:
    """Which units are kept, bool ``(B, D)``: ``round(D share)`` of each row's least magnitudes, the first among equals.

    Args:
        units: ``(B, D)``.
        share: ``(B, 1)``, in [0, 1].
    """
    rank = units.abs().argsort(dim=1, stable=True).argsort(dim=1)
    return rank < (units.shape[1] * share).round()

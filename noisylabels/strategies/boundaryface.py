"""BoundaryFace: an example beyond another class's boundary takes that class's label for the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_at_least, check_within
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class BoundaryFace(Strategy):
    """From ``start`` on, relabels where ``max_{j != y} cos(theta_j + m) > cos theta_y``, and weights hard examples.

    theta_j is the angle to class j, y the given label, m the margin: an example is given class j for this step if it is
    nearer to j by more than m. It is decided anew each time the example is seen, and never written back. With the
    corrected labels y',

        objective = mean(L(x, y')) + weight * mean([max_{j != y'} cos theta_j - cos(theta_{y'} + m)]_+)

    Where theta + m is beyond pi, ``cos theta - m sin m`` stands for the cosine, as in ArcFace. The head puts its own
    margin on y' in L, whatever it is; m is ArcFace's of the paper, and need not be the head's.

    The released code takes both maxima over rows whose other entries are set to 0, and so relabels only where
    ``cos(theta_j + m)`` is above 0, too; here it is the paper's condition. Its losses are those of the corrected labels
    as here.

    Args:
        start: share of training that trusts the given labels, in [0, 1]; 7 of 30 epochs in the paper. 1 is
            ``standard``.
        margin: m, radians, in [0, pi/2]; 0.5 in the paper, 0.3 where other people's faces are mixed in.
        weight: of the second term, at least 0; pi in the code; 0 is the paper's variant F1.

    Reference: Wu & Gong, BoundaryFace: a mining framework with noise label self-correction for face recognition, ECCV
    2022; SWJTU-3DVision/BoundaryFace. Tag: exact for the paper's condition.
    """

    kind: ClassVar[str] = "boundaryface"
    needs_cosines: ClassVar[bool] = True
    cost: ClassVar[float] = 1.05
    start: float = 0.23
    margin: float = 0.5
    weight: float = math.pi

    def __post_init__(self) -> None:
        check_within(0, 1, start=self.start)
        check_within(0, math.pi / 2, margin=self.margin)
        check_at_least(0, weight=self.weight)

    def begin(self, context: StrategyContext) -> Learning:
        return BoundaryFaceLearning(self)


class BoundaryFaceLearning(Learning):
    """Remembers nothing; says how many it relabelled last."""

    def __init__(self, spec: BoundaryFace) -> None:
        self.spec = spec
        self.relabelled = torch.zeros(())

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        if step.progress < self.spec.start:
            return Outcome(scored.penalised(scored.losses.mean()), scored.losses.detach(), scored.logits)
        cosines = scored.cosines()
        labels = corrected_labels(cosines.detach(), step.labels, self.spec.margin)
        self.relabelled = (labels != step.labels).float().mean()
        corrected = scored.again(scored.embeddings, labels, step.rows)
        hard = self.spec.weight * overlap(cosines, labels, self.spec.margin).mean()
        objective = corrected.penalised(corrected.losses.mean() + hard)
        return Outcome(objective, corrected.losses.detach(), scored.logits)

    def state(self) -> dict[str, float]:
        return {"relabelled": float(self.relabelled)}


def cosine_with_margin(cosines: Tensor, margin: float) -> Tensor:
    """``cos(theta + m)`` while ``theta + m <= pi``, else ``cos theta - m sin m``; any shape."""
    # The floor keeps the gradient of the root finite at cosines of 1 and -1.
    sines = (1 - cosines.square()).clamp_min(torch.finfo(cosines.dtype).eps).sqrt()
    shifted = cosines * math.cos(margin) - sines * math.sin(margin)
    return torch.where(cosines >= math.cos(math.pi - margin), shifted, cosines - margin * math.sin(margin))


def corrected_labels(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The labels, int64 ``(B,)``, with j in place of y where ``cos(theta_j + m) > cos theta_y`` for the largest."""
    own = labels.unsqueeze(1)
    nearest, other = cosine_with_margin(cosines, margin).scatter(1, own, -math.inf).max(1)
    return torch.where(nearest > cosines.gather(1, own).squeeze(1), other, labels)


def overlap(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """``[max_{j != y} cos theta_j - cos(theta_y + m)]_+``, ``(B,)``, with gradient to both."""
    own = labels.unsqueeze(1)
    others = cosines.scatter(1, own, -math.inf).amax(1)
    return (others - cosine_with_margin(cosines.gather(1, own), margin).squeeze(1)).relu()

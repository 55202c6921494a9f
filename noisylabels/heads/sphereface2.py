"""SphereFace2: adjusted cosines with a bias, for one binary decision a class instead of a softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec


def adjusted_similarity(cos_theta: Tensor, t: float) -> Tensor:
    """``g(x) = 2 ((1 + x) / 2)^t - 1``: from -1 to 1, the identity at t = 1; any shape, the same shape back.

    It is cam-softmax's activation with t for k (t = 3 is c = 54 degrees), but meant for all classes.

    Reference: Wen et al., SphereFace2, ICLR 2022, section 3.
    """
    # Rounding can put a cosine below -1, where a power that is not whole is NaN.
    return 2 * ((1 + cos_theta) / 2).clamp_min(0) ** t - 1


def balanced_bias(num_classes: int, alpha: float, scale: float, margin: float, t: float) -> float:
    """The bias at which targets pull as much as all others push, for cosines of 0, as a fresh network has.

    It solves ``alpha sigmoid(-a_y - b) = (1 - alpha) (K - 1) sigmoid(a_i + b)`` with ``a_y = scale (g(0) - margin)``
    and ``a_i = scale (g(0) + margin)``. With one class there is nothing to balance: 0.

    Reference: ydwen/opensphere, the initial bias of SphereFace2.
    """
    if num_classes == 1:
        return 0.0
    z = alpha / ((1 - alpha) * (num_classes - 1))
    middle = 2 * math.pow(0.5, t) - 1
    a_y, a_i = scale * (middle - margin), scale * (middle + margin)
    root = math.sqrt((1 - z) ** 2 + 4 * z * math.exp(a_y - a_i))
    if z > 1:  # few classes: the released form would take the logarithm of a difference that rounds to 0
        return math.log((z - 1 + root) / 2) - a_y
    return math.log(2 * z) - a_i - math.log(1 - z + root)


class SphereFace2Head(CosineHead):
    """``scale * (g(cos theta) + margin) + bias``, and ``2 scale margin`` less on the target; the bias is learned."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: SphereFace2) -> None:
        super().__init__(num_classes, embedding_dim, spec.scale)
        self.spec = spec
        bias = balanced_bias(num_classes, spec.alpha, spec.scale, spec.margin, spec.t)
        self.bias = nn.Parameter(torch.tensor(bias))

    def logits(self, embeddings: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        adjusted = adjusted_similarity(cosines, self.spec.t)
        if self.spec.gradient == "value_only":
            adjusted = adjusted.detach() + (cosines - cosines.detach())  # the value of one, the slope of the other
        return self.scale * (adjusted + self.spec.margin) + self.bias

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = self.logits(embeddings)
        of_target = torch.zeros_like(logits).scatter_(1, labels[:, None], 1.0)  # one_hot would look at the labels
        return logits - 2 * self.scale * self.spec.margin * of_target


@dataclass(frozen=True)
class SphereFace2(HeadSpec):
    """SphereFace2: scores ``scale * (g(cos theta_j) - margin) + b`` for the target, ``+ margin`` for the others.

    ``g(x) = 2 ((1 + x) / 2)^t - 1`` on all classes, b one learned bias for all of them. The loss ``one_vs_all`` makes a
    binary decision of each score: no softmax, so classes do not compete. Inference logits are the scores that training
    gives to classes other than the target; the ranking, and a softmax, do not see their common margin.

    Alpha and scale must be the loss's: alpha sets the initial bias only, scale is in the loss's weights.

    Args:
        margin: m, in [0, 2], in units of g; 0.4 in the released code. With t = 1 as well the logits are normalised
            softmax's, up to a constant that is the same for all classes.
        t: exponent of g, at least 1; 3 in the released code.
        alpha: the loss's weight of targets, in (0, 1); 0.7 in the released code.
        gradient: ``full`` through g, as the paper's formula; ``value_only`` takes the cosine's slope for g's, as later
            versions of the released code do.
        scale: r > 0; 40 in the released code and here, as in the loss: a logistic score is no softmax temperature.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Wen et al., SphereFace2, ICLR 2022; ydwen/opensphere, its type C. Tag: exact.
    """

    kind: ClassVar[str] = "sphereface2"
    requires_loss: ClassVar[str | None] = "one_vs_all"
    margin: float = 0.4
    t: float = 3.0
    alpha: float = 0.7
    gradient: Literal["full", "value_only"] = "full"
    scale: float = 40.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale, alpha=self.alpha)
        check_above(0, **{"1 - alpha": 1 - self.alpha})
        check_within(0, 2, margin=self.margin)
        check_at_least(1, t=self.t)
        if self.gradient not in ("full", "value_only"):
            raise ValueError(f"gradient must be full or value_only; got {self.gradient!r}")

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return SphereFace2Head(num_classes, embedding_dim, self)

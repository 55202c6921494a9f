"""SFace: pulls and pushes on the sphere whose strengths are sigmoids of the angles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class SFaceLoss(Loss):
    """SFace: ``-r_in(theta_y) z_y + sum_{j != y} r_out(theta_j) z_j`` with ``z = scale cos(theta)``, the logits.

    ``r_in(t) = sigmoid(kappa (t - a))`` and ``r_out(t) = sigmoid(-kappa (t - b))``, t in radians, both detached: an
    embedding is pulled until it is within a of its class weight, and pushed from the others until it is b away. A wrong
    label's pull has a bound, and is dropped short of fitting it fully. Between -scale and K scale; the *value* means
    nothing, as a surer target can cost more (r_in falls): only the gradient ``scale (-r_in, r_out)`` is the method.

    There is no softmax to saturate: an unfitted example is pulled with ``scale``, whatever the scale.

    Args:
        scale: s > 0, and the same as the head's, for the angles are found from logits / scale. The paper has 64; 20
            here, as for every head.
        kappa: steepness of both sigmoids, above 0, 1/radian; 80 in the paper.
        a: angle at which the pull is halved, radians, in [0, pi]; 0.80, and 0.87 for CASIA-WebFace.
        b: angle at which the push is halved, radians, in [0, pi]; 1.23, and 1.20 for CASIA-WebFace.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Zhong et al., SFace, IEEE TIP 2021; formulas of zhongyy/SFace. Tag: exact.
    """

    kind: ClassVar[str] = "sface"
    scale: float = 20.0
    kappa: float = 80.0
    a: float = 0.80
    b: float = 1.23

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale, kappa=self.kappa)
        check_within(0, math.pi, a=self.a, b=self.b)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        target = labels.unsqueeze(1)
        # The angles are detached, so that arccos's infinite slope at +-1 does not matter; the clamp takes rounding.
        theta = torch.acos((logits.detach() / self.scale).clamp(-1, 1))
        pull = torch.sigmoid(self.kappa * (theta.gather(1, target) - self.a))
        push = torch.sigmoid(-self.kappa * (theta - self.b))
        return ((push * logits).scatter(1, target, 0.0)).sum(1) - (pull * logits.gather(1, target)).squeeze(1)

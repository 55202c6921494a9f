"""Cam-softmax: a convex activation of the target cosine whose zero crossing c moves in from 90 degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec


def cam_exponent(c: Tensor) -> Tensor:
    """``k = 1 / (1 - log2(1 + cos c))``: 1 at c = 90 degrees, 2.409 at 60, 4.377 at 45.

    Args:
        c: angle of the activation's zero crossing, radians, in (0, pi/2], any shape.

    Returns:
        Tensor of the same shape, at least 1.

    Reference: stamas02/cam-softmax (the repository is the only public specification of the method).
    """
    return 1 / (1 - torch.log2(1 + torch.cos(c)))


def cam_activation(cos_theta: Tensor, c: Tensor) -> Tensor:
    """Cam-softmax activation ``f(x) = 2 ((1 + x) / 2)^k - 1`` with ``k = cam_exponent(c)``.

    Fixes -1 and 1, is zero at angle c, has slope k at 1, and is the identity at c = pi/2. For c < pi/2 it lies below
    the cosine: the target must be nearer to its class weight to score the same.

    Args:
        cos_theta: x, cosine of embedding and target weight, any shape, in [-1, 1] up to rounding.
        c: radians, in (0, pi/2], shape ().

    Returns:
        Tensor of the same shape, in [-1, 1].

    Reference: Suveges & McKenna, Cam-softmax for discriminative deep feature learning, ICPR 2020; formula as in
    stamas02/cam-softmax.
    """
    # Rounding can put a cosine below -1, where a non-integer power is NaN.
    return 2 * ((1 + cos_theta) / 2).clamp_min(0) ** cam_exponent(c) - 1


class CamSoftmaxHead(CosineHead):
    """Cosine head with ``cam_activation`` on the target; the buffer ``c`` moves by the schedule."""

    c: Tensor
    fit: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, spec: CamSoftmax) -> None:
        super().__init__(num_classes, embedding_dim, spec.scale)
        self.spec = spec
        self.progress = 0.0
        self.chance_loss = math.log(num_classes)
        self.register_buffer("c", torch.tensor(math.pi / 2))
        self.register_buffer("fit", torch.tensor(1.0))

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return cam_activation(cos_theta, self.c.to(cos_theta.dtype))

    @torch.no_grad()
    def advance(self, progress: float, losses: Tensor) -> None:
        floor = math.radians(self.spec.c_stop_deg)
        gained, self.progress = progress - self.progress, progress
        if self.spec.schedule == "repo":
            self.c = (self.c - 1e-4).clamp_min(math.pi / 4)
        elif self.spec.schedule == "ramp":
            done = min(progress / self.spec.ramp_share, 1.0)
            self.c = torch.full_like(self.c, math.pi / 2 - (math.pi / 2 - floor) * done)
        else:
            loss = torch.quantile(losses.float(), self.spec.quantile) / self.chance_loss
            self.fit = torch.lerp(self.fit, loss.to(self.fit), 0.1)
            stride = (math.pi / 2 - floor) * gained / self.spec.ramp_share
            direction = torch.where(self.fit < self.spec.threshold, -1.0, 1.0)
            self.c = (self.c + stride * direction).clamp(floor, math.pi / 2)

    def state(self) -> dict[str, float]:
        return {"c_deg": math.degrees(float(self.c))}


@dataclass(frozen=True)
class CamSoftmax(HeadSpec):
    kind: ClassVar[str] = "cam_softmax"
    schedule: Literal["adaptive", "ramp", "repo"] = "adaptive"
    c_stop_deg: float = 60.0
    ramp_share: float = 0.7
    threshold: float = 0.5
    quantile: float = 0.5
    scale: float = 20.0

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CamSoftmaxHead(num_classes, embedding_dim, self)

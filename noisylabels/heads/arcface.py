"""ArcFace: an additive margin on the target's angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec


class ArcFaceHead(CosineHead):
    """``f(cos theta) = cos(theta + margin)`` on the target, continued past its turning point."""

    def __init__(self, num_classes: int, embedding_dim: int, scale: float, margin: float) -> None:
        super().__init__(num_classes, embedding_dim, scale)
        self.margin = margin

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return arcface_activation(cos_theta, self.margin)


def arcface_activation(cos_theta: Tensor, margin: float) -> Tensor:
    """``cos(theta + m)`` while ``theta + m <= pi``, else ``cos(theta) - m sin(m)``, which keeps f decreasing in theta.

    Args:
        cos_theta: cosine of embedding and target weight, any shape, in [-1, 1].
        margin: m, radians, in [0, pi].

    Returns:
        Tensor of the same shape.

    Reference: Deng et al., ArcFace, CVPR 2019, eq. 3; the continuation is that of the authors' released code.
    """
    # sin(theta) has an infinite slope in cos(theta) at +-1; the floor keeps the gradient finite there.
    sin_theta = (1 - cos_theta.square()).clamp_min(torch.finfo(cos_theta.dtype).eps).sqrt()
    shifted = cos_theta * math.cos(margin) - sin_theta * math.sin(margin)
    return torch.where(cos_theta >= math.cos(math.pi - margin), shifted, cos_theta - margin * math.sin(margin))


@dataclass(frozen=True)
class ArcFace(HeadSpec):
    """ArcFace: the target's logit is ``scale * cos(theta + margin)``.

    Args:
        margin: m in [0, pi], radians (0.5 rad is 28.6 degrees, the paper's value); 0 is normalised softmax.
        scale: s > 0. The paper uses 64 on faces; 20 here, as for every head.

    Reference: Deng et al., ArcFace, CVPR 2019, eq. 3. Tag: exact.
    """

    kind: ClassVar[str] = "arcface"
    margin: float = 0.5
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_within(0, math.pi, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return ArcFaceHead(num_classes, embedding_dim, self.scale, self.margin)

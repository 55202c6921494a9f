"""The combined margin: SphereFace's, ArcFace's and CosFace's in one formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec
from noisylabels.heads.sphereface import angle_of, falling_cosine


class CombinedHead(CosineHead):
    """``f(cos theta) = cos(m1 theta + m2) - m3`` on the target, continued past its turning point."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: Combined) -> None:
        super().__init__(num_classes, embedding_dim, spec.scale)
        self.spec = spec

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return falling_cosine(self.spec.m1 * angle_of(cos_theta) + self.spec.m2) - self.spec.m3


@dataclass(frozen=True)
class Combined(HeadSpec):
    """Combined margin: the target's logit is ``scale * (cos(m1 theta + m2) - m3)``.

    (m, 0, 0) is SphereFace without its blend, (1, m, 0) ArcFace, (1, 0, m) CosFace and (1, 0, 0) normalised softmax.
    Where ``m1 theta + m2`` exceeds pi, the cosine would rise again and reward the worst examples; the sources leave it
    so. Here it goes on falling as SphereFace's psi does, which is our own (and not ArcFace's straight line).

    The gradient is that of the formula. insightface's PyTorch code applies margins under no_grad, so that only the
    value moves there.

    Args:
        m1: factor of the angle, above 0; 1 is none.
        m2: added to the angle, radians, in [0, pi].
        m3: taken from the cosine, in [0, 2].
        scale: s > 0; 64 in the sources, on faces; 20 here, as for every head.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Deng et al., ArcFace, CVPR 2019, eq. 4; deepinsight/insightface; defaults (1, 0.3, 0.2) are the paper's
    CM1, recalled. Tag: exact.
    """

    kind: ClassVar[str] = "combined"
    m1: float = 1.0
    m2: float = 0.3
    m3: float = 0.2
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, m1=self.m1, scale=self.scale)
        check_within(0, math.pi, m2=self.m2)
        check_within(0, 2, m3=self.m3)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CombinedHead(num_classes, embedding_dim, self)

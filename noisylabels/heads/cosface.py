"""CosFace: an additive margin on the target's cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec


class CosFaceHead(CosineHead):
    """``f(cos theta) = cos theta - margin`` on the target."""

    def __init__(self, num_classes: int, embedding_dim: int, scale: float, margin: float) -> None:
        super().__init__(num_classes, embedding_dim, scale)
        self.margin = margin

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return cos_theta - self.margin  # eq. 4


@dataclass(frozen=True)
class CosFace(HeadSpec):
    """CosFace, also AM-softmax: the target's logit is ``scale * (cos(theta) - margin)``.

    Args:
        margin: m in [0, 2], in units of cosine; 0 is normalised softmax. 0.35 is the papers' value.
        scale: s > 0. The papers use 64 (CosFace) and 30 (AM-softmax) on faces; 20 here, as for every head.

    Reference: Wang et al., CosFace, CVPR 2018, eq. 4; Wang et al., Additive Margin Softmax, 2018, eq. 6. Tag: exact.
    """

    kind: ClassVar[str] = "cosface"
    margin: float = 0.35
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_within(0, 2.0, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CosFaceHead(num_classes, embedding_dim, self.scale, self.margin)

"""SFace's head: plain scaled cosines; the loss ``sface`` holds pull and push in check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noisylabels.bounds import check_above
from noisylabels.heads.head import CosineHead, Head, HeadSpec


@dataclass(frozen=True)
class SFace(HeadSpec):
    """SFace: logits ``scale * cos(theta)``, without a margin, for the loss ``sface``.

    The loss finds the angles again from ``logits / scale`` and weighs pull and push by sigmoids of them, so both must
    have the same scale.

    Args:
        scale: s > 0; 64 in the paper; 20 here, as for every head. The loss is linear in it.

    Raises:
        ValueError: the scale is not above 0.

    Reference: Zhong et al., SFace, IEEE TIP 2021; zhongyy/SFace. Tag: exact.
    """

    kind: ClassVar[str] = "sface"
    requires_loss: ClassVar[str | None] = "sface"
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CosineHead(num_classes, embedding_dim, self.scale)

"""The normalised softmax head: scaled cosines without a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noisylabels.bounds import check_above
from noisylabels.heads.head import CosineHead, Head, HeadSpec


@dataclass(frozen=True)
class NormalisedSoftmax(HeadSpec):
    """Scaled cosines without a margin: ``logits = scale * cos(theta)``.

    It is cam-softmax at c = 90 degrees, CosFace and ArcFace at margin 0: the fair reference for all of them, at the
    same scale.

    Args:
        scale: s > 0, dimensionless. 20 is cam-softmax's, kept equal over all heads here because scale is the main
            confounder of any comparison of margins.

    Reference: Wang et al., NormFace, ACM Multimedia 2017. Tag: exact.
    """

    kind: ClassVar[str] = "normalised_softmax"
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CosineHead(num_classes, embedding_dim, self.scale)

"""Sub-center ArcFace: several centres a class, so that wrong labels can gather at one of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.heads.arcface import ArcFaceHead
from noisylabels.heads.head import Head, HeadSpec


def nearest_subcenter(cosines: Tensor, subcenters: int) -> Tensor:
    """Cosine of every class's nearest sub-centre: ``(B, K * subcenters)``, class by class, to ``(B, K)``."""
    return cosines.view(len(cosines), -1, subcenters).amax(2)


class SubcenterArcFaceHead(ArcFaceHead):
    """ArcFace on the nearest sub-centre's cosine; row ``j * subcenters + i`` of the weight is centre i of class j."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: SubcenterArcFace) -> None:
        super().__init__(num_classes * spec.subcenters, embedding_dim, spec.scale, spec.margin)
        self.subcenters = spec.subcenters

    def cosines(self, embeddings: Tensor) -> Tensor:
        return nearest_subcenter(super().cosines(embeddings), self.subcenters)


@dataclass(frozen=True)
class SubcenterArcFace(HeadSpec):
    """Sub-center ArcFace: ``scale * cos(theta_y + margin)`` with ``cos(theta_j) = max_i cos(theta_ji)``.

    theta_ji is the angle to sub-centre i of class j. An embedding answers to its nearest sub-centre only, in training
    and at inference, so a class's wrongly labelled examples need not be drawn into its main cluster.

    Args:
        subcenters: centres a class, at least 1, where it is ArcFace; 3 in the paper.
        margin: m in [0, pi], radians; 0.5 in the paper.
        scale: s > 0; 64 in the paper; 20 here, as for every head.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Deng et al., Sub-center ArcFace, ECCV 2020; deepinsight/insightface. Tag: exact.
    """

    kind: ClassVar[str] = "subcenter_arcface"
    subcenters: int = 3
    margin: float = 0.5
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_at_least(1, subcenters=self.subcenters)
        check_within(0, math.pi, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return SubcenterArcFaceHead(num_classes, embedding_dim, self)

"""Fixed simplex: class centres that stand as far apart as they can, and never move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_within
from noisylabels.catalog import UsageError
from noisylabels.heads.arcface import arcface_activation
from noisylabels.heads.head import Head, HeadSpec


def simplex(num_classes: int) -> Tensor:
    """The K corners of a regular simplex on the unit sphere, float64 ``(K, K - 1)``: every pair's cosine is -1/(K - 1).

    The unit vectors ``e_1 .. e_n`` of n = K - 1 dimensions and ``a (1, .., 1)`` with ``a = (1 - sqrt(1 + n)) / n`` are
    equally far apart; moved to their mean and normalised they are the corners.

    Reference: Riretta/Angle_Loss_in_CapsNet, its simplex.
    """
    n = num_classes - 1
    last = torch.full((1, n), (1 - math.sqrt(1 + n)) / n, dtype=torch.float64)
    corners = torch.cat([torch.eye(n, dtype=torch.float64), last])
    return F.normalize(corners - corners.mean(0), dim=1)


class FixedSimplexHead(Head):
    """Scaled cosines to frozen corners: ``weight`` is a buffer, turned at random, and takes no gradient."""

    weight: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, spec: FixedSimplex) -> None:
        super().__init__()
        self.scale, self.margin = spec.scale, spec.margin
        # A uniformly random turn: embeddings that leave a ReLU are in one orthant, and no corner should be favoured.
        turn, _ = torch.linalg.qr(torch.randn(embedding_dim, num_classes - 1, dtype=torch.float64))
        self.register_buffer("weight", (simplex(num_classes) @ turn.T).to(torch.get_default_dtype()))

    def class_weights(self) -> Tensor:
        return self.weight

    def cosines(self, embeddings: Tensor) -> Tensor:
        return F.linear(F.normalize(embeddings, dim=1), self.weight)

    def logits(self, embeddings: Tensor) -> Tensor:
        return self.scale * self.cosines(embeddings)

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        target = labels.unsqueeze(1)
        activated = arcface_activation(cosines.gather(1, target), self.margin)
        return self.scale * cosines.scatter(1, target, activated)


@dataclass(frozen=True)
class FixedSimplex(HeadSpec):
    """Fixed simplex: ``scale * cos(theta + margin)`` on the target, to class centres frozen at a simplex's corners.

    Every two centres have the cosine -1/(K - 1), the least that K can have in common; neural collapse ends there, too.
    Wrong labels cannot drag a centre: what is left of their harm is in the embedding.

    Args:
        margin: additive, on the angle, m in [0, pi], radians; 0, none, as the released run had it.
        scale: s > 0; 2 in the released code, on capsule lengths; 20 here, as for every head.

    Raises:
        ValueError: a parameter is out of its range.
        UsageError: from ``build``: fewer than 2 classes, or more than embedding_dim + 1, for which there is no simplex.

    Reference: Riretta/Angle_Loss_in_CapsNet; turned at random here, for any embedding_dim >= K - 1. Tag: exact.
    """

    kind: ClassVar[str] = "fixed_simplex"
    has_weights: ClassVar[bool] = False
    margin: float = 0.0
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_within(0, math.pi, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        if not 2 <= num_classes <= embedding_dim + 1:
            raise UsageError(
                f"fixed_simplex needs 2 to embedding_dim + 1 = {embedding_dim + 1} classes; got {num_classes}"
            )
        return FixedSimplexHead(num_classes, embedding_dim, self)

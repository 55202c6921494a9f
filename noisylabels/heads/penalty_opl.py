"""Orthogonal projection loss: one direction a class, right angles between classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class OPLPenalty(Penalty):
    """``weight * ((1 - mean same-class cosine) + gamma * mean |different-class cosine|)``."""

    def __init__(self, weight: float, gamma: float) -> None:
        super().__init__()
        self.weight, self.gamma = weight, gamma

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        directions = F.normalize(embeddings, dim=1)
        cosines = directions @ directions.T
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        pairs = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        within = mean_where(1 - cosines, pairs)
        between = mean_where(cosines.abs(), ~same)
        return self.weight * (within + self.gamma * between)


def mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values, shape ``()``; 0 where none is chosen."""
    return (values * chosen).sum() / chosen.sum().clamp_min(1)


@dataclass(frozen=True)
class OPL(RegulariserSpec):
    """Orthogonal projection loss: ``weight * ((1 - s) + gamma * d)`` over all pairs of a batch.

    s is the mean cosine of pairs of one class (no example with itself), d the mean absolute cosine of pairs of
    different classes; range [0, weight * (2 + gamma)]. A term without a pair is 0; the released code then adds the
    constant 1 for s, which has no gradient either.

    Args:
        weight: lambda, at least 0; 0.1 with gamma 2 in the authors' label-noise runs (1 with gamma 0.5 on clean data).
        gamma: weight of right angles against compactness, at least 0.

    Reference: Ranasinghe et al., Orthogonal projection loss, ICCV 2021, eq. 2 to 5; absolute values and defaults from
    kahnchana/opl. Tag: exact.
    """

    kind: ClassVar[str] = "opl"
    weight: float = 0.1
    gamma: float = 2.0

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight, gamma=self.gamma)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return OPLPenalty(self.weight, self.gamma)

"""Batch-hard triplet loss: each anchor with its farthest positive and its nearest negative."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.penalty_triplet import pairwise_distances
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class BatchHardPenalty(Penalty):
    """``weight * mean_a [margin + max_p d_ap - min_n d_an]_+`` over the anchors that have a positive and a negative."""

    def __init__(self, weight: float, margin: float, normalised: bool) -> None:
        super().__init__()
        self.weight, self.margin, self.normalised = weight, margin, normalised

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        distances = pairwise_distances(embeddings, self.normalised)
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchor = positive.any(1) & (~same).any(1)
        # amax and amin share the gradient among equals, so the order of the examples does not matter.
        farthest = distances.masked_fill(~positive, -math.inf)[anchor].amax(1)
        nearest = distances.masked_fill(same, math.inf)[anchor].amin(1)
        return self.weight * (self.margin + farthest - nearest).relu().sum() / anchor.sum().clamp_min(1)


@dataclass(frozen=True)
class BatchHard(RegulariserSpec):
    """Batch-hard triplet loss beside cross-entropy: ``weight * mean_a [margin + max_p d_ap - min_n d_an]_+``.

    d is the Euclidean distance, p runs over the batch's other examples of the anchor's class, n over those of other
    classes; the mean is over the anchors that have both, 0 where there are none. Wrong labels are what it mines first:
    a mislabelled example is the farthest positive of all its class and the nearest negative of its true one.

    Args:
        weight: lambda, at least 0; 1 is our own choice, the study's is unknown.
        margin: m, at least 0; 0.3 is usual in re-identification, the study's is unknown.
        normalised: embeddings are put on the unit sphere first, where d is in [0, 2]; our own choice, because cosine
            heads leave their norm free. ``false`` is the original, which can collapse: at one point for all examples
            it costs its margin only.

    Reference: Hermans et al., In defense of the triplet loss, arXiv 1703.07737, eq. 5; with cross-entropy in PLA, arXiv
    1912.07447. Tag: reconstruction of PLA's weights.
    """

    kind: ClassVar[str] = "batch_hard"
    weight: float = 1.0
    margin: float = 0.3
    normalised: bool = True

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return BatchHardPenalty(self.weight, self.margin, self.normalised)

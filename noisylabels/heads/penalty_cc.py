"""Channel correlation loss: one pattern of attention over the embedding's channels for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.bounds import check_at_least, check_within
from noisylabels.heads.head import Head
from noisylabels.heads.penalty_triplet import pairwise_distances
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class CCPenalty(Penalty):
    """``weight * (mean same-class distance + apart * [margin - mean different-class distance]_+)`` of attentions.

    ``squeeze`` and ``excite`` are the two linear maps of the attention; it is on the embedding at inference, too.
    """

    def __init__(self, embedding_dim: int, spec: CC) -> None:
        super().__init__()
        self.spec = spec
        hidden = max(embedding_dim // spec.reduction, 1)
        self.squeeze, self.excite = nn.Linear(embedding_dim, hidden), nn.Linear(hidden, embedding_dim)
        for layer in (self.squeeze, self.excite):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def attention(self, embeddings: Tensor) -> Tensor:
        """``sigmoid(W2 relu(W1 u))`` with ``u = sqrt(D) x / ||x||``, ``(B, D)``, in (0, 1)."""
        channels = math.sqrt(embeddings.shape[1]) * F.normalize(embeddings, dim=1)
        attention: Tensor = self.excite(self.squeeze(channels).relu()).sigmoid()
        return attention

    def recalibrated(self, embeddings: Tensor) -> Tensor:
        return self.attention(embeddings) * embeddings

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        distances = pairwise_distances(self.attention(embeddings), normalised=False) / math.sqrt(embeddings.shape[1])
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        pairs = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        within = (distances * pairs).sum() / pairs.sum().clamp_min(1)
        between = (distances * ~same).sum() / (~same).sum().clamp_min(1)
        too_near = (self.spec.margin - between).relu() * (~same).any()
        return self.spec.weight * (within + self.spec.apart * too_near)


@dataclass(frozen=True)
class CC(RegulariserSpec):
    """Channel correlation loss: ``weight * (s + apart * [margin - d]_+)``, and the head sees ``a * x`` in place of x.

    x are the embeddings as the network leaves them, ``a = sigmoid(W2 relu(W1 u))`` the attention over their D channels,
    ``u = sqrt(D) x / ||x||``, W1 and W2 learned maps to ``D / reduction`` channels and back (with biases). s is the
    mean distance of the attentions of two examples of one class, d that of different classes, over all pairs of a
    batch, in ``||a_i - a_j|| / sqrt(D)``, which is in [0, 1); a term without a pair is 0. Range
    [0, weight * (1 + apart * margin)].

    The attention multiplies what enters the head in training and at inference, so that it cannot learn the penalty
    apart from the task; at weight 0 it is still there. Embeddings that are measured are those before it, and so are
    those that other regularisers see.

    The paper's text was not available. Known from notes on it: squeeze-and-excitation, mean Euclidean distances,
    smaller within and larger between classes, beside cross-entropy. Pushing apart only up to the margin bounds the
    penalty; that, dividing by sqrt(D), u in place of x (the embeddings' norm is free in heads of cosines) and all
    constants are our own.

    Args:
        weight: lambda, at least 0.
        apart: weight of pushing classes apart against pulling examples together, at least 0.
        margin: mean distance of different classes that is enough, in [0, 1]; unrelated ones start at 0.2 to 0.3.
        reduction: D over the channels between W1 and W2, at least 1 (16 in squeeze-and-excitation, of 256 and more).

    Reference: Song et al., CC-Loss: channel correlation loss for image classification, ICPR 2020 (arXiv 2010.05469); Hu
    et al., Squeeze-and-excitation networks, CVPR 2018, eq. 3. Tag: reconstruction.
    """

    kind: ClassVar[str] = "cc"
    weight: float = 1.0
    apart: float = 1.0
    margin: float = 0.2
    reduction: int = 4

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight, apart=self.apart)
        check_within(0, 1, margin=self.margin)
        check_at_least(1, reduction=self.reduction)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return CCPenalty(embedding_dim, self)

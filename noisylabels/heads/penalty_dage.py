"""DAGE-LDA: a batch's Fisher ratio, written as a ratio of two graph Laplacians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec

FLOOR = 1e-11
"""Added to the denominator in the released code: equal embeddings give 0 / FLOOR = 0."""


def fisher_ratio(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Sum of squared distances within classes over the sum between classes, shape ``()``.

    With ``tr(X L X^T) = sum_{i<j} W_ij ||x_i - x_j||^2`` for the Laplacian L of a graph W, the two sums are scatters:
    with n_c examples, mean m_c and scatter ``S_c = sum_{y_i = c} ||x_i - m_c||^2`` of class c, N examples of mean m,

    - same class: ``sum_c n_c S_c``;
    - different classes: ``sum_c (N - n_c) S_c + N sum_c n_c ||m_c - m||^2``.

    No B x B matrix is made, and nothing is a difference of large numbers.

    Args:
        embeddings: shape ``(B, D)``.
        labels: int64 ``(B,)``.

    Returns:
        Tensor in [0, B - 1]; 0 for a batch of one class, or of one example a class. Lower is more compact. Unchanged
        when all embeddings are moved or scaled.
    """
    classes, members = torch.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return 0 * embeddings.sum()
    of_class = F.one_hot(members).to(embeddings.dtype).T
    counts = of_class.sum(1)
    centred = embeddings - embeddings.mean(0)
    means = of_class @ centred / counts.unsqueeze(1)
    scatter = of_class @ (centred - means[members]).square().sum(1)
    within = counts @ scatter
    between = (len(labels) - counts) @ scatter + len(labels) * (counts @ means.square().sum(1))
    return within / (between + FLOOR)


class DAGEPenalty(Penalty):
    """``weight * fisher_ratio``."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        return self.weight * fisher_ratio(embeddings, labels)


@dataclass(frozen=True)
class DAGE(RegulariserSpec):
    """DAGE-LDA: ``weight * tr(X L X^T) / (tr(X L_p X^T) + 1e-11)``, a Fisher ratio over the batch.

    L is the Laplacian of the graph that joins examples of one class, L_p of the graph that joins different classes; the
    ratio is the sum of squared distances within classes over the sum between classes. Invariant to scale and shift of
    the embeddings. Of the paper only the graphs of one domain are here: there is no second domain.

    Args:
        weight: at least 0; 1 is our own choice, at which the penalty of K equally frequent classes is at most
            ``1 / (K - 1)``.

    Reference: Hedegaard et al., Supervised domain adaptation using graph embedding, ICPR 2020; LukasHedegaard/dage.
    Tag: exact for the loss, its weight beside cross-entropy is our own.
    """

    kind: ClassVar[str] = "dage"
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return DAGEPenalty(self.weight)

"""Center loss: every embedding is pulled to a running centre of its class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.bounds import check_at_least, check_within
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class CenterPenalty(Penalty):
    """``weight / 2 * mean_i ||x_i - c_{y_i}||^2``; the buffer ``centers``, ``(K, D)``, moves by the delta rule."""

    centers: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, weight: float, alpha: float) -> None:
        super().__init__()
        self.weight, self.alpha = weight, alpha
        bound = math.sqrt(3 / embedding_dim)  # "xavier" in the released configuration: variance 1 / D
        self.register_buffer("centers", nn.init.uniform_(torch.empty(num_classes, embedding_dim), -bound, bound))

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        distances = (embeddings - self.centers[labels]).square().sum(1)
        # Asking is not training: a call in eval() or without gradient leaves the centres where they are.
        if self.training and torch.is_grad_enabled():
            self.centers = self.moved_centers(embeddings, labels)
        return self.weight / 2 * distances.mean()

    @torch.no_grad()
    def moved_centers(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Centres after this batch, ``(K, D)``: ``c_j - alpha * sum_{y_i = j}(c_j - x_i) / (1 + n_j)``."""
        classes, members, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        old = self.centers[classes]
        # A product, not index_add, whose order of summation on a GPU is not the same twice.
        of_class = F.one_hot(members).to(old).T
        sums = of_class @ (old[members] - embeddings.to(old))
        return self.centers.index_copy(0, classes, old - self.alpha * sums / (1 + counts).unsqueeze(1))


@dataclass(frozen=True)
class Center(RegulariserSpec):
    """Center loss: ``weight / 2 * mean_i ||x_i - c_{y_i}||^2``, with a centre for each class that follows its examples.

    x are the embeddings as the network leaves them, not normalised. After each training step's loss has been taken,
    ``c_j`` moves by ``-alpha * sum_{y_i = j}(c_j - x_i) / (1 + n_j)``, n_j the batch's examples of class j; classes
    that are not in the batch stay. The centres are a buffer, no gradient reaches them, and they move only in training
    mode with gradients on.

    Args:
        weight: lambda, at least 0; 0.003 in the paper (0.008 in the released configuration).
        alpha: rate of the centres, in [0, 1]; 0.5 in the paper. At 0 they stay at their random start.

    Reference: Wen et al., A discriminative feature learning approach for deep face recognition, ECCV 2016, eq. 2 to 4;
    initial centres from ydwen/caffe-face. Tag: exact.
    """

    kind: ClassVar[str] = "center"
    weight: float = 0.003
    alpha: float = 0.5

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)
        check_within(0, 1, alpha=self.alpha)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return CenterPenalty(num_classes, embedding_dim, self.weight, self.alpha)

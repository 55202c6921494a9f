"""Dual ring loss: embeddings and class weights are pulled to one learned norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.linalg import vector_norm

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.penalty_ring import RingPenalty
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class DualRingPenalty(RingPenalty):
    """``weight / 2 * (mean_i (||x_i|| - R)^2 + mean_j (||W_j|| - R)^2)``."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        of_embeddings = super().forward(embeddings, labels, head)
        radius = self.target(vector_norm(embeddings, dim=1))
        weight_norms: Tensor = vector_norm(head.class_weights(), dim=-1)
        return of_embeddings + self.weight / 2 * (weight_norms - radius).square().mean()


@dataclass(frozen=True)
class DualRing(RegulariserSpec):
    """Dual ring loss: ``weight / 2 * (mean_i (||x_i|| - R)^2 + mean_j (||W_j|| - R)^2)``, one learned R for both.

    x are the embeddings as the network leaves them, W_j the head's class weights. R starts at the mean embedding norm
    of the first training batch. On a cosine head the norm of W_j does not touch the logits, but it divides the gradient
    that W_j receives, so the second term still evens out how fast the classes' directions turn.

    The paper's text was not available. That the second term has the same form and shares R is the most plausible
    reading of its abstract; its re-weighting of examples by norms is not here.

    Args:
        weight: lambda, at least 0; 0.01 as for ``ring``, the paper's is unknown.

    Raises:
        UsageError: at the first step, when the head has no trained class weights.

    Reference: Dual Loss for manga character recognition, ICPR 2020; Zheng et al., Ring loss, CVPR 2018, for the form.
    Tag: reconstruction of the second term.
    """

    kind: ClassVar[str] = "dual_ring"
    needs_weights: ClassVar[bool] = True
    weight: float = 0.01

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return DualRingPenalty(self.weight)

"""Ring loss: embeddings are pulled to one learned norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


class RingPenalty(Penalty):
    """``weight / 2 * mean_i (||x_i|| - R)^2``; the parameter ``radius``, ``()``, is R."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.radius = nn.Parameter(torch.ones(()))
        self.started = False

    def get_extra_state(self) -> dict[str, bool]:
        return {"started": self.started}

    def set_extra_state(self, state: dict[str, bool]) -> None:
        self.started = state["started"]

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        norms: Tensor = vector_norm(embeddings, dim=1)  # its gradient at 0 is 0, not NaN
        return self.weight / 2 * (norms - self.target(norms)).square().mean()

    def target(self, norms: Tensor) -> Tensor:
        """R, shape ``()``. Before the first training step it is these norms' mean, where that step starts it."""
        if self.started:
            return self.radius
        if not (self.training and torch.is_grad_enabled()):
            return norms.detach().mean().to(self.radius)
        with torch.no_grad():
            self.radius.copy_(norms.mean())
        self.started = True
        return self.radius


@dataclass(frozen=True)
class Ring(RegulariserSpec):
    """Ring loss: ``weight / 2 * mean_i (||x_i|| - R)^2``, R learned with the network.

    x are the embeddings as the network leaves them. R starts at the mean norm of the first training batch, as in the
    released code, so that the first steps even the norms out and do not shrink them all.

    Args:
        weight: lambda, at least 0; 0.01 is the released code's advice for this form.

    Reference: Zheng et al., Ring loss: convex feature normalization for face recognition, CVPR 2018, eq. 2; start of R
    from Paralysis/ringloss. Tag: exact.
    """

    kind: ClassVar[str] = "ring"
    weight: float = 0.01

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return RingPenalty(self.weight)

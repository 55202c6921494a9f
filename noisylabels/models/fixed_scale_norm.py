"""A batch norm that shifts but does not scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FixedScaleNorm(nn.Module):
    """``(x - mean) / std + bias`` over a batch ``(B, D)``: every coordinate of an embedding keeps variance one.

    insightface freezes the scale of its last batch norm at 1, so that no coordinate can be made to outweigh the others.
    Here that scale does not exist, and all parameters are trained.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim, affine=False)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x) + self.bias
        return out

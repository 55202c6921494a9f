"""One minus a probability, from the probability's logarithm."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def complement(negative_log: Tensor) -> Tensor:
    """``1 - exp(-x)``, any shape, x at least 0; accurate, and its gradient ``exp(-x)`` too, at both ends.

    >>> complement(torch.tensor([0.0, 1e-12, 1e4]))
    tensor([0.0000e+00, 1.0000e-12, 1.0000e+00])
    """
    # 1 - exp(-x) rounds to 0 near x = 0; expm1's gradient in torch, its result plus 1, rounds to 0 for large x.
    return torch.where(negative_log > math.log(2), 1 - torch.exp(-negative_log), -torch.expm1(-negative_log))

"""Focal loss: cross-entropy that counts less where the model is sure of the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.losses.complement import complement
from noisylabels.losses.loss import Loss


def focused(cross_entropy: Tensor, gamma: float) -> Tensor:
    """``(1 - p)^gamma (-log p)`` from ``-log p``, any shape."""
    # (1 - p)^gamma has an infinite slope at p = 1 for gamma < 1; the floor is below any 1 - p that is not 0.
    doubt = complement(cross_entropy)
    return doubt.clamp_min(torch.finfo(doubt.dtype).tiny) ** gamma * cross_entropy


@dataclass(frozen=True)
class Focal(Loss):
    """Focal loss: ``(1 - p_y)^gamma (-log p_y)``, in [0, inf).

    Made for imbalance, not for noise: the examples that are not fitted count *more*, wrong labels among them. On a
    saturated cosine softmax an unfitted example's gradient is that of cross-entropy (the factor is 1 within 1e-3 at
    scale 10), a fitted one's is nearly 0.

    Args:
        gamma: at least 0; 0 is cross-entropy. 2 in the paper.

    Raises:
        ValueError: ``gamma`` is negative.

    Reference: Lin et al., Focal loss for dense object detection, ICCV 2017, eq. 4, without class weights. Tag: exact.
    """

    kind: ClassVar[str] = "focal"
    gamma: float = 2.0

    def __post_init__(self) -> None:
        check_at_least(0, gamma=self.gamma)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return focused(F.cross_entropy(logits, labels, reduction="none"), self.gamma)

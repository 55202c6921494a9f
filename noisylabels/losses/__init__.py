"""Losses: logits ``(B, K)`` and given labels ``(B,)`` to per-example losses ``(B,)``."""

from noisylabels.losses.cross_entropy import CrossEntropy
from noisylabels.losses.loss import Criterion, Loss, LossContext

LOSSES: dict[str, type[Loss]] = {
    "ce": CrossEntropy,
}

__all__ = ["LOSSES", "Criterion", "Loss", "LossContext"]

"""Losses: logits ``(B, K)`` and given labels ``(B,)`` to per-example losses ``(B,)``."""

from noisylabels.losses.active_passive import (
    NormalisedCrossEntropy,
    NormalisedFocal,
    NormalisedWithAbsolute,
    NormalisedWithReverse,
)
from noisylabels.losses.bootstrap import HardBootstrap, SoftBootstrap
from noisylabels.losses.corrected import Backward, Forward
from noisylabels.losses.cross_entropy import CrossEntropy
from noisylabels.losses.focal import Focal
from noisylabels.losses.generalised_cross_entropy import GeneralisedCrossEntropy, TruncatedGeneralisedCrossEntropy
from noisylabels.losses.label_smoothing import LabelSmoothing
from noisylabels.losses.loss import Criterion, Loss, LossContext
from noisylabels.losses.mean_absolute_error import MeanAbsoluteError
from noisylabels.losses.one_vs_all import OneVersusAll
from noisylabels.losses.sface import SFaceLoss
from noisylabels.losses.sparsemax import SparsemaxLoss
from noisylabels.losses.symmetric_cross_entropy import SymmetricCrossEntropy

LOSSES: dict[str, type[Loss]] = {
    "ce": CrossEntropy,
    "label_smoothing": LabelSmoothing,
    "mae": MeanAbsoluteError,
    "gce": GeneralisedCrossEntropy,
    "truncated_gce": TruncatedGeneralisedCrossEntropy,
    "sce": SymmetricCrossEntropy,
    "nce": NormalisedCrossEntropy,
    "nfl": NormalisedFocal,
    "nce_rce": NormalisedWithReverse,
    "nce_mae": NormalisedWithAbsolute,
    "soft_bootstrap": SoftBootstrap,
    "hard_bootstrap": HardBootstrap,
    "forward": Forward,
    "backward": Backward,
    "focal": Focal,
    "one_vs_all": OneVersusAll,
    "sface": SFaceLoss,
    "sparsemax": SparsemaxLoss,
}

__all__ = ["LOSSES", "Criterion", "Loss", "LossContext"]

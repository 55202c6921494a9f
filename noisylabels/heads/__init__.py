"""Heads: embeddings and labels to logits; the margin lives here."""

from noisylabels.heads.arcface import ArcFace
from noisylabels.heads.cam_softmax import CamSoftmax
from noisylabels.heads.cosface import CosFace
from noisylabels.heads.head import Head, HeadSpec
from noisylabels.heads.normalised_softmax import NormalisedSoftmax
from noisylabels.heads.regulariser import Regularised, RegulariserSpec
from noisylabels.heads.softmax import Softmax

HEADS: dict[str, type[HeadSpec]] = {
    "softmax": Softmax,
    "normalised_softmax": NormalisedSoftmax,
    "cosface": CosFace,
    "arcface": ArcFace,
    "cam_softmax": CamSoftmax,
}

REGULARISERS: dict[str, type[RegulariserSpec]] = {}
"""Printed name to class of what can be added to any head: ``cosface + center:weight=0.003``."""

__all__ = ["HEADS", "REGULARISERS", "Head", "HeadSpec", "Regularised", "RegulariserSpec"]

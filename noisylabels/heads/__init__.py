"""Heads: embeddings and labels to logits; the margin lives here."""

from noisylabels.heads.adaface import AdaFace
from noisylabels.heads.angular_sparsemax import AngularSparsemax
from noisylabels.heads.arcface import ArcFace
from noisylabels.heads.cam_softmax import CamSoftmax
from noisylabels.heads.combined import Combined
from noisylabels.heads.cosface import CosFace
from noisylabels.heads.curricularface import CurricularFace
from noisylabels.heads.fixed_simplex import FixedSimplex
from noisylabels.heads.head import Head, HeadSpec
from noisylabels.heads.normalised_softmax import NormalisedSoftmax
from noisylabels.heads.penalty_batch_hard import BatchHard
from noisylabels.heads.penalty_cc import CC
from noisylabels.heads.penalty_center import Center
from noisylabels.heads.penalty_dage import DAGE
from noisylabels.heads.penalty_dual_ring import DualRing
from noisylabels.heads.penalty_gccs import GCCS
from noisylabels.heads.penalty_opl import OPL
from noisylabels.heads.penalty_ring import Ring
from noisylabels.heads.penalty_triplet import TL1, TL2, TL3
from noisylabels.heads.pml import Pml, PmlHead
from noisylabels.heads.regulariser import Regularised, RegulariserSpec
from noisylabels.heads.sface import SFace
from noisylabels.heads.softmax import Softmax
from noisylabels.heads.sphereface import SphereFace
from noisylabels.heads.sphereface2 import SphereFace2
from noisylabels.heads.subcenter_arcface import SubcenterArcFace

HEADS: dict[str, type[HeadSpec]] = {
    "softmax": Softmax,
    "normalised_softmax": NormalisedSoftmax,
    "cosface": CosFace,
    "arcface": ArcFace,
    "sphereface": SphereFace,
    "combined": Combined,
    "subcenter_arcface": SubcenterArcFace,
    "curricularface": CurricularFace,
    "adaface": AdaFace,
    "sphereface2": SphereFace2,
    "sface": SFace,
    "fixed_simplex": FixedSimplex,
    "angular_sparsemax": AngularSparsemax,
    "cam_softmax": CamSoftmax,
    "pml_head": PmlHead,
}

REGULARISERS: dict[str, type[RegulariserSpec]] = {
    "center": Center,
    "ring": Ring,
    "dual_ring": DualRing,
    "opl": OPL,
    "dage": DAGE,
    "cc": CC,
    "gccs": GCCS,
    "tl1": TL1,
    "tl2": TL2,
    "tl3": TL3,
    "batch_hard": BatchHard,
    "pml": Pml,
}
"""Printed name to class of what can be added to any head: ``cosface + center:weight=0.003``."""

__all__ = ["HEADS", "REGULARISERS", "Head", "HeadSpec", "Regularised", "RegulariserSpec"]

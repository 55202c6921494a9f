"""What is searched where nobody says otherwise, and where each range comes from.

A range covers the values that a method's own papers use, and those known to matter at this scale. "Recalled" sources
were not looked up again; "our own" has no source. Whatever changes what a method is told (a noise rate, a transition
matrix) or how long it trains is never searched by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from noisylabels.tuning.dimensions import Range


@dataclass(frozen=True)
class Searched:
    """A parameter with its range.

    Attributes:
        name: ``train.FIELD`` or ``head|loss|strategy.KIND.PARAMETER``.
        source: where the range comes from.
        when: values that its neighbours must have for it to matter.
    """

    name: str
    range: Range
    source: str
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def _from(low: float, high: float) -> Range:
    return Range(low=low, high=high)


def _log(low: float, high: float) -> Range:
    return Range(low=low, high=high, log=True)


def _whole(low: int, high: int) -> Range:
    return Range(low=low, high=high, whole=True)


SGD, ADAMW = {"optimizer": ("sgd",)}, {"optimizer": ("adamw",)}
TRAINING = (
    Searched("train.learning_rate", _log(0.01, 1.0), "our own: a decade either side of the usual 0.1", SGD),
    Searched("train.weight_decay", _log(1e-5, 1e-2), "DomainBed (ICLR 2021), 1e-6 to 1e-2, recalled", SGD),
    Searched("train.learning_rate", _log(3e-5, 3e-3), "DomainBed's for small images (ICLR 2021), recalled", ADAMW),
    Searched("train.weight_decay", _log(1e-4, 0.3), "our own: decoupled decay, 0.01 is the usual value", ADAMW),
)

COSINE_HEADS = (
    "normalised_softmax", "cosface", "arcface", "sphereface", "combined", "subcenter_arcface", "curricularface",
    "adaface", "sphereface2", "sface", "fixed_simplex", "angular_sparsemax", "cam_softmax",
)  # fmt: skip
SCALES = "up to the papers' 64 on faces, and lower for fewer classes: our own"
NORMALISED = {"sphereface": {"normalise": (True,)}}
MOVED_BY_SCHEDULE = {"schedule": ("ramp", "adaptive")}
ANGLES = "the paper's 0.5 rad on faces, and below: small data bear less"
HEADS = (
    *(
        Searched(
            f"head.{kind}.scale", _log(5.0, 64.0), SCALES,
            NORMALISED.get(kind, {}),
        )
        for kind in COSINE_HEADS
    ),
    Searched("head.cosface.margin", _from(0.0, 0.45), "CosFace (CVPR 2018), its study of the margin, recalled"),
    Searched("head.arcface.margin", _from(0.0, 0.6), ANGLES),
    Searched("head.sphereface.margin", _from(1.0, 4.0), "SphereFace (CVPR 2017), margins 1 to 4"),
    Searched("head.combined.m2", _from(0.0, 0.5), "ArcFace (CVPR 2019), its combined margins"),
    Searched("head.combined.m3", _from(0.0, 0.35), "ArcFace (CVPR 2019), its combined margins"),
    Searched("head.subcenter_arcface.margin", _from(0.0, 0.6), ANGLES),
    Searched("head.subcenter_arcface.subcenters", _whole(2, 5), "Sub-center ArcFace (ECCV 2020), 3; 1 is arcface"),
    Searched("head.curricularface.margin", _from(0.0, 0.6), ANGLES),
    Searched("head.adaface.margin", _from(0.0, 0.6), "AdaFace (CVPR 2022), 0.4 on faces, and below"),
    Searched("head.adaface.h", _from(0.1, 0.66), "AdaFace (CVPR 2022), 0.22 to 0.66, recalled"),
    Searched("head.sphereface2.margin", _from(0.0, 0.6), "SphereFace2 (ICLR 2022), around the code's 0.4"),
    Searched("head.sphereface2.t", _from(1.0, 5.0), "SphereFace2 (ICLR 2022), around the code's 3"),
    Searched("head.fixed_simplex.margin", _from(0.0, 0.6), ANGLES),
    Searched("head.angular_sparsemax.margin", _from(0.0, 0.6), ANGLES),
    Searched("head.cam_softmax.c_stop_deg", _from(45.0, 90.0), "45 in the released code; 90 is no margin",
             MOVED_BY_SCHEDULE),
    Searched("head.cam_softmax.ramp_share", _from(0.2, 1.0), "our own: the ramp in units of the training",
             MOVED_BY_SCHEDULE),
    Searched("head.cam_softmax.threshold", _from(0.2, 0.8), "our own", {"schedule": ("adaptive",)}),
)  # fmt: skip

WEIGHT_AROUND = "our own: a decade either side of the usual weight"
PENALTIES = (
    Searched("head.center.weight", _log(3e-4, 0.03), WEIGHT_AROUND),
    Searched("head.ring.weight", _log(1e-3, 0.1), WEIGHT_AROUND),
    Searched("head.dual_ring.weight", _log(1e-3, 0.1), WEIGHT_AROUND),
    Searched("head.opl.weight", _log(0.01, 1.0), "OPL (ICCV 2021), 0.1 with noise and 1 without, and below"),
    Searched("head.dage.weight", _log(0.1, 10.0), WEIGHT_AROUND),
    Searched("head.cc.weight", _log(0.1, 10.0), WEIGHT_AROUND),
    Searched("head.gccs.weight", _log(1e-3, 0.1), WEIGHT_AROUND),
    *(Searched(f"head.{kind}.weight", _log(0.1, 10.0), WEIGHT_AROUND) for kind in ("tl1", "tl2", "tl3", "batch_hard")),
)

LOSSES = (
    Searched(
        "loss.label_smoothing.epsilon", _from(0.0, 0.5), "around the paper's 0.1; more helps under noise: our own"
    ),
    Searched("loss.gce.q", _from(0.05, 1.0), "GCE (NeurIPS 2018): from cross-entropy to MAE"),
    Searched("loss.truncated_gce.q", _from(0.05, 1.0), "GCE (NeurIPS 2018): from cross-entropy to MAE"),
    Searched("loss.truncated_gce.kappa", _from(0.1, 0.9), "our own, around the paper's 0.5"),
    Searched("loss.sce.alpha", _log(0.01, 10.0), "SCE (ICCV 2019), 0.1 on CIFAR-10, 6 on CIFAR-100"),
    Searched("loss.sce.beta", _log(0.1, 10.0), "SCE (ICCV 2019), 0.1 to 1 in the paper"),
    Searched("loss.nfl.gamma", _from(0.0, 5.0), "Focal loss (ICCV 2017), 0 to 5"),
    Searched("loss.nce_rce.alpha", _log(0.1, 10.0), "APL (ICML 2020), 1 on CIFAR-10, 10 on CIFAR-100"),
    Searched("loss.nce_rce.beta", _log(0.1, 10.0), "APL (ICML 2020), 0.1 to 1, and above"),
    Searched("loss.nce_mae.alpha", _log(0.1, 10.0), "APL (ICML 2020), 1 on CIFAR-10, 10 on CIFAR-100"),
    Searched("loss.nce_mae.beta", _log(0.1, 10.0), "APL (ICML 2020), 1, and around it"),
    Searched("loss.soft_bootstrap.beta", _from(0.5, 1.0), "Reed et al. (ICLR 2015 workshop), 0.95 and 0.8, and below"),
    Searched("loss.hard_bootstrap.beta", _from(0.5, 1.0), "Reed et al. (ICLR 2015 workshop), 0.95 and 0.8, and below"),
    Searched("loss.forward.start", _from(0.3, 0.9), "our own", {"transition": ("estimated",)}),
    Searched("loss.backward.start", _from(0.3, 0.9), "our own", {"transition": ("estimated",)}),
    Searched("loss.focal.gamma", _from(0.0, 5.0), "Focal loss (ICCV 2017), 0 to 5"),
    Searched("loss.one_vs_all.alpha", _from(0.3, 0.95), "SphereFace2 (ICLR 2022), around the code's 0.7"),
    Searched("loss.sface.a", _from(0.7, 1.0), "SFace (TIP 2021), 0.80 to 0.87, and around them"),
    Searched("loss.sface.b", _from(1.1, 1.4), "SFace (TIP 2021), 1.20 to 1.23, and around them"),
)

STRATEGIES = (
    Searched("strategy.mixup.alpha", _log(0.1, 32.0), "mixup (ICLR 2018), 1 on CIFAR, 8 and 32 in its study of noise"),
    Searched("strategy.regularised.alpha", _log(0.1, 32.0), "as for mixup"),
    Searched("strategy.regularised.smoothing", _from(0.0, 0.5), "as for label_smoothing"),
    Searched("strategy.elr.weight", _log(0.5, 10.0), "ELR (NeurIPS 2020), 1 to 10, recalled"),
    Searched("strategy.elr.beta", _from(0.5, 0.99), "ELR (NeurIPS 2020), 0.5 to 0.99, recalled"),
    Searched("strategy.elr_plus.weight", _log(0.5, 10.0), "ELR (NeurIPS 2020), 1 to 10, recalled"),
    Searched("strategy.elr_plus.beta", _from(0.5, 0.99), "ELR (NeurIPS 2020), 0.5 to 0.99, recalled"),
    Searched("strategy.sop.lr_u", _log(0.1, 100.0), "SOP (ICML 2022), 1 and 10"),
    Searched("strategy.sop.lr_v", _log(1.0, 1000.0), "SOP (ICML 2022), 10 and 100"),
    Searched("strategy.co_teaching.ramp", _from(0.02, 0.5), "Co-teaching (NeurIPS 2018), 0.025 to 0.075, and above"),
    Searched("strategy.co_teaching_plus.ramp", _from(0.02, 0.5), "as for co_teaching"),
    Searched("strategy.co_teaching_plus.warm_up", _from(0.0, 0.3), "0 to 0.1 in the code, and above"),
    Searched("strategy.jocor.ramp", _from(0.02, 0.5), "as for co_teaching"),
    Searched("strategy.jocor.agreement", _from(0.05, 0.95), "JoCoR (CVPR 2020), 0.05 to 0.95, recalled"),
    Searched("strategy.dividemix.warm_up", _from(0.1, 0.5), "our own: shorter trainings than the paper's need more"),
    Searched("strategy.dividemix.threshold", _from(0.3, 0.7), "DivideMix (ICLR 2020), 0.5 and 0.6, and around them"),
    Searched("strategy.dividemix.lambda_u", _from(0.0, 150.0), "DivideMix (ICLR 2020), 0 to 150"),
    Searched("strategy.cores.beta", _from(0.0, 4.0), "CORES (ICLR 2021), around the code's 2"),
    Searched("strategy.p_diff.ramp", _from(0.05, 0.5), "P-DIFF (ICPR 2020), 0.1; small data need more"),
    Searched("strategy.p_diff.window", _whole(5, 200), "P-DIFF (ICPR 2020), 100; small data need less"),
    Searched("strategy.drpl.threshold", _from(0.05, 0.5), "our own, around the code's 0.1"),
    Searched("strategy.drpl.sharpness", _from(0.0, 1.0), "our own, around the code's 0.4"),
    Searched("strategy.noiseface.window", _whole(5, 1000), "NoiseFace (CVPR 2019), 1,000; small data need less"),
    Searched("strategy.boundaryface.margin", _from(0.0, 0.5), "BoundaryFace (ECCV 2022), 0.3 and 0.5, and below"),
    Searched("strategy.boundaryface.weight", _log(0.3, 30.0), WEIGHT_AROUND),
    Searched("strategy.subcenter_cleaning.start", _from(0.3, 0.9), "our own, around the default"),
    Searched("strategy.subcenter_cleaning.angle_deg", _from(50.0, 90.0), "Sub-center ArcFace (ECCV 2020), around 75"),
    Searched("strategy.probability_guided_maxout.drop", _from(0.0, 0.9), "around the paper's 0.5: our own"),
)

SEARCHED: tuple[Searched, ...] = (*TRAINING, *HEADS, *PENALTIES, *LOSSES, *STRATEGIES)

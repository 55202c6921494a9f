"""Audit: which labels of a real data set look wrong, how many, of what kind, and what they cost.

A new detector is one file with its frozen class, and one line in ``DETECTORS``.
"""

from noisylabels.audit.by_dynamics import AreaUnderMargin, Forgetting, LossMixture, SmallLoss
from noisylabels.audit.by_probabilities import ConfidentLearning, NormalizedMargin, SelfConfidence
from noisylabels.audit.detector import Detector, Observed
from noisylabels.audit.dynamics import Dynamics
from noisylabels.audit.evidence import Evidence, combined
from noisylabels.audit.finding import Finding

DETECTORS: dict[str, type[Detector]] = {
    "confident_learning": ConfidentLearning,
    "self_confidence": SelfConfidence,
    "normalized_margin": NormalizedMargin,
    "area_under_margin": AreaUnderMargin,
    "small_loss": SmallLoss,
    "loss_mixture": LossMixture,
    "forgetting": Forgetting,
}
"""Printed name to class."""

__all__ = ["DETECTORS", "Detector", "Dynamics", "Evidence", "Finding", "Observed", "combined"]

"""Metrics: pure functions of an :class:`Evaluation`, each with a unit, a direction, a range and an n.

A new metric is one file with its function and its frozen class, and one line in ``METRICS``.
"""

from noisylabels.metrics.accuracy import Accuracy, AccuracyKnown, AccuracyMerged
from noisylabels.metrics.angles import CentroidSpread, IntraClassAngle, NearestCentroidAngle
from noisylabels.metrics.calibration import BrierScore, ExpectedCalibrationError
from noisylabels.metrics.effective_rank import EffectiveRank
from noisylabels.metrics.evaluation import Evaluation
from noisylabels.metrics.identified import DetectionAndIdentification, RankOne
from noisylabels.metrics.label_issues import LabelIssueAuroc, LabelIssueAveragePrecision, LabelIssuePrecision
from noisylabels.metrics.measured import Measured, measure
from noisylabels.metrics.memorisation import Corrected, Memorisation
from noisylabels.metrics.merged_purity import PurityWithinMerged
from noisylabels.metrics.metric import EmbeddingMetric, Metric, Undefined
from noisylabels.metrics.scatter import FisherRatio, Nc1
from noisylabels.metrics.silhouette import CosineSilhouette
from noisylabels.metrics.verified_pairs import EqualErrorRate, TrueAcceptRate, VerificationAccuracy, VerificationAuc
from noisylabels.metrics.wrong_centre import WrongCentreAngle

METRICS: dict[str, type[Metric]] = {
    "accuracy": Accuracy,
    "accuracy_merged": AccuracyMerged,
    "accuracy_known": AccuracyKnown,
    "memorisation": Memorisation,
    "corrected": Corrected,
    "intra_class_angle_deg": IntraClassAngle,
    "nearest_centroid_angle_deg": NearestCentroidAngle,
    "centroid_spread_deg": CentroidSpread,
    "wrong_centre_angle_deg": WrongCentreAngle,
    "nc1": Nc1,
    "fisher_ratio": FisherRatio,
    "cosine_silhouette": CosineSilhouette,
    "effective_rank": EffectiveRank,
    "label_issue_auroc": LabelIssueAuroc,
    "label_issue_average_precision": LabelIssueAveragePrecision,
    "label_issue_precision": LabelIssuePrecision,
    "expected_calibration_error": ExpectedCalibrationError,
    "brier_score": BrierScore,
    "verification_accuracy": VerificationAccuracy,
    "verification_auc": VerificationAuc,
    "equal_error_rate": EqualErrorRate,
    "tar_at_1_percent_far": TrueAcceptRate,
    "rank_1_identification": RankOne,
    "dir_at_1_percent_far": DetectionAndIdentification,
    "merged_purity": PurityWithinMerged,
}


def measure_all(evaluation: Evaluation) -> tuple[Measured, ...]:
    """Every metric of the table, in its order; metrics undefined here have no value and a note."""
    return tuple(measure(metric(), evaluation) for metric in METRICS.values())


__all__ = [
    "METRICS",
    "EmbeddingMetric",
    "Evaluation",
    "Measured",
    "Metric",
    "Undefined",
    "measure",
    "measure_all",
]

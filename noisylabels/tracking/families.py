"""Metrics by the question they answer: the sections of a dashboard, and the first part of a figure's name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from noisylabels.result import Measurement

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "degradation": ("accuracy", "accuracy_known", "accuracy_merged"),
        "memorisation": ("memorisation", "corrected"),
        "compactness": (
            "intra_class_angle_deg",
            "nearest_centroid_angle_deg",
            "centroid_spread_deg",
            "wrong_centre_angle_deg",
            "nc1",
            "fisher_ratio",
            "cosine_silhouette",
            "effective_rank",
            "merged_purity",
        ),
        "verification": (
            "verification_auc",
            "verification_accuracy",
            "equal_error_rate",
            "tar_at_1_percent_far",
            "rank_1_identification",
            "dir_at_1_percent_far",
        ),
        "detection": ("label_issue_auroc", "label_issue_average_precision", "label_issue_precision"),
    }
)
"""Section to metrics; the first of each is what its first panel shows."""

OTHER = "other"


def figure_name(measured: Measurement) -> str:
    """Such as ``degradation/accuracy``; with the rule that chose the epoch where that is not the last one."""
    return named(measured.name) + ("" if measured.selection == "last_epoch" else f"_by_{measured.selection}")


def named(metric: str) -> str:
    """The metric under its section.

    >>> named("memorisation"), named("brier_score")
    ('memorisation/memorisation', 'other/brier_score')
    """
    section = next((name for name, metrics in FAMILIES.items() if metric in metrics), OTHER)
    return f"{section}/{metric}"

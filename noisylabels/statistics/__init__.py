"""Means with intervals, paired comparisons, degradation. NumPy and SciPy only; plain values in, frozen values out."""

from noisylabels.statistics.accuracy_loss import equalised_loss_of_accuracy, relative_loss_of_accuracy
from noisylabels.statistics.aggregates import (
    interquartile_mean,
    mean_over_strata,
    optimality_gap,
    pooled_interquartile_mean,
)
from noisylabels.statistics.bootstrap import StratifiedInterval, stratified_bootstrap
from noisylabels.statistics.corruption_error import (
    MeanCorruptionError,
    corruption_error,
    mean_corruption_error,
    relative_corruption_error,
)
from noisylabels.statistics.curve_shape import Breakdown, breakdown_point, slope_at_zero
from noisylabels.statistics.degradation import area_under_drops, drops
from noisylabels.statistics.degradation_summary import DegradationSummary, summarise_degradation
from noisylabels.statistics.holm import holm_adjusted
from noisylabels.statistics.identity_bootstrap import identity_bootstrap, resampled_weights
from noisylabels.statistics.improvement import probability_of_improvement
from noisylabels.statistics.interval import Interval, t_interval
from noisylabels.statistics.joint_sign_flip import JointSignFlip, StratumTest, joint_sign_flip
from noisylabels.statistics.loss_split import LossSplit, split_loss
from noisylabels.statistics.paired import BySeed, Comparison, compare, paired_differences
from noisylabels.statistics.paired_resolution import paired_resolution
from noisylabels.statistics.pairwise_matrix import Pairing, comparison_matrix
from noisylabels.statistics.power import (
    least_pairs,
    sign_flip_pairs,
    sign_flip_power,
    spread_upper_limit,
    t_test_pairs,
    t_test_power,
)
from noisylabels.statistics.profiles import PerformanceProfile, performance_profile
from noisylabels.statistics.ranks import FriedmanTest, MeanRanks, friedman_test, mean_ranks
from noisylabels.statistics.resolution import resolution, resolution_warning
from noisylabels.statistics.sign_flip import MAX_PAIRS, sign_flip_p, smallest_p
from noisylabels.statistics.strata import ByStratum, Samples, StratumCount, align
from noisylabels.statistics.variance_components import VarianceComponents, variance_components

__all__ = [
    "MAX_PAIRS",
    "Breakdown",
    "BySeed",
    "ByStratum",
    "Comparison",
    "DegradationSummary",
    "FriedmanTest",
    "Interval",
    "JointSignFlip",
    "LossSplit",
    "MeanCorruptionError",
    "MeanRanks",
    "Pairing",
    "PerformanceProfile",
    "Samples",
    "StratifiedInterval",
    "StratumCount",
    "StratumTest",
    "VarianceComponents",
    "align",
    "area_under_drops",
    "breakdown_point",
    "compare",
    "comparison_matrix",
    "corruption_error",
    "drops",
    "equalised_loss_of_accuracy",
    "friedman_test",
    "holm_adjusted",
    "identity_bootstrap",
    "interquartile_mean",
    "joint_sign_flip",
    "least_pairs",
    "mean_corruption_error",
    "mean_over_strata",
    "mean_ranks",
    "optimality_gap",
    "paired_differences",
    "paired_resolution",
    "performance_profile",
    "pooled_interquartile_mean",
    "probability_of_improvement",
    "relative_corruption_error",
    "relative_loss_of_accuracy",
    "resampled_weights",
    "resolution",
    "resolution_warning",
    "sign_flip_p",
    "sign_flip_pairs",
    "sign_flip_power",
    "slope_at_zero",
    "smallest_p",
    "split_loss",
    "spread_upper_limit",
    "stratified_bootstrap",
    "summarise_degradation",
    "t_interval",
    "t_test_pairs",
    "t_test_power",
    "variance_components",
]

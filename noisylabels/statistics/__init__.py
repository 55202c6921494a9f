"""Means with intervals, paired comparisons, degradation. NumPy and SciPy only; plain values in, frozen values out."""

from noisylabels.statistics.degradation import area_under_drops, drops
from noisylabels.statistics.identity_bootstrap import identity_bootstrap, resampled_weights
from noisylabels.statistics.interval import Interval, t_interval
from noisylabels.statistics.paired import BySeed, Comparison, compare, paired_differences
from noisylabels.statistics.resolution import resolution, resolution_warning
from noisylabels.statistics.sign_flip import MAX_PAIRS, sign_flip_p, smallest_p

__all__ = [
    "MAX_PAIRS",
    "BySeed",
    "Comparison",
    "Interval",
    "area_under_drops",
    "compare",
    "drops",
    "identity_bootstrap",
    "paired_differences",
    "resampled_weights",
    "resolution",
    "resolution_warning",
    "sign_flip_p",
    "smallest_p",
    "t_interval",
]

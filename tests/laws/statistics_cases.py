"""Every public function of ``noisylabels.statistics`` with arguments that all of it has to work on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import noisylabels.statistics as S

STRATA = ["symmetric at 20 %", "symmetric at 40 %"]


def drawn(key: int, names=(*STRATA, "pair at 40 %"), seeds=24) -> dict[str, dict[int, float]]:
    """One method's shares by stratum and seed, in sixty-fourths so that doubling and negating are exact."""
    values = np.random.default_rng(key).integers(8, 56, size=(len(names), seeds)) / 64
    return {name: dict(enumerate(row.tolist())) for name, row in zip(names, values, strict=True)}


CURVE = {0.0: {0: 0.875, 1: 0.75, 2: 0.8125}, 0.2: {0: 0.75, 1: 0.75, 2: 0.5}, 0.4: {0: 0.5, 1: 0.25, 2: 0.375}}
ONES = np.arange(12) % 4
TWOS = np.arange(12) % 5 + 4
PAIR_VALUES = np.arange(12) / 16


@dataclass(frozen=True)
class Case:
    """One public function with arguments that all of it has to work on.

    Attributes:
        values: the arguments that hold what was measured and must be numbers.
        signed: the arguments that change sign with the metric, where the function knows a direction.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    values: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()

    def __call__(self, **changed: Any) -> Any:
        return plain(self.function(**{**self.arguments, **changed}))


def plain(result: Any) -> Any:
    """A result as nested tuples that ``==`` compares; of an endless iterator the first three."""
    if dataclasses.is_dataclass(result):
        return tuple((f.name, plain(getattr(result, f.name))) for f in dataclasses.fields(result))
    if isinstance(result, Iterator):
        return plain(list(itertools.islice(result, 3)))
    if isinstance(result, Mapping):
        return tuple(sorted((key, plain(value)) for key, value in result.items()))
    if isinstance(result, np.ndarray):
        return plain(result.tolist())
    if isinstance(result, (list, tuple)):
        return tuple(plain(value) for value in result)
    return result


def mean_difference(x, y):
    return S.mean_over_strata(x) - S.mean_over_strata(y)


X, Y, Z = drawn(0), drawn(1), drawn(2)
SAMPLES_X, SAMPLES_Y = (tuple(np.array(list(m[s].values())) for s in STRATA) for m in (X, Y))
UP = {"higher_is_better": True}
STRATIFIED = {"strata": STRATA, "seed": 3}

CASES = {
    "align": Case(S.align, {"methods": [X, Y], "strata": STRATA}, ("methods",)),
    "area_under_drops": Case(S.area_under_drops, {"rates": [0.0, 0.25, 0.5], "drops": [0.0, 0.25, 0.5]}),
    "breakdown_point": Case(
        S.breakdown_point, {"rates": [0.0, 0.25, 0.5], "drops": [0.0, 0.25, 0.5], "delta": 0.375}, ("drops",)
    ),
    "compare": Case(S.compare, {"first": X["pair at 40 %"], "second": Y["pair at 40 %"]}, ("first", "second")),
    "comparison_matrix": Case(
        S.comparison_matrix, {"methods": {"x": X, "y": Y, "z": Z}, "strata": STRATA, **UP}, ("methods",), ("methods",)
    ),
    "corruption_error": Case(S.corruption_error, {"errors": {0.2: 0.25}, "reference": {0.2: 0.5}}, ("errors",)),
    "drops": Case(S.drops, {"clean": CURVE[0.0], "noisy": CURVE[0.4], **UP}, (), ("clean", "noisy")),
    "equalised_loss_of_accuracy": Case(S.equalised_loss_of_accuracy, {"clean": 0.75, "noisy": 0.5}, ("noisy",)),
    "friedman_test": Case(S.friedman_test, {"values": np.arange(12.0).reshape(3, 4) % 5}, ("values",)),
    "holm_adjusted": Case(S.holm_adjusted, {"p_values": [0.25, 0.0625, 0.125]}, ("p_values",)),
    "identity_bootstrap": Case(
        S.identity_bootstrap,
        {
            "statistic": lambda weights: float(weights @ PAIR_VALUES / weights.sum()),
            "first": ONES,
            "second": TWOS,
            "seed": 3,
            "resamples": 50,
        },
    ),
    "interquartile_mean": Case(S.interquartile_mean, {"values": [0.5, 0.25, 0.75, 0.0, 1.0]}, ("values",)),
    "joint_sign_flip": Case(
        S.joint_sign_flip, {"first": X, "second": Y, "draws": 500, **STRATIFIED}, ("first", "second")
    ),
    "least_pairs": Case(S.least_pairs, {"level": 0.05}, ("level",)),
    "mean_corruption_error": Case(
        S.mean_corruption_error,
        {"errors": {"a": {0.2: 0.25}}, "reference": {"a": {0.2: 0.5}}, "kinds": ["a"]},
        ("errors",),
    ),
    "mean_over_strata": Case(S.mean_over_strata, {"samples": SAMPLES_X}, ("samples",)),
    "mean_ranks": Case(
        S.mean_ranks, {"methods": {"x": X, "y": Y, "z": Z}, "strata": STRATA, **UP}, ("methods",), ("methods",)
    ),
    "optimality_gap": Case(S.optimality_gap, {"values": [0.5, 0.25, 2.0], "target": 1.0}, ("values",)),
    "paired_differences": Case(S.paired_differences, {"first": CURVE[0.0], "second": CURVE[0.4]}),
    "paired_resolution": Case(S.paired_resolution, {"count": 100, "discordant": 0.25}, ("discordant",)),
    "performance_profile": Case(
        S.performance_profile,
        {"scores": X, "thresholds": [0.25, 0.5], "resamples": 50, **STRATIFIED, **UP},
        ("scores",),
        ("scores", "thresholds"),
    ),
    "pooled_interquartile_mean": Case(S.pooled_interquartile_mean, {"samples": SAMPLES_X}, ("samples",)),
    "probability_of_improvement": Case(
        S.probability_of_improvement,
        {"first": SAMPLES_X, "second": SAMPLES_Y, **UP},
        (),
        ("first", "second"),
    ),
    "relative_corruption_error": Case(
        S.relative_corruption_error,
        {"errors": {0.0: 0.125, 0.2: 0.25}, "reference": {0.0: 0.125, 0.2: 0.5}},
        ("errors",),
    ),
    "relative_loss_of_accuracy": Case(S.relative_loss_of_accuracy, {"clean": 0.75, "noisy": 0.5}, ("noisy",)),
    "resampled_weights": Case(S.resampled_weights, {"first": ONES, "second": TWOS, "seed": 3}),
    "resolution": Case(S.resolution, {"count": 100, "accuracy": 0.75}, ("accuracy",)),
    "resolution_warning": Case(
        S.resolution_warning, {"difference": 0.01, "count": 100, "accuracy": 0.75}, ("accuracy",)
    ),
    "sign_flip_p": Case(S.sign_flip_p, {"differences": [0.25, -0.125, 0.5]}, ("differences",)),
    "sign_flip_pairs": Case(S.sign_flip_pairs, {"effect": 1.5, "seed": 3, "draws": 40}, ("effect",)),
    "sign_flip_power": Case(S.sign_flip_power, {"effect": 0.7, "pairs": 12, "seed": 3, "draws": 40}),
    "slope_at_zero": Case(S.slope_at_zero, {"rates": [0.0, 0.25, 0.5], "drops": [0.0, 0.25, 0.5]}, ("drops",)),
    "smallest_p": Case(S.smallest_p, {"n": 5}),
    "spread_upper_limit": Case(S.spread_upper_limit, {"sd": 0.25, "n": 3}, ("sd",)),
    "split_loss": Case(
        S.split_loss,
        {"clean": CURVE[0.0], "control": CURVE[0.2], "noisy": CURVE[0.4], **UP},
        ("noisy",),
        ("clean", "control", "noisy"),
    ),
    "stratified_bootstrap": Case(
        S.stratified_bootstrap,
        {"statistic": mean_difference, "methods": [X, Y], "resamples": 50, **STRATIFIED},
        ("methods",),
    ),
    "summarise_degradation": Case(
        S.summarise_degradation, {"curve": CURVE, "delta": 0.125, **UP}, ("curve",), ("curve",)
    ),
    "t_interval": Case(S.t_interval, {"values": [0.25, 0.5, 0.875]}, ("values",)),
    "t_test_pairs": Case(S.t_test_pairs, {"effect": 0.75}, ("effect",)),
    "t_test_power": Case(S.t_test_power, {"effect": 0.75, "pairs": 12}),
    "variance_components": Case(
        S.variance_components,
        {"values": {(0, 0): 0.5, (0, 1): 0.25, (1, 0): 0.75, (1, 1): 0.125}},
        ("values",),
    ),
}
"""Every public function by name."""

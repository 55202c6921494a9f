"""Published instance-dependent noise, bug for bug: a rate per image, and a target from a random projection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws, unit_floats
from corruptions.examples import Examples
from corruptions.legacy_class_noise import Outcome
from corruptions.normal_quantile import normal_cdf, normal_quantile
from corruptions.portable import exact_product, exp, row_chunks

STD = 0.1
"""Standard deviation of the rates per image."""

MAX_CLASSES = 1_000
_WEIGHT_BITS = 12
_FEATURE_BITS = 20


def aqua_instance(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """``q ~ N(rate, 0.1^2)`` within [rate, rate + 0.1], as its bounds 0 and 1 are taken in standard units; one W."""
    if rate + STD > 1:
        raise ValueError(f"aqua_instance needs a rate of at most {1 - STD}, as q reaches rate + {STD}; got {rate}")
    return _flipped(examples, basis, seed, "aqua_instance", rate, bounds=(0.0, 1.0), weights_per_class=False)


def pdn_instance(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """``q ~ N(rate, 0.1^2)`` within [0, 1]; one W per true class."""
    bounds = (-rate / STD, (1 - rate) / STD)
    return _flipped(examples, basis, seed, "pdn_instance", rate, bounds, weights_per_class=True)


def _flipped(
    examples: Examples,
    basis: Examples,
    seed: int,
    code: str,
    rate: float,
    bounds: tuple[float, float],
    weights_per_class: bool,
) -> Outcome:
    if examples.num_classes > MAX_CLASSES:
        raise ValueError(
            f"{code} needs at most {MAX_CLASSES:,} classes, as its W are dense; got {examples.num_classes:,}"
        )
    q = rate + STD * _truncated_normal(_uniform(seed, code, "rate", examples.ids), *bounds)
    chosen = np.flatnonzero(_uniform(seed, code, "which", examples.ids) < q)
    given = examples.true.copy()
    factor = _whole_factor(basis)
    groups = [chosen]
    if weights_per_class:
        groups = [chosen[examples.true[chosen] == i] for i in range(examples.num_classes)]
    for number, rows in enumerate(groups):
        if rows.size:
            weights = _weights(seed, code, number, _features(examples).shape[1], examples.num_classes)
            given[rows] = _targets(examples, rows, weights, factor, seed, code)
    return given, {"num_chosen": len(chosen)}


def _targets(
    examples: Examples, rows: NDArray[np.int64], weights: NDArray[np.float64], factor: float, seed: int, code: str
) -> NDArray[np.int64]:
    """One class each, drawn from ``softmax(x W)`` with the true class masked out."""
    features, targets = _features(examples), np.empty(len(rows), dtype=np.int64)
    scale = 1.0 / (factor * 2.0**_WEIGHT_BITS)
    for part in row_chunks(len(rows), max(features.shape[1], examples.num_classes)):
        some = rows[part]
        logits = exact_product(np.rint(features[some] * np.float64(factor)), weights).astype(np.float64) * scale
        logits[np.arange(len(some)), examples.true[some]] = -np.inf
        mass = exp(logits - logits.max(axis=1, keepdims=True))
        mass[np.arange(len(some)), examples.true[some]] = 0.0
        upto = np.cumsum(mass, axis=1)  # added up in the order of the classes, hence alike everywhere
        threshold = _uniform(seed, code, "target", examples.ids[some]) * upto[:, -1]
        threshold = np.minimum(threshold, np.nextafter(upto[:, -1], 0.0))  # never beyond the last class with mass
        targets[part] = (upto <= threshold[:, None]).sum(axis=1)
    return targets


def _weights(seed: int, code: str, number: int, num_features: int, num_classes: int) -> NDArray[np.float64]:
    """``2^12`` times a standard normal matrix, rounded to whole numbers so that products are exact, (F, K)."""
    cells = np.arange(num_features * num_classes, dtype=np.int64)
    z = normal_quantile(_uniform(seed, code, f"weights_{number}", cells))
    return np.rint(z * 2.0**_WEIGHT_BITS).reshape(num_features, num_classes)


def _truncated_normal(u: NDArray[np.float64], lower: float, upper: float) -> NDArray[np.float64]:
    """The quantile u of a standard normal within two bounds."""
    low, high = normal_cdf(lower), normal_cdf(upper)
    p = np.clip(low + u * (high - low), 2.0**-60, 1.0 - 2.0**-53)
    return np.clip(normal_quantile(p), lower, upper)


def _whole_factor(basis: Examples) -> float:
    """The power of two that brings the largest feature to about 2^20; 1 where they are whole and below that already."""
    features = _features(basis)
    largest = max(float(features.max()), -float(features.min()))
    if largest > 2.0**500:
        raise ValueError(f"instance noise needs features within 2^500; got {largest:.6g}")
    if largest == 0 or (np.issubdtype(features.dtype, np.integer) and largest <= 2**_FEATURE_BITS):
        return 1.0
    _, exponent = np.frexp(largest)
    return float(np.ldexp(1.0, min(_FEATURE_BITS - int(exponent), 900)))


def _features(examples: Examples) -> NDArray[Any]:
    if examples.features is None:
        raise ValueError("instance noise needs features; got none")
    return examples.features


def _uniform(seed: int, code: str, purpose: str, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """In (0, 1): the middle of each of 2^52 steps."""
    words = example_draws(seed, f"legacy/{code}/{purpose}", ids)
    u: NDArray[np.float64] = unit_floats(words & np.uint64(0xFFFFFFFFFFFFF000)) + 2.0**-53
    return u

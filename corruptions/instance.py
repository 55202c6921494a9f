"""Instance-dependent noise: what an example looks like decides what it is mistaken for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, unit_floats
from corruptions.examples import Examples
from corruptions.portable import LARGEST, ONE_SIGMA, Standardiser, exact_product, exp, random_signs, row_chunks
from corruptions.quota import quota, smallest, smallest_drawn
from corruptions.record import MAX_LISTED_CLASSES

_BALANCING_STEPS = 8
_MOST_SAMPLED, _FEWEST_SAMPLED, _SAMPLED_LOGITS = 4096, 256, 1 << 24
_WEIGHT = 2.0**30


@dataclass(frozen=True)
class Instance(Corruption):
    """Exactly ``n = floor(rate * N + 1/2)`` examples, those with the smallest draws, get a label their features pick.

    The wrong label is drawn from ``softmax_j(l_j / temperature + log b_j)`` over the classes j other than the true one:

    - ``l = standardised(z W / sqrt(F))`` with z the features standardised over the basis and W a random F x K matrix of
      +-1, a function of (seed, class, column). One W serves all true classes, as in CORES: alike examples of different
      classes are mistaken for the same thing. Each logit is standardised over the basis (the factor sqrt(F) cancels).
    - b balances the classes: eight multiplicative steps bring each class's expected share of the flips near 1 / K. On
      raw pixels and without the two steps above, 46 to 84 % of all flips fall into one class.

    Standardising the logits and balancing use at most 4,096 examples of the basis, those with the smallest draws. The
    target of an example depends on neither the rate nor the other examples that are corrupted with it. Whole-number
    arithmetic throughout (see ``portable``): the same labels on any machine.

    Attributes:
        rate: share of examples with a wrong label, in [0, 1].
        temperature: above 0. Small: the features decide alone; large: symmetric noise.

    Record details: ``temperature``, ``largest_target_share`` (of all flips, those into the class that takes most),
    ``inflow_by_class`` (K numbers; up to 100 classes only).

    Raises:
        ValueError: temperature is not a finite number above 0; in ``apply``, no features.

    Reference: Xia et al., Part-dependent label noise, NeurIPS 2020, and CORES (Cheng et al., ICLR 2021), both with a
    flip probability per example, raw pixels and no balance; exact count, standardising and balance are our own.

    >>> features = [[0, 0], [0, 1], [9, 8], [8, 9]]
    >>> noise = Instance(rate=0.5).apply([0, 1, 2, 3], 4, seed=7, features=features)
    >>> noise.record.num_flipped, noise.record.details["temperature"]
    (2, 1.0)
    """

    kind: ClassVar[str] = "instance"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.temperature, bool) or not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise ValueError(f"temperature must be a finite number above 0; got {self.temperature}")
        object.__setattr__(self, "temperature", float(self.temperature))

    def needs(self) -> frozenset[str]:
        return frozenset({"features"})

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        chosen = smallest_drawn(seed, "instance/which", examples.ids, quota(self.rate, len(examples)))
        given = examples.true.copy()
        if len(chosen):
            targets = InstanceTargets.learnt(basis, self.temperature, seed)
            words = example_draws(seed, "instance/target", examples.ids[chosen])
            for chunk in row_chunks(len(chosen), max(examples.num_classes, _columns(examples))):
                rows = chosen[chunk]
                given[rows] = targets.draw(_features(examples)[rows], examples.true[rows], words[chunk])
        return Decision(given, self._details(given[chosen], examples.num_classes), num_asked=len(chosen))

    def _details(self, targets: NDArray[np.int64], num_classes: int) -> dict[str, Any]:
        inflow = np.bincount(targets, minlength=num_classes)
        details: dict[str, Any] = {
            "temperature": self.temperature,
            "largest_target_share": int(inflow.max()) / max(len(targets), 1),
        }
        if num_classes <= MAX_LISTED_CLASSES:
            details["inflow_by_class"] = inflow.tolist()
        return details


@dataclass(frozen=True, eq=False)
class InstanceTargets:
    """The distribution of the wrong label given features and true class.

    Attributes:
        of_features: standardises the features.
        projection: W, +-1, int8, shape (F, K).
        of_logits: standardises the logits.
        weight_of_gap: ``exp(-g / (128 temperature))`` of a logit g / 128 below the row's largest, shape (2049,).
        balance: b, float64, shape (K,).
    """

    of_features: Standardiser
    projection: NDArray[np.int8]
    of_logits: Standardiser
    weight_of_gap: NDArray[np.float64]
    balance: NDArray[np.float64]

    @classmethod
    def learnt(cls, basis: Examples, temperature: float, seed: int) -> Self:
        """From the features and true labels of the basis."""
        features, K = _features(basis), basis.num_classes
        of_features = Standardiser.learnt(features)
        projection = random_signs(seed, "instance/projection", K, features.shape[1]).T
        most = min(max(_SAMPLED_LOGITS // K, _FEWEST_SAMPLED), _MOST_SAMPLED, len(basis))
        sample = smallest(example_draws(seed, "instance/balance", basis.ids), most)
        raw = np.empty((most, K))
        for chunk in row_chunks(most, max(K, features.shape[1])):
            raw[chunk] = exact_product(of_features(features[sample[chunk]]), projection)
        of_logits = Standardiser.learnt(raw)
        gaps = np.arange(2 * LARGEST + 1)
        weight_of_gap = exp(-gaps / (ONE_SIGMA * temperature))
        balance = _balanced(of_logits(raw), basis.true[sample], weight_of_gap)
        return cls(of_features, projection, of_logits, weight_of_gap, balance)

    def draw(self, features: NDArray[Any], true: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """One wrong label each by inverse CDF, shape (n,); holds n x K numbers."""
        logits = self.of_logits(exact_product(self.of_features(features), self.projection))
        upto = np.cumsum(_weights(logits, true, self.weight_of_gap, self.balance), axis=1)
        total = upto[:, -1]
        position = np.minimum(unit_floats(words) * total, total - 1).astype(np.int64)
        targets: NDArray[np.int64] = (upto <= position[:, None]).sum(axis=1)
        return targets


def _balanced(
    logits: NDArray[np.int16], true: NDArray[np.int64], weight_of_gap: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Factors b under which each class's expected share of the flips is near 1 / K, float64, shape (K,)."""
    count, K = logits.shape
    balance = np.ones(K)
    for _ in range(_BALANCING_STEPS):
        inflow = np.zeros(K, dtype=np.int64)
        for rows in row_chunks(count, K):
            weights = _weights(logits[rows], true[rows], weight_of_gap, balance)
            probabilities = weights / weights.sum(axis=1, keepdims=True)
            inflow += np.rint(probabilities * 2.0**40).astype(np.int64).sum(axis=0)  # whole numbers: an exact sum
        share = count / K * 2.0**40
        balance *= np.clip(share / np.maximum(inflow, 1), 0.25, 4.0)
        np.clip(balance, 2.0**-20, 2.0**20, out=balance)
    return balance


def _weights(
    logits: NDArray[np.int16],
    true: NDArray[np.int64],
    weight_of_gap: NDArray[np.float64],
    balance: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Whole-number odds of each wrong label, the largest 2^30, int64, shape (n, K); 0 for the true one."""
    own = (np.arange(len(true)), true)
    wrong = logits.astype(np.int64)
    wrong[own] = -LARGEST
    odds = weight_of_gap[wrong.max(axis=1, keepdims=True) - wrong] * balance
    odds[own] = 0.0
    odds /= odds.max(axis=1, keepdims=True)
    odds *= _WEIGHT
    weights: NDArray[np.int64] = np.rint(odds).astype(np.int64)
    return weights


def _features(examples: Examples) -> NDArray[Any]:
    if examples.features is None:
        raise ValueError("instance needs features; got none")
    return examples.features


def _columns(examples: Examples) -> int:
    return int(_features(examples).shape[1])

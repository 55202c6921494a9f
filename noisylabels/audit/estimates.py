"""How many labels are wrong, in which classes, and how classes are mistaken for one another: with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.suspects import Suspects

RESAMPLES = 400
MAX_MATRIX_CLASSES = 100
"""Above, no transition matrix is estimated: K * K cells would share too few examples."""

_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A share with a 95 % interval, all in [0, 1].

    Attributes:
        value: the mean of the counts' shares.
        low: the lower end of the interval of the count that finds least.
        high: the upper end of the interval of the count that finds most.
        n: examples it is about.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class Estimates:
    """What an audit says of a data set as a whole.

    Attributes:
        noise_rate: share of wrong labels.
        contradicted_when_sure: share of labels that the likeliest class contradicts, among the tenth of each predicted
            class that the model is surest of.
        by_given_class: K shares: of the examples labelled j, those that are of another class; NaN without examples.
        transition_matrix: float64 ``(K, K)``, ``T[i, j] = P(given j | true i)``, rows summing to 1; None above 100
            classes.
        transition_low, transition_high: ends of each cell's interval.
        bracketed: whether two counts of opposite bias took part, so that the interval holds more than sampling.
    """

    noise_rate: Estimate
    contradicted_when_sure: Estimate
    by_given_class: tuple[Estimate, ...]
    transition_matrix: NDArray[np.float64] | None
    transition_low: NDArray[np.float64] | None
    transition_high: NDArray[np.float64] | None
    bracketed: bool


def estimate(found: Suspects, *, seed: int, resamples: int = RESAMPLES) -> Estimates:
    """Shares of the suspects, and the matrix of what they would rather be.

    Where there are two counts, the value is their mean, half of an example's weight in each, and the interval reaches
    from the lower end of the smaller one's to the upper end of the larger one's: confident learning counts the model's
    own mistakes, agreement misses what was learnt by heart, and no sampling interval of either knows. The noise rate's
    interval reaches down to the contradictions among sure predictions, too, where the model's mistakes are fewest. With
    one count it is of sampling alone. The bootstrap is over examples (percentiles of ``resamples`` draws); models and
    thresholds are held. All of it overstates the noise where the model is weak: mistakes made with confidence, by held
    out and trained models alike, look as wrong labels do.

    Args:
        found: of N >= 1 examples.
        seed: of the bootstrap.
        resamples: its draws.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021, section 3.1, for the joint; Efron, 1979, for the
    interval; the bracket is our own.
    """
    types, counts = np.unique(np.stack([found.given, *found.counts]), axis=1, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(found.given), counts / len(found.given), size=resamples)
    weights = np.concatenate([counts[None], draws]).astype(np.float64)
    given, opinions, K = types[0], types[1:], found.num_classes
    named = np.arange(K)[:, None] == given  # (K, types)
    of_class = weights @ named.T
    by_class, overall = [], []
    for opinion in opinions:
        wrong = weights * (opinion >= 0)
        overall.append(wrong.sum(axis=1) / len(found.given))
        by_class.append(_ratio(wrong @ named.T, of_class))
    value, low, high = _bracket(np.stack(overall))
    sure = _sure(found, seed, resamples)
    if found.agreed is not None:
        low = np.minimum(low, sure.low)
    class_value, class_low, class_high = _bracket(np.stack(by_class))
    per_class = zip(class_value, class_low, class_high, of_class[0], strict=True)
    matrix = matrix_low = matrix_high = None
    if K <= MAX_MATRIX_CLASSES:
        matrices = np.stack([_matrices(weights, given, opinion, K) for opinion in opinions])
        _, matrix_low, matrix_high = _bracket(matrices)
        matrix = _transition(found)
    return Estimates(
        noise_rate=Estimate(float(value), float(low), float(high), len(found.given)),
        contradicted_when_sure=sure,
        by_given_class=tuple(Estimate(float(v), float(a), float(b), int(n)) for v, a, b, n in per_class),
        transition_matrix=matrix,
        transition_low=matrix_low,
        transition_high=matrix_high,
        bracketed=found.agreed is not None,
    )


def joint_counts(found: Suspects) -> NDArray[np.float64]:
    """Estimated number of examples of true class i under given label j, float64 ``(K, K)``; sums to N."""
    joint = np.zeros((found.num_classes, found.num_classes))
    for opinion in found.counts:
        rather = np.where(opinion >= 0, opinion, found.given)
        np.add.at(joint, (rather, found.given), 1 / len(found.counts))
    return joint


def _sure(found: Suspects, seed: int, resamples: int) -> Estimate:
    n = int(np.count_nonzero(found.sure))
    share = float(found.contradicted[found.sure].mean())
    drawn = np.random.default_rng(seed).binomial(n, share, size=resamples) / n
    low, high = (float(end) for end in np.quantile(drawn, _TAILS))
    return Estimate(share, low, high, n)


def _transition(found: Suspects) -> NDArray[np.float64]:
    return _rows_to_one(joint_counts(found))


def _rows_to_one(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row over its sum, ``(..., K, K)``; a class that nothing is of keeps its label."""
    total = joint.sum(axis=-1, keepdims=True)
    identity = np.broadcast_to(np.eye(joint.shape[-1]), joint.shape)
    return np.where(total > 0, joint / np.maximum(total, 1e-300), identity)


def _matrices(
    weights: NDArray[np.float64], given: NDArray[np.int64], opinion: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """The transition matrix of one count in every resample, ``(1 + resamples, K, K)``."""
    cells = np.where(opinion >= 0, opinion, given) * num_classes + given
    joints = [np.bincount(cells, weights=row, minlength=num_classes**2).astype(np.float64) for row in weights]
    return _rows_to_one(np.stack(joints).reshape(-1, num_classes, num_classes))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _bracket(
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the counts, and the ends of the smallest and the largest, of shares ``(counts, 1 + resamples, ...)``.

    Row 0 of the second axis is the sample itself. A class that a resample does not have is left out of its interval.
    """
    value = shares[:, 0].mean(axis=0)
    absent = np.isnan(value)
    filled = np.where(absent, 0.0, shares)
    low, high = np.nanquantile(filled[:, 1:], _TAILS, axis=1)
    ends = (low.min(axis=0), high.max(axis=0))
    return value, *(np.where(absent, np.nan, end) for end in ends)

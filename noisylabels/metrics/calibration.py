"""Whether confidence means anything: how often a prediction of 80 % is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import Metric, Undefined

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions by their confidence, in equal bins of (0, 1].

    Attributes:
        counts: predictions in each bin, int64 ``(BINS,)``.
        confidence: their mean confidence, ``(BINS,)``; 0 in an empty bin.
        accuracy: share of them that is right, ``(BINS,)``; 0 in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """``sum_b n_b / M |acc_b - conf_b|``."""
        return float(np.sum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


def reliability(probabilities: Floats, true: Labels) -> Reliability:
    """Sort predictions by the probability of the class that is predicted.

    A confidence of exactly b / BINS belongs to bin b, which ends there: ((b - 1) / BINS, b / BINS].

    Args:
        probabilities: ``(M, K)``.
        true: ``(M,)``.

    Raises:
        Undefined: M is 0 or a probability is not finite.
    """
    if not len(true):
        raise Undefined("there are no test examples")
    if not np.isfinite(probabilities).all():
        raise Undefined("test probabilities are not finite")
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == true
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    filled = np.maximum(counts, 1)
    return Reliability(
        counts,
        np.bincount(place, confidence, minlength=BINS) / filled,
        np.bincount(place, right, minlength=BINS) / filled,
    )


@dataclass(frozen=True)
class _ClassProbabilities(Metric):
    """A metric of the clean test set's class probabilities; lower is better."""

    higher_is_better: ClassVar[bool] = False

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.test_true)


@dataclass(frozen=True)
class ExpectedCalibrationError(_ClassProbabilities):
    """Mean distance of confidence and accuracy over 15 equal bins of confidence: ``sum_b n_b / M |acc_b - conf_b|``.

    Margin heads are measured by their inference logits, at their own scale. A class with several labels has the
    likeliest one's probability.

    Reference: Guo et al., On calibration of modern neural networks, ICML 2017, equation 3.
    """

    kind: ClassVar[str] = "expected_calibration_error"
    unit: ClassVar[str] = "share"
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0

    def compute(self, evaluation: Evaluation) -> float:
        return reliability(evaluation.test_probabilities, evaluation.test_true).expected_error


@dataclass(frozen=True)
class BrierScore(_ClassProbabilities):
    """Mean squared distance of the probabilities from what is so, ``(1/M) sum_i sum_k (p_ik - [k = t_i])^2`` in [0, 2].

    A proper score: unlike the calibration error it cannot be won by always saying the classes' frequencies.

    Reference: G. W. Brier, Monthly Weather Review 78, 1950.
    """

    kind: ClassVar[str] = "brier_score"
    unit: ClassVar[str] = "index"
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 2.0

    def compute(self, evaluation: Evaluation) -> float:
        probabilities, true = evaluation.test_probabilities.astype(np.float64), evaluation.test_true
        if not len(true):
            raise Undefined("there are no test examples")
        if not np.isfinite(probabilities).all():
            raise Undefined("test probabilities are not finite")
        own = probabilities[np.arange(len(true)), true]
        return float(np.mean(np.sum(probabilities**2, axis=1) - 2 * own + 1))

"""Metrics of pairs of people never trained on: are the two images of one person?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.evaluation import Evaluation
from noisylabels.metrics.metric import Metric, Undefined
from noisylabels.metrics.roc import area_under_curve, equal_error_rate, tar_at_far
from noisylabels.metrics.verification import view2

Weights = NDArray[np.int64]

RESAMPLES = 500
"""Draws of people behind an interval: its ends are then known to about a tenth of its width."""


@dataclass(frozen=True)
class PairMetric(Metric):
    """A metric of the scores of verification pairs; it sees nothing else of the run."""

    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0

    @abstractmethod
    def of(self, evaluation: Evaluation) -> float:
        """The value, where there are pairs. Raises :class:`Undefined`."""

    def compute(self, evaluation: Evaluation) -> float:
        if not len(evaluation.pair_scores):
            raise Undefined("the data set has no verification pairs")
        return self.of(evaluation)

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.pair_scores)

    def weighted(self, evaluation: Evaluation) -> Callable[[Weights], float] | None:
        """The value with pairs counted so many times each; None where no interval is made of it."""
        return None

    def interval(self, evaluation: Evaluation) -> tuple[float, float] | None:
        """Bootstrapped over people, :func:`identity_bootstrap`; None where it is not known whom the pairs show."""
        from noisylabels.statistics import identity_bootstrap  # imports scipy, which listing metrics must not

        statistic, people = self.weighted(evaluation), evaluation.pair_people
        if statistic is None or not len(people) or people.min() < 0:
            return None
        found = identity_bootstrap(statistic, people[:, 0], people[:, 1], seed=0, resamples=RESAMPLES)
        return None if found.low is None or found.high is None else (found.low, found.high)


@dataclass(frozen=True)
class VerificationAccuracy(PairMetric):
    """Mean over folds of the share of pairs judged rightly, each fold at the threshold that is best for the others.

    Reference: Huang et al., Labeled Faces in the Wild, UMass TR 07-49, 2007, section III; :func:`view2`.
    """

    kind: ClassVar[str] = "verification_accuracy"
    unit: ClassVar[str] = "share"
    higher_is_better: ClassVar[bool] = True

    def of(self, evaluation: Evaluation) -> float:
        return view2(evaluation.pair_scores, evaluation.pair_is_same, evaluation.pair_fold).mean

    def weighted(self, evaluation: Evaluation) -> Callable[[Weights], float]:
        """Share of pairs judged rightly, each at its fold's threshold, which stands still."""
        folds = view2(evaluation.pair_scores, evaluation.pair_is_same, evaluation.pair_fold).folds
        names = np.array([fold.fold for fold in folds])
        thresholds = np.array([fold.threshold for fold in folds])
        threshold = thresholds[np.searchsorted(names, evaluation.pair_fold)]
        right = (evaluation.pair_scores >= threshold) == evaluation.pair_is_same
        return lambda weights: float(np.average(right, weights=weights))


@dataclass(frozen=True)
class VerificationAuc(PairMetric):
    """Probability that a pair of one person scores above a pair of two; :func:`area_under_curve`."""

    kind: ClassVar[str] = "verification_auc"
    unit: ClassVar[str] = "probability"
    higher_is_better: ClassVar[bool] = True

    def of(self, evaluation: Evaluation) -> float:
        return area_under_curve(evaluation.pair_scores, evaluation.pair_is_same)

    def weighted(self, evaluation: Evaluation) -> Callable[[Weights], float]:
        """The area over pairs that stand so many times each."""
        scores, is_same = evaluation.pair_scores, evaluation.pair_is_same
        return lambda weights: _area(np.repeat(scores, weights), np.repeat(is_same, weights))


@dataclass(frozen=True)
class EqualErrorRate(PairMetric):
    """Share of pairs at which false accepts are as frequent as false rejects; :func:`equal_error_rate`."""

    kind: ClassVar[str] = "equal_error_rate"
    unit: ClassVar[str] = "share"
    higher_is_better: ClassVar[bool] = False

    def of(self, evaluation: Evaluation) -> float:
        return equal_error_rate(evaluation.pair_scores, evaluation.pair_is_same)


@dataclass(frozen=True)
class TrueAcceptRate(PairMetric):
    """Share of pairs of one person accepted where at most 1 % of pairs of two are; :func:`tar_at_far`.

    Undefined with fewer than 100 pairs of two.
    """

    kind: ClassVar[str] = "tar_at_1_percent_far"
    unit: ClassVar[str] = "share"
    higher_is_better: ClassVar[bool] = True

    def of(self, evaluation: Evaluation) -> float:
        return tar_at_far(evaluation.pair_scores, evaluation.pair_is_same, 0.01).true_accept_rate


def _area(scores: NDArray[np.floating], is_same: NDArray[np.bool_]) -> float:
    """The area; a half where a draw has left pairs of one kind only, which tell nothing."""
    return area_under_curve(scores, is_same) if is_same.any() and not is_same.all() else 0.5

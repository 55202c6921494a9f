"""Could the wrong labels be found? Cleanlab's label quality score against the flips that were really injected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import Metric, Undefined


def label_issue_auroc(probabilities: Floats, given: Labels, true: Labels) -> float:
    """Probability that a flipped example scores lower in label quality than an unflipped one, ties counting half.

        AUROC of 1 - q against [y_i != t_i],   q_i = (p_i[y_i] - max_{k != y_i} p_i[k] + 1) / 2

    q is cleanlab's *normalized margin*, its recommendation when the right label is another of the K classes, as it is
    for every flip injected here; *self confidence* is meant for images that belong to no class at all.

    Args:
        probabilities: p, ``(V, K)``, from a model never trained on these examples (else it has learnt their labels).
        given: y, ``(V,)``.
        true: t, ``(V,)``.

    Returns:
        A probability in [0, 1]; 0.5 is chance; higher is better.

    Raises:
        Undefined: no flipped or no unflipped example, probabilities not finite, or cleanlab not installed.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021; ``cleanlab.rank.get_label_quality_scores``.
    """
    return auroc(*_suspicion(probabilities, given, true))


def _suspicion(probabilities: Floats, given: Labels, true: Labels) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How suspect each label is, and whether it is wrong; errors as :func:`label_issue_auroc`."""
    flipped = given != true
    if flipped.all() or not flipped.any():
        found = f"{np.count_nonzero(flipped)} flipped of {len(flipped)}"
        raise Undefined(f"needs flipped and unflipped validation examples; got {found}")
    if not np.isfinite(probabilities).all():
        raise Undefined("validation probabilities are not finite")
    return -_label_quality(probabilities, given), np.asarray(flipped)


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counting half.

        (R - P (P + 1) / 2) / (P Q)

    R is the sum of the P positives' ranks among all P + Q scores, equal scores sharing their mean rank.

    Reference: Hanley & McNeil, Radiology 143, 1982 (the Mann-Whitney form).

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    _, level, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[level]
    positives = int(np.count_nonzero(positive))
    wins = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(scores) - positives)))


def average_precision(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Mean of the precision at each positive, examples sorted by descending score; equal scores stand together.

        sum_s (R_s - R_{s-}) P_s

    over the distinct scores s, with P_s and R_s precision and recall of all that score s or more. 1 where all
    positives come first; the positives' share is chance.

    Reference: scikit-learn's ``average_precision_score``, which does not interpolate either.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))
    0.8333333333333333
    """
    levels, place = np.unique(-scores, return_inverse=True)
    found = np.cumsum(np.bincount(place, positive, minlength=len(levels)))
    looked_at = np.cumsum(np.bincount(place, minlength=len(levels)))
    return float(np.sum(np.diff(found, prepend=0.0) * found / looked_at) / found[-1])


def precision_at_count(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Share of positives among as many of the highest scores as there are positives; of ties at the cut, in proportion.

    >>> precision_at_count(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
    0.5
    """
    count = int(np.count_nonzero(positive))
    cut = np.sort(scores)[-count]
    above, at = scores > cut, scores == cut
    share = (count - np.count_nonzero(above)) / np.count_nonzero(at)
    return float((np.count_nonzero(positive & above) + share * np.count_nonzero(positive & at)) / count)


def _label_quality(probabilities: Floats, given: Labels) -> NDArray[np.float64]:
    """Cleanlab's score, lower for labels more likely wrong, ``(V,)``; in float64, where the margin keeps small ones."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise Undefined(f"cleanlab cannot be imported: {error}") from error
    precise = probabilities.astype(np.float64)
    return np.asarray(get_label_quality_scores(np.asarray(given), precise, method="normalized_margin"))


@dataclass(frozen=True)
class _LabelIssues(Metric):
    """How well the validation split's wrong labels are told by their quality; n counts its examples, flipped or not.

    No model was trained on them: the probabilities are out of sample.
    """

    higher_is_better = True
    lower = 0.0
    upper = 1.0

    def suspicion(self, evaluation: Evaluation) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """How suspect each label is, and whether it is wrong."""
        return _suspicion(evaluation.validation_probabilities, evaluation.validation_given, evaluation.validation_true)

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.validation_true)


@dataclass(frozen=True)
class LabelIssueAuroc(_LabelIssues):
    """:func:`label_issue_auroc` of the validation split; n counts its examples, flipped or not."""

    kind = "label_issue_auroc"
    unit = "probability"

    def compute(self, evaluation: Evaluation) -> float:
        return auroc(*self.suspicion(evaluation))


@dataclass(frozen=True)
class LabelIssueAveragePrecision(_LabelIssues):
    """:func:`average_precision` of the same ranking; the share of wrong labels is chance."""

    kind = "label_issue_average_precision"
    unit = "share"

    def compute(self, evaluation: Evaluation) -> float:
        return average_precision(*self.suspicion(evaluation))


@dataclass(frozen=True)
class LabelIssuePrecision(_LabelIssues):
    """:func:`precision_at_count`: of as many most suspect labels as there are wrong ones, the share that is wrong."""

    kind = "label_issue_precision"
    unit = "share"

    def compute(self, evaluation: Evaluation) -> float:
        return precision_at_count(*self.suspicion(evaluation))

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
    flipped = given != true
    if flipped.all() or not flipped.any():
        found = f"{np.count_nonzero(flipped)} flipped of {len(flipped)}"
        raise Undefined(f"needs flipped and unflipped validation examples; got {found}")
    if not np.isfinite(probabilities).all():
        raise Undefined("validation probabilities are not finite")
    return auroc(-_label_quality(probabilities, given), flipped)


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


def _label_quality(probabilities: Floats, given: Labels) -> NDArray[np.float64]:
    """Cleanlab's score, lower for labels more likely wrong, ``(V,)``; in float64, where the margin keeps small ones."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise Undefined(f"cleanlab cannot be imported: {error}") from error
    precise = probabilities.astype(np.float64)
    return np.asarray(get_label_quality_scores(np.asarray(given), precise, method="normalized_margin"))


@dataclass(frozen=True)
class LabelIssueAuroc(Metric):
    """:func:`label_issue_auroc` of the validation split; n counts its examples, flipped or not."""

    kind = "label_issue_auroc"
    unit = "probability"
    higher_is_better = True
    lower = 0.0
    upper = 1.0

    def compute(self, evaluation: Evaluation) -> float:
        return label_issue_auroc(
            evaluation.validation_probabilities, evaluation.validation_given, evaluation.validation_true
        )

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.validation_true)

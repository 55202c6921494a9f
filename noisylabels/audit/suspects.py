"""Which labels two counts of opposite bias call wrong, and as what: the raw material of every estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.by_dynamics import most_predicted
from noisylabels.audit.detector import Observed
from noisylabels.audit.evidence import NO_SUGGESTION

SURE_SHARE = 0.1
"""Of the images predicted to be of a class, the share that the model is surest of."""

THRESHOLD_SLACK = 1e-6
THRESHOLD_FLOOR = 2e-6
"""Cleanlab's: a probability this far below a threshold reaches it; no threshold is lower."""


@dataclass(frozen=True, eq=False)
class Suspects:
    """For each of N examples, the class that each count would rather see it in; -1 where its label may stand.

    Attributes:
        given: int64 ``(N,)``.
        num_classes: K.
        confident: int64 ``(N,)``, by confident learning: every confident contradiction counts, the model's own mistakes
            among them. Too many where the model is weak.
        agreed: int64 ``(N,)``, where the held-out model and most epochs of the models that *were* trained on the label
            name one same other class. Too few where wrong labels are learnt by heart. None without training dynamics,
            or where the probabilities are in sample themselves.
        sure: bool ``(N,)``, the tenth of each predicted class that a held-out model is surest of: there its own
            mistakes are fewest, so that a contradiction tells most.
        contradicted: bool ``(N,)``, where the likeliest class is not the given label.
    """

    given: NDArray[np.int64]
    num_classes: int
    confident: NDArray[np.int64]
    agreed: NDArray[np.int64] | None
    sure: NDArray[np.bool_]
    contradicted: NDArray[np.bool_]

    @property
    def counts(self) -> tuple[NDArray[np.int64], ...]:
        """Those there are."""
        return (self.confident,) if self.agreed is None else (self.confident, self.agreed)


def suspects(observed: Observed) -> Suspects:
    """Both counts, or the first alone where there are no dynamics.

    Raises:
        ValueError: there are no probabilities.
    """
    if observed.probabilities is None:
        raise ValueError("estimates need predicted probabilities; got none")
    confident = confident_class(observed.probabilities, observed.given)
    likeliest = observed.probabilities.argmax(axis=1)
    agreed = None
    if observed.dynamics is not None and not observed.in_sample:
        fitted = most_predicted(observed.dynamics.predicted)
        agreed = np.where((likeliest == fitted) & (fitted != observed.given), fitted, NO_SUGGESTION)
    sure = surest(observed.probabilities.max(axis=1), likeliest)
    return Suspects(observed.given, observed.num_classes, confident, agreed, sure, likeliest != observed.given)


def surest(confidence: NDArray[np.float64], predicted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The ``ceil(n / 10)`` most confident of the n examples of each predicted class, bool ``(N,)``; ties in order."""
    order = np.lexsort((-confidence, predicted))
    starts = np.flatnonzero(np.diff(predicted[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order] = place < np.repeat(np.ceil(SURE_SHARE * sizes), sizes)
    return chosen


def confident_class(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class an example is confidently counted in where that is not its label, int64 ``(N,)``; -1 elsewhere.

    ``argmax_{j : p_i[j] >= t_j} p_i[j]``, ``t_j = mean of p[j] over the examples labelled j``; nothing where no class
    reaches its threshold, where it is the given one, or where ``argmax p_i`` is the given one. A class that no label
    names has no threshold and is never confident.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021, equations 1 and 2, with the last condition of
    ``cleanlab.count.num_label_issues``, whose count this is.
    """
    num_classes, rows = probabilities.shape[1], np.arange(len(given))
    sizes = np.bincount(given, minlength=num_classes)
    sums = np.bincount(given, weights=probabilities[rows, given], minlength=num_classes)
    means = np.maximum(sums / np.maximum(sizes, 1), THRESHOLD_FLOOR)
    thresholds = np.where(sizes > 0, means, np.inf)
    confident = probabilities >= thresholds - THRESHOLD_SLACK
    likeliest = probabilities.argmax(axis=1)
    chosen = np.where(confident.sum(axis=1) > 1, likeliest, confident.argmax(axis=1))
    stands = ~confident.any(axis=1) | (chosen == given)
    stands |= probabilities[rows, given] >= probabilities[rows, likeliest] - THRESHOLD_SLACK
    return np.where(stands, NO_SUGGESTION, chosen)

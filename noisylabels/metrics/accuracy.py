"""Accuracy on the clean test set, strict and with credit for merged identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import Metric, Undefined


def accuracy(probabilities: Floats, wanted: Labels) -> float:
    """Share of examples whose most probable class is the wanted one.

        (1/M) sum_i [argmax_k p_ik = y_i]

    Args:
        probabilities: p, ``(M, K)``; of equal maxima the class with the lowest number is predicted.
        wanted: y, ``(M,)``.

    Returns:
        A share in [0, 1]; higher is better.

    Raises:
        Undefined: M is 0 or a probability is not finite.

    >>> accuracy(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    0.5
    """
    if not len(wanted):
        raise Undefined("there are no test examples")
    if not np.isfinite(probabilities).all():
        raise Undefined("test probabilities are not finite")
    return float(np.mean(probabilities.argmax(axis=1) == wanted))


@dataclass(frozen=True)
class _TestShare(Metric):
    unit = "share"
    higher_is_better = True
    lower = 0.0
    upper = 1.0

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.test_true)


@dataclass(frozen=True)
class Accuracy(_TestShare):
    """Clean-test accuracy by true class: :func:`accuracy` of ``test_true``.

    The images of an identity whose class was absorbed by another count as wrong when the absorbing class is predicted.
    """

    kind = "accuracy"

    def compute(self, evaluation: Evaluation) -> float:
        return accuracy(evaluation.test_probabilities, evaluation.test_true)


@dataclass(frozen=True)
class AccuracyMerged(_TestShare):
    """Clean-test accuracy by carried class: :func:`accuracy` of ``carrying_class[test_true]``. Our own.

    An absorbed identity counts as right when the class that absorbed it is predicted, which is all its labels could
    teach; one that was left out of training counts as wrong. Equal to :class:`Accuracy` when no class is merged.
    """

    kind = "accuracy_merged"

    def compute(self, evaluation: Evaluation) -> float:
        return accuracy(evaluation.test_probabilities, evaluation.carrying_class[evaluation.test_true])


@dataclass(frozen=True)
class AccuracyKnown(Metric):
    """Clean-test accuracy over the classes that kept a label of their own. Our own.

    Without the images of absorbed, dropped and outside identities, which no model could name: what merging identities
    costs the others, beside the same figure under ``drop_identities``. Where identities are merged in part, those that
    keep at least half of their images count as known, and the two figures are not of the same classes. Equal to
    :class:`Accuracy` when all classes kept theirs. n counts the images that are left.
    """

    kind = "accuracy_known"
    unit = "share"
    higher_is_better = True
    lower = 0.0
    upper = 1.0

    def count(self, evaluation: Evaluation) -> int:
        return int(np.count_nonzero(_is_known(evaluation)))

    def compute(self, evaluation: Evaluation) -> float:
        known = _is_known(evaluation)
        return accuracy(evaluation.test_probabilities[known], evaluation.test_true[known])


def _is_known(evaluation: Evaluation) -> NDArray[np.bool_]:
    own = np.asarray(evaluation.carrying_class == np.arange(evaluation.num_classes))
    known: NDArray[np.bool_] = own[evaluation.test_true]
    return known

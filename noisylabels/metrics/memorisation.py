"""What became of the wrong labels: learnt by heart, or seen through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noisylabels.metrics.evaluation import Evaluation, Labels
from noisylabels.metrics.metric import Metric, Undefined


def memorisation(predicted: Labels, given: Labels, true: Labels) -> float:
    """Share of flipped training examples predicted as their wrong given label.

        (1/|F|) sum_{i in F} [p_i = y_i],   F = {i : y_i != t_i}

    Args:
        predicted: p, ``(N,)``, predicted classes.
        given: y, ``(N,)``, the labels trained with.
        true: t, ``(N,)``, the true classes.

    Returns:
        A share in [0, 1]; lower is better.

    Raises:
        Undefined: no example is flipped.

    Reference: the "memorized" share in Liu et al., Early-Learning Regularization, NeurIPS 2020, figure 1.

    >>> memorisation(predicted=np.array([0, 1, 1]), given=np.array([0, 1, 0]), true=np.array([0, 0, 1]))
    0.5
    """
    return _share_of_flipped(predicted == given, given, true)


def corrected(predicted: Labels, given: Labels, true: Labels) -> float:
    """Share of flipped training examples predicted as their true label, against the label they were trained with.

        (1/|F|) sum_{i in F} [p_i = t_i]

    Symbols and errors as in :func:`memorisation`. With more than two classes the two shares need not add up to one: the
    rest is predicted as a third class.

    Returns:
        A share in [0, 1]; higher is better.

    Reference: the "correct" share in Liu et al., NeurIPS 2020, figure 1.

    >>> corrected(predicted=np.array([0, 2, 1]), given=np.array([0, 1, 0]), true=np.array([0, 0, 1]))
    0.5
    """
    return _share_of_flipped(predicted == true, given, true)


def _share_of_flipped(hit: np.typing.NDArray[np.bool_], given: Labels, true: Labels) -> float:
    flipped = given != true
    if not flipped.any():
        raise Undefined("no training example is flipped")
    return float(np.mean(hit[flipped]))


@dataclass(frozen=True)
class _FlippedShare(Metric):
    unit = "share"
    lower = 0.0
    upper = 1.0

    def count(self, evaluation: Evaluation) -> int:
        return int(np.count_nonzero(evaluation.train_given != evaluation.train_true))


@dataclass(frozen=True)
class Memorisation(_FlippedShare):
    """:func:`memorisation` on the training set; n counts the flipped examples."""

    kind = "memorisation"
    higher_is_better = False

    def compute(self, evaluation: Evaluation) -> float:
        return memorisation(evaluation.train_predicted, evaluation.train_given, evaluation.train_true)


@dataclass(frozen=True)
class Corrected(_FlippedShare):
    """:func:`corrected` on the training set; n counts the flipped examples."""

    kind = "corrected"
    higher_is_better = True

    def compute(self, evaluation: Evaluation) -> float:
        return corrected(evaluation.train_predicted, evaluation.train_given, evaluation.train_true)

"""Accuracy of same-or-different decisions, with the threshold chosen where the answer is not looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FoldAccuracy:
    """One held-out fold.

    Attributes:
        fold: its number.
        pairs: how many it has.
        threshold: the least score called the same person; chosen on the other folds.
        accuracy: share of its pairs judged rightly.
    """

    fold: int
    pairs: int
    threshold: float
    accuracy: float


@dataclass(frozen=True)
class View2:
    """Accuracies of F >= 2 folds, each with the threshold of the others.

    Attributes:
        folds: in ascending order.
    """

    folds: tuple[FoldAccuracy, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy over folds, each weighing the same; in [0, 1], higher is better."""
        return math.fsum(fold.accuracy for fold in self.folds) / len(self.folds)

    @property
    def standard_error(self) -> float:
        """``s / sqrt(F)`` with s the standard deviation of the F accuracies (divisor F - 1).

        What a change of fold does, not what a change of people does: folds share their trained model. For the latter
        there is the bootstrap over identities.
        """
        mean = self.mean
        squares = math.fsum((fold.accuracy - mean) ** 2 for fold in self.folds)
        return math.sqrt(squares / (len(self.folds) - 1) / len(self.folds))


def view2(scores: Floats, is_same: Bools, fold: Labels) -> View2:
    """LFW's View 2: the accuracy of each fold at the threshold that is best for the others.

        a_k = (1/|P_k|) sum_{p in P_k} [(s_p >= t_k) = y_p],   t_k = best_threshold over all pairs not in P_k

    P_k are the pairs of fold k, s their scores, y whether they show one person. The search over thresholds is exact
    (:func:`best_threshold`), at the cost of one sort, O(P log P + F P) altogether.

    Args:
        scores: ``(P,)``, higher for the same person; or ``(F, P)``, one row for each held-out fold in ascending order,
            where scores depend on the training folds (``mean_subtracted_cosines``).
        is_same: ``(P,)``.
        fold: ``(P,)``, integers.

    Raises:
        ValueError: shapes or types that do not fit.
        Undefined: fewer than two folds, scores not finite, or a training set with pairs of one kind only.

    Reference: Huang et al., Labeled Faces in the Wild, UMass TR 07-49, 2007, section III.
    """
    folds, member = np.unique(fold, return_inverse=True)
    if len(folds) < 2:
        raise Undefined(f"needs pairs in at least two folds; got {len(folds)}")
    if scores.shape not in ((len(is_same),), (len(folds), len(is_same))) or member.shape != is_same.shape:
        raise ValueError(
            f"scores must be (P,) or (F, P) for P={len(is_same)} and F={len(folds)}; got {scores.shape},"
            f" with folds of {member.shape}"
        )
    rows = np.atleast_2d(checked_scores(scores, is_same))
    orders = np.argsort(rows, axis=1)
    results = []
    for number, name in enumerate(folds):
        row = number if len(rows) > 1 else 0
        others = orders[row][member[orders[row]] != number]
        threshold = _best_of_sorted(rows[row][others], is_same[others])
        held_out = member == number
        right = (rows[row][held_out] >= threshold) == is_same[held_out]
        results.append(FoldAccuracy(int(name), len(right), threshold, float(np.mean(right))))
    return View2(tuple(results))


def best_threshold(scores: Floats, is_same: Bools) -> float:
    """The threshold t at which ``score >= t`` judges most of these pairs rightly.

    Only the order of scores matters to the count, so the cuts between neighbouring distinct scores are all there are:
    cumulative counts over the sorted scores try every one, and no grid is laid. A cut's threshold is the middle of
    the gap; -inf calls everything the same and inf nothing. Of several best cuts it is the middle one (of an even
    number, the lower middle), which is itself a best cut; the *average* of tied thresholds, which SphereFace takes
    over its grid, need not be.

    Args:
        scores: ``(P,)``.
        is_same: ``(P,)``.

    Raises:
        ValueError: shapes or types that do not fit.
        Undefined: scores not finite, or pairs of one kind only.

    >>> best_threshold(np.array([0.125, 0.25, 0.5, 0.75]), np.array([False, False, True, True]))
    0.375
    """
    checked = checked_scores(scores, is_same)
    order = np.argsort(checked)
    return _best_of_sorted(checked[order], is_same[order])


def accuracy_at(scores: Floats, is_same: Bools, threshold: float) -> float:
    """Share of pairs that ``score >= threshold`` judges rightly, in [0, 1]; higher is better.

    For pairs without folds: choose the threshold by :func:`best_threshold` on other pairs (LFW's ``pairsDevTrain``,
    say). Chosen on the same pairs it is an oracle's, and the accuracy flatters.

    Raises:
        ValueError, Undefined: as :func:`best_threshold`.
    """
    return float(np.mean((checked_scores(scores, is_same) >= threshold) == is_same))


def checked_scores(scores: Floats, is_same: Bools) -> Float64:
    """Scores ``(..., P)`` in float64, held to their pairs ``(P,)``, of which both kinds must be there.

    In float64 because a threshold between two neighbouring float32 scores is a number that float32 does not have.

    Raises:
        ValueError: shapes or types that do not fit.
        Undefined: scores not finite, or pairs of one kind only.
    """
    if is_same.ndim != 1 or scores.shape[-1:] != is_same.shape or is_same.dtype != np.bool_:
        raise ValueError(f"is_same must be bool, one a score; got {is_same.dtype} {is_same.shape} for {scores.shape}")
    if not np.isfinite(scores).all():
        raise Undefined(f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} scores are not finite")
    _check_both_kinds(int(np.count_nonzero(is_same)), len(is_same))
    return scores.astype(np.float64)


def _check_both_kinds(same: int, pairs: int) -> None:
    if not 0 < same < pairs:
        raise Undefined(f"needs pairs of the same and of different people; got {same} the same of {pairs}")


def _best_of_sorted(scores: Float64, is_same: Bools) -> float:
    """:func:`best_threshold` of pairs sorted by score; cut j calls the j lowest different."""
    same_below = np.concatenate([[0], np.cumsum(is_same)])
    same, pairs = int(same_below[-1]), len(scores)
    _check_both_kinds(same, pairs)
    right = np.arange(pairs + 1) - 2 * same_below + same
    right[1:-1][scores[1:] == scores[:-1]] = -1  # no threshold parts equal scores
    best = np.flatnonzero(right == right.max())
    return _threshold_of_cut(scores, int(best[(len(best) - 1) // 2]))


def _threshold_of_cut(scores: Float64, cut: int) -> float:
    if cut == 0:
        return -math.inf
    if cut == len(scores):
        return math.inf
    below, above = float(scores[cut - 1]), float(scores[cut])
    middle = below / 2 + above / 2
    return middle if below < middle else above  # neighbouring floats have no middle

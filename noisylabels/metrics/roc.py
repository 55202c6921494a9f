"""What a threshold on pair scores lets in: true and false accept rates, and the numbers read off their curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats
from noisylabels.metrics.label_issues import auroc
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.verification import Bools, checked_scores

ROUNDING = 1e-9  # 0.29 x 100 is 28.999999999999996 in floats, and means 29


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold lets in.

    Attributes:
        true_accept_rate: share of same-person pairs with ``score >= threshold``, in [0, 1]; higher is better.
        false_accept_rate: share of different-people pairs with ``score >= threshold``: at most the rate asked for, and
            below it where no threshold gives that rate.
        threshold: the lowest at which that holds.
    """

    true_accept_rate: float
    false_accept_rate: float
    threshold: float


def tar_at_far(scores: Floats, is_same: Bools, far: float) -> OperatingPoint:
    """The true accept rate at the lowest threshold whose false accept rate does not exceed ``far``.

        TAR(t) = #{p same: s_p >= t} / #same,   t = min { t : #{p different: s_p >= t} <= far #different }

    Exact on the scores given; nothing is interpolated, unlike facenet's VAL@FAR.

    Args:
        scores: s, ``(P,)``.
        is_same: ``(P,)``.
        far: in (0, 1].

    Raises:
        ValueError: shapes or types that do not fit, or a rate outside (0, 1].
        Undefined: scores not finite, pairs of one kind only, or fewer than 1 / far pairs of different people: their
            scores then say nothing about so small a rate.

    >>> tar_at_far(np.array([0.9, 0.5, 0.8, 0.4, 0.3, 0.2]), np.array([True, True, False, False, False, False]), 0.25)
    OperatingPoint(true_accept_rate=1.0, false_accept_rate=0.25, threshold=0.4000000000000001)
    """
    checked = checked_scores(scores, is_same)
    threshold = threshold_at_far(checked[~is_same], far, "pairs of different people")
    accepted = checked >= threshold
    return OperatingPoint(float(np.mean(accepted[is_same])), float(np.mean(accepted[~is_same])), threshold)


def threshold_at_far(scores: Float64, far: float, what: str) -> float:
    """The lowest threshold t such that at most a share ``far`` of these scores is ``>= t``.

    With a = floor(far n) that is the next number above the (a + 1)-th largest score; equal scores are let in together
    or not at all. -inf where far is 1.

    Args:
        scores: of what should be rejected, ``(n,)``, finite.
        far: in (0, 1].
        what: what the scores belong to, in the plural, for messages.

    Raises:
        ValueError: a rate outside (0, 1].
        Undefined: far n < 1.
    """
    if not 0 < far <= 1:
        raise ValueError(f"a false accept rate must be in (0, 1]; got {far}")
    allowed = math.floor(far * scores.size + ROUNDING)
    if not allowed:
        needed = math.ceil(1 / far - ROUNDING)
        raise Undefined(f"a false accept rate of {far:g} needs at least {needed} {what}; got {scores.size}")
    if allowed >= scores.size:
        return -math.inf
    place = scores.size - 1 - allowed
    return math.nextafter(float(np.partition(scores, place)[place]), math.inf)


def roc_curve(scores: Floats, is_same: Bools) -> tuple[Float64, Float64]:
    """False and true accept rates of every distinct threshold, from none accepted to all, ``(T + 1,)`` each.

    Raises:
        ValueError, Undefined: as :func:`area_under_curve`.
    """
    checked = checked_scores(scores, is_same)
    order = np.argsort(-checked)
    last_of_ties = np.append(np.flatnonzero(np.diff(checked[order])), len(checked) - 1)
    accepted = last_of_ties + 1
    true = np.cumsum(is_same[order])[last_of_ties]
    rates = (accepted - true) / (len(checked) - true[-1]), true / true[-1]
    return np.concatenate([[0.0], rates[0]]), np.concatenate([[0.0], rates[1]])


def equal_error_rate(scores: Floats, is_same: Bools) -> float:
    """Where false accepts are as frequent as false rejects, on the curve's straight lines between thresholds.

        e = FAR = 1 - TAR

    Returns:
        A share in [0, 1]; 0.5 is chance; lower is better.

    Raises:
        ValueError: shapes or types that do not fit.
        Undefined: scores not finite, or pairs of one kind only.
    """
    far, tar = roc_curve(scores, is_same)
    excess = far - (1 - tar)  # from -1 to 1, never falling
    above = int(np.argmax(excess >= 0))
    step = -excess[above - 1] / (excess[above] - excess[above - 1])
    return float(far[above - 1] + step * (far[above] - far[above - 1]))


def area_under_curve(scores: Floats, is_same: Bools) -> float:
    """Probability that a pair of one person scores above a pair of two, ties counting half.

    Returns:
        A probability in [0, 1]; 0.5 is chance; higher is better.

    Raises:
        ValueError: shapes or types that do not fit.
        Undefined: scores not finite, or pairs of one kind only.

    Reference: Hanley & McNeil, Radiology 143, 1982; equals ``sklearn.metrics.roc_auc_score``.
    """
    return auroc(checked_scores(scores, is_same), is_same)

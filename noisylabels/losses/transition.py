"""Transition matrices at work on a model's probabilities, and their estimate from anchor points."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_SINGULAR_VALUE = 1e-6


class Transition(ABC):
    """``T[i, j] = P(given j | true i)`` for K classes; both corrections of cross-entropy by it."""

    @abstractmethod
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``-log (T^t p)_y``, shape ``(B,)``, from logits ``(B, K)`` and given labels ``(B,)``."""

    @abstractmethod
    def backward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(T^-1 l)_y`` with ``l_j = -log p_j``, shape ``(B,)``, from logits ``(B, K)`` and given labels ``(B,)``."""


@dataclass(frozen=True)
class SymmetricTransition(Transition):
    """Every wrong label as likely as any other, in closed form: no K x K numbers, at any K.

    Args:
        rate: share of wrong labels, in [0, 1]; the own class is excluded, ``T[i, i] = 1 - rate``.
        num_classes: K, at least 2.
    """

    rate: float
    num_classes: int

    @property
    def each(self) -> float:
        """Off-diagonal entry of T."""
        return self.rate / (self.num_classes - 1)

    @property
    def singular_value(self) -> float:
        """The smallest one of T, ``|1 - rate - each|``: 0 where all labels are equally likely."""
        return abs(1 - self.rate - self.each)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_p, target = logits.log_softmax(1), labels.unsqueeze(1)
        stayed = log_p.gather(1, target).squeeze(1) + _log(1 - self.rate)
        # log(1 - p_y) from the other classes: 1 - p_y itself rounds to 0.
        came = log_p.scatter(1, target, -math.inf).logsumexp(1) + _log(self.each)
        return -torch.logaddexp(stayed, came)

    def backward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = -logits.log_softmax(1)
        own = losses.gather(1, labels.unsqueeze(1)).squeeze(1)
        # T = a I + b 11^t and its rows sum to one, so T^-1 = (I - b 11^t) / a.
        return (own - self.each * losses.sum(1)) / (1 - self.rate - self.each)


@dataclass(frozen=True)
class MatrixTransition(Transition):
    """A transition matrix that is written out.

    Args:
        matrix: T, float64 ``(K, K)``, rows sum to one.
    """

    matrix: Tensor

    @cached_property
    def log_columns(self) -> Tensor:
        """``log T``, transposed: row y says how each true class comes to be labelled y."""
        # A label that T calls impossible has a column of zeros and would cost infinity; by this floor it costs 708 and
        # teaches nothing. Zeros elsewhere stay zeros.
        impossible = self.matrix.sum(0) == 0
        return torch.where(impossible, torch.finfo(torch.float64).tiny, self.matrix).log().T

    @cached_property
    def inverse(self) -> Tensor:
        """``T^-1``; the pseudo-inverse where there is none, which an estimate may come to."""
        inverse: Tensor = torch.linalg.pinv(self.matrix)
        return inverse

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return -(logits.log_softmax(1) + self.log_columns.to(logits)[labels]).logsumexp(1)

    def backward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return -(self.inverse.to(logits)[labels] * logits.log_softmax(1)).sum(1)

    @property
    def singular_value(self) -> float:
        """The smallest one of T."""
        return float(torch.linalg.svdvals(self.matrix)[-1])


def check_stochastic(matrix: Tensor) -> None:
    """Raise ``ValueError`` unless ``(K, K)`` with entries in [0, 1] and rows that sum to one within 1e-4."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a transition matrix must be K x K; got {' x '.join(map(str, matrix.shape))}")
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise ValueError(f"entries of a transition matrix must be in [0, 1]; got {_range(matrix)}")
    sums = matrix.sum(1)
    if (sums - 1).abs().max() > 1e-4:
        raise ValueError(f"rows of a transition matrix must sum to one; got sums {_range(sums)}")


def anchor_transition(probabilities: Tensor, percentile: float) -> Tensor:
    """T estimated from anchor points: row i is what the model says of an example that is surely of class i.

    The anchor of class i is the example of the highest ``p_i`` among those below the given percentile of ``p_i``; its
    probabilities of all classes are row i. The very highest are left out as outliers, unless ``percentile`` is 100 or
    none is below.

    Args:
        probabilities: of the given labels, shape ``(N, K)``, rows sum to one.
        percentile: in (0, 100].

    Returns:
        float64 ``(K, K)``, rows sum to one.

    Reference: Patrini et al., Making deep neural networks robust to label noise, CVPR 2017, eqs. 12 and 13; the order
    of percentile and maximum as in giorgiop/loss-correction.
    """
    n = len(probabilities)
    anchors = probabilities.argmax(0)
    if percentile < 100:
        rank = math.ceil(percentile * (n - 1) / 100) + 1  # the percentile is an observed value, the next one above
        threshold = probabilities.kthvalue(rank, dim=0).values
        below = torch.where(probabilities < threshold, probabilities, -1.0)
        anchors = torch.where(below.max(0).values >= 0, below.argmax(0), anchors)
    rows = probabilities[anchors].double()
    return F.normalize(rows, p=1, dim=1)


def _range(values: Tensor) -> str:
    return f"from {float(values.min()):g} to {float(values.max()):g}"


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf

"""Symmetric cross-entropy: cross-entropy plus reverse cross-entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.losses.complement import complement
from noisylabels.losses.loss import Loss

AReading = Literal["clamp", "paper"]

LOG_OF_ZERO: dict[AReading, float] = {"clamp": math.log(1e-4), "paper": -4.0}
"""A, what stands for log 0 in a one-hot label: the code's label clamped at 1e-4 (-9.21), or the paper's number."""


def reverse_cross_entropy(cross_entropy: Tensor, a_reading: AReading) -> Tensor:
    """``-sum_j p_j log onehot(y)_j = -A (1 - p_y)``, from ``-log p_y``, any shape; in [0, -A]."""
    return -LOG_OF_ZERO[a_reading] * complement(cross_entropy)


def check_a_reading(a_reading: str) -> None:
    """Raise ``ValueError`` if there is no such reading of A."""
    if a_reading not in LOG_OF_ZERO:
        raise ValueError(f"a_reading must be clamp (A = ln 1e-4) or paper (A = -4); got {a_reading!r}")


@dataclass(frozen=True)
class SymmetricCrossEntropy(Loss):
    """Symmetric cross-entropy: ``alpha (-log p_y) + beta (-A) (1 - p_y)``, in [0, inf).

    The second term is the reverse cross-entropy ``-sum_j p_j log q_j`` with q the one-hot label and log 0 := A: a
    scaled mean absolute error. The paper names A = -4; every released code clamps the label at 1e-4 and so has A =
    -9.21. The same beta weighs 2.3 times as much there: name the reading when you quote one. (The code also clamps p at
    1e-7, which takes the gradient from classes less likely than that; not done here.)

    On a saturated cosine softmax the second term vanishes as ``mae`` does, and ``alpha`` times the gradient of
    cross-entropy remains.

    Args:
        alpha: weight of cross-entropy, at least 0; 0.1 in the paper for CIFAR-10, 6 for CIFAR-100.
        beta: weight of reverse cross-entropy, at least 0; 1 for CIFAR-10, 0.1 for CIFAR-100. 0 is alpha cross-entropy.
        a_reading: ``clamp`` (A = ln 1e-4, the default: published results come from it) or ``paper`` (A = -4).

    Raises:
        ValueError: a weight is negative, both are 0, or there is no such reading.

    Reference: Wang et al., Symmetric cross entropy, ICCV 2019; clamp of HanxunH/SCELoss-Reproduce. Tag: exact.
    """

    kind: ClassVar[str] = "sce"
    alpha: float = 0.1
    beta: float = 1.0
    a_reading: AReading = "clamp"

    def __post_init__(self) -> None:
        check_at_least(0, alpha=self.alpha, beta=self.beta)
        check_a_reading(self.a_reading)
        if self.alpha == self.beta == 0:
            raise ValueError("alpha or beta must be above 0; got 0 and 0")

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        cross_entropy = F.cross_entropy(logits, labels, reduction="none")
        return self.alpha * cross_entropy + self.beta * reverse_cross_entropy(cross_entropy, self.a_reading)

"""Active passive losses: normalised losses, and their sums with a robust one that pushes the other classes down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.losses.complement import complement
from noisylabels.losses.focal import focused
from noisylabels.losses.loss import Loss
from noisylabels.losses.symmetric_cross_entropy import AReading, check_a_reading, reverse_cross_entropy


def normalised(of_every_label: Tensor, labels: Tensor) -> Tensor:
    """A loss divided by its sum over all K labels, ``(B,)``, from its values ``(B, K)``."""
    return of_every_label.gather(1, labels.unsqueeze(1)).squeeze(1) / of_every_label.sum(1)


def normalised_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """``log p_y / sum_j log p_j``, shape ``(B,)``, in [0, 1]."""
    return normalised(-logits.log_softmax(1), labels)


@dataclass(frozen=True)
class NormalisedCrossEntropy(Loss):
    """Normalised cross-entropy: ``log p_y / sum_j log p_j``, in [0, 1].

    The losses of all K labels sum to 1 whatever p is, which is what makes it robust to symmetric noise. The sum is at
    least K log K, so the gradient is small where K is large: raise the weight or the learning rate.

    On a saturated cosine softmax its pull on the target falls beside cross-entropy's as ``1 / (K scale)``, not
    exponentially: for the example of ``gce``'s table the factors are 9.9e-03, 4.9e-03 and 1.5e-03 at scales 10, 20 and
    64. Its push from the true class, unlike cross-entropy's, is nothing: 5.6e-07 and 1.2e-11 at 10
    and 20.

    Reference: Ma et al., Normalized loss functions for deep learning with noisy labels, ICML 2020. Tag: exact.
    """

    kind: ClassVar[str] = "nce"

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return normalised_cross_entropy(logits, labels)


@dataclass(frozen=True)
class NormalisedFocal(Loss):
    """Normalised focal loss: ``f(p_y) / sum_j f(p_j)`` with ``f(p) = (1 - p)^gamma (-log p)``, in [0, 1].

    Args:
        gamma: at least 0; 0 is ``nce``. 0.5 in the paper.

    Raises:
        ValueError: ``gamma`` is negative.

    Reference: Ma et al., ICML 2020; gamma of HanxunH/Active-Passive-Losses. Tag: exact.
    """

    kind: ClassVar[str] = "nfl"
    gamma: float = 0.5

    def __post_init__(self) -> None:
        check_at_least(0, gamma=self.gamma)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return normalised(focused(-logits.log_softmax(1), self.gamma), labels)


@dataclass(frozen=True)
class NormalisedWithReverse(Loss):
    """NCE + RCE: ``alpha log p_y / sum_j log p_j + beta (-A) (1 - p_y)``, in [0, alpha - A beta].

    The normalised part is active (it raises the target), the reverse cross-entropy passive (it lowers the others). On a
    saturated cosine softmax the passive part vanishes as ``mae`` does.

    Args:
        alpha: weight of NCE, at least 0; 1 in the paper for CIFAR-10, 10 for CIFAR-100.
        beta: weight of RCE, at least 0; 1 for CIFAR-10, 0.1 for CIFAR-100.
        a_reading: ``clamp`` (A = ln 1e-4, the released code) or ``paper`` (A = -4), as for ``sce``.

    Raises:
        ValueError: a weight is negative, both are 0, or there is no such reading.

    Reference: Ma et al., ICML 2020; weights of HanxunH/Active-Passive-Losses. Tag: exact.
    """

    kind: ClassVar[str] = "nce_rce"
    alpha: float = 1.0
    beta: float = 1.0
    a_reading: AReading = "clamp"

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)
        check_a_reading(self.a_reading)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        passive = reverse_cross_entropy(F.cross_entropy(logits, labels, reduction="none"), self.a_reading)
        return self.alpha * normalised_cross_entropy(logits, labels) + self.beta * passive


@dataclass(frozen=True)
class NormalisedWithAbsolute(Loss):
    """NCE + MAE: ``alpha log p_y / sum_j log p_j + beta (1 - p_y)``, in [0, alpha + beta].

    As ``nce_rce`` with beta 9.21 times smaller. On a saturated cosine softmax the passive part vanishes as ``mae``
    does.

    Args:
        alpha: weight of NCE, at least 0; 1 in the paper for CIFAR-10, 10 for CIFAR-100.
        beta: weight of MAE, at least 0; 1 for both.

    Raises:
        ValueError: a weight is negative, or both are 0.

    Reference: Ma et al., ICML 2020; weights of HanxunH/Active-Passive-Losses. Tag: exact.
    """

    kind: ClassVar[str] = "nce_mae"
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        passive = complement(F.cross_entropy(logits, labels, reduction="none"))
        return self.alpha * normalised_cross_entropy(logits, labels) + self.beta * passive


def _check_weights(alpha: float, beta: float) -> None:
    check_at_least(0, alpha=alpha, beta=beta)
    if alpha == beta == 0:
        raise ValueError("alpha or beta must be above 0; got 0 and 0")

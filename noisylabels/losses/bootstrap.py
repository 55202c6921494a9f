"""Bootstrapping: the model's own opinion is part of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_within
from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class SoftBootstrap(Loss):
    """Soft bootstrapping: cross-entropy to ``beta onehot(y) + (1 - beta) p``.

    ``beta (-log p_y) + (1 - beta) H(p)``, H the entropy of p, nats, in [0, inf). The p in the target is *not* detached:
    the gradient of ``-sum_j stop(p_j) log p_j`` is ``p - stop(p) = 0``, so that a detached target would leave beta
    times cross-entropy and nothing else. Not detached it is the minimum-entropy regularisation that the paper
    describes.

    On a saturated cosine softmax p is one-hot and H flat: beta times the gradient of cross-entropy remains.

    Args:
        beta: weight of the given label, in [0, 1]; 1 is cross-entropy. 0.95 in the paper.

    Raises:
        ValueError: ``beta`` is out of its range.

    Reference: Reed et al., Training deep neural networks on noisy labels with bootstrapping, ICLR 2015 workshop.
    Tag: exact.
    """

    kind: ClassVar[str] = "soft_bootstrap"
    beta: float = 0.95

    def __post_init__(self) -> None:
        check_within(0, 1, beta=self.beta)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_p = logits.log_softmax(1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return self.beta * F.nll_loss(log_p, labels, reduction="none") + (1 - self.beta) * entropy


@dataclass(frozen=True)
class HardBootstrap(Loss):
    """Hard bootstrapping: cross-entropy to ``beta onehot(y) + (1 - beta) onehot(argmax p)``.

    ``beta (-log p_y) + (1 - beta) (-log max_j p_j)``, nats, in [0, inf). There is no gradient through the argmax: it is
    constant wherever it is defined. An example whose argmax is its label has cross-entropy's loss.

    On a saturated cosine softmax the second part pulls nowhere (max p is 1): a wrongly labelled example keeps beta
    times the gradient of cross-entropy.

    Args:
        beta: weight of the given label, in [0, 1]; 1 is cross-entropy. 0.8 in the paper.

    Raises:
        ValueError: ``beta`` is out of its range.

    Reference: Reed et al., ICLR 2015 workshop. Tag: exact.
    """

    kind: ClassVar[str] = "hard_bootstrap"
    beta: float = 0.8

    def __post_init__(self) -> None:
        check_within(0, 1, beta=self.beta)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_p = logits.log_softmax(1)
        own = F.nll_loss(log_p, log_p.argmax(1), reduction="none")
        return self.beta * F.nll_loss(log_p, labels, reduction="none") + (1 - self.beta) * own

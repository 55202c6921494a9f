"""Generalised cross-entropy, between cross-entropy and mean absolute error; and its truncated form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.losses.complement import complement
from noisylabels.losses.first_epoch import first_epoch_after
from noisylabels.losses.loss import Criterion, Loss, LossContext, Predict


def box_cox(cross_entropy: Tensor, q: float) -> Tensor:
    """``(1 - p^q) / q`` from ``-log p``, any shape; ``-log p`` itself at q = 0, its limit."""
    # From the logarithm: p^q has no finite slope at p = 0.
    return cross_entropy if q == 0 else complement(q * cross_entropy) / q


@dataclass(frozen=True)
class GeneralisedCrossEntropy(Loss):
    """Generalised cross-entropy: ``(1 - p_y^q) / q``, in [0, 1/q].

    Its gradient in the logits is ``p_y^q`` times that of cross-entropy: examples that are not fitted count less. On a
    cosine head the softmax is saturated, and "less" is nothing. For K = 10 and a wrongly labelled example on its true
    class's weight (cosine 1) and at right angles to all others, measured factors (cross-entropy's is 1):

    ======  =======  =============  =============  ==============
    loss    p_y to   scale 10       scale 20       scale 64
    ======  =======  =============  =============  ==============
    mae     1        4.5e-05        2.1e-09        1.6e-28
    gce     0.7      9.1e-04        8.3e-07        3.5e-20
    ======  =======  =============  =============  ==============

    An example that is correctly labelled but not fitted yet is treated the same. Start at scale 10, and judge a robust
    loss on a cosine head only beside the same loss on ``softmax``.

    Args:
        q: in [0, 1]; 0 is cross-entropy, 1 is ``mae``. 0.7 in the paper.

    Raises:
        ValueError: ``q`` is out of its range.

    Reference: Zhang & Sabuncu, Generalized cross entropy loss, NeurIPS 2018, section 3.2. Tag: exact.
    """

    kind: ClassVar[str] = "gce"
    q: float = 0.7

    def __post_init__(self) -> None:
        check_within(0, 1, q=self.q)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return box_cox(F.cross_entropy(logits, labels, reduction="none"), self.q)


@dataclass(frozen=True)
class TruncatedGeneralisedCrossEntropy(Loss):
    """Truncated generalised cross-entropy: ``gce`` where the model was surer of the label than kappa, else constant.

    ``w L(p_y) + (1 - w) L(kappa)`` with ``L(p) = (1 - p^q) / q`` and w in {0, 1} one number an example. All w are 1
    until the share ``start`` of the epochs is done; then, and every ``every`` epochs after, ``w = 1`` iff ``p_y >
    kappa`` in the model's own probabilities of the training images as they are at that moment, without augmentation or
    margin. The released code takes them from the checkpoint that is best on the clean test set, so that its training
    depends on test labels; here it sees none. The value differs from the paper's ``w (L(p_y) - L(kappa))`` by the
    constant L(kappa).

    Once dropped, an example teaches nothing until w is estimated again; if all are dropped, nothing moves any more.
    ``state`` shows ``kept_share``. The saturated softmax's caution of ``gce`` holds here, too.

    Args:
        q: in [0, 1]; 0.7 in the paper.
        kappa: in (0, 1); 0.5 in the paper.
        start: share of the epochs before the first estimate, in [0, 1]; 1 is ``gce``. A third in the released CIFAR-10
            run, 40 of 120 epochs.
        every: epochs from one estimate to the next, at least 1; 10 in the released code.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Zhang & Sabuncu, NeurIPS 2018, section 3.3, algorithm 1; schedule of AlanChou/Truncated-Loss. The formula
    is exact, the choice of the model that the weights come from is not theirs. Tag: reconstruction.
    """

    kind: ClassVar[str] = "truncated_gce"
    q: float = 0.7
    kappa: float = 0.5
    start: float = 1 / 3
    every: int = 10

    def __post_init__(self) -> None:
        check_above(0, kappa=self.kappa)
        check_within(0, 1, q=self.q, kappa=self.kappa, start=self.start)
        check_at_least(1, every=self.every)
        if self.kappa == 1:
            raise ValueError("kappa must be below 1; got 1.0")

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        """As long as every weight is 1: ``gce``."""
        return box_cox(F.cross_entropy(logits, labels, reduction="none"), self.q)

    def begin(self, context: LossContext) -> Criterion:
        return TruncatedCriterion(self)


class TruncatedCriterion(Criterion):
    """Truncated generalised cross-entropy at work; ``sure`` holds each example's classes above kappa."""

    remembers: ClassVar[tuple[str, ...]] = ("sure",)

    def __init__(self, loss: TruncatedGeneralisedCrossEntropy) -> None:
        self.loss = loss
        self.sure: Tensor | None = None
        self.kept: list[Tensor] = []

    def begin_epoch(self, epoch: int, epochs: int, predict: Predict) -> None:
        self.kept = []
        since = epoch - first_epoch_after(self.loss.start, epochs)
        if since >= 0 and since % self.loss.every == 0:
            self.sure = classes_above(predict(), self.loss.kappa)

    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        losses = self.loss.per_example(logits, labels)
        if self.sure is None:
            return losses
        sure = self.sure[rows.to(self.sure.device)].to(labels.device)
        kept = (sure == labels.unsqueeze(1)).any(1)
        self.kept.append(kept)
        return torch.where(kept, losses, self.at_kappa(losses))

    def at_kappa(self, losses: Tensor) -> Tensor:
        """``L(kappa)``, shape ``()``."""
        return box_cox(-torch.tensor(self.loss.kappa).to(losses).log(), self.loss.q)

    def state(self) -> dict[str, float]:
        return {"kept_share": float(torch.cat(self.kept).float().mean()) if self.kept else 1.0}


def classes_above(probabilities: Tensor, kappa: float) -> Tensor:
    """The classes of probability above ``kappa``, filled up with -1.

    Fewer than 1 / kappa classes can be: N rows of that length are kept, not N x K probabilities.

    Args:
        probabilities: shape ``(N, K)``, rows sum to one.
        kappa: in (0, 1).

    Returns:
        int64 ``(N, min(K, floor(1 / kappa)))``.
    """
    highest, classes = probabilities.topk(min(probabilities.shape[1], int(1 / kappa)), dim=1)
    return torch.where(highest > kappa, classes, -1)

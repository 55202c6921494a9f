"""Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy: ``-log softmax(logits)[label]``, nats, in [0, inf).

    Reference: the negative log-likelihood of a categorical distribution. Tag: exact.
    """

    kind: ClassVar[str] = "ce"

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="none")

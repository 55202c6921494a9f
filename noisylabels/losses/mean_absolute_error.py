"""Mean absolute error of the class probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.losses.complement import complement
from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """Mean absolute error: ``1 - p_y``, in [0, 1], no unit.

    Half of the paper's ``|p - onehot(y)|_1 = 2 (1 - p_y)``: this is the scaling of the active passive losses' released
    code, so that weights and learning rates can be compared with it. The losses of all K labels sum to K - 1 whatever
    p is, which is what makes it robust to symmetric noise.

    Its gradient in the logits is ``p_y`` times that of cross-entropy. On a saturated cosine softmax that is nothing for
    an unfitted example: the factors are in ``GeneralisedCrossEntropy``, q = 1.

    Reference: Ghosh et al., Robust loss functions under label noise, AAAI 2017; scaling of
    HanxunH/Active-Passive-Losses. Tag: exact.
    """

    kind: ClassVar[str] = "mae"

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return complement(F.cross_entropy(logits, labels, reduction="none"))

"""One against all: a binary logistic loss for every class, SphereFace2's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_within
from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class OneVersusAll(Loss):
    """One against all: ``(weight / scale) [alpha log(1 + e^-z_y) + (1 - alpha) sum_{j != y} log(1 + e^z_j)]``.

    z are the scores as the head ``sphereface2`` gives them, adjusted, scaled and with its bias; the loss adds none of
    these. Nats times ``weight / scale``, in [0, inf). The released code takes the mean over all B K entries, each
    weighted ``weight K / scale``: K cancels. There is no softmax, so no competition of the classes, and nothing
    saturates with K: an unfitted target's gradient is ``alpha weight / scale`` at most, whatever the other classes'
    scores are.

    Args:
        alpha: weight of the target's column, in (0, 1); the others have 1 - alpha. 0.7 in the released code.
        scale: r > 0, the head's; 40 in the released code.
        weight: lw > 0; 50 in the released code.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Wen et al., SphereFace2, ICLR 2022; weights of ydwen/opensphere. Tag: exact.
    """

    kind: ClassVar[str] = "one_vs_all"
    alpha: float = 0.7
    scale: float = 40.0
    weight: float = 50.0

    def __post_init__(self) -> None:
        check_above(0, alpha=self.alpha, scale=self.scale, weight=self.weight)
        check_within(0, 1, alpha=self.alpha)
        if self.alpha == 1:
            raise ValueError("alpha must be below 1, where no class is pushed away; got 1.0")

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        target = labels.unsqueeze(1)
        rejected = -F.logsigmoid(-logits)  # by logsigmoid: softplus is cut to a straight line above 20
        accepted = -F.logsigmoid(logits.gather(1, target)).squeeze(1)
        others = rejected.scatter(1, target, 0.0).sum(1)
        return self.weight / self.scale * (self.alpha * accepted + (1 - self.alpha) * others)

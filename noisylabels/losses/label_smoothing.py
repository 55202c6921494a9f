"""Label smoothing: a share of every target is spread over all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_within
from noisylabels.losses.loss import Loss


@dataclass(frozen=True)
class LabelSmoothing(Loss):
    """Label smoothing: cross-entropy to ``(1 - epsilon) onehot(y) + epsilon / K``.

    ``(1 - epsilon) l_y + (epsilon / K) sum_j l_j`` with ``l_j = -log p_j``, nats, in (0, inf). Its least value lies at
    ``p_y = 1 - epsilon + epsilon / K``: a target that is surer than that costs more. Under a margin head ``l_y`` is the
    cross-entropy of the logits with the margin on y, and the other terms share its denominator.

    On a saturated cosine softmax the gradient stays that of cross-entropy, up to ``epsilon`` a logit. A fitted example
    keeps a loss near ``epsilon * scale``, which the smoothed share of the far classes costs.

    Args:
        epsilon: share that is spread, the own class's part included, in [0, 1]; 0 is cross-entropy. 0.1 in the paper.

    Raises:
        ValueError: ``epsilon`` is out of its range.

    Reference: Szegedy et al., Rethinking the Inception architecture, CVPR 2016, section 7. Tag: exact.
    """

    kind: ClassVar[str] = "label_smoothing"
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_within(0, 1, epsilon=self.epsilon)

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.epsilon)

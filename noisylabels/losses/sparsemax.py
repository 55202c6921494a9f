"""Sparsemax, the projection of scores onto the simplex, and its Fenchel-Young loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.losses.loss import Loss


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the simplex nearest to each row: ``max(z - tau, 0)`` with tau such that it sums to one.

    Args:
        scores: z, shape ``(B, K)``.

    Returns:
        Shape ``(B, K)``, in [0, 1], rows sum to one.

    Reference: Martins & Astudillo, From softmax to sparsemax, ICML 2016, algorithm 1.
    """
    # Relative to the largest score: the support lies within 1 of it, and large scores would round that away.
    relative = scores - scores.max(1, keepdim=True).values
    falling = relative.sort(1, descending=True).values
    sums = falling.cumsum(1)
    ranks = torch.arange(1, scores.shape[1] + 1, device=scores.device).to(scores)
    support = (1 + ranks * falling > sums).sum(1, keepdim=True)
    tau = (sums.gather(1, support - 1) - 1) / support
    return (relative - tau).clamp_min(0)


@dataclass(frozen=True)
class SparsemaxLoss(Loss):
    """Sparsemax loss: ``max_p (<p, z> - |p|^2 / 2) + 1/2 - z_y`` over the simplex, in [0, inf), no unit.

    With ``p = sparsemax(z)``, S its support and tau its threshold, that is
    ``sum_{j in S} (z_j^2 - tau^2) / 2 + 1/2 - z_y``. Its gradient in z is ``p - onehot(y)``, each part in [-1, 1]. It
    is exactly 0 once ``z_y >= z_j + 1`` for all others: on a cosine head a margin of 1 / scale in cosine. Classes out
    of S are not pushed. The head ``angular_sparsemax`` adds the angular margin; that pairing is a reconstruction, the
    loss is not.

    Nothing fades on a saturated cosine softmax: an unfitted target's gradient is 1 in z_y.

    Reference: Martins & Astudillo, ICML 2016, section 3; Blondel et al., Learning with Fenchel-Young losses, JMLR 2020.
    Tag: exact.
    """

    kind: ClassVar[str] = "sparsemax"

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        # At the maximum the slope through p is 0 (Danskin), so p needs no gradient; relative scores as in sparsemax.
        p = sparsemax(logits.detach())
        relative = logits - logits.detach().max(1, keepdim=True).values
        conjugate = (p * relative).sum(1) - p.square().sum(1) / 2
        return conjugate + 0.5 - relative.gather(1, labels.unsqueeze(1)).squeeze(1)

"""CurricularFace: ArcFace whose hard negatives weigh more as training succeeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.arcface import ArcFaceHead
from noisylabels.heads.head import Head, HeadSpec

STEP = 0.01


class CurricularFaceHead(ArcFaceHead):
    """ArcFace on the target; a negative above ``cos(theta_y + margin)`` becomes ``cos theta_j (t + cos theta_j)``."""

    t: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, scale: float, margin: float) -> None:
        super().__init__(num_classes, embedding_dim, scale, margin)
        self.register_buffer("t", torch.tensor(0.0))
        self.seen: Tensor | None = None  # this step's mean target cosine, until `advance` takes it

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        target = labels.unsqueeze(1)
        at_target = cosines.gather(1, target)
        if self.training:
            self.seen = at_target.detach().mean()
        # Only compared with, so without gradient; not continued past pi, as in the released code.
        sin_theta = (1 - at_target.detach().square()).clamp_min(0).sqrt()
        bar = at_target.detach() * math.cos(self.margin) - sin_theta * math.sin(self.margin)
        modulated = torch.where(cosines > bar, cosines * (self.t + cosines), cosines)
        return self.scale * modulated.scatter(1, target, self.target_activation(at_target))

    @torch.no_grad()
    def advance(self, progress: float, losses: Tensor) -> None:
        if self.seen is not None:
            self.t = torch.lerp(self.t, self.seen.to(self.t), STEP)
            self.seen = None

    def state(self) -> dict[str, float]:
        return {"t": float(self.t)}


@dataclass(frozen=True)
class CurricularFace(HeadSpec):
    """CurricularFace: ``scale * cos(theta + margin)`` on the target, and hard negatives' logits are modulated.

    A negative j is hard where ``cos theta_j > cos(theta_y + margin)``; its logit is ``scale * cos theta_j (t + cos
    theta_j)``. Other negatives keep ``scale * cos theta_j``. t starts at 0 and follows the batches' mean target cosine,
    ``t := 0.99 t + 0.01 mean(cos theta_y)``: hard negatives count little at first, and more than their cosine once
    ``t + cos theta_j > 1``. A step uses the t of the steps before it; the released code counts the step's own batch
    already (weight 0.01). So a batch's logits do not depend on how it is split, and asking for them moves nothing.

    There is no setting at which it is normalised softmax: it equals ArcFace on examples that have no hard negative.

    Args:
        margin: m in [0, pi], radians; 0.5 in the paper.
        scale: s > 0; 64 in the paper; 20 here, as for every head.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Huang et al., CurricularFace, CVPR 2020; as in HuangYG123/CurricularFace. Tag: exact.
    """

    kind: ClassVar[str] = "curricularface"
    touches_others: ClassVar[bool] = True
    """The curriculum is on the other classes: hard negatives are modulated, and only while training."""
    margin: float = 0.5
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_within(0, math.pi, margin=self.margin)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CurricularFaceHead(num_classes, embedding_dim, self.scale, self.margin)

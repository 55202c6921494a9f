"""AdaFace: a margin that adapts to the embedding's norm, taken as the image's quality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_within
from noisylabels.heads.head import CosineHead, Head, HeadSpec

EPS = 1e-3
NORM_RANGE = (1e-3, 100.0)
START_MEAN, START_STD = 20.0, 100.0


def adaface_activation(cos_theta: Tensor, quality: Tensor, margin: float) -> Tensor:
    """``cos(theta - m q) - (m + m q)``: CosFace with 2 m at q = 1 less an angle m, CosFace at 0, ArcFace at q = -1.

    Args:
        cos_theta: cosine of embedding and target weight, any shape, in [-1, 1].
        quality: q in [-1, 1], same shape.
        margin: m, radians and units of cosine, at least 0.

    Returns:
        Tensor of the same shape.

    Reference: Kim et al., AdaFace, CVPR 2022; mk-minchul/AdaFace.
    """
    # The released guards: 1e-3 short of both ends, where arccos's slope is infinite; beyond, there is no gradient.
    theta = torch.acos(cos_theta.clamp(-1 + EPS, 1 - EPS))
    return torch.cos((theta - margin * quality).clamp(EPS, math.pi - EPS)) - (margin + margin * quality)


class AdaFaceHead(CosineHead):
    """Cosine head with ``adaface_activation``; the buffers ``mean`` and ``std`` follow the embeddings' norms."""

    mean: Tensor
    std: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, spec: AdaFace) -> None:
        super().__init__(num_classes, embedding_dim, spec.scale)
        self.spec = spec
        self.register_buffer("mean", torch.tensor(START_MEAN))
        self.register_buffer("std", torch.tensor(START_STD))
        self.seen: Tensor | None = None  # this step's norms, until `advance` takes them

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        norms = embeddings.detach().norm(dim=1, keepdim=True).clamp(*NORM_RANGE)
        if self.training:
            self.seen = norms
        quality = ((norms - self.mean) / (self.std + EPS) * self.spec.h).clamp(-1, 1)
        target = labels.unsqueeze(1)
        activated = adaface_activation(cosines.gather(1, target), quality, self.spec.margin)
        return self.scale * cosines.scatter(1, target, activated.to(cosines.dtype))

    @torch.no_grad()
    def advance(self, progress: float, losses: Tensor) -> None:
        if self.seen is None:
            return
        norms = self.seen.to(self.mean)
        self.mean = torch.lerp(self.mean, norms.mean(), self.spec.step)
        if len(norms) > 1:  # one example has no standard deviation
            self.std = torch.lerp(self.std, norms.std(), self.spec.step)
        self.seen = None

    def state(self) -> dict[str, float]:
        return {"norm_mean": float(self.mean), "norm_std": float(self.std)}


@dataclass(frozen=True)
class AdaFace(HeadSpec):
    """AdaFace: the target's logit is ``scale * (cos(theta - m q) - (m + m q))``, q the embedding's norm, standardised.

    ``q = clip(h (|x| - mean) / std, -1, 1)``, without gradient. The paper's reading: a high norm is a good image, whose
    margin grows; a low norm is a poor one, which may not show its label at all, and whose margin fades at wide angles.

    Mean and standard deviation of ``|x|``, cut to [0.001, 100], move by ``step`` to each batch's, from 20 and 100 as in
    the released code: with smaller norms than those the head is close to CosFace for some hundred steps. A step uses
    what the steps before it left; the released code counts the step's own batch already (weight 0.01). So a batch's
    logits do not depend on how it is split, and asking for logits moves nothing.

    Args:
        margin: m, in [0, 2]; 0 is normalised softmax. 0.4 in the paper.
        h: share of q's range that one standard deviation takes, in [0, 1]; 0 is CosFace. 0.333 in the paper.
        step: of the running mean and standard deviation, in [0, 1]; 0.01 in the paper.
        scale: s > 0; 64 in the paper; 20 here, as for every head.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Kim et al., AdaFace, CVPR 2022; formulas, guards and start of mk-minchul/AdaFace. Tag: exact.
    """

    kind: ClassVar[str] = "adaface"
    margin: float = 0.4
    h: float = 0.333
    step: float = 0.01
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_within(0, 2, margin=self.margin)
        check_within(0, 1, h=self.h, step=self.step)

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return AdaFaceHead(num_classes, embedding_dim, self)

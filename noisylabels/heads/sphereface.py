"""SphereFace (A-softmax): a multiplicative margin on the target's angle, blended in as training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_at_least
from noisylabels.heads.head import CosineHead, Head, HeadSpec


def angle_of(cos_theta: Tensor) -> Tensor:
    """``arccos(cos_theta)``, radians, in (0, pi), with a finite slope at both ends; any shape, the same shape back.

    The angle stops sqrt(eps) short of 0 and pi (3.5e-4 rad in float32), and its slope there is about 0 where arccos's
    is infinite: an embedding on its class weight is not thrown about by rounding.
    """
    sin_theta = (1 - cos_theta.square()).clamp_min(torch.finfo(cos_theta.dtype).eps).sqrt()
    return torch.atan2(sin_theta, cos_theta)


def falling_cosine(angle: Tensor) -> Tensor:
    """``(-1)^n cos(angle) - 2 n`` with ``n = floor(angle / pi)``: the cosine up to pi, and falling for ever beyond.

    Args:
        angle: radians, any shape, at least 0.

    Returns:
        Tensor of the same shape, at most 1; continuous, with a continuous slope.

    Reference: Liu et al., SphereFace, CVPR 2017, the psi of eq. 7 with ``angle = m theta``.
    """
    turns = (angle.detach() / math.pi).floor()
    return (1 - 2 * (turns % 2)) * angle.cos() - 2 * turns


class SphereFaceHead(CosineHead):
    """``f(cos theta) = (blend cos theta + psi(theta)) / (1 + blend)`` on the target; ``blend`` falls by progress."""

    blend: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, spec: SphereFace) -> None:
        super().__init__(num_classes, embedding_dim, spec.scale if spec.normalise else 1.0)
        self.spec = spec
        self.register_buffer("blend", torch.tensor(spec.blend_at(0.0)))

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        with_margin = falling_cosine(self.spec.margin * angle_of(cos_theta))
        return (self.blend * cos_theta + with_margin) / (1 + self.blend)

    def logits(self, embeddings: Tensor) -> Tensor:
        return self._scaled(super().logits(embeddings), embeddings)

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self._scaled(super().training_logits(embeddings, labels), embeddings)

    def _scaled(self, logits: Tensor, embeddings: Tensor) -> Tensor:
        return logits if self.spec.normalise else logits * embeddings.norm(dim=1, keepdim=True)

    def advance(self, progress: float, losses: Tensor) -> None:
        self.blend = torch.full_like(self.blend, self.spec.blend_at(progress))

    def state(self) -> dict[str, float]:
        return {"blend": float(self.blend)}


@dataclass(frozen=True)
class SphereFace(HeadSpec):
    """SphereFace, also A-softmax: the target's logit is ``scale * (blend cos(theta) + psi(theta)) / (1 + blend)``.

    ``psi(theta) = (-1)^n cos(m theta) - 2 n`` on ``n pi / m <= theta <= (n + 1) pi / m``, which falls from 1 to
    ``1 - 2 m`` (whole m). The blend starts so large that the head is normalised softmax, and falls with the share p of
    training that is done, ``max(blend_stop, blend_start / (1 + blend_decay p))``. The released code counts iterations,
    ``max(5, 1000 / (1 + 0.12 it))`` in a training of 28,000: 0.12 * 28,000 = 3,360, and 5 is reached at p = 0.059.

    The gradient is that of the formula; ydwen/opensphere's later version detaches the margin, which this does not.

    Args:
        margin: m, at least 1, whole or not; 1 is normalised softmax. 4 in the paper; 1.7 in opensphere, without blend.
        blend_start: lambda at the start, at least 0; 1000 in the released code. 0 together with blend_stop = 0 is psi
            alone, which does not train from a fresh start.
        blend_stop: lowest lambda, at least 0; 5 in the released code.
        blend_decay: fall of lambda over a whole training, at least 0.
        normalise: True for ``scale`` as in all other heads; False for the paper's own ``|x|``, the embedding's length.
        scale: s > 0; 20, as for every head. Without effect where normalise is False.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Liu et al., SphereFace, CVPR 2017, eq. 7; lambda of wy1iu/sphereface, counted by progress. Tag: exact.
    """

    kind: ClassVar[str] = "sphereface"
    margin: float = 4.0
    blend_start: float = 1000.0
    blend_stop: float = 5.0
    blend_decay: float = 3360.0
    normalise: bool = True
    scale: float = 20.0

    def __post_init__(self) -> None:
        check_above(0, scale=self.scale)
        check_at_least(1, margin=self.margin)
        check_at_least(0, blend_start=self.blend_start, blend_stop=self.blend_stop, blend_decay=self.blend_decay)

    def blend_at(self, progress: float) -> float:
        """Lambda when this share of training, in [0, 1], is done."""
        return max(self.blend_stop, self.blend_start / (1 + self.blend_decay * progress))

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return SphereFaceHead(num_classes, embedding_dim, self)

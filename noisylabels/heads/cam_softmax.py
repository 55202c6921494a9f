"""Cam-softmax: a convex activation of the target cosine whose zero crossing c moves in from 90 degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.catalog import LATER
from noisylabels.heads.head import CosineHead, Head, HeadSpec
from noisylabels.heads.subcenter_arcface import nearest_subcenter

START = math.pi / 2
REPO_STRIDE, REPO_STOP = 1e-4, math.pi / 4
FIT_MEMORY = 0.9


def cam_exponent(c: Tensor) -> Tensor:
    """``k = 1 / (1 - log2(1 + cos c))``: 1 at c = 90 degrees, 2.409 at 60, 4.377 at 45.

    Args:
        c: angle of the activation's zero crossing, radians, in (0, pi/2], any shape.

    Returns:
        Tensor of the same shape, at least 1.

    Reference: stamas02/cam-softmax (the repository is the only public specification of the method).
    """
    # cos(pi/2) rounds to -4e-8 in float32; a k below 1 would have an infinite slope at -1.
    return 1 / (1 - torch.log2(1 + torch.cos(c).clamp_min(0)))


def cam_activation(cos_theta: Tensor, c: Tensor) -> Tensor:
    """Cam-softmax activation ``f(x) = 2 ((1 + x) / 2)^k - 1`` with ``k = cam_exponent(c)``.

    Fixes -1 and 1, is zero at angle c, has slope k at 1, and is the identity at c = pi/2. For c < pi/2 it lies below
    the cosine: the target must be nearer to its class weight to score the same.

    Args:
        cos_theta: x, cosine of embedding and target weight, any shape, in [-1, 1] up to rounding.
        c: radians, in (0, pi/2], shape ().

    Returns:
        Tensor of the same shape, in [-1, 1].

    Reference: Suveges & McKenna, Cam-softmax for discriminative deep feature learning, ICPR 2020; formula as in
    stamas02/cam-softmax.
    """
    # Rounding can put a cosine below -1, where a non-integer power is NaN.
    return 2 * ((1 + cos_theta) / 2).clamp_min(0) ** cam_exponent(c) - 1


class CamSoftmaxHead(CosineHead):
    """Cosine head with ``cam_activation`` on the target; the buffers ``c`` and ``fit`` move by the schedule.

    Row ``j * subcenters + i`` of the weight is centre i of class j.
    """

    c: Tensor
    fit: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, spec: CamSoftmax) -> None:
        super().__init__(num_classes * spec.subcenters, embedding_dim, spec.scale)
        self.spec, self.subcenters = spec, spec.subcenters
        self.chance_loss = math.log(num_classes)  # classes compete, not sub-centres
        self.progress = 0.0
        self.register_buffer("c", torch.tensor(START))
        self.register_buffer("fit", torch.tensor(1.0))

    def get_extra_state(self) -> dict[str, float]:
        return {"progress": self.progress}

    def set_extra_state(self, state: dict[str, float]) -> None:
        self.progress = state["progress"]

    def cosines(self, embeddings: Tensor) -> Tensor:
        cosines = super().cosines(embeddings)
        return cosines if self.spec.subcenters == 1 else nearest_subcenter(cosines, self.spec.subcenters)

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        activated = cam_activation(cos_theta, self.c.to(cos_theta.dtype))
        if self.spec.gradient == "full":
            return activated
        value, slope = (activated, cos_theta) if self.spec.gradient == "value_only" else (cos_theta, activated)
        return value.detach() + (slope - slope.detach())  # what is added is exactly 0, and has the slope

    @torch.no_grad()
    def advance(self, progress: float, losses: Tensor) -> None:
        stop = math.radians(self.spec.c_stop_deg)
        stride = (START - stop) * (progress - self.progress) / self.spec.ramp_share
        self.progress = progress
        if self.spec.schedule == "repo":
            self.c = (self.c - REPO_STRIDE).clamp_min(REPO_STOP)
        elif self.spec.schedule == "ramp":
            self.c = (self.c - stride).clamp_min(stop)
        else:
            loss = torch.quantile(losses.to(self.fit), self.spec.quantile) / self.chance_loss
            self.fit = torch.lerp(loss, self.fit, FIT_MEMORY)
            direction = torch.where(self.fit < self.spec.threshold, -1.0, 1.0)
            self.c = (self.c + stride * direction).clamp(stop, START)

    def state(self) -> dict[str, float]:
        return {"c_deg": math.degrees(float(self.c))}


@dataclass(frozen=True)
class CamSoftmax(HeadSpec):
    """Cam-softmax: the target's logit is ``scale * f(cos theta)``, ``f(x) = 2 ((1 + x) / 2)^k - 1``; others untouched.

    ``k = 1 / (1 - log2(1 + cos c))``; c starts at 90 degrees, where the head is normalised softmax, and moves by the
    schedule:

    - ``ramp``: linearly down to ``c_stop_deg`` over the first ``ramp_share`` of training, whatever happens. At cos = 1
      no margin is left (f(1) = 1), so "every embedding in one direction" costs only log K; pushed far below what the
      fit allows, training falls into that collapse (at once to 30 degrees: it does, on the digits).
    - ``repo``: 1e-4 radians a step from 90 to 45 degrees, the released code's literal values.
    - ``adaptive`` (our own rule; the paper's is not public): down at the ramp's pace while a running value of the
      batch's median loss is below ``threshold * log K``, up again at the same pace otherwise. In the collapse *every*
      example's loss is log K, so the rule turns back before it is reached; and a median does not see the wrong labels
      as long as they are fewer than half, where a mean stays above the threshold and never lets c move.

    Two parameters take the method apart. With several ``subcenters`` a class, x is the cosine of the nearest one. And
    ``gradient`` says what the target's logit has of f:

    - ``full``: value f(x) and slope f'(x);
    - ``value_only``: value f(x) and slope 1: the margin makes the loss harder, but pulls no less at wide angles
      (ydwen/opensphere detaches the margins of its heads in this way);
    - ``slope_only``: value x and slope f'(x): normalised softmax whose pull fades at wide angles.

    Args:
        schedule: ``adaptive``, ``ramp`` or ``repo``.
        c_stop_deg: lowest c, degrees, in (0, 90].
        ramp_share: share of training in which ``ramp`` reaches ``c_stop_deg``, in (0, 1].
        threshold: of ``adaptive``, in units of the chance loss log K, in (0, 1).
        quantile: of the batch's losses that ``adaptive`` watches, in [0, 1]; 0.5 is the median.
        scale: s > 0; 20 in the released code.
        subcenters: centres a class, at least 1; 3 in sub-center ArcFace (Deng et al., ECCV 2020).
        gradient: ``full``, ``value_only`` or ``slope_only``.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Suveges & McKenna, ICPR 2020; formula and ``repo`` schedule from stamas02/cam-softmax, ``ramp``,
    ``adaptive``, ``subcenters`` and ``gradient`` are our own. Tag: exact.
    """

    kind: ClassVar[str] = "cam_softmax"
    schedule: Literal["adaptive", "ramp", "repo"] = "adaptive"
    c_stop_deg: float = 60.0
    ramp_share: float = 0.7
    threshold: float = 0.5
    quantile: float = 0.5
    scale: float = 20.0
    subcenters: int = field(default=1, metadata=LATER)
    gradient: Literal["full", "value_only", "slope_only"] = field(default="full", metadata=LATER)

    def __post_init__(self) -> None:
        check_above(0, c_stop_deg=self.c_stop_deg, ramp_share=self.ramp_share, threshold=self.threshold)
        check_above(0, scale=self.scale)
        check_within(0, 90, c_stop_deg=self.c_stop_deg)
        check_within(0, 1, ramp_share=self.ramp_share, threshold=self.threshold, quantile=self.quantile)
        check_at_least(1, subcenters=self.subcenters)
        if self.gradient not in ("full", "value_only", "slope_only"):
            raise ValueError(f"gradient must be full, value_only or slope_only; got {self.gradient!r}")
        if self.schedule not in ("adaptive", "ramp", "repo"):
            raise ValueError(f"schedule must be adaptive, ramp or repo; got {self.schedule!r}")

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return CamSoftmaxHead(num_classes, embedding_dim, self)

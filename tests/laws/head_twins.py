"""Wrong margin heads, each a likely bug, and what must reject it: a law by name, or the slow loop of its parent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.heads import Head
from noisylabels.heads.adaface import AdaFace, AdaFaceHead, adaface_activation
from noisylabels.heads.cam_softmax import CamSoftmax, CamSoftmaxHead
from noisylabels.heads.combined import Combined, CombinedHead
from noisylabels.heads.curricularface import CurricularFaceHead
from noisylabels.heads.fixed_simplex import FixedSimplex, FixedSimplexHead
from noisylabels.heads.sphereface import SphereFace, SphereFaceHead
from noisylabels.heads.sphereface2 import SphereFace2, SphereFace2Head
from noisylabels.heads.subcenter_arcface import SubcenterArcFace, SubcenterArcFaceHead

SLOW_LOOP = "slow loop"


class BareMultipliedAngle(SphereFaceHead):
    """``cos(m theta)`` without psi: beyond pi / m the target's logit rises again."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return torch.cos(self.spec.margin * torch.acos(cos_theta.clamp(-1, 1)))


class BlendTheWrongWayRound(SphereFaceHead):
    """The blend weighs psi, not the cosine: full margin at the start, none at the end."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        psi = (super().target_activation(cos_theta) * (1 + self.blend)) - self.blend * cos_theta
        return (cos_theta + self.blend * psi) / (1 + self.blend)


class NormOfTheBatch(SphereFaceHead):
    """One length for the whole batch, where each embedding has its own."""

    def _scaled(self, logits: Tensor, embeddings: Tensor) -> Tensor:
        return logits * embeddings.norm(dim=1).mean()


class RisesPastPi(CombinedHead):
    """``cos(m1 theta + m2) - m3`` as it stands: the worst examples are rewarded."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        theta = torch.acos(cos_theta.clamp(-1 + 1e-6, 1 - 1e-6))
        return torch.cos(self.spec.m1 * theta + self.spec.m2) - self.spec.m3


class AngleMarginOutside(CombinedHead):
    """``cos(m1 (theta + m2)) - m3``: the order of the first two margins."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        theta = torch.acos(cos_theta.clamp(-1 + 1e-6, 1 - 1e-6))
        return torch.cos(self.spec.m1 * (theta + self.spec.m2)) - self.spec.m3


class SubcentersByColumn(SubcenterArcFaceHead):
    """The weight read as centre by centre, so that classes share sub-centres."""

    def cosines(self, embeddings: Tensor) -> Tensor:
        cosines = F.linear(F.normalize(embeddings, dim=1), F.normalize(self.weight, dim=1))
        return cosines.view(len(cosines), self.subcenters, -1).amax(1)


class MeanSubcenter(SubcenterArcFaceHead):
    """The mean of the sub-centres' cosines instead of the nearest's."""

    def cosines(self, embeddings: Tensor) -> Tensor:
        cosines = F.linear(F.normalize(embeddings, dim=1), F.normalize(self.weight, dim=1))
        return cosines.view(len(cosines), -1, self.subcenters).mean(2)


class MarginFreeBar(CurricularFaceHead):
    """Negatives are hard only above ``cos theta_y``: the misclassified alone, the margin forgotten."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        at_target = cosines.gather(1, labels.unsqueeze(1))
        modulated = torch.where(cosines > at_target, cosines * (self.t + cosines), cosines)
        return self.scale * modulated.scatter(1, labels.unsqueeze(1), self.target_activation(at_target))


class CurriculumMovesWhenAsked(CurricularFaceHead):
    """As the released code: t moves in forward, so that asking twice gives two answers."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        at_target = self.cosines(embeddings).gather(1, labels.unsqueeze(1))
        self.t = torch.lerp(self.t, at_target.detach().mean(), 0.01)
        return super().training_logits(embeddings, labels)


class QualityWithTheWrongSign(AdaFaceHead):
    """High norms have the margin of low ones."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        norms = embeddings.detach().norm(dim=1, keepdim=True)
        quality = -((norms - self.mean) / (self.std + 1e-3) * self.spec.h).clamp(-1, 1)
        cosines = self.cosines(embeddings)
        target = labels.unsqueeze(1)
        activated = adaface_activation(cosines.gather(1, target), quality, self.spec.margin)
        return self.scale * cosines.scatter(1, target, activated)


class ScalesItsArgument(AdaFaceHead):
    """Clips the norms by writing to the embeddings."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings.detach().clamp_(-1.0, 1.0)
        return super().training_logits(embeddings, labels)


class MarginOnTargetsOnly(SphereFace2Head):
    """The others' half of the margin forgotten: the target loses ``scale margin`` where it should lose twice that."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = self.logits(embeddings)
        return logits - self.scale * self.spec.margin * F.one_hot(labels, logits.shape[1])


class UnclampedPower(SphereFace2Head):
    """No floor below cos = -1: rounding gives NaN for an exponent that is not whole."""

    def logits(self, embeddings: Tensor) -> Tensor:
        adjusted = 2 * ((1 + self.cosines(embeddings) - 1e-6) / 2) ** 2.5 - 1
        return self.scale * (adjusted + self.spec.margin) + self.bias


class LearnedSimplex(FixedSimplexHead):
    """The centres a parameter, which weight decay and wrong labels move."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: FixedSimplex) -> None:
        super().__init__(num_classes, embedding_dim, spec)
        corners = self.weight
        del self.weight
        self.weight = nn.Parameter(corners)


class OrthogonalCentres(FixedSimplexHead):
    """Orthogonal centres: fixed, but nearer to one another than a simplex's."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: FixedSimplex) -> None:
        super().__init__(num_classes, embedding_dim, spec)
        self.weight = torch.eye(embedding_dim)[:num_classes]


class ChanceOfAllSubcenters(CamSoftmaxHead):
    """The chance loss of K * subcenters classes, so that c falls in a collapsed model."""

    def __init__(self, num_classes: int, embedding_dim: int, spec: CamSoftmax) -> None:
        super().__init__(num_classes, embedding_dim, spec)
        self.chance_loss = math.log(num_classes * spec.subcenters)


@dataclass(frozen=True)
class WrongHead:
    """What is wrong, how to make it for K classes and D dimensions, the text of the right head, who must say so."""

    wrong: type[Head]
    make: Callable[[int, int], Head]
    parent: str
    rejected_by: str


PSI = SphereFace(blend_start=0.0, blend_stop=0.0)
PSI_TEXT = "sphereface:blend_start=0,blend_stop=0"
PAPER = SphereFace(normalise=False)
CM2 = Combined(0.9, 0.4, 0.15)
HALF = "law_margin_never_helps"

TWINS = [
    WrongHead(BareMultipliedAngle, lambda k, d: BareMultipliedAngle(k, d, PSI), PSI_TEXT, HALF),
    WrongHead(BlendTheWrongWayRound, lambda k, d: BlendTheWrongWayRound(k, d, SphereFace()), "sphereface", SLOW_LOOP),
    WrongHead(NormOfTheBatch, lambda k, d: NormOfTheBatch(k, d, PAPER), "sphereface:normalise=false", SLOW_LOOP),
    WrongHead(RisesPastPi, lambda k, d: RisesPastPi(k, d, Combined(1, 2.5, 0)), "combined:m2=2.5,m3=0", HALF),
    WrongHead(
        AngleMarginOutside, lambda k, d: AngleMarginOutside(k, d, CM2), "combined:m1=0.9,m2=0.4,m3=0.15", SLOW_LOOP
    ),
    WrongHead(
        SubcentersByColumn, lambda k, d: SubcentersByColumn(k, d, SubcenterArcFace()), "subcenter_arcface", SLOW_LOOP
    ),
    WrongHead(MeanSubcenter, lambda k, d: MeanSubcenter(k, d, SubcenterArcFace()), "subcenter_arcface", SLOW_LOOP),
    WrongHead(MarginFreeBar, lambda k, d: MarginFreeBar(k, d, 20.0, 0.5), "curricularface", SLOW_LOOP),
    WrongHead(
        CurriculumMovesWhenAsked,
        lambda k, d: CurriculumMovesWhenAsked(k, d, 20.0, 0.5),
        "curricularface",
        "law_asking_changes_nothing",
    ),
    WrongHead(QualityWithTheWrongSign, lambda k, d: QualityWithTheWrongSign(k, d, AdaFace()), "adaface", SLOW_LOOP),
    WrongHead(ScalesItsArgument, lambda k, d: ScalesItsArgument(k, d, AdaFace()), "adaface", "law_arguments_kept"),
    WrongHead(MarginOnTargetsOnly, lambda k, d: MarginOnTargetsOnly(k, d, SphereFace2()), "sphereface2", SLOW_LOOP),
    WrongHead(
        UnclampedPower, lambda k, d: UnclampedPower(k, d, SphereFace2()), "sphereface2", "law_finite_at_the_poles"
    ),
    WrongHead(LearnedSimplex, lambda k, d: LearnedSimplex(k, d, FixedSimplex()), "fixed_simplex", "centres stand"),
    WrongHead(
        OrthogonalCentres, lambda k, d: OrthogonalCentres(k, d, FixedSimplex()), "fixed_simplex", "centres stand"
    ),
    WrongHead(
        ChanceOfAllSubcenters,
        lambda k, d: ChanceOfAllSubcenters(k, d, CamSoftmax(subcenters=3)),
        "cam_softmax:subcenters=3",
        "c stays at chance",
    ),
]

"""Triplet losses: an anchor is nearer to its own class than to another's. Three forms of one study."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec


def pairwise_distances(embeddings: Tensor, normalised: bool) -> Tensor:
    """Euclidean distances ``(B, B)``, by differences: exactly 0 between equal rows, where the gradient is 0.

    Args:
        embeddings: shape ``(B, D)``.
        normalised: put them on the unit sphere first.
    """
    points = F.normalize(embeddings, dim=1) if normalised else embeddings
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def triplets(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Anchor and positive of every ordered pair of one class, ``(P,)`` each, and its negatives, bool ``(P, B)``."""
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    others = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors, positives = torch.nonzero(same & others, as_tuple=True)
    return anchors, positives, ~same[anchors]


class TripletPenalty(Penalty):
    """``weight`` times the mean of the spec's hinge over all triplets of the batch."""

    def __init__(self, spec: TripletSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        squared = pairwise_distances(embeddings, self.spec.normalised).square()
        anchors, positives, negative = triplets(labels)
        hinges = self.spec.hinge(squared[anchors, positives].unsqueeze(1), squared[anchors])
        return self.spec.weight * (hinges * negative).sum() / negative.sum().clamp_min(1)


@dataclass(frozen=True)
class TripletSpec(RegulariserSpec):
    """What the three forms share: all triplets of a batch, squared Euclidean distances, the mean of a hinge.

    A batch of N examples has up to N^3 / 4 triplets (two classes); memory goes with them.
    """

    weight: float = 1.0
    normalised: bool = True

    def __post_init__(self) -> None:
        bounds = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "normalised"}
        check_at_least(0, **bounds)

    @abstractmethod
    def hinge(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Losses ``(P, B)`` from squared distances of anchors to positives ``(P, 1)`` and to negatives ``(P, B)``."""

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return TripletPenalty(self)


@dataclass(frozen=True)
class TL1(TripletSpec):
    """Triplet loss: ``weight * mean [d_ap - d_an + margin]_+`` over all triplets, d squared Euclidean distances.

    Args:
        weight: lambda, at least 0; 1 is our own choice.
        normalised: embeddings are put on the unit sphere first, where d is in [0, 4]; our own choice, because cosine
            heads leave their norm free.
        margin: m, at least 0; 0.2 is FaceNet's, on the unit sphere.

    Reference: Schroff et al., FaceNet, CVPR 2015, eq. 3; named TL1 in Ho et al., arXiv 2007.03123. Tag: exact for the
    loss, all triplets instead of mined ones is our own.
    """

    kind: ClassVar[str] = "tl1"
    margin: float = 0.2

    def hinge(self, positive: Tensor, negative: Tensor) -> Tensor:
        return (positive - negative + self.margin).relu()


@dataclass(frozen=True)
class TL2(TripletSpec):
    """Triplet loss with a bound within classes: ``weight * mean [d_ap - d_an + margin + [d_ap - beta]_+]_+``.

    Args:
        weight: lambda, at least 0; 1 is our own choice.
        normalised: embeddings are put on the unit sphere first, where d is in [0, 4]; our own choice.
        margin: m, at least 0; 0.2 as for ``tl1``.
        beta: squared distance within a class above which it is pulled twice, at least 0; 0.5 in code that cites the
            study. From 4 on, with normalised embeddings, this is ``tl1``.

    Reference: Ho et al., arXiv 2007.03123, by third-party code. Tag: reconstruction of the defaults and the averaging.
    """

    kind: ClassVar[str] = "tl2"
    margin: float = 0.2
    beta: float = 0.5

    def hinge(self, positive: Tensor, negative: Tensor) -> Tensor:
        return (positive - negative + self.margin + (positive - self.beta).relu()).relu()


@dataclass(frozen=True)
class TL3(TripletSpec):
    """Triplet loss with absolute bounds: ``weight * mean ([d_ap - m_pos]_+ + [m_neg - d_an]_+)`` over all triplets.

    Args:
        weight: lambda, at least 0; 1 is our own choice.
        normalised: embeddings are put on the unit sphere first, where d is in [0, 4] and the default bounds lie on
            either side of a right angle (d = 2); our own choice.
        m_pos: squared distance below which a pair of one class is near enough, at least 0; 1 in code that cites the
            study.
        m_neg: squared distance above which a pair of different classes is far enough, at least 0; 3 there.

    Reference: Ho et al., arXiv 2007.03123, by third-party code. Tag: reconstruction of the defaults and the averaging.
    """

    kind: ClassVar[str] = "tl3"
    m_pos: float = 1.0
    m_neg: float = 3.0

    def hinge(self, positive: Tensor, negative: Tensor) -> Tensor:
        return (positive - self.m_pos).relu() + (self.m_neg - negative).relu()

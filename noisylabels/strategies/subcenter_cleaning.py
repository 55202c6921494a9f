"""Sub-centre cleaning: examples far from their class's dominant sub-centre are dropped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least, check_within
from noisylabels.strategies.strategy import Learning, Look, Outcome, Step, Strategy, StrategyContext

CHUNK = 4_096
"""Examples whose sub-centres are held at once."""


@dataclass(frozen=True)
class SubcenterCleaning(Strategy):
    """From ``start`` on, examples further than ``angle_deg`` from the dominant sub-centre of their class do not count.

    Before an epoch, every training example is given to the nearest sub-centre of its given class; the dominant one of a
    class is that of most of its examples (the first among equals). ``objective = sum_{kept} L_i / number kept`` (0 for
    a batch of which none is kept) until examples are chosen anew.

    Whether examples at other sub-centres are dropped as such is told differently in paper and code; here, as in the
    code, only the angle to the dominant one matters. The paper then trains a network with one centre a class from
    scratch on what is kept; here the same network, with all its sub-centres, goes on. The angle is meant for networks
    that have nearly learnt all they will: cleaning too early drops most of everything (``kept`` in the history). On the
    digits 75 degrees are too few.

    Args:
        start: share of training that trusts the given labels, in [0, 1]; 0.75 is our own. 1 is ``standard``.
        angle_deg: degrees, in [0, 180]; 75 in the paper. 180 is ``standard``.
        every: epochs from one choice to the next, at least 1; 0 chooses once and for all, as the paper does.

    Reference: Deng et al., Sub-center ArcFace: boosting face recognition by large-scale noisy web faces, ECCV 2020;
    deepinsight/insightface. Tag: reconstruction, which goes on in place of training anew.
    """

    kind: ClassVar[str] = "subcenter_cleaning"
    needs_cosines: ClassVar[bool] = True
    needs_subcenters: ClassVar[bool] = True
    start: float = 0.75
    angle_deg: float = 75.0
    every: int = 0

    def __post_init__(self) -> None:
        check_within(0, 1, start=self.start)
        check_within(0, 180, angle_deg=self.angle_deg)
        check_at_least(0, every=self.every)

    def begin(self, context: StrategyContext) -> Learning:
        return SubcenterCleaningLearning(self, context)


class SubcenterCleaningLearning(Learning):
    """Holds which examples count, bool ``(N,)``."""

    remembers: ClassVar[tuple[str, ...]] = ("kept",)

    def __init__(self, spec: SubcenterCleaning, context: StrategyContext) -> None:
        self.spec, self.num_classes = spec, context.num_classes
        self.given_labels = context.given_labels
        self.kept = torch.ones_like(context.given_labels, dtype=torch.bool)

    def begin_epoch(self, epoch: int, epochs: int, look: Look) -> None:
        past = epoch - 1 - math.ceil(self.spec.start * epochs - 1e-9)  # 0.07 * 100 is 7.000000000000001
        if past < 0 or (past > 0 and (self.spec.every == 0 or past % self.spec.every > 0)):
            return
        labels, weights = self.given_labels.cpu(), look.class_weights(0)
        cosines = own_subcenter_cosines(look.embeddings(0), weights, labels, self.num_classes)
        to_dominant = cosines.gather(1, dominant_subcenters(cosines, labels, self.num_classes)[labels].unsqueeze(1))
        self.kept = (to_dominant.squeeze(1) >= math.cos(math.radians(self.spec.angle_deg))).to(self.kept.device)

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        counts = self.kept[step.rows.to(self.kept.device)].to(scored.losses)
        objective = scored.penalised((counts * scored.losses).sum() / counts.sum().clamp_min(1))
        return Outcome(objective, scored.losses.detach(), scored.logits)

    def state(self) -> dict[str, float]:
        return {"kept": float(self.kept.float().mean())}


def own_subcenter_cosines(embeddings: Tensor, weights: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Cosines of every embedding and the sub-centres of its own class, float32 ``(N, S)``, in [-1, 1].

    Args:
        embeddings: ``(N, D)``.
        weights: row ``j * S + i`` is sub-centre i of class j, ``(K * S, D)``.
        labels: given labels, int64 ``(N,)``.
        num_classes: K.
    """
    centers = F.normalize(weights.float(), dim=-1).reshape(num_classes, -1, weights.shape[-1])
    parts = []
    for begin in range(0, len(labels), CHUNK):
        directions = F.normalize(embeddings[begin : begin + CHUNK].float(), dim=1)
        own = centers[labels[begin : begin + CHUNK]]
        parts.append((own @ directions.unsqueeze(2)).squeeze(2))
    return torch.cat(parts).clamp(-1, 1)


def dominant_subcenters(cosines: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The sub-centre that is nearest to most examples of each class, int64 ``(K,)``; the first among equals.

    Args:
        cosines: to the sub-centres of an example's own class, ``(N, S)``.
        labels: given labels, int64 ``(N,)``.
        num_classes: K.
    """
    subcenters = cosines.shape[1]
    nearest = labels * subcenters + cosines.argsort(dim=1, descending=True, stable=True)[:, 0]
    counts = torch.bincount(nearest, minlength=num_classes * subcenters).view(num_classes, subcenters)
    return counts.argsort(dim=1, descending=True, stable=True)[:, 0]

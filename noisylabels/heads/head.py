"""What every head is: a map from embeddings to logits, with a margin on the target only while training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from noisylabels.heads.regulariser import Regularised


class Head(nn.Module, ABC):
    """Embeddings ``(B, D)`` to logits ``(B, K)``.

    Two laws hold for every head and are tested over the table: no argument is edited, and the logits of classes other
    than the target are the same in training and at inference.

    Attributes:
        scale: s, what cosines are multiplied by to be logits; 1 where there are none.
    """

    scale: float = 1.0

    @abstractmethod
    def logits(self, embeddings: Tensor) -> Tensor:
        """Inference logits, shape ``(B, K)``, from embeddings of shape ``(B, D)``; no label is looked at."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Training logits, shape ``(B, K)``: as ``logits``, with the margin on column ``labels[b]`` of row b."""
        return self.logits(embeddings)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """``cos(theta)``, shape ``(B, K)``, of embedding and class, without margin and scale.

        Raises:
            NotImplementedError: the head is not one of cosines (``HeadSpec.has_cosines``).
        """
        raise NotImplementedError(f"{type(self).__name__} has no cosines")

    def class_weights(self) -> Tensor:
        """The class weights, shape ``(K, D)``, or ``(K * subcenters, D)`` class by class.

        Raises:
            NotImplementedError: the head has none (``HeadSpec.has_weights``).
        """
        raise NotImplementedError(f"{type(self).__name__} has no class weights")

    def penalty(self, embeddings: Tensor, labels: Tensor) -> Tensor | None:
        """What a step descends beside the mean of its examples' losses, shape ``()``; None for nothing.

        Args:
            embeddings: of this batch, shape ``(B, D)``, with gradient.
            labels: given labels, shape ``(B,)``.
        """
        return None

    def advance(self, progress: float, losses: Tensor) -> None:
        """Move a schedule on, once after each optimiser step.

        Args:
            progress: share of all optimiser steps that are done, in (0, 1].
            losses: this step's per-example losses, shape ``(B,)``, detached.
        """

    def state(self) -> dict[str, float]:
        """What changes by schedule, for the history (``{"c_deg": 84.0}``); empty for a fixed head."""
        return {}


@dataclass(frozen=True)
class HeadSpec(ABC):
    """A head's name and parameters; ``build`` makes the module.

    ``head + regulariser`` is a head, too: see ``Regularised``.

    Attributes:
        requires_loss: name of the only loss whose logits this head makes; None where any will do.
        touches_others: whether training moves the logits of other classes than the target, too.
        has_weights: whether the module has class weights ``weight``, shape ``(..., D)``, that are trained.
        has_cosines: whether the module has ``cosines``, so that its logits are a scale times cosines but for margins.
    """

    kind: ClassVar[str]
    requires_loss: ClassVar[str | None] = None
    touches_others: ClassVar[bool] = False
    has_weights: ClassVar[bool] = True
    has_cosines: ClassVar[bool] = True

    def __add__(self, other: object) -> Regularised:
        from noisylabels.heads.regulariser import Regularised, RegulariserSpec

        return Regularised((self, other)) if isinstance(other, RegulariserSpec) else NotImplemented

    @abstractmethod
    def build(self, num_classes: int, embedding_dim: int) -> Head:
        """The head for K classes over D-dimensional embeddings, freshly initialised from torch's current generator."""


class CosineHead(Head):
    """Scaled cosines: ``logits[b, j] = scale * cos(theta_bj)``, theta the angle of embedding b and class weight j.

    A margin head overrides ``target_activation`` only: the target's logit is ``scale * f(cos theta)``.
    """

    def __init__(self, num_classes: int, embedding_dim: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_classes, embedding_dim))
        nn.init.normal_(self.weight)

    def cosines(self, embeddings: Tensor) -> Tensor:
        return F.linear(F.normalize(embeddings, dim=1), F.normalize(self.weight, dim=1))

    def class_weights(self) -> Tensor:
        return self.weight

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        """f of the target cosine, any shape, element by element; the identity here."""
        return cos_theta

    def logits(self, embeddings: Tensor) -> Tensor:
        return self.scale * self.cosines(embeddings)

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = self.cosines(embeddings)
        target = labels.unsqueeze(1)
        activated = self.target_activation(cosines.gather(1, target))
        return self.scale * cosines.scatter(1, target, activated.to(cosines.dtype))

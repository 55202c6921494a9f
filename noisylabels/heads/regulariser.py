"""Regularisers: what any head can have added to its objective, ``cosface + center:weight=0.003``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from noisylabels.heads.head import Head, HeadSpec


class Penalty(nn.Module, ABC):
    """A scalar function of a batch's embeddings and given labels, weighted; may have parameters of its own."""

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        """The weighted penalty, shape ``()``, finite for any batch (0 where a batch has nothing to compare).

        Args:
            embeddings: shape ``(B, D)``, as the network leaves them, not normalised; with gradient.
            labels: given labels, int64 ``(B,)``.
            head: the head that is regularised, with all that recalibrates it; a penalty may ask for its logits and its
                class weights.
        """

    def recalibrated(self, embeddings: Tensor) -> Tensor:
        """What enters the head in place of the embeddings, ``(B, D)``, in training and at inference; most keep them."""
        return embeddings


@dataclass(frozen=True)
class RegulariserSpec(ABC):
    """A regulariser's name and parameters; ``build`` makes the module.

    Attributes:
        needs_weights: whether it looks at the head's class weights.
    """

    kind: ClassVar[str]
    needs_weights: ClassVar[bool] = False

    @abstractmethod
    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        """The penalty for K classes and D dimensions, freshly initialised from torch's current generator."""


@dataclass(frozen=True)
class Regularised(HeadSpec):
    """A head with penalties added: ``mean(losses) + sum(penalties)``. Its logits are the head's own, but for attention.

    Attributes:
        steps: the head, then at least one regulariser, of different kinds.

    Raises:
        ValueError: a regulariser comes twice, or needs class weights that the head has none of.
    """

    kind: ClassVar[str] = "+"
    steps: tuple[HeadSpec | RegulariserSpec, ...]

    def __post_init__(self) -> None:
        kinds = [step.kind for step in self.steps]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"a regulariser must be added once; got {kind} twice")

        for step in self.steps:
            if isinstance(step, RegulariserSpec) and step.needs_weights and not self.head.has_weights:
                raise ValueError(f"{step.kind} needs a head whose class weights are trained; {self.head.kind} has none")

    @property
    def head(self) -> HeadSpec:
        """The head that is regularised."""
        head = self.steps[0]
        assert isinstance(head, HeadSpec)
        return head

    def __add__(self, other: object) -> Regularised:
        return Regularised((*self.steps, other)) if isinstance(other, RegulariserSpec) else NotImplemented

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        regularisers = [step for step in self.steps if isinstance(step, RegulariserSpec)]
        head = self.head.build(num_classes, embedding_dim)
        return RegularisedHead(head, [step.build(num_classes, embedding_dim) for step in regularisers])


class RegularisedHead(Head):
    """The head's logits and schedule, and the sum of its own penalty and the added ones.

    What enters the head is recalibrated by each penalty in turn; the penalties themselves are of what the network left.
    """

    def __init__(self, head: Head, penalties: list[Penalty]) -> None:
        super().__init__()
        self.head = head
        self.scale = head.scale
        self.penalties = nn.ModuleList(penalties)

    def entering(self, embeddings: Tensor) -> Tensor:
        """What the head sees of embeddings ``(B, D)``, same shape; the very same tensor where nothing recalibrates."""
        for penalty in self.penalties:
            assert isinstance(penalty, Penalty)
            embeddings = penalty.recalibrated(embeddings)
        return embeddings

    def logits(self, embeddings: Tensor) -> Tensor:
        return self.head.logits(self.entering(embeddings))

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.head.training_logits(self.entering(embeddings), labels)

    def cosines(self, embeddings: Tensor) -> Tensor:
        return self.head.cosines(self.entering(embeddings))

    def class_weights(self) -> Tensor:
        return self.head.class_weights()

    def penalty(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        own = self.head.penalty(self.entering(embeddings), labels)
        added = [penalty(embeddings, labels, self) for penalty in self.penalties]
        return torch.stack([*added, own] if own is not None else added).sum()

    def advance(self, progress: float, losses: Tensor) -> None:
        self.head.advance(progress, losses)

    def state(self) -> dict[str, float]:
        return self.head.state()

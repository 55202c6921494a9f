"""What every loss is: logits and labels to one number per example."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

Predict = Callable[[], Tensor]
"""Class probabilities of every training image, without augmentation, float32 ``(N, K)``; computed when it is called."""


@dataclass(frozen=True)
class LossContext:
    """What a loss may know of the training it is used in.

    Attributes:
        num_classes: K, the labels that a model chooses among.
        num_examples: N training examples.
        transition: the true ``T[i, j] = P(given j | true i)``, float32 ``(K, K)``, for losses that declare to need it;
            None for all others.
    """

    num_classes: int
    num_examples: int
    transition: Tensor | None = None


class Criterion(ABC):
    """A loss at work in one training; what it learns on the way is its own.

    Attributes:
        remembers: names of the attributes that change on the way, which a training that is resumed gets back.
    """

    remembers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        """Losses ``(B,)`` from logits ``(B, K)`` and given labels ``(B,)``; ``rows`` ``(B,)`` are the examples."""

    def begin_epoch(self, epoch: int, epochs: int, predict: Predict) -> None:  # noqa: B027  # most have nothing to do
        """Called before each epoch, from 1; ``predict`` gives the model's probabilities as they are now."""

    def state(self) -> dict[str, float]:
        """What changes on the way, for the history; empty for most."""
        return {}


@dataclass(frozen=True)
class Loss(ABC):
    """Per-example losses ``(B,)``; whatever averages or weights them comes later (a strategy).

    Attributes:
        oracle_knowledge: what it is told that nobody has in practice, such as ``the true transition matrix``; empty for
            most. Reports print it.
    """

    kind: ClassVar[str]

    @property
    def oracle_knowledge(self) -> str:
        return ""

    @property
    def needs_transition(self) -> bool:
        """Whether ``begin`` must be told the true transition matrix."""
        return False

    @abstractmethod
    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses of shape ``(B,)``, in nats, lower is better, from logits ``(B, K)`` and given labels ``(B,)``."""

    def begin(self, context: LossContext) -> Criterion:
        """The loss at work. A loss that learns or is told something on the way has a criterion of its own."""
        return Stateless(self)


@dataclass(frozen=True)
class Stateless(Criterion):
    """A loss that is the same from the first step to the last."""

    loss: Loss

    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        return self.loss.per_example(logits, labels)

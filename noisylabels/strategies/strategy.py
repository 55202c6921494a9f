"""What every strategy is: which examples count in a step, with which targets, in how many networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Look:
    """What can be asked of the networks before an epoch: of every training image in order, without augmentation.

    Nothing is computed before it is asked for; networks are numbered from 0.

    Attributes:
        probabilities: softmax of the inference logits, float32 ``(N, K)``, on the CPU.
        embeddings: float32 ``(N, D)``, on the CPU.
        class_weights: the head's ``weight``, ``(..., D)``, detached, on the CPU.
    """

    probabilities: Callable[[int], Tensor]
    embeddings: Callable[[int], Tensor]
    class_weights: Callable[[int], Tensor]


@dataclass(frozen=True)
class Scored:
    """What a network makes of a batch.

    Attributes:
        embeddings: ``(B, D)``.
        logits: training logits, ``(B, K)``, with the head's margin on the labels they were scored with.
        losses: per-example losses, ``(B,)``, of those labels.
        penalty: what the head adds to the objective, ``()``; None for nothing.
        plain: makes the inference logits, ``(B, K)``, without a margin: what the network predicts.
        cosines: makes ``cos(theta)``, ``(B, K)``, without margin and scale; only heads with ``has_cosines`` can.
        again: scores embeddings, ``(B, D)``, under labels of examples ``rows`` by the same head, without another pass
            through the network.
    """

    embeddings: Tensor
    logits: Tensor
    losses: Tensor
    penalty: Tensor | None
    plain: Callable[[], Tensor]
    cosines: Callable[[], Tensor]
    again: Callable[[Tensor, Tensor, Tensor], Scored]

    def penalised(self, objective: Tensor) -> Tensor:
        """The objective with the head's penalty."""
        return objective if self.penalty is None else objective + self.penalty


@dataclass(frozen=True)
class Step:
    """One training step, before it is taken.

    Attributes:
        images: augmented and standardised, ``(B, C, H, W)``.
        labels: given labels, int64 ``(B,)``.
        rows: which of the N training examples these are, int64 ``(B,)``, on the CPU.
        epoch: from 1.
        epochs: in all.
        progress: share of all steps that are done, in [0, 1).
        score: what a network, by its number, makes of images under labels; the rows say whose labels they are.
        draws: the stream of this strategy's random decisions, on the CPU.
        view: makes another augmented view of the same images, from ``draws``.
        averaged: inference logits of a network's running average for images, without gradient; the network's own where
            the strategy keeps no average.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    epoch: int
    epochs: int
    progress: float
    score: Callable[[Tensor, Tensor, Tensor, int], Scored]
    draws: torch.Generator
    view: Callable[[], Tensor]
    averaged: Callable[[Tensor, int], Tensor]

    def scored(self, network: int = 0) -> Scored:
        """What a network makes of this batch under its given labels."""
        return self.score(self.images, self.labels, self.rows, network)


@dataclass(frozen=True)
class Outcome:
    """What a step descends, and what it showed.

    Attributes:
        objective: ``()``, with gradient to all networks.
        losses: per-example losses, ``(B,)``, for the history and the head's schedule.
        training_logits: of the first network, ``(B, K)``; the examples' fit to their given labels is read from them.
    """

    objective: Tensor
    losses: Tensor
    training_logits: Tensor


class Learning(ABC):
    """A strategy at work in one training; what it learns on the way is its own.

    It sees given labels only. All its state is in tensors and numbers made from its context and the stream.

    Attributes:
        remembers: names of the attributes that change on the way: tensors, numbers, texts, lists of them or None. A
            training that is resumed gets them back; what is not named must not matter after an epoch's end.
    """

    remembers: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def take(self, step: Step) -> Outcome:
        """The objective of one step."""

    def begin_epoch(self, epoch: int, epochs: int, look: Look) -> None:
        """Called before each epoch, from 1; ``look`` asks the networks as they are now."""
        return

    def parameters(self) -> list[nn.Parameter]:
        """What the networks' optimiser is to train beside them; empty for most."""
        return []

    def state(self) -> dict[str, float]:
        """What changes on the way, for the history; empty for most."""
        return {}


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy may know of the training it is used in.

    Attributes:
        num_classes: K, the labels that a network chooses among.
        given_labels: int64 ``(N,)``, on the device of training.
        noise_rate: the true share of wrong labels, for strategies that declare to need it; None for all others.
    """

    num_classes: int
    given_labels: Tensor
    noise_rate: float | None = None


@dataclass(frozen=True)
class Strategy(ABC):
    """A strategy's name and parameters; ``begin`` puts it to work.

    Attributes:
        networks: how many networks it trains; the first is the one that is measured.
        needs_cosines: whether it reads ``Scored.cosines``: the head must be one of cosines.
        needs_subcenters: whether the head must have several centres a class.
        cost: time of a step in units of the standard strategy's, about.
        averaging: decay of a running average of the weights per step, in [0, 1), which is then what is measured; 0 for
            the weights themselves.
    """

    kind: ClassVar[str]
    networks: ClassVar[int] = 1
    needs_cosines: ClassVar[bool] = False
    needs_subcenters: ClassVar[bool] = False
    cost: ClassVar[float] = 1.0

    @property
    def averaging(self) -> float:
        return 0.0

    @property
    def oracle_knowledge(self) -> str:
        """What it is told that nobody has in practice, such as ``the true noise rate``; empty for most."""
        return ""

    @abstractmethod
    def begin(self, context: StrategyContext) -> Learning:
        """The strategy at work in one training."""

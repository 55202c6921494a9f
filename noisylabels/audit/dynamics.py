"""What training showed of every example on the way: how far ahead its label was, how costly, how often forgotten."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.strategies import Look, Outcome, Scored, Step, Strategy, StrategyContext
from noisylabels.strategies.strategy import Learning

UNSEEN = -1
"""Prediction of an example that an epoch did not show."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Records of R trainings of E epochs over N examples; what a training did not see is NaN, and ``UNSEEN``.

    An epoch leaves out the rest that fills no batch, and a strategy that mixes images shows none under its own label:
    what a training never showed is there once, in the last epoch, as the trained model sees it.

    Attributes:
        margins: ``z_y - max_{k != y} z_k``, float32 ``(R, E, N)``: z the inference logits (without a head's margin), as
            they were in the training step that showed the example, y its given label.
        losses: ``-log softmax(z)_y``, float32 ``(R, E, N)``, nats.
        predicted: ``argmax_k z_k``, int64 ``(R, E, N)``.

    Raises:
        ValueError: an example that no training ever showed.
    """

    margins: NDArray[np.float32]
    losses: NDArray[np.float32]
    predicted: NDArray[np.int64]

    def __post_init__(self) -> None:
        unseen = np.flatnonzero((self.predicted == UNSEEN).all(axis=(0, 1)))
        if unseen.size:
            raise ValueError(f"every example must be shown in some epoch; {unseen.size} were not, such as {unseen[0]}")

    @classmethod
    def stacked(cls, trainings: Sequence[Journal]) -> Dynamics:
        """The records of several trainings of the same examples."""
        columns = [
            np.stack([getattr(one, name).numpy() for one in trainings]) for name in ("margins", "losses", "predicted")
        ]
        return cls(*columns)


class Journal:
    """The record of one training under way, all unseen at first; float32, float32 and int64 ``(E, N)``.

    Args:
        epochs: E.
        examples: N, of the whole audited set.
        rows: position among the N of each training example; the others stay unseen.
    """

    def __init__(self, epochs: int, examples: int, rows: NDArray[np.int64]) -> None:
        self.margins = torch.full((epochs, examples), float("nan"))
        self.losses = torch.full((epochs, examples), float("nan"))
        self.predicted = torch.full((epochs, examples), UNSEEN)
        self._rows = torch.from_numpy(rows)

    def note(self, step: Step, logits: Tensor) -> None:
        """Write down what a step's examples looked like.

        Args:
            step: whose rows number the training examples.
            logits: inference logits, ``(B, K)``.
        """
        self._write(step.epoch - 1, self._rows[step.rows], logits, step.labels)

    def complete(self, logits: Tensor, labels: Tensor) -> None:
        """Write down, as of the last epoch, what no step has shown: the rests of epochs that fill no batch.

        Args:
            logits: inference logits of the trained model for every training example, ``(n, K)``.
            labels: their given labels, int64 ``(n,)``.
        """
        unseen = (self.predicted[:, self._rows] == UNSEEN).all(0)
        self._write(len(self.predicted) - 1, self._rows[unseen], logits[unseen], labels[unseen])

    def _write(self, epoch: int, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        target = labels[:, None]
        others = logits.scatter(1, target, float("-inf")).amax(1)
        self.margins[epoch, rows] = (logits.gather(1, target)[:, 0] - others).cpu()
        self.losses[epoch, rows] = F.cross_entropy(logits, labels, reduction="none").cpu()
        self.predicted[epoch, rows] = logits.argmax(1).cpu()


@dataclass(frozen=True)
class Watched(Strategy):
    """Another strategy, every step of which is written down; it trains the same network to the last bit.

    Attributes:
        strategy: the one that trains.
        journal: where its first network's view of the examples, under their given labels, is written.
    """

    kind: ClassVar[str] = "watched"
    strategy: Strategy
    journal: Journal = field(compare=False)

    @property
    def averaging(self) -> float:
        return self.strategy.averaging

    @property
    def oracle_knowledge(self) -> str:
        return self.strategy.oracle_knowledge

    def begin(self, context: StrategyContext) -> Learning:
        return _WatchedLearning(self.strategy.begin(context), self.journal)


class _WatchedLearning(Learning):
    """Hands every call on, and looks at the first scores of the batch itself."""

    def __init__(self, inner: Learning, journal: Journal) -> None:
        self.inner, self.journal = inner, journal

    def take(self, step: Step) -> Outcome:
        seen: list[Scored] = []

        def score(images: Tensor, labels: Tensor, rows: Tensor, network: int) -> Scored:
            scored = step.score(images, labels, rows, network)
            if network == 0 and images is step.images and not seen:
                seen.append(scored)
            return scored

        outcome = self.inner.take(dataclasses.replace(step, score=score))
        if seen:
            with torch.no_grad():
                self.journal.note(step, seen[0].plain().detach())
        return outcome

    def begin_epoch(self, epoch: int, epochs: int, look: Look) -> None:
        self.inner.begin_epoch(epoch, epochs, look)

    def parameters(self) -> list[nn.Parameter]:
        return self.inner.parameters()

    def state(self) -> dict[str, float]:
        return self.inner.state()

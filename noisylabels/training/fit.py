"""The training loop, on one screen. It sees given labels only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from noisylabels.catalog import UsageError
from noisylabels.heads import Head
from noisylabels.losses import Loss, LossContext
from noisylabels.memory import memory_of, recall
from noisylabels.spec import TrainSpec
from noisylabels.strategies import Look, Scored, Step, Strategy, StrategyContext
from noisylabels.training.averaging import Averaged
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model
from noisylabels.training.optimizer import make_optimizer, set_learning_rate
from noisylabels.training.streams import stream


@dataclass(frozen=True)
class EpochFit:
    """What an epoch's training steps showed: mean per-example loss (nats), share fitted to the given label."""

    epoch: int
    loss: float
    given_accuracy: float
    state: dict[str, float]


@dataclass(frozen=True)
class Told:
    """Everything that training is told of the labels.

    Attributes:
        given: int64 ``(N,)`` in [0, K), possibly wrong; the only labels there are here.
        num_classes: K, the labels the model chooses among.
        transition: the true transition matrix, for a loss that declares to need it; None for all others.
        noise_rate: the true share of wrong labels, for a strategy that declares to need it; None for all others.
    """

    given: Tensor
    num_classes: int
    transition: Tensor | None = None
    noise_rate: float | None = None


class Training:
    """One training under way: everything that moves, and the epochs that move it.

    Attributes:
        epochs_done: finished epochs.
        finite: whether every epoch's mean loss was a number so far.

    Args:
        models: embedder and head, as many as the strategy trains; edited.
        images: the N training images.
        told: their given labels, and what a method may know beside them.
        loss, strategy, spec: the method.
        seed: of the streams ``order``, ``augment`` and ``strategy``.

    Raises:
        UsageError: the training has a single step, whose learning rate would be 0.
    """

    def __init__(
        self,
        models: Sequence[Model],
        images: ImageBatches,
        told: Told,
        loss: Loss,
        strategy: Strategy,
        spec: TrainSpec,
        *,
        seed: int,
    ) -> None:
        self.models, self.images, self.spec = models, images, spec
        self.batch = min(spec.batch_size, len(images))
        self.steps_an_epoch = len(images) // self.batch  # a ragged last batch would give its examples another weight
        if spec.epochs * self.steps_an_epoch < 2:
            total = spec.epochs * self.steps_an_epoch
            raise UsageError(f"a training needs at least 2 optimiser steps; got {total} ({len(images)} images)")
        self.labels = told.given.to(models[0].device)
        self.streams = {name: stream(name, seed) for name in ("order", "augment", "strategy")}
        self.criterion = loss.begin(LossContext(told.num_classes, len(images), told.transition))
        self.learning = strategy.begin(StrategyContext(told.num_classes, self.labels, told.noise_rate))
        self.optimizer = make_optimizer(models, spec, self.learning.parameters())
        self.averages = [Averaged(model, strategy.averaging) for model in models]
        self.epochs_done, self.finite = 0, True

    @property
    def model(self) -> Model:
        """The model to measure: the first, or its running average where the strategy asks for one."""
        return self.averages[0].model

    def run_epoch(self) -> EpochFit:
        """Every training image once, in a new order, but for a last batch that is not full."""
        epoch, epochs = self.epochs_done + 1, self.spec.epochs
        self.criterion.begin_epoch(epoch, epochs, lambda: self.models[0].probabilities(self.images))
        self.learning.begin_epoch(epoch, epochs, self._look())
        for model in self.models:
            model.train()
        rows = torch.randperm(len(self.images), generator=self.streams["order"])
        shown = torch.empty(2, self.steps_an_epoch, device=self.models[0].device)  # in one piece: see ``Model.over``
        for number in range(self.steps_an_epoch):
            done = (epoch - 1) * self.steps_an_epoch + number
            progress = done / (epochs * self.steps_an_epoch)
            set_learning_rate(self.optimizer, self.spec, progress)
            step = self._step(rows[number * self.batch : (number + 1) * self.batch], progress)
            outcome = self.learning.take(step)
            self.optimizer.zero_grad(set_to_none=True)
            outcome.objective.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            for average in self.averages:
                average.update()
            for model in self.models:
                model.head.advance((done + 1) / (epochs * self.steps_an_epoch), outcome.losses)
            shown[0, number] = outcome.losses.mean()
            shown[1, number] = (outcome.training_logits.detach().argmax(1) == step.labels).float().mean()
        # The only place where the host waits for the device.
        mean_loss, fitted_share = torch.stack([shown[0].mean(), shown[1].mean()]).tolist()
        self.epochs_done, self.finite = epoch, self.finite and math.isfinite(mean_loss)
        state = self.models[0].head.state() | self.criterion.state() | self.learning.state()
        return EpochFit(epoch, mean_loss, fitted_share, state)

    def weights_are_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(p.isfinite().all()) for model in self.models for p in model.parameters())

    def memory(self) -> dict[str, Any]:
        """All that the next epoch depends on: tensors, numbers and texts. Nothing is copied: store it at once."""
        return {
            "epochs_done": self.epochs_done,
            "models": [model.state() for model in self.models],
            "averages": [average.memory() for average in self.averages],
            "optimizer": self.optimizer.state_dict(),
            "streams": {name: generator.get_state() for name, generator in self.streams.items()},
            "criterion": memory_of(self.criterion),
            "learning": memory_of(self.learning),
            "learning_parameters": [parameter.detach() for parameter in self.learning.parameters()],
        }

    @torch.no_grad()
    def recall(self, memory: dict[str, Any]) -> None:
        """Go on from a memory: the epochs that follow are those of the training that left it, bit for bit.

        Raises:
            ValueError, RuntimeError, KeyError: it is another training's.
        """
        for model, state in zip(self.models, memory["models"], strict=True):
            model.load(state)
        for average, kept in zip(self.averages, memory["averages"], strict=True):
            average.recall(kept)
        for parameter, value in zip(self.learning.parameters(), memory["learning_parameters"], strict=True):
            parameter.copy_(value)
        self.optimizer.load_state_dict(memory["optimizer"])
        for name, generator in self.streams.items():
            generator.set_state(memory["streams"][name])
        recall(self.criterion, memory["criterion"])
        recall(self.learning, memory["learning"])
        self.epochs_done = memory["epochs_done"]

    def _step(self, rows: Tensor, progress: float) -> Step:
        draws = self.streams["strategy"]
        return Step(
            images=self.images.augmented(rows, self.streams["augment"]),
            labels=self.labels[rows.to(self.labels.device)],
            rows=rows,
            epoch=self.epochs_done + 1,
            epochs=self.spec.epochs,
            progress=progress,
            score=lambda images, labels, rows, network: self._scored(network, images, labels, rows),
            draws=draws,
            view=lambda: self.images.augmented(rows, draws),
            averaged=self._averaged,
        )

    def _scored(self, network: int, images: Tensor, labels: Tensor, rows: Tensor) -> Scored:
        return self._of_embeddings(self.models[network].head, self.models[network].embed(images), labels, rows)

    def _of_embeddings(self, head: Head, embeddings: Tensor, labels: Tensor, rows: Tensor) -> Scored:
        logits = head.training_logits(embeddings, labels)
        return Scored(
            embeddings=embeddings,
            logits=logits,
            losses=self.criterion(logits, labels, rows),
            penalty=head.penalty(embeddings, labels),
            plain=lambda: head.logits(embeddings),
            cosines=lambda: head.cosines(embeddings),
            again=lambda *others: self._of_embeddings(head, *others),
        )

    def _averaged(self, images: Tensor, network: int) -> Tensor:
        model = self.averages[network].model
        model.train()  # by batch statistics, as the network that it averages is trained; whoever measured it left it so
        with torch.no_grad():
            return model.head.logits(model.embed(images))

    def _look(self) -> Look:
        return Look(
            probabilities=lambda network: self.models[network].probabilities(self.images),
            embeddings=lambda network: self.models[network].embeddings(self.images),
            class_weights=lambda network: self.models[network].head.class_weights().detach().cpu(),
        )

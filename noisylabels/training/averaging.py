"""A running average of a model's weights, to be measured in their place."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from noisylabels.training.model import Model


class Averaged:
    """``average <- decay * average + (1 - decay) * weights`` after each step, buffers (batch norms) included.

    The decay of step t (from 1) is ``min(decay, t / (t + 9))``, so that the first weights are soon forgotten.

    Attributes:
        model: the average, or the model itself where the decay is 0.

    Reference: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992; the warm-up is the usual
    one of exponential averages.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self._source, self._decay, self._steps = model, decay, 0
        self.model = model if decay == 0 else _copied(model)

    def memory(self) -> dict[str, Any]:
        """What it takes to go on averaging: nothing where nothing is averaged."""
        return {} if self.model is self._source else {"steps": self._steps, "model": self.model.state()}

    def recall(self, memory: dict[str, Any]) -> None:
        """Put a memory back."""
        if memory:
            self._steps = memory["steps"]
            self.model.load(memory["model"])

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights in as they are now."""
        if self.model is self._source:
            return
        self._steps += 1
        share = 1 - min(self._decay, self._steps / (self._steps + 9))
        for average, now in zip(_tensors(self.model), _tensors(self._source), strict=True):
            if average.is_floating_point():
                average.lerp_(now, share)
            else:
                average.copy_(now)  # a batch norm's count of batches


def _copied(model: Model) -> Model:
    copied = replace(model, embedder=copy.deepcopy(model.embedder), head=copy.deepcopy(model.head))
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    for module in copied.embedder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0  # its statistics are averages of its source's, never of what it is shown
    return copied


def _tensors(model: Model) -> list[torch.Tensor]:
    parts = (model.embedder, model.head)
    return [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]

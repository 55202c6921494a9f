"""Embedder and head, as one thing to train and to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from noisylabels.heads import Head
from noisylabels.training.images import ImageBatches


@dataclass(frozen=True)
class Model:
    """An embedder and its head on one device, computing in one precision."""

    embedder: nn.Module
    head: Head
    device: torch.device
    precision: torch.dtype

    def parameters(self) -> list[nn.Parameter]:
        """All parameters, the embedder's first."""
        return [*self.embedder.parameters(), *self.head.parameters()]

    def state(self) -> dict[str, Any]:
        """Every tensor of embedder and head by name, buffers and schedules included."""
        return {"embedder": self.embedder.state_dict(), "head": self.head.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Put a state back.

        Raises:
            RuntimeError: it is another architecture's.
        """
        self.embedder.load_state_dict(state["embedder"])
        self.head.load_state_dict(state["head"])

    def embed(self, images: Tensor) -> Tensor:
        """Standardised images ``(B, C, H, W)`` to float32 embeddings ``(B, D)``; heads always compute in float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            embeddings: Tensor = self.embedder(images)
        return embeddings.float()

    def train(self, mode: bool = True) -> None:
        """Batch norms learn (True) or stand (False)."""
        self.embedder.train(mode)
        self.head.train(mode)

    def over(
        self, images: ImageBatches, what: Callable[[Tensor], Tensor], *, mirrored: bool = False, batch: int = 125
    ) -> Tensor:
        """``what(embeddings)`` for every image in order, without margin, gradient or augmentation; on the CPU.

        Args:
            mirrored: whether each image is mirrored left to right.
        """
        self.train(False)
        found = torch.empty(0)
        for start in range(0, len(images), batch):
            rows = slice(start, start + batch)
            with torch.inference_mode():
                plain = images.plain(rows)
                part = what(self.embed(plain.flip(3) if mirrored else plain))
            if not start:  # one piece from the start: many small ones between large passing ones break up the heap
                found = torch.empty((len(images), *part.shape[1:]), dtype=part.dtype, device=part.device)
            found[rows] = part
        return found.cpu()

    def predictions(self, images: ImageBatches) -> Tensor:
        """Predicted class of every image, int64 ``(N,)``."""
        return self.over(images, lambda embeddings: self.head.logits(embeddings).argmax(1))

    def probabilities(self, images: ImageBatches) -> Tensor:
        """Softmax of the inference logits of every image, float32 ``(N, K)``."""
        return self.over(images, lambda embeddings: self.head.logits(embeddings).softmax(1))

    def embeddings(self, images: ImageBatches, *, mirrored: bool = False) -> Tensor:
        """Embedding of every image, or of its mirror image, float32 ``(N, D)``."""
        return self.over(images, lambda embeddings: embeddings, mirrored=mirrored)

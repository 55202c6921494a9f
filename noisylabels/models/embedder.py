"""What every model is: images to embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class ModelSpec(ABC):
    """A model's name and parameters; ``build`` makes the module.

    Every embedder maps standardised images ``(B, C, H, W)`` to embeddings ``(B, D)`` and ends in a batch norm over the
    embedding, so that embeddings are centred and angles between them mean something from the first step.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """D."""

    @abstractmethod
    def build(self, channels: int, image_size: int) -> nn.Module:
        """The module for C channels and H = W = ``image_size``, initialised from torch's current generator."""


class EmbeddingOutput(nn.Module):
    """Features ``(B, F)`` to embeddings ``(B, D)``: a linear map and a batch norm."""

    def __init__(self, features: int, embedding_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, embedding_dim, bias=False)
        self.norm = nn.BatchNorm1d(embedding_dim)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.norm(self.linear(features))
        return out

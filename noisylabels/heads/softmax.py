"""The plain softmax head: a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from noisylabels.heads.head import Head, HeadSpec


class SoftmaxHead(Head):
    """``logits = W e + b``: neither embeddings nor weights are normalised, nothing is scaled."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_dim, num_classes)

    def logits(self, embeddings: Tensor) -> Tensor:
        out: Tensor = self.linear(embeddings)
        return out

    def class_weights(self) -> Tensor:
        return self.linear.weight


@dataclass(frozen=True)
class Softmax(HeadSpec):
    """Plain linear softmax classifier: the reference every margin is measured against.

    Reference: multinomial logistic regression on the embedding. Tag: exact.
    """

    kind: ClassVar[str] = "softmax"
    has_cosines: ClassVar[bool] = False

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return SoftmaxHead(num_classes, embedding_dim)

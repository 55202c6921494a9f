"""What every loss is: logits and labels to one number per example."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Loss(ABC):
    """Per-example losses ``(B,)``; whatever averages or weights them comes later (a strategy)."""

    kind: ClassVar[str]

    @abstractmethod
    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Losses of shape ``(B,)``, in nats, lower is better, from logits ``(B, K)`` and given labels ``(B,)``."""

"""What every strategy is: which examples count in a step, and how much."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Strategy(ABC):
    """Per-example losses to the number a step descends."""

    kind: ClassVar[str]

    @abstractmethod
    def objective(self, losses: Tensor) -> Tensor:
        """Scalar objective, shape ``()``, from this batch's per-example losses ``(B,)``."""

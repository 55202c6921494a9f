"""The strategy without a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from noisylabels.strategies.strategy import Strategy


@dataclass(frozen=True)
class Standard(Strategy):
    """Every example counts alike: ``objective = mean(losses)``. Given labels are trusted as they are."""

    kind: ClassVar[str] = "standard"

    def objective(self, losses: Tensor) -> Tensor:
        return losses.mean()

"""No noise: the reference of every study, through the same door and with the same record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples


@dataclass(frozen=True)
class Clean(Corruption):
    """``given = true``. Draws nothing, so every seed gives the same labels.

    Attributes:
        rate: 0, the only value.

    Raises:
        ValueError: the rate is not 0.

    >>> Clean().apply([2, 0, 1], 3, seed=7).given
    array([2, 0, 1])
    """

    kind: ClassVar[str] = "clean"
    min_classes: ClassVar[int] = 1
    rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate != 0:
            raise ValueError(f"rate of clean must be 0; got {self.rate}")

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64]:
        return np.eye(num_classes)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return Decision(examples.true.copy(), num_asked=0)

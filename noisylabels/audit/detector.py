"""What every detector of wrong labels is: what was observed of the examples in, suspicion out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.dynamics import Dynamics
from noisylabels.audit.evidence import Evidence

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to 1: float16 files are."""


@dataclass(frozen=True, eq=False)
class Observed:
    """All that detectors may look at; truth is not in it.

    Attributes:
        given: int64 ``(N,)`` in [0, K).
        num_classes: K, counting classes that no label names.
        probabilities: float64 ``(N, K)``, rows summing to 1; None where there are none.
        in_sample: whether the probabilities are of a model trained on these labels.
        dynamics: of trainings on these labels; None where there are none.

    Raises:
        ValueError: shapes, ranges or sums are not as above; the message names the first row at fault.
    """

    given: NDArray[np.int64]
    num_classes: int
    probabilities: NDArray[np.float64] | None = None
    in_sample: bool = False
    dynamics: Dynamics | None = None

    def __post_init__(self) -> None:
        outside = np.flatnonzero((self.given < 0) | (self.given >= self.num_classes))
        if outside.size:
            got = f"{self.given[outside[0]]} at row {outside[0]}"
            raise ValueError(f"given labels must be in [0, {self.num_classes}); got {got}")
        if self.probabilities is not None:
            _check_probabilities(self.probabilities, (len(self.given), self.num_classes))
        if self.dynamics is not None and self.dynamics.margins.shape[-1] != len(self.given):
            seen = self.dynamics.margins.shape[-1]
            raise ValueError(f"dynamics must be of the {len(self.given)} examples; got those of {seen}")


def _check_probabilities(probabilities: NDArray[np.float64], shape: tuple[int, int]) -> None:
    if probabilities.shape != shape:
        raise ValueError(f"probabilities must have shape {shape}, a row an example; got {probabilities.shape}")
    legal = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
    legal &= np.abs(probabilities.sum(axis=1) - 1) <= SUM_TOLERANCE
    if not legal.all():
        row = int(np.flatnonzero(~legal)[0])
        total = probabilities[row].sum()
        raise ValueError(f"rows of probabilities must be at least 0 and sum to 1; row {row} sums to {total:.6g}")


@dataclass(frozen=True)
class Detector(ABC):
    """A detector's name and parameters.

    Attributes:
        needs: which part of what was observed it reads, beside the given labels.
    """

    kind: ClassVar[str]
    needs: ClassVar[Literal["probabilities", "dynamics"]]

    @abstractmethod
    def judge(self, observed: Observed) -> Evidence:
        """How suspicious each label is, under the detector's name.

        Args:
            observed: with the part that it needs.
        """

    def can_judge(self, observed: Observed) -> bool:
        """Whether the part it needs is there."""
        return getattr(observed, self.needs) is not None


def likeliest_other(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The likeliest class but the given one, int64 ``(N,)``; -1 where there is no other class."""
    if probabilities.shape[1] < 2:
        return np.full(len(given), -1)
    others = probabilities.copy()
    others[np.arange(len(given)), given] = -np.inf
    return np.asarray(others.argmax(axis=1), dtype=np.int64)

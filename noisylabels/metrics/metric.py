"""The contract of a metric: a number with a name, a unit, a direction, a range and a count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from noisylabels.metrics.evaluation import Evaluation, Floats, Labels


class Undefined(Exception):  # noqa: N818 - an answer ("there is no such number here"), not a fault
    """The metric has no value for this evaluation; the message is the reason, fit to print in place of the number."""


@dataclass(frozen=True)
class Metric(ABC):
    """One number about a finished run.

    Class attributes:
        kind: printed name, the key in ``METRICS``.
        unit: what the number counts, one of ``"share"``, ``"deg"``, ``"ratio"``, ``"dimensions"``, ``"index"`` and
            ``"probability"``.
        higher_is_better: the good direction; orders methods and signs degradations.
        lower, upper: the values lie in ``[lower, upper]``, up to rounding; infinite where there is no bound.
    """

    kind: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]
    lower: ClassVar[float]
    upper: ClassVar[float]

    @abstractmethod
    def compute(self, evaluation: Evaluation) -> float:
        """The value.

        Raises:
            Undefined: this evaluation has no such number (no flipped example, fewer than two classes, ...).
        """

    @abstractmethod
    def count(self, evaluation: Evaluation) -> int:
        """The n the value rests on; 0 is possible where the value is undefined."""

    def interval(self, evaluation: Evaluation) -> tuple[float, float] | None:
        """95 % interval of a defined value under another draw of the people it rests on; None where none is made."""
        return None


@dataclass(frozen=True)
class EmbeddingMetric(Metric):
    """A metric of the clean test embeddings, grouped by their true classes; it sees nothing else of the run.

    Every such metric is unchanged by a rotation of the embedding space and by one common scale for all embeddings.

    Class attributes:
        directions_only: also unchanged by scaling each embedding on its own, because it L2-normalises them first.
    """

    directions_only: ClassVar[bool]

    @abstractmethod
    def of(self, embeddings: Floats, labels: Labels) -> float:
        """The value for embeddings ``(M, D)`` with true classes ``(M,)``. Raises :class:`Undefined`."""

    def compute(self, evaluation: Evaluation) -> float:
        return self.of(evaluation.test_embeddings, evaluation.test_true)

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.test_true)

"""What every corruption is: true labels in, given labels and an audit record out."""

from __future__ import annotations

import dataclasses
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions.checks import checked_ids, checked_labels
from corruptions.record import NoiseRecord


@dataclass(frozen=True, eq=False)
class CorruptedLabels:
    """True labels, the labels a data set would claim, and the record of how they came apart. Arrays are read-only.

    Attributes:
        true: what is so, int64, shape (N,).
        given: what the data set claims, int64, shape (N,).
        record: what was asked and what was done.
        is_flipped: ``given != true``, bool, shape (N,).
    """

    true: NDArray[np.int64]
    given: NDArray[np.int64]
    record: NoiseRecord
    is_flipped: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        true, given = np.array(self.true, dtype=np.int64), np.array(self.given, dtype=np.int64)
        if true.shape != given.shape or true.ndim != 1:
            raise ValueError(f"true and given must be one-dimensional and alike; got {true.shape} and {given.shape}")
        for name, array in (("true", true), ("given", given), ("is_flipped", true != given)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def num_classes(self) -> int:
        """K."""
        return self.record.num_classes

    def verify(self) -> None:
        """Count the arrays again and compare with the record.

        Raises:
            ValueError: they disagree; the fields that do are named.
        """
        said = self.record
        asked = {name: getattr(said, name) for name in ("kind", "parameters", "seed", "rate", "details")}
        seen = NoiseRecord.of(self.true, self.given, said.num_classes, **asked)
        wrong = [f.name for f in dataclasses.fields(said) if getattr(said, f.name) != getattr(seen, f.name)]
        if wrong:
            raise ValueError(f"labels are not the ones this record describes: {', '.join(wrong)} differ")


@dataclass(frozen=True)
class Corruption(ABC):
    """A kind of label noise and its parameters; the fields are the whole specification.

    A subclass sets ``kind`` and says in ``_given`` which label each example gets. Three laws hold for every kind and
    are tested over the table: a draw depends on (seed, kind) and the example's id alone; what is wrong at a low rate is
    wrong, with the same given label, at a higher one; decisions are read from the true labels and written to a copy.

    Attributes:
        rate: in [0, 1], of what the literature means by the rate of this kind (see the subclass).

    Raises:
        ValueError: the rate is not a number in [0, 1].
    """

    kind: ClassVar[str]
    min_classes: ClassVar[int] = 2
    rate: float

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be in [0, 1]; got {self.rate}")
        object.__setattr__(self, "rate", float(self.rate))

    def apply(
        self, true_labels: ArrayLike, num_classes: int, *, seed: int, example_ids: ArrayLike | None = None
    ) -> CorruptedLabels:
        """Corrupt labels; the argument is not edited and no global generator is touched.

        Args:
            true_labels: integers in [0, K), shape (N,), N >= 1.
            num_classes: K.
            seed: seed of the draws, any integer.
            example_ids: one integer per example, all different, shape (N,). The noise follows the id: an example is
                treated alike wherever it stands. Row numbers where none are given.

        Raises:
            ValueError: labels or ids are not as above, or this corruption cannot be applied to K classes.
            TypeError: seed or num_classes is not an integer.
        """
        seed, num_classes = operator.index(seed), operator.index(num_classes)
        if num_classes < self.min_classes:
            raise ValueError(f"{self.kind} needs num_classes of at least {self.min_classes}; got {num_classes}")
        true = checked_labels(true_labels, num_classes)
        ids = checked_ids(example_ids, len(true))
        true.flags.writeable = False  # a kind that writes to what it reads from fails at once
        given, details = self._given(true, num_classes, seed, ids)
        record = NoiseRecord.of(
            true,
            checked_labels(given, num_classes),
            num_classes,
            kind=self.kind,
            parameters=self.parameters(),
            seed=seed,
            rate=self.rate,
            details=details,
        )
        return CorruptedLabels(true, given, record)

    def parameters(self) -> dict[str, Any]:
        """Field names and values, the rate included."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @abstractmethod
    def _given(
        self, true: NDArray[np.int64], num_classes: int, seed: int, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Mapping[str, Any]]:
        """Given labels, int64 of shape (N,), and this kind's details for the record, from checked arguments."""

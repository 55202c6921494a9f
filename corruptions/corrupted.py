"""What a corruption gives back: both labels of every example, and the record of how they came apart."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.record import DROPPED, NoiseRecord
from corruptions.transitions import Transitions


@dataclass(frozen=True, eq=False)
class CorruptedLabels:
    """True labels, the labels a data set would claim, and the record of how they came apart. Arrays are read-only.

    Attributes:
        true: what is so, int64, shape (N,), in [0, K).
        given: what the data set claims, int64, shape (N,), in [0, K'); -1 where the example is left out.
        ids: the examples' ids, int64, shape (N,).
        record: what was asked and what was done.
    """

    true: NDArray[np.int64]
    given: NDArray[np.int64]
    ids: NDArray[np.int64]
    record: NoiseRecord

    def __post_init__(self) -> None:
        for name in ("true", "given", "ids"):
            object.__setattr__(self, name, _frozen(np.asarray(getattr(self, name), dtype=np.int64)))
        shapes = [array.shape for array in (self.true, self.given, self.ids)]
        if len(set(shapes)) > 1 or self.true.ndim != 1:
            raise ValueError(
                f"true, given and ids must be one-dimensional and alike; got {', '.join(map(str, shapes))}"
            )

    @property
    def num_classes(self) -> int:
        """K."""
        return self.record.num_classes

    @cached_property
    def is_kept(self) -> NDArray[np.bool_]:
        """Whether an example has a label at all, bool, shape (N,)."""
        return _frozen(self.given != DROPPED)

    @cached_property
    def is_flipped(self) -> NDArray[np.bool_]:
        """Whether an example is kept under a label that is not its true one, bool, shape (N,)."""
        return _frozen((self.given != self.true) & self.is_kept)

    def transitions(self) -> Transitions:
        """The wrong labels counted by (true, given) cell."""
        flipped = self.is_flipped
        return Transitions.counted(self.true[flipped], self.given[flipped], self.record.num_given_classes)

    def transition_matrix(self) -> NDArray[np.float64]:
        """Realised ``T[i, j] = P(given j | true i)`` of the kept examples, (K, K'), rows sum to one.

        The row of a class without kept examples is the identity's.

        Raises:
            ValueError: K' is above 1,000; ``transitions`` holds the same numbers sparsely.
        """
        kept = np.bincount(self.true[self.is_kept], minlength=self.num_classes)
        return self.transitions().matrix(kept, self.record.num_given_classes)

    def verify(self) -> None:
        """Count the arrays again and compare with the record.

        Raises:
            ValueError: they disagree; the fields that do are named.
        """
        said = self.record
        asked = ("kind", "parameters", "seed", "rate", "rate_of", "num_given_classes", "features_sha256", "details")
        repeated = {name: getattr(said, name) for name in (*asked, "steps")}
        seen = NoiseRecord.of(self.true, self.given, self.ids, said.num_classes, **repeated)
        wrong = [f.name for f in dataclasses.fields(said) if getattr(said, f.name) != getattr(seen, f.name)]
        if wrong:
            raise ValueError(f"labels are not the ones this record describes: {', '.join(wrong)} differ")


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Read-only arrays are taken as they are, others copied, so that no owner can alter them."""
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array

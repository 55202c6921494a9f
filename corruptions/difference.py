"""What two noise records say differently about the same examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from corruptions.corrupted import CorruptedLabels
from corruptions.record import NoiseRecord

RECIPE = ("kind", "parameters", "seed", "rate", "num_classes", "features_sha256")
"""What a record was asked; all else follows."""


@dataclass(frozen=True)
class Difference:
    """Two sets of labels, compared example by example; examples are matched by id.

    Attributes:
        asked: fields of the recipe that differ, with both values.
        num_shared: examples in both.
        only_first, only_second: examples in one of them only.
        true_differs: shared examples with different *true* labels: then the two are not about the same data.
        given_differs: shared examples with different given labels, left-out ones included.
        wrong_in_both: shared examples that are labelled wrongly in both.
        same_wrong_label: of those, the ones with the same wrong label.
        wrong_in_first_only, wrong_in_second_only: shared examples.
    """

    asked: dict[str, tuple[object, object]]
    num_shared: int
    only_first: int
    only_second: int
    true_differs: int
    given_differs: int
    wrong_in_both: int
    same_wrong_label: int
    wrong_in_first_only: int
    wrong_in_second_only: int

    @property
    def same_labels(self) -> bool:
        """Whether both say the same of the same examples, however they came to it."""
        return not (self.only_first or self.only_second or self.true_differs or self.given_differs)

    @classmethod
    def between(cls, first: CorruptedLabels, second: CorruptedLabels) -> Difference:
        """Compare two sets of labels.

        >>> from corruptions import Symmetric
        >>> low, high = (Symmetric(rate).apply([0, 1, 2, 3] * 5, 4, seed=7) for rate in (0.2, 0.5))
        >>> found = Difference.between(low, high)
        >>> found.wrong_in_both, found.same_wrong_label, found.wrong_in_first_only, found.wrong_in_second_only
        (4, 4, 0, 6)
        """
        shared, a, b = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
        wrong = first.is_flipped[a], second.is_flipped[b]
        return cls(
            asked=_asked(first.record, second.record),
            num_shared=len(shared),
            only_first=len(first.ids) - len(shared),
            only_second=len(second.ids) - len(shared),
            true_differs=int(np.count_nonzero(first.true[a] != second.true[b])),
            given_differs=int(np.count_nonzero(first.given[a] != second.given[b])),
            wrong_in_both=int(np.count_nonzero(wrong[0] & wrong[1])),
            same_wrong_label=int(np.count_nonzero(wrong[0] & wrong[1] & (first.given[a] == second.given[b]))),
            wrong_in_first_only=int(np.count_nonzero(wrong[0] & ~wrong[1])),
            wrong_in_second_only=int(np.count_nonzero(wrong[1] & ~wrong[0])),
        )


def _asked(first: NoiseRecord, second: NoiseRecord) -> dict[str, tuple[object, object]]:
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in RECIPE}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

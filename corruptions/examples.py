"""What a corruption may look at: labels, ids and, where they were given, features and annotations."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions.checks import checked_annotations, checked_features, checked_ids, checked_labels


@dataclass(frozen=True, eq=False)
class Examples:
    """N labelled examples, checked; no array in it can be written to. Build one with ``Examples.of``.

    Attributes:
        true: true labels, int64, shape (N,), N >= 1, in [0, K).
        num_classes: K.
        ids: one integer per example, all different, int64, shape (N,). Draws follow the id, not the row.
        features: one row per example, shape (N, F), whole numbers or finite floats; None where no one gave any.
        annotations: label sets by name, each int64, shape (A,), indexed by *id*: ``annotations["worse"][ids[n]]``.
    """

    true: NDArray[np.int64]
    num_classes: int
    ids: NDArray[np.int64]
    features: NDArray[Any] | None = None
    annotations: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        true_labels: ArrayLike,
        num_classes: int,
        *,
        example_ids: ArrayLike | None = None,
        features: ArrayLike | None = None,
        annotations: Mapping[str, ArrayLike] | None = None,
    ) -> Self:
        """Check and copy labels and ids; features of more than two dimensions are flattened, not copied.

        Raises:
            ValueError: labels, ids, features or annotations are not as above; the first rows at fault are named.
            TypeError: num_classes is not an integer.
        """
        true = checked_labels(true_labels, operator.index(num_classes))
        return cls(
            true=true,
            num_classes=operator.index(num_classes),
            ids=checked_ids(example_ids, len(true)),
            features=None if features is None else checked_features(features, len(true)),
            annotations={} if annotations is None else checked_annotations(annotations),
        )

    def __len__(self) -> int:
        return len(self.true)

    def class_sizes(self) -> NDArray[np.int64]:
        """Examples of each true class, int64, shape (K,)."""
        return np.bincount(self.true, minlength=self.num_classes)

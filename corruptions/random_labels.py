"""Random labels: the control in which there is nothing to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples
from corruptions.quota import quota, smallest_drawn
from corruptions.symmetric import relabelled, uniform_matrix


@dataclass(frozen=True)
class RandomLabels(Corruption):
    """Every label is drawn uniformly from all K classes, whatever the image: what is learnt then is memory.

    Attributes:
        rate: share of examples whose label is drawn, in [0, 1]; 1, the control proper, by default. About
            ``rate * (K - 1) / K`` of all labels are wrong: a random label may be right.

    Record details: ``num_chosen``.

    Reference: the randomisation test of Zhang et al., Understanding deep learning requires rethinking generalization,
    ICLR 2017.

    >>> RandomLabels().apply([0] * 8, 4, seed=7).given
    array([0, 2, 3, 2, 0, 1, 3, 1])
    """

    kind: ClassVar[str] = "random_labels"
    rate: float = 1.0

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64]:
        return uniform_matrix(self.rate, num_classes, inclusive=True)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        chosen = smallest_drawn(seed, "random_labels/which", examples.ids, quota(self.rate, len(examples)))
        given = relabelled(examples, chosen, seed, "random_labels/target", inclusive=True)
        return Decision(given, {"num_chosen": len(chosen)})

"""The clean-subset control: what would be lost by throwing the wrong labels away?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corruptions.control import Control
from corruptions.corruption import Decision
from corruptions.examples import Examples
from corruptions.record import DROPPED


@dataclass(frozen=True)
class CleanSubset(Control):
    """Exactly the examples that ``of`` would make wrong are left out; all others keep their true labels.

    The same seed gives the same examples as the corruption itself, so the two are paired: what a method loses under
    ``of`` beyond what it loses here is due to wrong labels, the rest to fewer right ones.

    Attributes:
        of: the corruption whose wrong examples are dropped.
        rate: that of ``of``; derived.

    Record details: ``absent``, the classes that are left without examples, where there are any.

    >>> from corruptions import Symmetric
    >>> noise = CleanSubset(of=Symmetric(rate=0.25)).apply([0, 1, 2, 3], 4, seed=7)
    >>> noise.record.num_dropped, noise.record.num_flipped
    (1, 0)
    """

    kind: ClassVar[str] = "clean_subset"

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        alone = self.of.apply_to(examples, seed=seed, basis=basis)
        given = np.where(alone.given == examples.true, alone.given, DROPPED)
        present = np.bincount(given[given != DROPPED], minlength=examples.num_classes) > 0
        absent = np.flatnonzero(~present & (examples.class_sizes() > 0))
        return Decision(given, {"absent": absent.tolist()} if absent.size else {}, num_asked=0)

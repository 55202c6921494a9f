"""The drop-identities control: what would be lost by throwing merged people away?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corruptions.control import Control
from corruptions.corruption import Decision
from corruptions.examples import Examples
from corruptions.record import DROPPED


@dataclass(frozen=True)
class DropIdentities(Control):
    """All examples of every identity that ``of`` absorbs are left out; all others keep their true labels.

    The same seed drops the very identities that are merged under ``of``, so the two are paired: what merging costs
    beyond what dropping costs is due to the false company, the rest to fewer identities. Where ``of`` moves a share of
    an identity's examples only, this drops the whole identity, unlike ``clean_subset``.

    Attributes:
        of: an ``identity_merge``, or a composition with one.
        rate: that of ``of``; derived.

    Record details: ``absent``, the identities that were dropped.

    Raises:
        ValueError: in ``apply``, where ``of`` absorbs no identity at a rate above 0.

    >>> from corruptions import IdentityMerge
    >>> noise = DropIdentities(of=IdentityMerge(rate=0.25)).apply([0, 1, 2, 3, 0], 4, seed=7)
    >>> noise.given, noise.record.details["absent"]
    (array([ 0, -1,  2,  3,  0]), [1])
    """

    kind: ClassVar[str] = "drop_identities"

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        details = self.of.apply_to(examples, seed=seed, basis=basis).record.details
        if "absorbed_into" not in details and not self.is_clean:
            raise ValueError(f"drop_identities needs a corruption that absorbs identities; got {self.of.kind}")
        absent = sorted(absorbed for absorbed, _ in details.get("absorbed_into", []))
        is_absent = np.zeros(examples.num_classes, dtype=bool)
        is_absent[absent] = True
        return Decision(np.where(is_absent[examples.true], DROPPED, examples.true), {"absent": absent}, num_asked=0)

"""Identity merge: whole identities labelled as another one, so that one class holds several people."""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption
from corruptions.draws import example_draws
from corruptions.quota import exact, quota

Chain = list[tuple[int, int]]
"""(absorbed, absorber) class ids in the order in which they are absorbed."""


@dataclass(frozen=True)
class IdentityMerge(Corruption):
    """Exactly ``m = floor(rate * K + 1/2)`` whole identities are absorbed: all their examples get another's label.

    The K class ids are put in the order of one draw each and cut into consecutive groups of ``group_size``; the first
    of a group absorbs the others, group after group, until m are absorbed. Or ``groups`` says who absorbs whom. K stays
    fixed; the label of an absorbed identity is left without examples.

    The mapping is a function of (seed, K) and the parameters, never of the labels: a training and a validation part
    that are corrupted separately merge the same identities. An identity without examples in these labels may therefore
    be among the absorbed; the record lists such.

    Attributes:
        rate: share of the K identities that are absorbed, in [0, 1]. At most ``1 - 1 / group_size``; where K is no
            multiple of the group size the last half identity is rounded down. The share of *examples* with a wrong
            label is the record's ``realised_rate`` and depends on the sizes of the absorbed.
        group_size: identities a full group holds, at least 2.
        groups: instead of the drawn groups: the first id of each absorbs the rest, in the order given. The rate stays
            a share of all K.

    Record details: ``groups`` (absorber first), ``absorbed_into`` (pairs absorbed, absorber), ``num_absorbed``,
    ``identities_per_class`` (K numbers: 1 untouched, 0 absorbed, n >= 2 absorber), ``absorbed_without_examples``.

    Raises:
        ValueError: group_size below 2, a group of fewer than two, a class in two groups, groups beside a group_size;
            in ``apply``, more than can be absorbed, or a class id outside [0, K).

    Reference: our own; "N identities per class" is the language of ESL (arXiv 2208.04352).

    >>> noise = IdentityMerge(rate=0.25, groups=((2, 0),)).apply([0, 0, 1, 2, 3], 4, seed=7)
    >>> noise.given
    array([2, 2, 1, 2, 3])
    >>> noise.record.details["identities_per_class"]
    [0, 1, 2, 1]
    """

    kind: ClassVar[str] = "identity_merge"
    group_size: int = 2
    groups: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group_size < 2:
            raise ValueError(f"group_size must be at least 2; got {self.group_size}")
        if self.groups and self.group_size != 2:
            raise ValueError(f"give groups or group_size, not both; got group_size={self.group_size} beside groups")
        object.__setattr__(self, "groups", tuple(tuple(map(operator.index, group)) for group in self.groups))
        seen: set[int] = set()
        for group in self.groups:
            if len(group) < 2:
                raise ValueError(f"a group must hold at least two classes; got {list(group)}")
            for c in group:
                if c in seen:
                    raise ValueError(f"a class may be in one group, once; got class {c} again in {list(group)}")
                seen.add(c)

    def absorptions(self, num_classes: int, seed: int) -> Chain:
        """Pairs (absorbed, absorber) over the class ids [0, K), in the order of absorption.

        Raises:
            ValueError: more than the groups can absorb, or a class id outside [0, K).
        """
        chain = self._given_chain(num_classes) if self.groups else self._drawn_chain(num_classes, seed)
        # Half an identity more than there is rounds down, so that rate 0.5 can be asked of an odd number in pairs.
        if exact(self.rate) * num_classes > len(chain) + Fraction(1, 2):
            raise ValueError(
                f"identity_merge can absorb at most {len(chain) / num_classes:.2f} of these identities; "
                f"got rate={self.rate} ({len(chain)} of {num_classes} can be absorbed)"
            )
        return chain[: quota(self.rate, num_classes)]

    def _given_chain(self, num_classes: int) -> Chain:
        outside = sorted(c for group in self.groups for c in group if not 0 <= c < num_classes)
        if outside:
            raise ValueError(f"classes in groups must be in [0, {num_classes}); got {outside[0]}")
        return [(c, group[0]) for group in self.groups for c in group[1:]]

    def _drawn_chain(self, num_classes: int, seed: int) -> Chain:
        classes = np.arange(num_classes, dtype=np.int64)
        order = np.argsort(example_draws(seed, "identity_merge/class", classes))
        place = np.arange(num_classes) % self.group_size
        absorbed = np.flatnonzero(place > 0)
        absorber = absorbed - place[absorbed]
        return list(zip(order[absorbed].tolist(), order[absorber].tolist(), strict=True))

    def _given(
        self, true: NDArray[np.int64], num_classes: int, seed: int, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        chain = self.absorptions(num_classes, seed)
        label_of = np.arange(num_classes, dtype=np.int64)
        for absorbed, absorber in chain:
            label_of[absorbed] = absorber
        return label_of[true], _details(chain, label_of, true)


def _details(chain: Chain, label_of: NDArray[np.int64], true: NDArray[np.int64]) -> dict[str, Any]:
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for absorbed, absorber in chain:
        groups[absorber].append(absorbed)
    sizes = np.bincount(true, minlength=len(label_of))
    return {
        "groups": [[absorber, *members] for absorber, members in groups.items()],
        "absorbed_into": chain,
        "num_absorbed": len(chain),
        "identities_per_class": np.bincount(label_of, minlength=len(label_of)).tolist(),
        "absorbed_without_examples": [absorbed for absorbed, _ in chain if sizes[absorbed] == 0],
    }

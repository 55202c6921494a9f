"""Identity merge: identities labelled as another one, whole or in part, so that one class holds several people."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.absorptions import Absorptions
from corruptions.checks import MAX_CLASSES, class_id
from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples
from corruptions.highest_rate import highest_rate
from corruptions.identity_groups import given_groups, look_alike_groups, random_groups, size_matched_groups
from corruptions.quota import exact, quota

Chain = list[tuple[int, int]]
"""(absorbed, absorber) class ids in the order in which they are absorbed."""

_CHOICES = {
    "pairing": ("random", "size_matched", "look_alike"),
    "of": ("identities", "images"),
    "layout": ("star", "chain"),
}


@dataclass(frozen=True)
class IdentityMerge(Corruption):
    """Exactly ``m = floor(rate * K + 1/2)`` identities are absorbed: their examples get another identity's label.

    Identities are put into groups of ``group_size``. The first of a group absorbs the others, group after group, until
    m are absorbed. Or ``groups`` says who absorbs whom. K stays fixed; the label of an absorbed identity is left
    without examples, unless it keeps some (``moved``) or gets others (``layout="chain"``).

    The mapping is a function of (seed, K), the parameters and, for the pairings that look at examples, the basis: a
    training and a validation part that are corrupted separately merge the same identities. An identity without examples
    at hand may therefore be among the absorbed; the record lists such. With ``of="images"`` the *order* of absorption
    is the same for both parts, but how far it is followed depends on the examples at hand, so that the last few
    identities of the one may not be absorbed in the other.

    Attributes:
        rate: share of the K identities that are absorbed, or of the examples that are moved (``of``), in [0, 1]. Of the
            identities at most ``1 - 1 / group_size``; where K is no multiple of the group size the last half identity
            is rounded down. The share of *examples* with a wrong label is the record's ``realised_rate``.
        group_size: identities a full group holds, at least 2.
        groups: instead of formed groups: the first id of each absorbs the rest, in the order given. The rate stays a
            share of all.
        pairing: ``random``: the class ids in the order of one draw each, cut into consecutive groups. ``size_matched``:
            in the order of their number of examples in the basis, largest first; the groups are merged in the order of
            a draw. ``look_alike``: each in draw order takes its nearest unused look-alikes (needs features); where none
            that is listed is left, the next unused identity in draw order.
        of: ``identities``, or ``images``: identities are absorbed in the same order until exactly
            ``floor(rate * N + 1/2)`` of the N examples are wrong, the last one in part.
        moved: share of each absorbed identity's n examples that get the absorber's label, in (0, 1]: the
            ``floor(moved * n + 1/2)`` with the smallest draws. The others keep their own.
        layout: ``star``: all members of a group go to its first. ``chain``: each goes to the one before it: the
            second's examples are labelled as the first, the third's as the second, and so on.

    Record details: ``groups`` (first member, then its absorbed), ``absorbed_into`` (pairs absorbed, absorber),
    ``absorbed_whole`` (those of them whose label holds nobody any more), ``absorbed_in_part`` (the absorbed that keep
    examples under their own label), ``num_absorbed``, ``identities_per_class`` (K numbers, of identities that a label
    holds: 1 untouched, 0 absorbed whole, 2 or more for an absorber), ``clusters_per_identity`` (number of labels an
    identity is spread over, to how many identities are), ``absorbed_without_examples``; of look-alikes
    ``fallback_pairs``, how many were absorbed for want of one.

    Raises:
        ValueError: group_size below 2, moved outside (0, 1], an unknown pairing, of or layout, a group of fewer than
            two, a class in two groups, groups beside a group_size or a pairing; in ``apply``, more than can be had, or
            a class id outside [0, K).

    Reference: our own; "N identities" in a class and "K clusters" of an identity are the language of ESL
    (arXiv 2208.04352).

    >>> noise = IdentityMerge(rate=0.25, groups=((2, 0),)).apply([0, 0, 1, 2, 3], 4, seed=7)
    >>> noise.given
    array([2, 2, 1, 2, 3])
    >>> noise.record.details["identities_per_class"]
    [0, 1, 2, 1]
    """

    kind: ClassVar[str] = "identity_merge"
    rate_of: ClassVar[str] = "identities"
    group_size: int = 2
    groups: tuple[tuple[int, ...], ...] = ()
    pairing: str = "random"
    of: str = "identities"
    moved: float = 1.0
    layout: str = "star"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}")
        if isinstance(self.moved, bool) or not 0 < self.moved <= 1:
            raise ValueError(f"moved must be in (0, 1]; got {self.moved}")
        object.__setattr__(self, "moved", float(self.moved))
        if self.group_size < 2:
            raise ValueError(f"group_size must be at least 2; got {self.group_size}")
        if self.group_size >= MAX_CLASSES:
            raise ValueError(f"group_size must be below 2^31; got {self.group_size}")
        if self.groups and self.group_size != 2:
            raise ValueError(f"give groups or group_size, not both; got group_size={self.group_size} beside groups")
        if self.groups and self.pairing != "random":
            raise ValueError(f"give groups or a pairing, not both; got pairing={self.pairing} beside groups")
        object.__setattr__(self, "groups", tuple(tuple(map(class_id, group)) for group in self.groups))
        _check_apart(self.groups)

    def share_of(self) -> str:
        return "examples" if self.of == "images" else self.rate_of

    def needs(self) -> frozenset[str]:
        return frozenset({"features"}) if self.pairing == "look_alike" else frozenset()

    def absorptions(self, num_classes: int, seed: int) -> Chain:
        """Pairs (absorbed, absorber) over the class ids [0, K), in the order of absorption, of a share of identities.

        Raises:
            ValueError: more than the groups can absorb, or a class id outside [0, K); or who is absorbed depends on
                the examples (another pairing than random, ``of="images"``).
        """
        if self.pairing != "random" or self.of != "identities":
            raise ValueError(f"who is absorbed depends on the examples; got pairing={self.pairing}, of={self.of}")
        order = self._order(Examples.of([0], num_classes), seed)
        order = order.upto(self._num_absorbed(len(order), num_classes))
        return [(absorbed, absorber) for absorbed, absorber in order.pairs()]

    def _order(self, basis: Examples, seed: int) -> Absorptions:
        """All absorptions that can be had, in order."""
        if self.groups:
            groups = given_groups(self.groups)
            outside = groups.members[(groups.members < 0) | (groups.members >= basis.num_classes)]
            if outside.size:
                raise ValueError(f"classes in groups must be in [0, {basis.num_classes}); got {outside.min()}")
        elif self.pairing == "random":
            groups = random_groups(basis.num_classes, self.group_size, seed)
        elif self.pairing == "size_matched":
            groups = size_matched_groups(basis, self.group_size, seed)
        else:
            groups = look_alike_groups(basis, self.group_size, seed)
        return Absorptions.of(groups, self.layout)

    def _num_absorbed(self, available: int, num_classes: int) -> int:
        # Half an identity more than there is rounds down, so that rate 0.5 can be asked of an odd number in pairs.
        if exact(self.rate) * num_classes > available + Fraction(1, 2):
            raise ValueError(
                f"identity_merge can absorb at most {highest_rate(available, num_classes)} of these identities; "
                f"got rate={self.rate} ({available} of {num_classes} can be absorbed)"
            )
        return min(quota(self.rate, num_classes), available)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        order, num_asked = self._order(basis, seed), None
        sizes = examples.class_sizes()
        if self.of == "identities":
            order = order.upto(self._num_absorbed(len(order), examples.num_classes))
            moving = self._moving(sizes[order.absorbed])
        else:
            moving = self._first_examples(self._moving(sizes[order.absorbed]), len(examples))
            order, num_asked = order.upto(len(moving)), int(moving.sum())
        details = order.details(moving, sizes, is_whole=self.moved == 1)
        if self.pairing == "look_alike":
            details["fallback_pairs"] = int(order.is_fallback.sum())
        return Decision(order.labels(examples, moving, seed), details, num_asked=num_asked)

    def _moving(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """``floor(moved * n + 1/2)`` of each size n."""
        different, which = np.unique(sizes, return_inverse=True)
        return np.array([quota(self.moved, n) for n in different.tolist()], dtype=np.int64)[which]

    def _first_examples(self, moving: NDArray[np.int64], num_examples: int) -> NDArray[np.int64]:
        """The shortest start of ``moving`` that holds the examples asked for, its last number cut down to them."""
        asked, upto = quota(self.rate, num_examples), np.cumsum(moving)
        available = int(moving.sum())
        if asked > available:
            raise ValueError(
                f"identity_merge can move at most {highest_rate(available, num_examples)} of these examples; "
                f"got rate={self.rate} ({available} of {num_examples} can be moved)"
            )
        if asked == 0:
            return moving[:0]
        last = int(np.searchsorted(upto, asked))
        return np.append(moving[:last], asked - (upto[last] - moving[last]))


def _check_apart(groups: tuple[tuple[int, ...], ...]) -> None:
    seen: set[int] = set()
    for group in groups:
        if len(group) < 2:
            raise ValueError(f"a group must hold at least two classes; got {list(group)}")
        for c in group:
            if c in seen:
                raise ValueError(f"a class may be in one group, once; got class {c} again in {list(group)}")
            seen.add(c)

"""Who is filed together: identities put into groups by chance, by size, by likeness, or by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.look_alike import look_alikes

MIN_LISTED = 32
"""Look-alikes listed for each identity: the near ones are soon taken, so many more than a group holds."""


@dataclass(frozen=True, eq=False)
class IdentityGroups:
    """Groups of identities, one after the other in the order in which they are merged.

    Attributes:
        members: class ids, int64, shape (n,), each at most once; a group's members are consecutive.
        place: place of each in its group, from 0, int64, shape (n,).
        is_fallback: whether a member is no listed look-alike of its group's first, bool, shape (n,).
    """

    members: NDArray[np.int64]
    place: NDArray[np.int64]
    is_fallback: NDArray[np.bool_]

    @classmethod
    def of(
        cls, members: NDArray[np.int64], place: NDArray[np.int64], is_fallback: NDArray[np.bool_] | None = None
    ) -> IdentityGroups:
        """Groups none of whose members are a fallback, unless it is said which."""
        return cls(members, place, np.zeros(len(members), dtype=bool) if is_fallback is None else is_fallback)


def given_groups(groups: tuple[tuple[int, ...], ...]) -> IdentityGroups:
    """The groups as they are listed."""
    return IdentityGroups.of(
        np.array([c for group in groups for c in group], dtype=np.int64),
        np.array([place for group in groups for place in range(len(group))], dtype=np.int64),
    )


def random_groups(num_classes: int, group_size: int, seed: int) -> IdentityGroups:
    """The K class ids in the order of one draw each, cut into consecutive groups; the last may be smaller."""
    return IdentityGroups.of(_draw_order(num_classes, seed), np.arange(num_classes) % group_size)


def size_matched_groups(basis: Examples, group_size: int, seed: int) -> IdentityGroups:
    """Identities of about as many examples, the largest first in each group.

    The class ids are put in the order of their number of examples in the basis, largest first, ties by draw, and cut
    into consecutive groups. The groups follow one another in the order of one draw each.
    """
    by_draw = _draw_order(basis.num_classes, seed)
    by_size = by_draw[np.argsort(-basis.class_sizes()[by_draw], kind="stable")]
    group, place = np.divmod(np.arange(basis.num_classes), group_size)
    turn = example_draws(seed, "identity_merge/group", np.arange(group[-1] + 1))[group]
    order = np.lexsort((place, turn))
    return IdentityGroups.of(by_size[order], place[order])


def look_alike_groups(basis: Examples, group_size: int, seed: int) -> IdentityGroups:
    """Each identity in draw order that is in no group yet takes its nearest look-alikes that are in none yet.

    Where too few of its listed look-alikes are left (``max(32, 4 * group_size)`` are listed), or it has none, the next
    identities in draw order fill the group; these are the fallbacks.
    """
    by_draw = _draw_order(basis.num_classes, seed)
    listed = look_alikes(basis, min(max(MIN_LISTED, 4 * group_size), basis.num_classes - 1))
    is_free = np.ones(basis.num_classes, dtype=bool)
    members: list[int] = []
    place: list[int] = []
    is_fallback: list[bool] = []
    rest = iter(by_draw.tolist())  # everybody before its position is in a group
    for first in by_draw.tolist():
        if not is_free[first]:
            continue
        is_free[first] = False
        near = listed[first]
        near = near[near >= 0]
        alike = near[is_free[near]][: group_size - 1].tolist()
        is_free[alike] = False
        group = [first, *alike]
        while len(group) < group_size and (other := next((c for c in rest if is_free[c]), None)) is not None:
            is_free[other] = False
            group.append(other)
        members += group
        place += range(len(group))
        is_fallback += [position > len(alike) for position in range(len(group))]
    return IdentityGroups.of(np.array(members), np.array(place), np.array(is_fallback))


def _draw_order(num_classes: int, seed: int) -> NDArray[np.int64]:
    return np.argsort(example_draws(seed, "identity_merge/class", np.arange(num_classes)))

"""Two sets of runs compared seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noisylabels.statistics.interval import Interval, t_interval
from noisylabels.statistics.sign_flip import MAX_PAIRS, sign_flip_p

BySeed = Mapping[int, float]
"""One value a seed."""


@dataclass(frozen=True)
class Comparison:
    """A mean paired difference and what can be said about it.

    Attributes:
        difference: its t interval, in the unit of the values; n counts pairs.
        p_value: of the exact two-sided sign-flip test, not corrected for other comparisons; None above 40 pairs.
    """

    difference: Interval
    p_value: float | None

    def is_confirmed(self, level: float = 0.05) -> bool:
        """Whether the interval excludes 0 *and* the exact test's p-value is at most ``level``.

        With few pairs the interval alone leans on normal differences, and three pairs cannot go below p = 0.25. Above
        40 pairs, where there is no p-value, the interval decides.
        """
        return self.difference.excludes_zero and (self.p_value is None or self.p_value <= level)


def paired_differences(first: BySeed, second: BySeed) -> dict[int, float]:
    """``first[s] - second[s]`` for each seed s that both have, ascending; a seed that one lacks is left out.

    Runs of one seed share their wrong labels, so what the draw of labels adds to both cancels. Pairing by position
    instead would compare unlike draws as soon as one run is missing.

    >>> paired_differences({0: 0.75, 2: 0.5}, {0: 0.5, 1: 0.0, 2: 0.5})
    {0: 0.25, 2: 0.0}
    """
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def compare(first: BySeed, second: BySeed, level: float = 0.95) -> Comparison | None:
    """First minus second over their common seeds; None where they share none."""
    differences = list(paired_differences(first, second).values())
    if not differences:
        return None
    p = sign_flip_p(differences) if len(differences) <= MAX_PAIRS else None
    return Comparison(t_interval(differences, level), p)

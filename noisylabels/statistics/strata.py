"""Values by stratum and seed, aligned over methods. The caller names the strata: no noise is pooled unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.statistics.paired import BySeed

ByStratum = Mapping[str, BySeed]
"""One value a seed in each stratum; a stratum is one condition by its printed name, such as ``symmetric at 40 %``."""

Samples = tuple[NDArray[np.float64], ...]
"""One method's values, an array ``(..., n_s)`` for each stratum s; leading axes hold resamples."""


@dataclass(frozen=True)
class StratumCount:
    """How many seeds of a stratum entered a result, and how many that at least one method has did not."""

    stratum: str
    used: int
    left_out: int


@dataclass(frozen=True)
class Aligned:
    """The values of several methods over the same seeds.

    Attributes:
        samples: for each method its :data:`Samples`, arrays ``(n_s,)`` by ascending seed; position i of a stratum is
            one seed in all methods, and in all strata where ``shared_seeds``.
        counts: one for each stratum, in the order asked.
        shared_seeds: whether a seed is one draw for all strata, so that all n_s are equal.
    """

    samples: tuple[Samples, ...]
    counts: tuple[StratumCount, ...]
    shared_seeds: bool

    @property
    def smallest(self) -> int:
        """Seeds in the stratum that has fewest."""
        return min(count.used for count in self.counts)

    @property
    def units(self) -> int:
        """Independent draws behind the values: seeds where strata share them, else seeds summed over strata."""
        return self.smallest if self.shared_seeds else sum(count.used for count in self.counts)


def align(methods: Sequence[ByStratum], strata: Sequence[str], *, shared_seeds: bool = True) -> Aligned:
    """The values of all methods at the seeds they have in common.

    Runs of one seed share initial weights and the order of examples, and their wrong labels at one rate are among
    those at the next: across strata of one sweep a seed is *one* draw, and its values rise and fall together. With
    ``shared_seeds`` a seed therefore counts only if every method has it in every stratum. Without, strata are taken
    as independent experiments and a seed counts in each stratum where every method has it.

    Args:
        methods: at least one; what strata they hold beyond those named is not looked at.
        strata: the names to pool, each once.
        shared_seeds: whether equal seeds in two strata are one draw.

    Raises:
        ValueError: no method, no stratum, a stratum named twice or unknown to a method, or a value that is not finite.

    >>> align([{"a": {0: 0.5, 1: 0.25}, "b": {1: 0.75}}], ["a", "b"]).counts[0]
    StratumCount(stratum='a', used=1, left_out=1)
    """
    _check(methods, strata)
    seeds = [set.intersection(*(set(method[stratum]) for method in methods)) for stratum in strata]
    if shared_seeds:
        seeds = [set.intersection(*seeds)] * len(strata)
    samples = tuple(
        tuple(_values(method[stratum], s) for stratum, s in zip(strata, seeds, strict=True)) for method in methods
    )
    counts = tuple(
        StratumCount(stratum, len(s), len(set().union(*(method[stratum] for method in methods)) - s))
        for stratum, s in zip(strata, seeds, strict=True)
    )
    return Aligned(samples, counts, shared_seeds)


def _values(by_seed: BySeed, seeds: set[int]) -> NDArray[np.float64]:
    return np.array([by_seed[seed] for seed in sorted(seeds)], dtype=np.float64)


def _check(methods: Sequence[ByStratum], strata: Sequence[str]) -> None:
    if not methods or not strata or isinstance(strata, str):
        raise ValueError(f"pooling needs methods and a list of strata; got {len(methods)} methods and {strata!r}")
    if len(set(strata)) < len(strata):
        raise ValueError(f"a stratum must be named once; got {list(strata)}")
    for method in methods:
        for stratum in strata:
            if stratum not in method:
                raise ValueError(f"every method must have each stratum; {stratum!r} is not among {sorted(method)}")
            if not all(np.isfinite(value) for value in method[stratum].values()):
                raise ValueError(f"values must be finite; got {dict(method[stratum])} in {stratum!r}")

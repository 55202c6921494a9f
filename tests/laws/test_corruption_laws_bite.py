"""Wrong twins: each is a defect seen in published label-noise code, and each breaks the law named beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from corruptions import Asymmetric, CorruptedLabels, Corruption, IdentityMerge, Symmetric, example_draws
from tests.laws.corruption_cases import ASYMMETRIC_CIFAR10, ASYMMETRIC_CIFAR100, MERGE_PAIRS, SYMMETRIC
from tests.laws.corruption_laws import LAWS, Case

Labels = NDArray[np.int64]
Given = tuple[Labels, dict[str, Any]]


def shifted(labels: Labels, steps: Labels, num_classes: int) -> Labels:
    return (labels + steps) % num_classes


@dataclass(frozen=True)
class ChainedFlips(Asymmetric):
    """The active-passive-losses and ELR file: class after class, members looked up among labels already flipped."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given = true.copy()
        for source, target in ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3)):
            members = np.flatnonzero(given == source)
            ranks = np.argsort(example_draws(seed, f"chained/{source}", ids[members]))
            given[members[ranks[: math.floor(self.rate * len(members) + 0.5)]]] = target
        return given, {}


@dataclass(frozen=True)
class ConsecutiveFineIds(Asymmetric):
    """CIFAR-100 "superclasses" that are blocks of five neighbouring fine ids."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        blocks = tuple((i, i - i % 5 + (i + 1) % 5) for i in range(100))
        return Asymmetric(self.rate, map=blocks)._given(true, num_classes, seed, ids)


@dataclass(frozen=True)
class TwoClassesPerSuperclass(Asymmetric):
    """SCE and SOP: in each block two classes swap and three stay, 16 % wrong where 40 % is printed."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        swaps = tuple(pair for i in range(0, 100, 5) for pair in ((i, i + 1), (i + 1, i)))
        return Asymmetric(self.rate, map=swaps)._given(true, num_classes, seed, ids)


@dataclass(frozen=True)
class OwnClassIncluded(Symmetric):
    """DivideMix's random label, printed as if it were always wrong."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        return Symmetric(self.rate, inclusive=True)._given(true, num_classes, seed, ids)


@dataclass(frozen=True)
class FlooredCells(Symmetric):
    """cleanlab's generator: the count of every (true, given) cell cut down to a whole number."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given = true.copy()
        for i in range(num_classes):
            members = np.flatnonzero(true == i)
            members = members[np.argsort(example_draws(seed, "cells", ids[members]))]
            per_cell = int(self.rate * len(members) / (num_classes - 1))
            for step in range(1, num_classes):
                given[members[(step - 1) * per_cell : step * per_cell]] = (i + step) % num_classes
        return given, {}


@dataclass(frozen=True)
class FlooredCount(Symmetric):
    """``int(rate * N)`` examples."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given = true.copy()
        chosen = np.argsort(example_draws(seed, "floored", ids))[: int(self.rate * len(true))]
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return given, {}


@dataclass(frozen=True)
class BernoulliFlips(Symmetric):
    """Each example wrong with probability ``rate``: right in expectation, recorded as if exact."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        wrong = example_draws(seed, "coin", ids) < self.rate * 2**64
        return np.where(wrong, shifted(true, np.ones_like(true), num_classes), true), {}


@dataclass(frozen=True)
class GlobalGenerator(Symmetric):
    """Seeds NumPy's global stream and draws from it, as most CIFAR noise files do."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        np.random.seed(seed)  # noqa: NPY002
        given = true.copy()
        chosen = np.random.permutation(len(true))[: math.floor(self.rate * len(true) + 0.5)]  # noqa: NPY002
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return given, {}


@dataclass(frozen=True)
class UnseededStream(Symmetric):
    """No seed of its own (P-DIFF's is the clock): the second call goes on where the first stopped."""

    stream: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given = true.copy()
        chosen = self.stream.permutation(len(true))[: math.floor(self.rate * len(true) + 0.5)]
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return given, {}


@dataclass(frozen=True)
class SeedIgnored(Symmetric):
    """CORES: the seed is an argument, the generator is seeded with 0."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        return Symmetric(self.rate)._given(true, num_classes, 0, ids)


@dataclass(frozen=True)
class SeedMixedWithRate(Symmetric):
    """The rate in the key: every level draws its wrong labels afresh."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        return Symmetric(self.rate)._given(true, num_classes, hash((seed, self.rate)), ids)


@dataclass(frozen=True)
class TargetsFromOneStream(Symmetric):
    """The flipped rows are nested, but their labels come off a stream in row order and move when another row joins."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given, details = Symmetric(self.rate)._given(true, num_classes, seed, ids)
        chosen = np.flatnonzero(given != true)
        steps = np.random.default_rng(seed).integers(1, num_classes, len(chosen))
        given[chosen] = shifted(true[chosen], steps, num_classes)
        return given, details


@dataclass(frozen=True)
class DrawsByRow(Symmetric):
    """The draw belongs to the row: another order or subset of the images, other wrong images."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        return Symmetric(self.rate)._given(true, num_classes, seed, np.arange(len(ids)))


@dataclass(frozen=True)
class EditsItsArgument(Symmetric):
    """``dataset.targets[i] = ...``: afterwards nobody knows the true labels."""

    def apply(
        self, true_labels: ArrayLike, num_classes: int, *, seed: int, example_ids: ArrayLike | None = None
    ) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, seed=seed, example_ids=example_ids)
        if isinstance(true_labels, np.ndarray):
            true_labels[:] = noise.given
        return noise


@dataclass(frozen=True)
class RecordsAnotherRun(Symmetric):
    """The record is written, then a few labels are repaired by hand."""

    def apply(
        self, true_labels: ArrayLike, num_classes: int, *, seed: int, example_ids: ArrayLike | None = None
    ) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, seed=seed, example_ids=example_ids)
        repaired = noise.given.copy()
        repaired[:30] = noise.true[:30]
        return CorruptedLabels(noise.true, repaired, noise.record)


@dataclass(frozen=True)
class PartlyAbsorbed(IdentityMerge):
    """An absorbed identity keeps its own label on its last example."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        given, details = super()._given(true, num_classes, seed, ids)
        for i in range(num_classes):
            given[np.flatnonzero(true == i)[-1]] = i
        return given, details


@dataclass(frozen=True)
class MergedAfreshAtEachRate(IdentityMerge):
    """Pairs drawn anew for every level, so that 30 % does not contain what 10 % merged."""

    def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
        return super()._given(true, num_classes, hash((seed, self.rate)), ids)


TWINS: list[tuple[Callable[[float], Corruption], Case, str]] = [
    (lambda rate: ChainedFlips(rate, map="cifar10"), ASYMMETRIC_CIFAR10, "realises_its_rate"),
    (lambda rate: ConsecutiveFineIds(rate, map="cifar100_superclass"), ASYMMETRIC_CIFAR100, "only_claimed_confusions"),
    (lambda rate: TwoClassesPerSuperclass(rate, map="cifar100_superclass"), ASYMMETRIC_CIFAR100, "realises_its_rate"),
    (OwnClassIncluded, SYMMETRIC, "realises_its_rate"),
    (FlooredCells, SYMMETRIC, "realises_its_rate"),
    (FlooredCount, SYMMETRIC, "realises_its_rate"),
    (BernoulliFlips, SYMMETRIC, "realises_its_rate"),
    (GlobalGenerator, SYMMETRIC, "no_global_generator"),
    (UnseededStream, SYMMETRIC, "repeatable_whatever_came_between"),
    (SeedIgnored, SYMMETRIC, "seed_is_used"),
    (SeedMixedWithRate, SYMMETRIC, "nested_in_the_rate"),
    (TargetsFromOneStream, SYMMETRIC, "nested_in_the_rate"),
    (DrawsByRow, SYMMETRIC, "noise_follows_the_example"),
    (EditsItsArgument, SYMMETRIC, "argument_not_edited"),
    (RecordsAnotherRun, SYMMETRIC, "record_tells_what_was_done"),
    (PartlyAbsorbed, MERGE_PAIRS, "realises_its_rate"),
    (MergedAfreshAtEachRate, MERGE_PAIRS, "nested_in_the_rate"),
]


def name_of(twin: tuple[Callable[[float], Corruption], Case, str]) -> str:
    return type(twin[0](0.1)).__name__


@pytest.mark.parametrize("twin", TWINS, ids=name_of)
def test_the_wrong_twin_breaks_the_law_and_the_right_one_keeps_it(
    twin: tuple[Callable[[float], Corruption], Case, str],
) -> None:
    make, case, law = twin
    case = dataclasses.replace(case, labels=case.labels.copy())
    LAWS[law](case)
    with pytest.raises(AssertionError):
        LAWS[law](dataclasses.replace(case, make=make))


def test_a_kind_cannot_write_to_the_labels_it_reads() -> None:
    @dataclass(frozen=True)
    class InPlace(Symmetric):
        def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
            true[0] = (true[0] + 1) % num_classes
            return true, {}

    with pytest.raises(ValueError, match="read-only"):
        InPlace(0.5).apply([0, 1], 2, seed=0)


def test_a_kind_cannot_leave_the_range_of_labels() -> None:
    @dataclass(frozen=True)
    class OffByOne(Symmetric):
        def _given(self, true: Labels, num_classes: int, seed: int, ids: Labels) -> Given:
            return true + 1, {}

    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\); got 2 at row 1"):
        OffByOne(0.5).apply([0, 1], 2, seed=0)

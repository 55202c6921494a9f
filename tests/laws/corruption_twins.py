"""Wrong twins of the class-wise kinds: each is a defect of published label-noise code, beside it the law it breaks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions import (
    Asymmetric,
    CorruptedLabels,
    Corruption,
    Decision,
    Examples,
    IdentityMerge,
    Symmetric,
    example_draws,
)
from tests.laws.corruption_cases import ASYMMETRIC_CIFAR10, ASYMMETRIC_CIFAR100, MERGE_PAIRS, SYMMETRIC
from tests.laws.corruption_laws import Case

Labels = NDArray[np.int64]


def shifted(labels: Labels, steps: Labels, num_classes: int) -> Labels:
    return (labels + steps) % num_classes


@dataclass(frozen=True)
class ChainedFlips(Asymmetric):
    """The active-passive-losses and ELR file: class after class, members looked up among labels already flipped."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true = examples.true
        given = true.copy()
        for source, target in ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3)):
            members = np.flatnonzero(given == source)
            ranks = np.argsort(example_draws(seed, f"chained/{source}", examples.ids[members]))
            given[members[ranks[: math.floor(self.rate * len(members) + 0.5)]]] = target
        return Decision(given)


@dataclass(frozen=True)
class ConsecutiveFineIds(Asymmetric):
    """CIFAR-100 "superclasses" that are blocks of five neighbouring fine ids."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        blocks = tuple((i, i - i % 5 + (i + 1) % 5) for i in range(100))
        return Asymmetric(self.rate, map=blocks)._decide(examples, basis, seed)


@dataclass(frozen=True)
class TwoClassesPerSuperclass(Asymmetric):
    """SCE and SOP: in each block two classes swap and three stay, 16 % wrong where 40 % is printed."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        swaps = tuple(pair for i in range(0, 100, 5) for pair in ((i, i + 1), (i + 1, i)))
        return Asymmetric(self.rate, map=swaps)._decide(examples, basis, seed)


@dataclass(frozen=True)
class OwnClassIncluded(Symmetric):
    """DivideMix's random label, printed as if it were always wrong."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return Symmetric(self.rate, inclusive=True)._decide(examples, basis, seed)


@dataclass(frozen=True)
class FlooredCells(Symmetric):
    """cleanlab's generator: the count of every (true, given) cell cut down to a whole number."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true, num_classes = examples.true, examples.num_classes
        given = true.copy()
        for i in range(num_classes):
            members = np.flatnonzero(true == i)
            members = members[np.argsort(example_draws(seed, "cells", examples.ids[members]))]
            per_cell = int(self.rate * len(members) / (num_classes - 1))
            for step in range(1, num_classes):
                given[members[(step - 1) * per_cell : step * per_cell]] = (i + step) % num_classes
        return Decision(given)


@dataclass(frozen=True)
class FlooredCount(Symmetric):
    """``int(rate * N)`` examples."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true, num_classes = examples.true, examples.num_classes
        given = true.copy()
        chosen = np.argsort(example_draws(seed, "floored", examples.ids))[: int(self.rate * len(true))]
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return Decision(given)


@dataclass(frozen=True)
class BernoulliFlips(Symmetric):
    """Each example wrong with probability ``rate``: right in expectation, recorded as if exact."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        wrong = example_draws(seed, "coin", examples.ids) < self.rate * 2**64
        true = examples.true
        return Decision(np.where(wrong, shifted(true, np.ones_like(true), examples.num_classes), true))


@dataclass(frozen=True)
class GlobalGenerator(Symmetric):
    """Seeds NumPy's global stream and draws from it, as most CIFAR noise files do."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true, num_classes = examples.true, examples.num_classes
        np.random.seed(seed)  # noqa: NPY002
        given = true.copy()
        chosen = np.random.permutation(len(true))[: math.floor(self.rate * len(true) + 0.5)]  # noqa: NPY002
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return Decision(given)


@dataclass(frozen=True)
class UnseededStream(Symmetric):
    """No seed of its own (P-DIFF's is the clock): the second call goes on where the first stopped."""

    stream: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true, num_classes = examples.true, examples.num_classes
        given = true.copy()
        chosen = self.stream.permutation(len(true))[: math.floor(self.rate * len(true) + 0.5)]
        given[chosen] = shifted(true[chosen], np.ones_like(chosen), num_classes)
        return Decision(given)


@dataclass(frozen=True)
class SeedIgnored(Symmetric):
    """CORES: the seed is an argument, the generator is seeded with 0."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return Symmetric(self.rate)._decide(examples, basis, 0)


@dataclass(frozen=True)
class SeedMixedWithRate(Symmetric):
    """The rate in the key: every level draws its wrong labels afresh."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return Symmetric(self.rate)._decide(examples, basis, hash((seed, self.rate)))


@dataclass(frozen=True)
class TargetsFromOneStream(Symmetric):
    """The flipped rows are nested, but their labels come off a stream in row order and move when another row joins."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = Symmetric(self.rate)._decide(examples, basis, seed).given
        chosen = np.flatnonzero(given != examples.true)
        steps = np.random.default_rng(seed).integers(1, examples.num_classes, len(chosen))
        given[chosen] = shifted(examples.true[chosen], steps, examples.num_classes)
        return Decision(given)


@dataclass(frozen=True)
class DrawsByRow(Symmetric):
    """The draw belongs to the row: another order or subset of the images, other wrong images."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        by_row = dataclasses.replace(examples, ids=np.arange(len(examples)))
        return Symmetric(self.rate)._decide(by_row, basis, seed)


@dataclass(frozen=True)
class EditsItsArgument(Symmetric):
    """``dataset.targets[i] = ...``: afterwards nobody knows the true labels."""

    def apply(self, true_labels: ArrayLike, num_classes: int, **others: Any) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, **others)
        if isinstance(true_labels, np.ndarray):
            true_labels[:] = noise.given
        return noise


@dataclass(frozen=True)
class RecordsAnotherRun(Symmetric):
    """The record is written, then a few labels are repaired by hand."""

    def apply(self, true_labels: ArrayLike, num_classes: int, **others: Any) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, **others)
        repaired = noise.given.copy()
        repaired[:30] = noise.true[:30]
        return CorruptedLabels(noise.true, repaired, noise.ids, noise.record)


@dataclass(frozen=True)
class PartlyAbsorbed(IdentityMerge):
    """An absorbed identity keeps its own label on its last example."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        for i in range(examples.num_classes):
            decision.given[np.flatnonzero(examples.true == i)[-1]] = i
        return decision


@dataclass(frozen=True)
class MergedAfreshAtEachRate(IdentityMerge):
    """Pairs drawn anew for every level, so that 30 % does not contain what 10 % merged."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, basis, hash((seed, self.rate)))


@dataclass(frozen=True)
class NeverQuiteClean(Symmetric):
    """One example is always wrong, at rate 0 too: ``max(1, int(rate * N))``."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = Symmetric(self.rate)._decide(examples, basis, seed).given.copy()
        if not self.rate:
            given[0] = (given[0] + 1) % examples.num_classes
        return Decision(given)


@dataclass(frozen=True)
class SaysWhatJsonCannot(Symmetric):
    """A detail that comes back from JSON as something else: the keys of an object are always text."""

    def apply(self, true_labels: ArrayLike, num_classes: int, **others: Any) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, **others)
        record = dataclasses.replace(noise.record)
        object.__setattr__(record, "details", {1: 2})
        return CorruptedLabels(noise.true, noise.given, noise.ids, record)


@dataclass(frozen=True)
class CountsFromOne(Symmetric):
    """Labels in the numbering of another tool, 1 to K."""

    def apply(self, true_labels: ArrayLike, num_classes: int, **others: Any) -> CorruptedLabels:
        noise = super().apply(true_labels, num_classes, **others)
        return CorruptedLabels(noise.true, noise.given + 1, noise.ids, noise.record)


TWINS: list[tuple[Callable[[float], Corruption], Case, str]] = [
    (lambda rate: ChainedFlips(rate, map="cifar10"), ASYMMETRIC_CIFAR10, "realises_its_rate"),
    (lambda rate: ConsecutiveFineIds(rate, map="cifar100_superclass"), ASYMMETRIC_CIFAR100, "only_claimed_confusions"),
    (lambda rate: TwoClassesPerSuperclass(rate, map="cifar100_superclass"), ASYMMETRIC_CIFAR100, "realises_its_rate"),
    (OwnClassIncluded, SYMMETRIC, "realises_its_rate"),
    (OwnClassIncluded, SYMMETRIC, "asked_matrix_is_the_mean_over_seeds"),
    (lambda rate: ChainedFlips(rate, map="cifar10"), ASYMMETRIC_CIFAR10, "asked_matrix_is_the_mean_over_seeds"),
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
    (NeverQuiteClean, SYMMETRIC, "rate_zero_is_identity"),
    (SaysWhatJsonCannot, SYMMETRIC, "record_survives_json"),
    (CountsFromOne, SYMMETRIC, "labels_stay_in_range"),
    (RecordsAnotherRun, SYMMETRIC, "record_tells_what_was_done"),
    (PartlyAbsorbed, MERGE_PAIRS, "realises_its_rate"),
    (MergedAfreshAtEachRate, MERGE_PAIRS, "nested_in_the_rate"),
]

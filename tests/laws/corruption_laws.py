"""The laws of every corruption, as plain functions of a case; the tests run them over the table and over wrong twins.

A law raises AssertionError where it is broken. It looks at labels and records only, and counts in fractions and plain
loops of its own, so that it shares no arithmetic with what it judges.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels, Corruption, NoiseRecord


@dataclass(frozen=True)
class Case:
    """A corruption, labels to apply it to, and what it claims to do to them."""

    name: str
    make: Callable[[float], Corruption]
    rates: tuple[str, ...]  # ascending decimals; text, so that the law knows the exact number
    num_classes: int
    labels: NDArray[np.int64]
    may_become: Callable[[int], Collection[int]]  # wrong labels that a true class may get
    check_rate: Callable[[CorruptedLabels, Fraction], None]  # what "realises the rate" means for the kind
    is_drawn: bool = True  # False where no seed matters

    @property
    def some_rate(self) -> str:
        """One from the middle: at rate 1 a kind may have nothing left to draw."""
        return self.rates[len(self.rates) // 2]

    def apply(self, rate: str, seed: int = 11, ids: NDArray[np.int64] | None = None) -> CorruptedLabels:
        return self.make(float(rate)).apply(self.labels, self.num_classes, seed=seed, example_ids=ids)


def nearest(count: Fraction) -> int:
    """The nearest whole number, halves upwards."""
    return math.floor(count + Fraction(1, 2))


def share_of_examples_flipped(noise: CorruptedLabels, rate: Fraction) -> None:
    assert sum(noise.is_flipped.tolist()) == nearest(rate * len(noise.true))


def share_of_examples_redrawn(noise: CorruptedLabels, rate: Fraction) -> None:
    assert noise.record.details["num_chosen"] == nearest(rate * len(noise.true))
    assert sum(noise.is_flipped.tolist()) <= nearest(rate * len(noise.true))


def share_of_each_class_flipped(leaving: dict[int, Fraction]) -> Callable[[CorruptedLabels, Fraction], None]:
    """``leaving[i] = 1 - M_ii`` of each source class."""

    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        for i, size in Counter(noise.true.tolist()).items():
            flipped = sum(noise.is_flipped[noise.true == i].tolist())
            assert flipped == nearest(rate * leaving.get(i, Fraction(0)) * size), f"class {i}"

    return check


def share_of_identities_absorbed(noise: CorruptedLabels, rate: Fraction) -> None:
    labels_of = {i: set(noise.given[noise.true == i].tolist()) for i in set(noise.true.tolist())}
    assert all(len(labels) == 1 for labels in labels_of.values()), "an identity was torn apart"
    absorbed = {i for i, labels in labels_of.items() if labels != {i}}
    assert not absorbed & set(noise.given.tolist()), "the label of an absorbed identity is still in use"
    unseen = noise.record.details["absorbed_without_examples"]
    assert len(absorbed) + len(unseen) == nearest(rate * noise.num_classes)


def law_rate_zero_is_identity(case: Case) -> None:
    noise = case.apply("0")
    assert noise.given.tolist() == case.labels.tolist()
    assert noise.record.realised_rate == 0


def law_repeatable_whatever_came_between(case: Case) -> None:
    first = case.apply(case.some_rate)
    case.apply(case.some_rate, seed=12)
    case.apply(case.rates[0])
    again = case.apply(case.some_rate)
    assert first.given.tolist() == again.given.tolist()
    assert first.record == again.record


def law_seed_is_used(case: Case) -> None:
    results = {tuple(case.apply(case.some_rate, seed=seed).given.tolist()) for seed in range(6)}
    assert (len(results) > 1) == case.is_drawn


def law_no_global_generator(case: Case) -> None:
    results = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        before = (random.getstate(), np.random.get_state(legacy=False))  # noqa: NPY002
        results.append(case.apply(case.some_rate).given.tolist())
        assert repr(before) == repr((random.getstate(), np.random.get_state(legacy=False)))  # noqa: NPY002
    assert results[0] == results[1]


def law_argument_not_edited(case: Case) -> None:
    labels = case.labels.copy()
    noise = case.make(float(case.some_rate)).apply(labels, case.num_classes, seed=11)
    assert labels.tolist() == case.labels.tolist()
    assert noise.true.tolist() == case.labels.tolist()
    for array in (noise.true, noise.given, noise.is_flipped):
        assert not array.flags.writeable
        assert not np.shares_memory(array, labels)


def law_nested_in_the_rate(case: Case) -> None:
    for low, high in pairwise(case.apply(rate) for rate in case.rates):
        assert high.given[low.is_flipped].tolist() == low.given[low.is_flipped].tolist()


def law_realises_its_rate(case: Case) -> None:
    for rate in case.rates:
        case.check_rate(case.apply(rate), Fraction(rate))


def law_labels_stay_in_range(case: Case) -> None:
    noise = case.apply(case.rates[-1])
    assert noise.given.dtype == np.int64
    assert noise.given.shape == case.labels.shape
    assert set(noise.given.tolist()) <= set(range(case.num_classes))


def law_only_claimed_confusions(case: Case) -> None:
    for rate in case.rates:
        noise = case.apply(rate)
        for i, j in set(zip(noise.true.tolist(), noise.given.tolist(), strict=True)):
            assert i == j or j in case.may_become(i), f"class {i} was given the label {j}"


def law_noise_follows_the_example(case: Case) -> None:
    shuffle = np.random.default_rng(5)
    ids = shuffle.permutation(10 * len(case.labels))[: len(case.labels)] - 3
    order = shuffle.permutation(len(case.labels))
    for rate in case.rates:
        corruption = case.make(float(rate))
        straight = corruption.apply(case.labels, case.num_classes, seed=11, example_ids=ids)
        shuffled = corruption.apply(case.labels[order], case.num_classes, seed=11, example_ids=ids[order])
        assert shuffled.given.tolist() == straight.given[order].tolist()


def law_record_tells_what_was_done(case: Case) -> None:
    for rate in case.rates:
        noise = case.apply(rate)
        record = noise.record
        cells = Counter(zip(noise.true.tolist(), noise.given.tolist(), strict=True))
        wrong = {cell: count for cell, count in cells.items() if cell[0] != cell[1]}
        listed = record.transitions
        assert dict(zip(zip(listed.true, listed.given, strict=True), listed.count, strict=True)) == wrong
        assert record.num_flipped == sum(wrong.values())
        assert record.realised_rate == record.num_flipped / len(case.labels)
        sizes, wrong_sizes = Counter(noise.true.tolist()), Counter(noise.true[noise.given != noise.true].tolist())
        assert record.count_by_class == tuple(sizes[i] for i in range(case.num_classes))
        assert record.flipped_by_class == tuple(wrong_sizes[i] for i in range(case.num_classes))
        for labels, digest in ((noise.true, record.true_sha256), (noise.given, record.given_sha256)):
            raw = b"".join(label.to_bytes(8, "little") for label in labels.tolist())
            assert digest == hashlib.sha256(raw).hexdigest()
        assert (record.rate, record.seed, record.num_classes) == (float(rate), 11, case.num_classes)
        noise.verify()


def law_record_survives_json(case: Case) -> None:
    record = case.apply(case.some_rate).record
    assert NoiseRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


LAWS: dict[str, Callable[[Case], None]] = {
    name.removeprefix("law_"): law for name, law in list(globals().items()) if name.startswith("law_")
}

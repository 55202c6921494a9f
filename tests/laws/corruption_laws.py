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
from typing import Any

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
    is_nested: bool = True  # False for what reproduces a code that is not
    features: Callable[[NDArray[np.int64]], NDArray[Any]] | None = None  # of labels, one row each
    annotations: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, NDArray[np.int64]]] | None = None

    @property
    def some_rate(self) -> str:
        """One from the middle: at rate 1 a kind may have nothing left to draw."""
        return self.rates[len(self.rates) // 2]

    def apply(
        self,
        rate: str,
        seed: int = 11,
        *,
        labels: NDArray[np.int64] | None = None,
        ids: NDArray[np.int64] | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> CorruptedLabels:
        """Apply to the case's labels, or to others, in row order or in another one; features go with their labels."""
        labels = self.labels if labels is None else labels
        ids = np.arange(len(labels)) if ids is None else ids
        order = np.arange(len(labels)) if order is None else order
        return self.make(float(rate)).apply(
            labels if (order == np.arange(len(labels))).all() else labels[order],
            self.num_classes,
            seed=seed,
            example_ids=ids[order],
            features=None if self.features is None else self.features(labels)[order],
            annotations=None if self.annotations is None else self.annotations(labels, ids),
        )


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


def share_of_examples_dropped(noise: CorruptedLabels, rate: Fraction) -> None:
    assert noise.given.tolist().count(-1) == nearest(rate * len(noise.true))
    assert noise.record.num_flipped == 0


def share_of_identities_dropped(noise: CorruptedLabels, rate: Fraction) -> None:
    dropped = {i for i, j in zip(noise.true.tolist(), noise.given.tolist(), strict=True) if j == -1}
    kept = {i for i, j in zip(noise.true.tolist(), noise.given.tolist(), strict=True) if j >= 0}
    assert not dropped & kept, "an identity was dropped in part"
    assert len(noise.record.details["absent"]) == nearest(rate * noise.num_classes)
    assert dropped <= set(noise.record.details["absent"])
    assert noise.record.num_flipped == 0


def at_least_the_share_of_examples_flipped(noise: CorruptedLabels, rate: Fraction) -> None:
    """For sums whose one step is asked of examples: no step undoes what another did."""
    assert nearest(rate * len(noise.true)) <= noise.record.num_flipped
    assert noise.record.num_flipped <= sum(step.num_flipped for step in noise.record.steps)


def share_of_identities_absorbed(noise: CorruptedLabels, rate: Fraction) -> None:
    labels_of = {i: set(noise.given[noise.true == i].tolist()) for i in set(noise.true.tolist())}
    assert all(len(labels) == 1 for labels in labels_of.values()), "an identity was torn apart"
    absorbed = {i for i, labels in labels_of.items() if labels != {i}}
    assert not absorbed & set(noise.given.tolist()), "the label of an absorbed identity is still in use"
    unseen = noise.record.details["absorbed_without_examples"]
    assert len(absorbed) + len(unseen) == nearest(rate * noise.num_classes)


def law_rate_zero_is_identity(case: Case) -> None:
    """Or, for a kind that leaves some examples out at every rate and says that it is not clean, of all others."""
    noise = case.apply("0")
    pairs = list(zip(noise.given.tolist(), case.labels.tolist(), strict=True))
    assert all(given in (true, -1) for given, true in pairs)
    assert noise.record.realised_rate == 0
    if case.make(0.0).is_clean:
        assert noise.record.num_dropped == 0


def law_repeatable_whatever_came_between(case: Case) -> None:
    first = case.apply(case.some_rate)
    case.apply(case.some_rate, seed=12)
    case.apply(case.rates[0])
    again = case.apply(case.some_rate)
    np.testing.assert_array_equal(first.given, again.given)
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
    noise = case.apply(case.some_rate, labels=labels)
    np.testing.assert_array_equal(labels, case.labels)
    np.testing.assert_array_equal(noise.true, case.labels)
    for array in (noise.true, noise.given, noise.is_flipped):
        assert not array.flags.writeable
        assert not np.shares_memory(array, labels)


def law_nested_in_the_rate(case: Case) -> None:
    if not case.is_nested:
        return
    for low, high in pairwise(case.apply(rate) for rate in case.rates):
        np.testing.assert_array_equal(high.given[low.is_flipped], low.given[low.is_flipped])


def law_realises_its_rate(case: Case) -> None:
    for rate in case.rates:
        case.check_rate(case.apply(rate), Fraction(rate))


def law_labels_stay_in_range(case: Case) -> None:
    noise = case.apply(case.rates[-1])
    assert noise.given.dtype == np.int64
    assert noise.given.shape == case.labels.shape
    assert set(noise.given.tolist()) <= set(range(-1, noise.record.num_given_classes))


def law_only_claimed_confusions(case: Case) -> None:
    for rate in case.rates:
        noise = case.apply(rate)
        for i, j in set(zip(noise.true.tolist(), noise.given.tolist(), strict=True)):
            assert i == j or j in case.may_become(i), f"class {i} was given the label {j}"  # -1: was left out


def law_asked_matrix_is_the_mean_over_seeds(case: Case) -> None:
    asked = case.make(float(case.some_rate)).asked_matrix(case.num_classes)
    if asked is None:
        return
    assert asked.shape == (case.num_classes, case.num_classes)
    assert asked.min() >= 0
    np.testing.assert_allclose(asked.sum(axis=1), 1)
    labels, seeds = np.tile(case.labels, 10), range(20)
    sizes = Counter(labels.tolist())
    cells: Counter[tuple[int, int]] = Counter()
    for seed in seeds:
        noise = case.apply(case.some_rate, seed=seed, labels=labels)
        cells.update(zip(noise.true.tolist(), noise.given.tolist(), strict=True))
    for i, size in sizes.items():
        for j in range(case.num_classes):
            p = float(asked[i, j])
            by_chance = 5 * math.sqrt(p * (1 - p) / (size * len(seeds)))
            assert abs(cells[i, j] / (size * len(seeds)) - p) <= by_chance + 0.5 / size, f"class {i} labelled {j}"


def law_noise_follows_the_example(case: Case) -> None:
    shuffle = np.random.default_rng(5)
    ids = shuffle.permutation(10 * len(case.labels))[: len(case.labels)] - 3
    order = shuffle.permutation(len(case.labels))
    for rate in case.rates:
        straight = case.apply(rate, ids=ids)
        shuffled = case.apply(rate, ids=ids, order=order)
        np.testing.assert_array_equal(shuffled.given, straight.given[order])


def law_record_tells_what_was_done(case: Case) -> None:
    for rate in case.rates:
        noise = case.apply(rate)
        record = noise.record
        cells = Counter(zip(noise.true.tolist(), noise.given.tolist(), strict=True))
        wrong = {cell: count for cell, count in cells.items() if cell[0] != cell[1] >= 0}
        counted, listed = noise.transitions(), record.transitions
        columns = (counted.true.tolist(), counted.given.tolist(), counted.count.tolist())
        assert {(i, j): n for i, j, n in zip(*columns, strict=True)} == wrong
        if case.num_classes <= 100:
            assert listed is not None
            assert (listed.true, listed.given, listed.count) == tuple(map(tuple, columns))
        dropped = Counter(i for i, j in zip(noise.true.tolist(), noise.given.tolist(), strict=True) if j == -1)
        assert record.num_dropped == sum(dropped.values())
        assert record.num_flipped == sum(wrong.values())
        assert record.realised_rate == record.num_flipped / max(len(case.labels) - record.num_dropped, 1)
        sizes, wrong_sizes = Counter(noise.true.tolist()), Counter[int]()
        for (i, _), count in wrong.items():
            wrong_sizes[i] += count
        assert record.count_by_class == tuple(sizes[i] for i in range(case.num_classes))
        assert record.dropped_by_class == tuple(dropped[i] for i in range(case.num_classes))
        assert record.flipped_by_class == tuple(wrong_sizes[i] for i in range(case.num_classes))
        for labels, digest in ((noise.true, record.true_sha256), (noise.given, record.given_sha256)):
            raw = b"".join(label.to_bytes(8, "little", signed=True) for label in labels.tolist())
            assert digest == hashlib.sha256(raw).hexdigest()
        assert (record.rate, record.seed, record.num_classes) == (case.make(float(rate)).rate, 11, case.num_classes)
        noise.verify()


def law_record_survives_json(case: Case) -> None:
    record = case.apply(case.some_rate).record
    assert NoiseRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


LAWS: dict[str, Callable[[Case], None]] = {
    name.removeprefix("law_"): law for name, law in list(globals().items()) if name.startswith("law_")
}

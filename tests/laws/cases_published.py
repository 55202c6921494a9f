"""Cases of human labels and of published code for the laws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels
from corruptions.human import Human
from corruptions.legacy import Legacy
from tests.laws.corruption_cases import CIFAR10_MAP, others, skewed_labels
from tests.laws.corruption_laws import Case, nearest

Labels = NDArray[np.int64]
Check = Callable[[CorruptedLabels, Fraction], None]


@dataclass(frozen=True)
class AnnotatedCase(Case):
    """Annotations are indexed by id, which cannot be negative: ids are moved up to 0."""

    def apply(self, rate: str, seed: int = 11, **arrays: Any) -> CorruptedLabels:
        ids = arrays.pop("ids", None)
        return super().apply(rate, seed, ids=None if ids is None else ids - min(int(ids.min()), 0), **arrays)


def human_label(label: int, example_id: int) -> int:
    """Classes 0, 3 and 6 are wrong in a half, 1 and 4 in a third, 2 and 5 in a quarter; the next class or the one
    after it is given."""
    is_wrong = example_id % (2 + label % 3) == 0
    return (label + 1 + example_id // 12 % 2) % 7 if is_wrong else label


def annotations(labels: Labels, ids: Labels) -> dict[str, Labels]:
    clean, human = (np.zeros(ids.max() + 1, dtype=np.int64) for _ in range(2))
    clean[ids] = labels
    human[ids] = [human_label(label, i) for label, i in zip(labels.tolist(), ids.tolist(), strict=True)]
    return {"clean_label": clean, "worse_label": human}


def mistakes_of(noise: CorruptedLabels) -> dict[int, int]:
    """Example id to human label, of those that are wrong."""
    pairs = zip(noise.true.tolist(), noise.ids.tolist(), strict=True)
    return {i: human_label(label, i) for label, i in pairs if human_label(label, i) != label}


def share_of_human_mistakes_kept(noise: CorruptedLabels, rate: Fraction) -> None:
    mistakes = mistakes_of(noise)
    triples = zip(noise.ids.tolist(), noise.given.tolist(), noise.is_flipped.tolist(), strict=True)
    kept = {i: given for i, given, is_flipped in triples if is_flipped}
    assert len(kept) == nearest(rate * len(mistakes))
    assert kept.items() <= mistakes.items(), "a wrong label is not the human one"


def share_of_each_class_error_kept(noise: CorruptedLabels, rate: Fraction) -> None:
    label_of = dict(zip(noise.ids.tolist(), noise.true.tolist(), strict=True))
    wrong = Counter(label_of[i] for i in mistakes_of(noise))
    for label in range(7):
        flipped = int(noise.is_flipped[noise.true == label].sum())
        assert flipped == nearest(rate * wrong[label]), f"class {label}"


def redrawn_of_all(noise: CorruptedLabels, rate: Fraction) -> None:
    assert noise.record.details["num_chosen"] == math.floor(rate * len(noise.true))
    assert noise.record.num_flipped <= math.floor(rate * len(noise.true))


def cascaded(noise: CorruptedLabels, rate: Fraction) -> None:
    """Single sources at their rate, rounded up; cats and dogs by the balance of the cascade.

    Of c cats, a = ceil(rate c) are sent to dog; of the d + a labelled dog then, ceil(rate (d + a)) are sent to cat:
    true dogs, or cats on their way back.
    """
    size, wrong = Counter(noise.true.tolist()), Counter(noise.true[noise.is_flipped].tolist())
    for source in (2, 4, 9):
        assert wrong[source] == math.ceil(rate * size[source])
    sent = math.ceil(rate * size[3])
    assert wrong[5] - wrong[3] == math.ceil(rate * (size[5] + sent)) - sent
    assert wrong[3] <= sent


def within_five_sigma(flips: int, mean: float, sigma: float) -> None:
    assert abs(flips - mean) <= 5 * sigma + 1, f"{flips} wrong labels where {mean:.1f} are expected"


def each_with_probability_rate(noise: CorruptedLabels, rate: Fraction) -> None:
    N, p = len(noise.true), float(rate)
    within_five_sigma(noise.record.num_flipped, N * p, math.sqrt(N * p * (1 - p)))


def two_classes_of_five_swap(noise: CorruptedLabels, rate: Fraction) -> None:
    flipped = noise.is_flipped
    target = {}
    for i, j in zip(noise.true[flipped].tolist(), noise.given[flipped].tolist(), strict=True):
        assert target.setdefault(i, j) == j, f"class {i} has two targets"
    for block in range(20):
        assert len({c for pair in target.items() for c in pair if c // 5 == block}) <= 2
    assert all(target.get(j, i) == i for i, j in target.items())
    swapped = {c for pair in noise.record.details.get("swapped_classes", []) for c in pair}
    members, p = sum(label in swapped for label in noise.true.tolist()), float(rate)
    within_five_sigma(noise.record.num_flipped, members * p, math.sqrt(members * p * (1 - p)))


def cells_cut_to_whole_numbers(num_classes: int) -> Check:
    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        size = Counter(noise.true.tolist())
        cells = Counter(zip(noise.true.tolist(), noise.given.tolist(), strict=True))
        for i in range(num_classes):
            for j in set(range(num_classes)) - {i}:
                exact = float(rate * size[i] / (num_classes - 1))
                assert math.floor(exact - 1e-9) <= cells[i, j] <= math.floor(exact + 1e-9), (i, j)  # theirs is a float

    return check


def rounded_down_per_identity(noise: CorruptedLabels, rate: Fraction) -> None:
    wrong = Counter(noise.true[noise.is_flipped].tolist())
    for i, size in Counter(noise.true.tolist()).items():
        assert wrong[i] == math.floor(rate * size), f"identity {i}"


def shifted_by(shift: float) -> Check:
    """Mean rate ``rate + shift``: 0.0460 for AQuA's bounds; PDN's at a rate of 0.4 has 0.0000 to four places."""

    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        N, p = len(noise.true), float(rate) + shift
        within_five_sigma(noise.record.num_flipped, N * p, math.sqrt(N * p * (1 - p)))

    return check


def pixels(labels: Labels) -> NDArray[Any]:
    """Twelve bytes each, of the row alone."""
    return np.random.default_rng(7).integers(0, 256, (len(labels), 2, 2, 3), dtype=np.uint8)


HUMAN = AnnotatedCase(
    name="human worse",
    make=lambda rate: Human(rate),
    rates=("0.145", "0.3", "0.5", "0.8", "1"),
    num_classes=7,
    labels=skewed_labels(7, 230),
    may_become=lambda i: {(i + 1) % 7, (i + 2) % 7},
    check_rate=share_of_human_mistakes_kept,
    annotations=annotations,
)
HUMAN_TWIN = AnnotatedCase(
    name="human worse, twin",
    make=lambda rate: Human(rate, twin=True),
    rates=("0.145", "0.3", "0.5", "0.8", "1"),
    num_classes=7,
    labels=skewed_labels(7, 230),
    may_become=lambda i: {(i + 1) % 7, (i + 2) % 7},
    check_rate=share_of_each_class_error_kept,
    annotations=annotations,
)


def legacy(code: str, **fields: Any) -> Case:
    return Case(name=f"legacy {code}", make=lambda rate: Legacy(rate, code=code), **fields)


TEN = {"num_classes": 10, "labels": skewed_labels(10, 400)}
HUNDRED = {"num_classes": 100, "labels": np.repeat(np.arange(100), 10)}
FIVE = {
    "num_classes": 5,
    "labels": skewed_labels(5, 6_000),
    "features": pixels,
    "may_become": lambda i: others(5) - {i},
}

DIVIDEMIX_SYMMETRIC = legacy(
    "dividemix_symmetric",
    **TEN,
    rates=("0.125", "0.5", "0.75"),  # exact in floats: the code's product of a rate and a count is one of floats
    may_become=lambda i: others(10) - {i},
    check_rate=redrawn_of_all,
)
DIVIDEMIX_ASYMMETRIC = legacy(
    "dividemix_asymmetric",
    **TEN,
    rates=("0.25", "0.375"),
    may_become=lambda i: {CIFAR10_MAP.get(i, i)},
    check_rate=redrawn_of_all,
)
ELR_ASYMMETRIC = legacy(
    "elr_asymmetric",
    **TEN,
    rates=("0.25", "0.5"),
    may_become=lambda i: {CIFAR10_MAP.get(i, i)},
    check_rate=cascaded,
    is_nested=False,  # a cat sent away at one rate may be brought back at the next
)
APL_CIFAR100 = legacy(
    "apl_asymmetric_cifar100",
    **HUNDRED,
    rates=("0.2", "0.4"),
    may_become=lambda i: {i // 5 * 5 + (i + 1) % 5},
    check_rate=each_with_probability_rate,
)
SCE_CIFAR100 = legacy(
    "sce_asymmetric_cifar100",
    **HUNDRED,
    rates=("0.2", "0.4"),
    may_become=lambda i: {j for j in range(100) if j // 5 == i // 5},
    check_rate=two_classes_of_five_swap,
)
CLEANLAB_CELLS = legacy(
    "cleanlab_cells",
    num_classes=6,
    labels=np.repeat(np.arange(6), 37),
    rates=("0.25", "0.5"),
    may_become=lambda i: others(6) - {i},
    check_rate=cells_cut_to_whole_numbers(6),
    is_nested=False,  # the cells of a class lie one after another, and another size moves them all
)
BOUNDARYFACE = legacy(
    "boundaryface_flip",
    **TEN,
    rates=("0.125", "0.25", "0.5"),
    may_become=lambda i: others(10) - {i},
    check_rate=rounded_down_per_identity,
)
AQUA = legacy("aqua_instance", **FIVE, rates=("0.1", "0.2", "0.4"), check_rate=shifted_by(0.0460))
PDN = legacy("pdn_instance", **FIVE, rates=("0.3", "0.4", "0.5"), check_rate=shifted_by(0.0))

CASES: dict[str, tuple[Case, ...]] = {
    "human": (HUMAN, HUMAN_TWIN),
    "legacy": (
        DIVIDEMIX_SYMMETRIC,
        DIVIDEMIX_ASYMMETRIC,
        ELR_ASYMMETRIC,
        APL_CIFAR100,
        SCE_CIFAR100,
        CLEANLAB_CELLS,
        BOUNDARYFACE,
        AQUA,
        PDN,
    ),
}

"""Cases of every corruption for the laws: at least one for each name in ``CORRUPTIONS``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corruptions import (
    Asymmetric,
    Clean,
    CleanSubset,
    DropIdentities,
    IdentityMerge,
    Pair,
    RandomLabels,
    Symmetric,
)
from tests.laws.corruption_laws import (
    Case,
    at_least_the_share_of_examples_flipped,
    share_of_each_class_flipped,
    share_of_examples_dropped,
    share_of_examples_flipped,
    share_of_examples_redrawn,
    share_of_identities_absorbed,
    share_of_identities_dropped,
)

CIFAR10_MAP = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}

# The coarse label of each fine label as published with the data set: a list of ids, where ours is a list of names.
CIFAR100_COARSE = np.concatenate(
    [
        [4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11],
        [6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5],
        [5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17],
        [10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13],
        [16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13],
    ]
)

MATRIX = ((0, 0, 0.25), (0, 1, 0.5), (0, 2, 0.25), (1, 2, 0.9), (1, 0, 0.1), (3, 3, 1.0))


def skewed_labels(num_classes: int, num_examples: int) -> NDArray[np.int64]:
    """Every class present, the low ids more often; the same at every call."""
    extra = np.random.default_rng(3).geometric(2 / num_classes, num_examples - num_classes) % num_classes
    return np.concatenate([np.arange(num_classes), extra]).astype(np.int64)


def next_in_superclass(fine: int) -> set[int]:
    """The next fine id of the same coarse label, circular, from the published list."""
    members = np.flatnonzero(CIFAR100_COARSE[fine] == CIFAR100_COARSE).tolist()
    return {members[(members.index(fine) + 1) % 5]}


def others(num_classes: int) -> set[int]:
    return set(range(num_classes))


CLEAN = Case(
    name="clean",
    make=Clean,
    rates=("0",),
    num_classes=4,
    labels=skewed_labels(4, 40),
    may_become=lambda i: (),
    check_rate=share_of_examples_flipped,
    is_drawn=False,
)
SYMMETRIC = Case(
    name="symmetric",
    make=lambda rate: Symmetric(rate),
    rates=("0.1", "0.145", "0.2", "0.35", "0.8", "1"),
    num_classes=10,
    labels=np.repeat(np.arange(10), 37),
    may_become=lambda i: others(10) - {i},
    check_rate=share_of_examples_flipped,
)
SYMMETRIC_INCLUSIVE = Case(
    name="symmetric inclusive",
    make=lambda rate: Symmetric(rate, inclusive=True),
    rates=("0.1", "0.145", "0.2", "0.35", "0.8", "1"),
    num_classes=10,
    labels=skewed_labels(10, 200),
    may_become=lambda i: others(10) - {i},
    check_rate=share_of_examples_redrawn,
)
SYMMETRIC_TWO_CLASSES = Case(
    name="symmetric of two classes",
    make=lambda rate: Symmetric(rate),
    rates=("0.05", "0.5"),
    num_classes=2,
    labels=skewed_labels(2, 50),
    may_become=lambda i: {1 - i},
    check_rate=share_of_examples_flipped,
)
ASYMMETRIC_CIFAR10 = Case(
    name="asymmetric cifar10",
    make=lambda rate: Asymmetric(rate, map="cifar10"),
    rates=("0.1", "0.145", "0.4", "1"),
    num_classes=10,
    labels=skewed_labels(10, 500),
    may_become=lambda i: {CIFAR10_MAP.get(i, i)},
    check_rate=share_of_each_class_flipped(dict.fromkeys(CIFAR10_MAP, Fraction(1))),
)
ASYMMETRIC_CIFAR100 = Case(
    name="asymmetric cifar100_superclass",
    make=lambda rate: Asymmetric(rate, map="cifar100_superclass"),
    rates=("0.2", "0.4"),
    num_classes=100,
    labels=np.repeat(np.arange(100), 10),
    may_become=next_in_superclass,
    check_rate=share_of_each_class_flipped(dict.fromkeys(range(100), Fraction(1))),
)
ASYMMETRIC_PAIR = Case(
    name="asymmetric pair",
    make=lambda rate: Asymmetric(rate, map="pair"),
    rates=("0.1", "0.45"),
    num_classes=7,
    labels=skewed_labels(7, 200),
    may_become=lambda i: {(i + 1) % 7},
    check_rate=share_of_each_class_flipped(dict.fromkeys(range(7), Fraction(1))),
)
ASYMMETRIC_PAIRS = Case(
    name="asymmetric given pairs",
    make=lambda rate: Asymmetric(rate, map=((4, 0), (1, 3))),
    rates=("0.1", "0.5"),
    num_classes=5,
    labels=skewed_labels(5, 100),
    may_become=lambda i: {4: {0}, 1: {3}}.get(i, set()),
    check_rate=share_of_each_class_flipped({4: Fraction(1), 1: Fraction(1)}),
)
ASYMMETRIC_MATRIX = Case(
    name="asymmetric matrix",
    make=lambda rate: Asymmetric(rate, matrix=MATRIX),
    rates=("0.1", "0.35", "1"),
    num_classes=5,
    labels=skewed_labels(5, 300),
    may_become=lambda i: {0: {1, 2}, 1: {0, 2}}.get(i, set()),
    check_rate=share_of_each_class_flipped({0: Fraction("0.75"), 1: Fraction(1)}),
)
MERGE_PAIRS = Case(
    name="identity_merge",
    make=lambda rate: IdentityMerge(rate),
    rates=("0.1", "0.3", "0.5"),
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_identities_absorbed,
)
MERGE_FOURS = Case(
    name="identity_merge of four",
    make=lambda rate: IdentityMerge(rate, group_size=4),
    rates=("0.05", "0.25", "0.7"),
    num_classes=23,
    labels=skewed_labels(23, 150),
    may_become=lambda i: others(23) - {i},
    check_rate=share_of_identities_absorbed,
)
MERGE_GIVEN = Case(
    name="identity_merge of given groups",
    make=lambda rate: IdentityMerge(rate, groups=((7, 2, 4), (0, 9))),
    rates=("0.1", "0.2", "0.3"),
    num_classes=10,
    labels=skewed_labels(10, 80),
    may_become=lambda i: {2: {7}, 4: {7}, 9: {0}}.get(i, set()),
    check_rate=share_of_identities_absorbed,
    is_drawn=False,
)

PAIR = Case(
    name="pair",
    make=lambda rate: Pair(rate),
    rates=("0.1", "0.45"),
    num_classes=7,
    labels=skewed_labels(7, 200),
    may_become=lambda i: {(i + 1) % 7},
    check_rate=share_of_each_class_flipped(dict.fromkeys(range(7), Fraction(1))),
)
RANDOM = Case(
    name="random_labels",
    make=lambda rate: RandomLabels(rate),
    rates=("0.2", "0.5", "1"),
    num_classes=6,
    labels=skewed_labels(6, 150),
    may_become=lambda i: others(6) - {i},
    check_rate=share_of_examples_redrawn,
)
CLEAN_SUBSET = Case(
    name="clean_subset of symmetric",
    make=lambda rate: CleanSubset(of=Symmetric(rate)),
    rates=("0.1", "0.35", "0.8"),
    num_classes=5,
    labels=skewed_labels(5, 120),
    may_become=lambda i: {-1},
    check_rate=share_of_examples_dropped,
)
DROPPED_IDENTITIES = Case(
    name="drop_identities of identity_merge",
    make=lambda rate: DropIdentities(of=IdentityMerge(rate)),
    rates=("0.1", "0.3", "0.5"),
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: {-1},
    check_rate=share_of_identities_dropped,
)
SUM_GROWING_FIRST = Case(
    name="symmetric + identity_merge",
    make=lambda rate: Symmetric(rate) + IdentityMerge(0.3 if rate else 0),
    rates=("0.1", "0.35", "0.8"),
    num_classes=10,
    labels=skewed_labels(10, 200),
    may_become=lambda i: others(10) - {i},
    check_rate=at_least_the_share_of_examples_flipped,
)
SUM_OF_THREE = Case(
    name="asymmetric + symmetric + identity_merge",
    make=lambda rate: Asymmetric(0.2 if rate else 0, map="pair") + Symmetric(rate) + IdentityMerge(0.3 if rate else 0),
    rates=("0.1", "0.35"),
    num_classes=10,
    labels=skewed_labels(10, 200),
    may_become=lambda i: others(10) - {i},
    check_rate=at_least_the_share_of_examples_flipped,
    is_nested=False,  # in the set of wrong examples it is, and test_composition says so; later labels overwrite earlier
)

CASES: dict[str, tuple[Case, ...]] = {
    "+": (SUM_GROWING_FIRST, SUM_OF_THREE),
    "asymmetric": (
        ASYMMETRIC_CIFAR10,
        ASYMMETRIC_CIFAR100,
        ASYMMETRIC_PAIR,
        ASYMMETRIC_PAIRS,
        ASYMMETRIC_MATRIX,
    ),
    "clean": (CLEAN,),
    "clean_subset": (CLEAN_SUBSET,),
    "drop_identities": (DROPPED_IDENTITIES,),
    "identity_merge": (MERGE_PAIRS, MERGE_FOURS, MERGE_GIVEN),
    "pair": (PAIR,),
    "random_labels": (RANDOM,),
    "symmetric": (SYMMETRIC, SYMMETRIC_INCLUSIVE, SYMMETRIC_TWO_CLASSES),
}

"""Cases of the identity noises: merges, splits, closed-set flips and outliers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels
from corruptions.identity_flip import IdentityFlip
from corruptions.identity_merge import IdentityMerge
from corruptions.identity_split import IdentitySplit
from corruptions.outlier import Outlier
from tests.laws.corruption_cases import others, skewed_labels
from tests.laws.corruption_laws import (
    Case,
    nearest,
    share_of_examples_flipped,
    share_of_identities_absorbed,
)


def given_of_each(noise: CorruptedLabels) -> dict[int, Counter[int]]:
    """True class to how often each label is given to its examples."""
    cells: dict[int, Counter[int]] = {}
    for i, j in zip(noise.true.tolist(), noise.given.tolist(), strict=True):
        cells.setdefault(i, Counter())[j] += 1
    return cells


def faces(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """One row for each example: its class's point on a spiral, and a little of its own."""
    rows = np.arange(len(labels))
    centres = np.stack([np.cos(labels * 2.4), np.sin(labels * 2.4), labels / 10], axis=1)
    return centres + np.stack([rows % 7, rows % 5, rows % 3], axis=1) / 50


def share_of_identities_moved(moved: Fraction) -> Callable[[CorruptedLabels, Fraction], None]:
    """Of each absorbed identity this share moves, and all of it to one label."""

    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        absorbed_into = dict(noise.record.details["absorbed_into"])
        assert len(absorbed_into) == nearest(rate * noise.num_classes)
        for i, labels in given_of_each(noise).items():
            moving = nearest(moved * labels.total()) if i in absorbed_into else 0
            expected = Counter({i: labels.total() - moving}) + Counter({absorbed_into.get(i, i): moving})
            assert labels == +expected, f"identity {i}"

    return check


def share_of_identities_chained(noise: CorruptedLabels, rate: Fraction) -> None:
    """Each absorbed identity goes whole to the one before it in its group, whoever that one goes to."""
    before = {c: group[place] for group in noise.record.details["groups"] for place, c in enumerate(group[1:])}
    assert len(before) == nearest(rate * noise.num_classes)
    for i, labels in given_of_each(noise).items():
        assert set(labels) == {before.get(i, i)}, f"identity {i}"


def share_of_identities_split(
    parts: int, weights: list[Fraction], most_off: Fraction
) -> Callable[[CorruptedLabels, Fraction], None]:
    """Parts of a split identity have these shares of its examples, each to within ``most_off`` of one."""

    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        labels_of: dict[int, list[int]] = {}
        for label, identity in noise.record.details["split_from"]:
            labels_of.setdefault(identity, [identity]).append(label)
        assert len(labels_of) == noise.record.details["num_split"] == nearest(rate * noise.num_classes)
        assert noise.record.num_given_classes == noise.num_classes + (parts - 1) * len(labels_of)
        for i, labels in given_of_each(noise).items():
            own = labels_of.get(i, [i])
            assert len(own) in (1, parts)
            assert set(labels) <= set(own), f"identity {i} under a label that is not its own"
            for label, weight in zip(own, weights, strict=False):
                share = weight if len(own) > 1 else Fraction(1)
                assert abs(labels[label] - share * labels.total()) <= most_off, f"part {label} of {i}"

    return check


def share_flipped_at_unchanged_sizes(noise: CorruptedLabels, rate: Fraction) -> None:
    flipped = nearest(rate * len(noise.true))
    assert sum(noise.is_flipped.tolist()) == flipped
    before, after = Counter(noise.true.tolist()), Counter(noise.given.tolist())
    off = sum(abs(before[c] - after[c]) for c in range(noise.num_classes))
    assert off <= 2 * (flipped % 2), "class sizes changed"


def share_of_training_images_replaced(num_outside: int) -> Callable[[CorruptedLabels, Fraction], None]:
    def check(noise: CorruptedLabels, rate: Fraction) -> None:
        absent = set(noise.record.details["absent"])
        assert len(absent) == num_outside
        inside = [i not in absent for i in noise.true.tolist()]
        num_inside = sum(inside)
        assert sum(noise.is_kept.tolist()) == num_inside, "outliers came in addition, or in too small a number"
        assert sum(noise.is_flipped.tolist()) == nearest(rate * num_inside)
        for i, j, is_inside in zip(noise.true.tolist(), noise.given.tolist(), inside, strict=True):
            assert j not in absent, f"label {j} of nobody inside"
            assert j in (-1, i) or not is_inside, f"an inside image of {i} was given {j}"

    return check


ANY = ("0.1", "0.3", "0.5")
HALVES = [Fraction(1, 2)] * 2
THIRDS = [Fraction(1, 3)] * 3
SEVENTHS = [Fraction(4, 7), Fraction(2, 7), Fraction(1, 7)]

MERGE_SIZE_MATCHED = Case(
    name="identity_merge of equal sizes",
    make=lambda rate: IdentityMerge(rate, group_size=3, pairing="size_matched"),
    rates=ANY,
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_identities_absorbed,
)
MERGE_LOOK_ALIKE = Case(
    name="identity_merge of look-alikes",
    make=lambda rate: IdentityMerge(rate, pairing="look_alike"),
    rates=ANY,
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_identities_absorbed,
    features=faces,
)
MERGE_IMAGES = Case(
    name="identity_merge of images",
    make=lambda rate: IdentityMerge(rate, of="images"),
    rates=("0.05", "0.145", "0.3", "0.35"),
    num_classes=20,
    labels=skewed_labels(20, 210),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_examples_flipped,
)
MERGE_IMAGES_IN_PART = Case(
    name="identity_merge of images, in part, chained",
    make=lambda rate: IdentityMerge(rate, group_size=4, of="images", moved=0.5, layout="chain"),
    rates=("0.05", "0.1", "0.2"),
    num_classes=12,
    labels=np.repeat(np.arange(12), 9),
    may_become=lambda i: others(12) - {i},
    check_rate=share_of_examples_flipped,
)
MERGE_MOVED = Case(
    name="identity_merge in part",
    make=lambda rate: IdentityMerge(rate, moved=0.3),
    rates=ANY,
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_identities_moved(Fraction("0.3")),
)
MERGE_CHAIN = Case(
    name="identity_merge in a chain",
    make=lambda rate: IdentityMerge(rate, group_size=4, layout="chain"),
    rates=("0.05", "0.25", "0.7"),
    num_classes=23,
    labels=skewed_labels(23, 150),
    may_become=lambda i: others(23) - {i},
    check_rate=share_of_identities_chained,
)
MERGE_CHAIN_GIVEN = Case(
    name="identity_merge in a given chain",
    make=lambda rate: IdentityMerge(rate, groups=((7, 2, 4), (0, 9)), layout="chain"),
    rates=("0.1", "0.2", "0.3"),
    num_classes=10,
    labels=skewed_labels(10, 80),
    may_become=lambda i: {2: {7}, 4: {2}, 9: {0}}.get(i, set()),
    check_rate=share_of_identities_chained,
    is_drawn=False,
)
SPLIT_IN_TWO = Case(
    name="identity_split",
    make=lambda rate: IdentitySplit(rate),
    rates=("0.1", "0.3", "0.5", "1"),
    num_classes=20,
    labels=skewed_labels(20, 200),
    may_become=lambda i: set(range(20, 40)),
    check_rate=share_of_identities_split(2, HALVES, Fraction(1, 2)),
)
SPLIT_IN_THREE = Case(
    name="identity_split in three",
    make=lambda rate: IdentitySplit(rate, parts=3),
    rates=("0.15", "0.6", "1"),
    num_classes=10,
    labels=skewed_labels(10, 150),
    may_become=lambda i: set(range(10, 30)),
    check_rate=share_of_identities_split(3, THIRDS, Fraction(2, 3)),
)
SPLIT_SKEWED = Case(
    name="identity_split skewed",
    make=lambda rate: IdentitySplit(rate, parts=3, balance="skewed"),
    rates=("0.15", "0.6", "1"),
    num_classes=10,
    labels=skewed_labels(10, 150),
    may_become=lambda i: set(range(10, 30)),
    check_rate=share_of_identities_split(3, SEVENTHS, Fraction(6, 7)),
)
FLIP_UNIFORM = Case(
    name="identity_flip",
    make=lambda rate: IdentityFlip(rate),
    rates=("0.05", "0.145", "0.35", "1"),
    num_classes=20,
    labels=skewed_labels(20, 210),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_examples_flipped,
)
FLIP_PAST_EMPTY_LABELS = Case(
    name="identity_flip past empty labels",
    make=lambda rate: IdentityFlip(rate),
    rates=("0.05", "0.145", "0.35", "1"),
    num_classes=12,
    labels=np.array([1, 4, 5, 9, 11])[np.arange(150) ** 2 % 5],  # two of the five are never drawn either
    may_become=lambda i: {1, 4, 11} - {i},
    check_rate=share_of_examples_flipped,
)
FLIP_LOOK_ALIKE = Case(
    name="identity_flip to look-alikes",
    make=lambda rate: IdentityFlip(rate, targets="look_alike", neighbours=3),
    rates=("0.05", "0.145", "0.35", "1"),
    num_classes=20,
    labels=skewed_labels(20, 210),
    may_become=lambda i: others(20) - {i},
    check_rate=share_of_examples_flipped,
    features=faces,
)
FLIP_SWAPPED = Case(
    name="identity_flip at unchanged sizes",
    make=lambda rate: IdentityFlip(rate, keep_frequency=True),
    rates=("0.05", "0.145", "0.35", "0.355", "1"),
    num_classes=10,
    labels=skewed_labels(10, 200),
    may_become=lambda i: others(10) - {i},
    check_rate=share_flipped_at_unchanged_sizes,
)
FLIP_SWAPPED_DOMINANT = Case(
    name="identity_flip at unchanged sizes with a dominant class",
    make=lambda rate: IdentityFlip(rate, keep_frequency=True),
    rates=("0.05", "0.145", "0.3", "0.4"),
    num_classes=3,
    labels=np.repeat([0, 1, 2], [160, 30, 10]),
    may_become=lambda i: others(3) - {i},
    check_rate=share_flipped_at_unchanged_sizes,
)
OUTLIER_KEPT = Case(
    name="outlier",
    make=lambda rate: Outlier(rate, outside=0.4),
    rates=("0.05", "0.145", "0.4", "0.6"),
    num_classes=20,
    labels=np.repeat(np.arange(20), 10),
    may_become=lambda i: {-1, *others(20)} - {i},
    check_rate=share_of_training_images_replaced(8),
)
OUTLIER_RANDOM = Case(
    name="outlier of given identities under random labels",
    make=lambda rate: Outlier(rate, outside=(7, 2, 3), labels="random"),
    rates=("0.05", "0.145", "0.3"),
    num_classes=10,
    labels=np.concatenate([skewed_labels(10, 90), np.full(40, 7)]),
    may_become=lambda i: {-1, *others(10)} - {2, 3, 7} if i in (2, 3, 7) else {-1},
    check_rate=share_of_training_images_replaced(3),
)

CASES: dict[str, tuple[Case, ...]] = {
    "identity_flip": (
        FLIP_UNIFORM,
        FLIP_PAST_EMPTY_LABELS,
        FLIP_LOOK_ALIKE,
        FLIP_SWAPPED,
        FLIP_SWAPPED_DOMINANT,
    ),
    "identity_merge": (
        MERGE_SIZE_MATCHED,
        MERGE_LOOK_ALIKE,
        MERGE_IMAGES,
        MERGE_IMAGES_IN_PART,
        MERGE_MOVED,
        MERGE_CHAIN,
        MERGE_CHAIN_GIVEN,
    ),
    "identity_split": (SPLIT_IN_TWO, SPLIT_IN_THREE, SPLIT_SKEWED),
    "outlier": (OUTLIER_KEPT, OUTLIER_RANDOM),
}

FIXED_LABELS_ONLY = frozenset({FLIP_PAST_EMPTY_LABELS.name})
"""Names of the cases whose claim is about their own labels."""

REFUSE_SOME_LABELS = frozenset(
    case.name
    for case in (
        *CASES["identity_flip"],
        MERGE_IMAGES,
        MERGE_IMAGES_IN_PART,
        *CASES["outlier"],
    )
)
"""Names of the cases whose rates cannot be had of any labels whatever (one person alone can be mistaken for nobody)."""

MORE_PARTS_THAN_IMAGES = frozenset({SPLIT_IN_THREE.name, SPLIT_SKEWED.name})
"""Names of the cases that are refused where no identity has as many images as parts are asked for."""

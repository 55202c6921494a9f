"""What the identity noises refuse, and the sentence they refuse it with; any labels are corrupted right or refused."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corruptions import Corruption
from corruptions.identity_flip import IdentityFlip
from corruptions.identity_merge import IdentityMerge
from corruptions.identity_split import IdentitySplit
from corruptions.outlier import Outlier
from tests.laws.cases_identities import CASES, REFUSE_SOME_LABELS, faces
from tests.laws.corruption_laws import LAWS, Case, nearest

ALL_CASES = [case for cases in CASES.values() for case in cases]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pairing": "nearest"}, "pairing must be one of random, size_matched, look_alike; got 'nearest'"),
        ({"of": "examples"}, "of must be one of identities, images; got 'examples'"),
        ({"layout": "ring"}, "layout must be one of star, chain; got 'ring'"),
        ({"moved": 0.0}, r"moved must be in \(0, 1\]; got 0.0"),
        ({"moved": 1.1}, r"moved must be in \(0, 1\]; got 1.1"),
        ({"moved": float("nan")}, r"moved must be in \(0, 1\]; got nan"),
        ({"moved": True}, r"moved must be in \(0, 1\]; got True"),
        (
            {"groups": ((0, 1),), "pairing": "look_alike"},
            "give groups or a pairing, not both; got pairing=look_alike .*",
        ),
    ],
)
def test_merges_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        IdentityMerge(0.1, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"parts": 1}, "parts must be at least 2; got 1"),
        ({"parts": 33, "balance": "skewed"}, "skewed parts must be at most 32; got 33"),
        ({"balance": "even"}, "balance must be one of balanced, skewed; got 'even'"),
    ],
)
def test_splits_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        IdentitySplit(0.1, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"targets": "nearest"}, "targets must be one of uniform, look_alike; got 'nearest'"),
        ({"targets": "look_alike", "neighbours": 0}, "neighbours must be at least 1; got 0"),
        ({"neighbours": 3}, "neighbours are for look_alike targets; got neighbours=3 beside uniform"),
        (
            {"targets": "look_alike", "keep_frequency": True},
            "keep_frequency swaps labels at random; got targets=look_alike",
        ),
    ],
)
def test_flips_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        IdentityFlip(0.1, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"outside": 1.5}, r"outside must be a share in \[0, 1\] or class ids; got 1.5"),
        ({"outside": float("nan")}, r"outside must be a share in \[0, 1\] or class ids; got nan"),
        ({"outside": True}, r"outside must be a share in \[0, 1\] or class ids; got True"),
        ({"outside": ()}, r"classes outside must be different and not negative, one at least; got \[\]"),
        ({"outside": (3, 3)}, r"classes outside must be different and not negative, one at least; got \[3, 3\]"),
        ({"outside": (-1,)}, r"classes outside must be different and not negative, one at least; got \[-1\]"),
        ({"labels": "swapped"}, "labels must be one of kept, random; got 'swapped'"),
    ],
)
def test_outliers_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Outlier(0.1, **parameters)  # type: ignore[arg-type]


TEN = np.arange(40) % 10


@pytest.mark.parametrize(
    ("corruption", "labels", "message"),
    [
        (
            IdentityMerge(0.6, of="images"),
            TEN,
            r"identity_merge can move at most 0.50 of these examples; got rate=0.6 \(20 of 40 can be moved\)",
        ),
        (
            IdentityMerge(0.3, of="images", moved=0.25),
            TEN,
            r"identity_merge can move at most 0.125 of these examples; got rate=0.3 \(5 of 40 can be moved\)",
        ),
        (
            IdentityMerge(0.7, group_size=3),
            TEN,
            r"identity_merge can absorb at most 0.60 of these identities; got rate=0.7 \(6 of 10 can be absorbed\)",
        ),
        (
            IdentityFlip(0.5),
            np.full(6, 3),
            r"identity_flip can make at most 0.00 of these labels wrong; got rate=0.5 \(0 of 6 can be had\)",
        ),
        (
            IdentityFlip(0.8, keep_frequency=True),
            np.repeat([0, 1, 2], [20, 6, 5]),
            r"identity_flip can make at most 0.7096 of these labels wrong; got rate=0.8 \(22 of 31 can be had\)",
        ),
        (
            IdentityFlip(1.0, targets="look_alike"),
            np.full(6, 3),
            r"identity_flip can make at most 0.00 of these labels wrong; got rate=1.0 \(0 of 6 can be had\)",
        ),
        (
            Outlier(0.5, outside=(0, 1)),
            TEN,
            r"outlier can replace at most 0.25 of these images; got rate=0.5 \(8 outside images for 32 inside\)",
        ),
        (Outlier(0.1, outside=(10,)), TEN, r"classes outside must be in \[0, 10\); got 10"),
        (Outlier(0.0, outside=1.0), TEN, r"outlier must leave an identity inside; got outside=1.0, all of 10"),
    ],
)
def test_more_than_can_be_had_is_refused(corruption: Corruption, labels: NDArray[np.int64], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        corruption.apply(labels, 10, seed=0, features=faces(labels))


@pytest.mark.parametrize(
    "corruption", [IdentityMerge(0.1, pairing="look_alike"), IdentityFlip(0.1, targets="look_alike")], ids=repr
)
def test_look_alikes_without_features_are_refused(corruption: Corruption) -> None:
    assert corruption.needs() == {"features"}
    with pytest.raises(ValueError, match=f"^{corruption.kind} needs features; got none$"):
        corruption.apply(TEN, 10, seed=0)


@pytest.mark.parametrize("parameters", [{"pairing": "size_matched"}, {"of": "images"}])
def test_absorptions_that_depend_on_examples_are_not_told_without_them(parameters: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^who is absorbed depends on the examples; got pairing="):
        IdentityMerge(0.1, **parameters).absorptions(10, seed=0)  # type: ignore[arg-type]


OTHER_SEEDS = {"seed_is_used", "repeatable_whatever_came_between"}
"""Laws that also draw with other seeds, under which other rates can be had of a few labels."""


def refusal(case: Case, rate: str) -> str:
    """What it says where the rate cannot be had of the case's labels, else nothing."""
    try:
        case.apply(rate)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", [case for case in ALL_CASES if case.name in REFUSE_SOME_LABELS], ids=lambda c: c.name)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_labels_are_corrupted_right_or_the_refusal_names_a_rate_that_is_not(
    case: Case, data: st.DataObject
) -> None:
    labels = data.draw(st.lists(st.integers(0, case.num_classes - 1), min_size=1, max_size=60))
    case = dataclasses.replace(case, labels=np.array(labels), may_become=lambda i: range(-1, case.num_classes))
    while case.rates and (said := refusal(case, case.rates[-1])):
        named = re.search(r" at most (\d\.\d+) of these .* got rate=", said)
        assert named, said
        assert Fraction(named[1]) < Fraction(case.rates[-1])
        assert not refusal(case, named[1])
        case = dataclasses.replace(case, rates=case.rates[:-1])
    for name in LAWS.keys() - OTHER_SEEDS - {"rate_zero_is_identity"} if case.rates else ():
        LAWS[name](case)


@pytest.mark.parametrize("case", CASES["outlier"], ids=lambda case: case.name)
def test_at_rate_zero_outliers_are_left_out_and_nothing_else(case: Case) -> None:
    noise = case.apply("0")
    absent = noise.record.details["absent"]
    assert len(absent) in (3, nearest(Fraction("0.4") * case.num_classes))
    assert noise.given.tolist() == [-1 if c in absent else c for c in case.labels.tolist()]
    assert noise.record.realised_rate == 0


def test_more_parts_than_anybody_has_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^identity_split can make at most 4 parts, .* largest identity; got 5$"):
        IdentitySplit(0.5, parts=5).apply([0, 0, 0, 0, 1, 1, 2], 3, seed=0)
    assert IdentitySplit(0.5, parts=4).apply([0, 0, 0, 0, 1, 1, 2], 3, seed=0).record.num_given_classes == 9


@pytest.mark.parametrize(
    "make",
    [
        lambda: IdentityMerge(0.1, groups=((0, 10**20),)),
        lambda: Outlier(0.1, outside=(10**20,)),
        lambda: IdentitySplit(0.1, parts=10**13),
        lambda: IdentityMerge(0.1, group_size=10**13),
    ],
)
def test_numbers_beyond_any_data_set_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"below 2\^31; got 10"):
        make()

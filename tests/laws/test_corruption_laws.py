"""Every law over every corruption of the table, on fixed labels and on labels that hypothesis makes up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from inspect import isabstract

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corruptions import CORRUPTIONS, Composition, Corruption, Symmetric
from tests.laws.all_cases import CASES, FIXED_LABELS_ONLY, REFUSE_SOME_LABELS
from tests.laws.corruption_laws import LAWS, Case

ALL_CASES = [case for cases in CASES.values() for case in cases]
CASE_NAMES = [case.name for case in ALL_CASES]


def test_every_corruption_has_a_case() -> None:
    assert set(CASES) == {*CORRUPTIONS, "+"}
    for kind, cases in CASES.items():
        assert cases
        assert {type(case.make(float(case.rates[0]))) for case in cases} == {(CORRUPTIONS | {"+": Composition})[kind]}


def test_every_key_is_the_kind() -> None:
    assert {kind: corruption.kind for kind, corruption in CORRUPTIONS.items()} == {kind: kind for kind in CORRUPTIONS}


def test_every_concrete_corruption_is_in_the_table() -> None:
    def below(kind: type[Corruption]) -> set[type[Corruption]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind for kind in below(Corruption) if kind.__module__.startswith("corruptions.") and not isabstract(kind)}
    assert ours == {*CORRUPTIONS.values(), Composition}  # a sum is written a + b, not by a name


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("case", ALL_CASES, ids=CASE_NAMES)
def test_law(case: Case, law: Callable[[Case], None]) -> None:
    law(case)


def can_be_had(case: Case) -> bool:
    try:
        return all(case.apply(rate, seed=seed) for rate in case.rates for seed in (11, 12))  # those the laws use
    except ValueError:
        return False


ON_ANY_LABELS = [case for case in ALL_CASES if case.name not in FIXED_LABELS_ONLY]


@pytest.mark.parametrize("case", ON_ANY_LABELS, ids=[case.name for case in ON_ANY_LABELS])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_laws_on_any_labels(case: Case, data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, case.num_classes - 1), min_size=1, max_size=60))
    case = dataclasses.replace(case, labels=np.array(labels, dtype=np.int64))
    assume(case.name not in REFUSE_SOME_LABELS or can_be_had(case))
    for name, law in LAWS.items():
        if name != "seed_is_used":  # one label may well fall alike under six seeds
            law(case)


@pytest.mark.parametrize("case", ALL_CASES, ids=CASE_NAMES)
def test_labels_of_any_integer_type_or_a_list(case: Case) -> None:
    expected = case.apply(case.rates[-1]).given.tolist()
    for dtype in (np.uint8, ">i4", np.int32):
        noise = case.apply(case.rates[-1], labels=case.labels.astype(dtype))
        np.testing.assert_array_equal(noise.given, expected)


@pytest.mark.parametrize("num_classes", [10, 120, 1_000, 10_575])
@pytest.mark.parametrize("rate", ["0.1", "0.2", "0.4", "0.5", "0.7", "0.8"])
def test_symmetric_realises_the_rate_to_half_an_example_at_any_number_of_classes(num_classes: int, rate: str) -> None:
    labels = np.arange(21_151) % num_classes
    noise = Symmetric(float(rate)).apply(labels, num_classes, seed=3)
    assert abs(noise.is_flipped.sum() - float(rate) * len(labels)) <= 0.5
    assert noise.record.num_flipped == noise.is_flipped.sum()


def test_corruptions_are_frozen_values() -> None:
    for case in ALL_CASES:
        corruption = case.make(float(case.rates[0]))
        assert corruption == case.make(float(case.rates[0]))
        assert hash(corruption) == hash(case.make(float(case.rates[0])))
        with pytest.raises(dataclasses.FrozenInstanceError):
            corruption.rate = 0.9  # type: ignore[misc]


def test_writing_to_its_json_leaves_the_record_alone() -> None:
    record = Symmetric(0.5).apply([0, 1, 2, 0, 1, 2], 3, seed=1).record
    data = record.to_json()
    data["parameters"]["rate"] = data["details"]["num_chosen"] = 99
    assert record.parameters["rate"] == 0.5
    assert record.details["num_chosen"] == 3

"""The laws bite: every wrong twin breaks the law named beside it, and the right kind keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from corruptions import Corruption, Decision, Examples, Symmetric
from tests.laws.all_cases import TWINS
from tests.laws.corruption_laws import LAWS, Case


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


def test_every_law_has_a_twin() -> None:
    assert {law for _, _, law in TWINS} == set(LAWS)


def test_a_kind_cannot_write_to_the_labels_it_reads() -> None:
    @dataclass(frozen=True)
    class InPlace(Symmetric):
        def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
            examples.true[0] = 1
            return Decision(examples.true)

    with pytest.raises(ValueError, match="read-only"):
        InPlace(0.5).apply([0, 1], 2, seed=0)


def test_a_kind_cannot_leave_the_range_of_labels() -> None:
    @dataclass(frozen=True)
    class OffByOne(Symmetric):
        def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
            return Decision(examples.true + 1)

    with pytest.raises(ValueError, match=r"given labels must be in \[-1, 2\); got 2"):
        OffByOne(0.5).apply([0, 1], 2, seed=0)

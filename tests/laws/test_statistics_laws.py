"""Laws over every public function of ``noisylabels.statistics``, and wrong twins that each law must reject.

What a function computes is checked in ``tests/references``. Here: one seed gives one result, no global generator moves,
no argument is edited, order and unnamed strata play no part, directions are kept, and NaN does not pass.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import noisylabels.statistics as S
from tests.laws.statistics_cases import CASES, STRATA, Case, plain


def shaped(value: Any, change: Callable[[float], float]) -> Any:
    """The same structure with every number changed; keys stay."""
    if isinstance(value, Mapping):
        return {key: shaped(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(shaped(inner, change) for inner in value)
    return change(value)


def reordered(value: Any) -> Any:
    """The same mappings, strata and seeds in the opposite order of insertion. Methods stay: their order is a choice."""
    if isinstance(value, (list, tuple)):
        return type(value)(reordered(inner) for inner in value)
    if not isinstance(value, Mapping):
        return value
    methods = any(isinstance(v, Mapping) and any(isinstance(w, Mapping) for w in v.values()) for v in value.values())
    pairs = list(value.items()) if methods else list(value.items())[::-1]
    return {key: reordered(inner) for key, inner in pairs}


def with_unnamed_stratum(value: Any) -> Any:
    """Every method has one more stratum, which nobody names, full of nonsense and with seeds of its own."""
    if isinstance(value, list):
        return [with_unnamed_stratum(inner) for inner in value]
    if set(STRATA) <= set(value):
        return {"unnamed": {0: -1e9, 99: 1e9}, **value}
    return {key: with_unnamed_stratum(inner) for key, inner in value.items()}


# The laws


def one_seed_gives_one_result(case: Case) -> None:
    assert case() == case()


def the_seed_is_used(case: Case) -> None:
    """A fixed state hides behind a seed argument in published code: all "seeds" then share one draw."""
    assert len({case(seed=seed) for seed in range(6)}) > 1


def global_states() -> tuple[str, ...]:
    """Of both global generators, as digests: pytest takes seconds to show how long tuples differ."""
    states = random.getstate(), *np.random.get_state()[1:]  # noqa: NPY002 (what must not be touched)
    return tuple(hashlib.sha256(repr(plain(state)).encode()).hexdigest() for state in states)


def no_global_generator_moves(case: Case) -> None:
    before = global_states()
    case()
    assert global_states() == before


def no_argument_is_edited(case: Case) -> None:
    given = {name: value for name, value in case.arguments.items() if not callable(value)}
    before = plain(copy.deepcopy(given))
    case()
    assert plain(given) == before


def order_of_seeds_and_strata_is_of_no_matter(case: Case) -> None:
    """Values belong to seeds by name; who pairs by position compares unlike draws when a run is missing."""
    assert case(**{name: reordered(value) for name, value in case.arguments.items()}) == case()


def strata_that_nobody_named_play_no_part(case: Case) -> None:
    held = {name: case.arguments[name] for name in case.values}
    assert case(**{name: with_unnamed_stratum(value) for name, value in held.items()}) == case()


def negated_values_with_the_other_direction_say_the_same(case: Case) -> None:
    negated = {name: shaped(case.arguments[name], lambda number: -number) for name in case.signed}
    assert _without_thresholds(case(**negated, higher_is_better=False)) == _without_thresholds(case())
    assert _without_thresholds(case(higher_is_better=False)) != _without_thresholds(case())


def _without_thresholds(result: Any) -> Any:
    named = isinstance(result, tuple) and any(
        isinstance(item, tuple) and item[:1] == ("thresholds",) for item in result
    )
    return tuple(item for item in result if item[0] != "thresholds") if named else result


def what_is_not_a_number_is_refused(case: Case) -> None:
    for name in case.values:
        with pytest.raises(ValueError, match=r"must|needs|got"):
            case(**{name: shaped(case.arguments[name], lambda number: number * float("nan"))})


def results_are_frozen(case: Case) -> None:
    result = case.function(**case.arguments)
    for value in result if isinstance(result, tuple) else [result]:
        if dataclasses.is_dataclass(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, dataclasses.fields(value)[0].name, None)


def always(case: Case) -> bool:
    return True


LAWS: dict[Callable[[Case], None], Callable[[Case], bool]] = {
    one_seed_gives_one_result: always,
    the_seed_is_used: lambda case: "seed" in case.arguments and case.function is not S.sign_flip_pairs,
    no_global_generator_moves: always,
    no_argument_is_edited: always,
    order_of_seeds_and_strata_is_of_no_matter: always,
    strata_that_nobody_named_play_no_part: lambda case: "strata" in case.arguments,
    negated_values_with_the_other_direction_say_the_same: lambda case: "higher_is_better" in case.arguments,
    what_is_not_a_number_is_refused: lambda case: bool(case.values),
    results_are_frozen: always,
}
"""Each law and where it speaks. A number of pairs is a whole one and may well be the same from another seed."""

APPLICABLE = [(name, law) for name in CASES for law, speaks in LAWS.items() if speaks(CASES[name])]


@pytest.mark.parametrize(("name", "law"), APPLICABLE, ids=[f"{name}-{law.__name__}" for name, law in APPLICABLE])
def test_law(name, law):
    law(CASES[name])


def test_every_public_function_is_under_the_laws():
    assert {name for name in S.__all__ if inspect.isfunction(getattr(S, name))} == set(CASES)


# Wrong twins, each a bug really seen in the field


def reseeds_the_global_generator(**arguments):
    np.random.seed(0)  # noqa: NPY002
    return S.stratified_bootstrap(**arguments)


def shuffles_with_pythons_generator(**arguments):
    random.random()
    return S.stratified_bootstrap(**arguments)


def draws_without_a_seed(**arguments):
    return S.stratified_bootstrap(**{**arguments, "seed": np.random.default_rng().integers(1 << 30)})


def hard_wires_the_state(**arguments):
    return S.stratified_bootstrap(**{**arguments, "seed": 0})


def sorts_the_callers_list(values):
    values.sort()
    return S.interquartile_mean(values)


def skips_what_is_not_a_number(values):
    return S.interquartile_mean([value for value in values if np.isfinite(value)] or [0.0])


def pairs_by_position(first, second):
    return [x - y for x, y in zip(first.values(), list(second.values())[::-1], strict=True)]


def pools_every_stratum_it_finds(*, strata, methods, **arguments):
    return S.comparison_matrix(methods, list(methods["x"]), **arguments)


def clean_minus_noisy_whatever_the_metric(*, clean, noisy, higher_is_better):
    return S.paired_differences(clean, noisy)


@dataclass
class Editable:
    mean: float


def gives_an_editable_result(values):
    return Editable(float(np.mean(values)))


TWINS = [
    ("stratified_bootstrap", reseeds_the_global_generator, no_global_generator_moves),
    ("stratified_bootstrap", shuffles_with_pythons_generator, no_global_generator_moves),
    ("stratified_bootstrap", draws_without_a_seed, one_seed_gives_one_result),
    ("stratified_bootstrap", hard_wires_the_state, the_seed_is_used),
    ("interquartile_mean", sorts_the_callers_list, no_argument_is_edited),
    ("interquartile_mean", skips_what_is_not_a_number, what_is_not_a_number_is_refused),
    ("paired_differences", pairs_by_position, order_of_seeds_and_strata_is_of_no_matter),
    ("comparison_matrix", pools_every_stratum_it_finds, strata_that_nobody_named_play_no_part),
    ("drops", clean_minus_noisy_whatever_the_metric, negated_values_with_the_other_direction_say_the_same),
    ("t_interval", gives_an_editable_result, results_are_frozen),
]


@pytest.mark.parametrize(("name", "function", "law"), TWINS, ids=[twin[1].__name__ for twin in TWINS])
def test_law_rejects_its_wrong_twin(name, function, law):
    twin = dataclasses.replace(CASES[name], function=function, arguments=copy.deepcopy(CASES[name].arguments))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        law(twin)

"""What corruptions refuse, and the sentence they refuse it with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from corruptions import CORRUPTIONS, Asymmetric, CorruptedLabels, IdentityMerge, NoiseRecord, Symmetric
from tests.laws.all_cases import CASES


@pytest.mark.parametrize(
    ("rate", "message"), [(1.4, "got 1.4"), (-0.1, "got -0.1"), (float("nan"), "got nan"), (True, "got True")]
)
def test_rate_outside_zero_to_one_is_refused(rate: float, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^rate must be in \[0, 1\]; {message}$"):
        Symmetric(rate)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 12, 1, 12, 12, 12, 12], r"labels must be in \[0, 10\); got 12 at rows 1, 3, 4, ... \(5 in all\)"),
        ([0, -1], r"labels must be in \[0, 10\); got -1 at row 1"),
        ([0.0, 1.0], "labels must be integers; got dtype float64"),
        ([True, False], "labels must be integers; got dtype bool"),
        (["cat", "dog"], "labels must be integers; got dtype <U3"),
        ([[0, 1], [2, 3]], r"labels must be one-dimensional, one per example; got shape \(2, 2\)"),
        ([], "labels must hold at least one example; got none"),
    ],
)
def test_labels_that_are_none_are_refused(labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Symmetric(0.2).apply(labels, 10, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([4, 5], "example_ids must be one per label; got 2 ids for 3 labels"),
        ([4, 5, 4], "example_ids must be unique; got 4 at rows 0, 2"),
        ([0.5, 1.5, 2.5], "example_ids must be integers; got dtype float64"),
    ],
)
def test_ids_that_name_no_examples_are_refused(ids: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Symmetric(0.2).apply([0, 1, 2], 3, seed=0, example_ids=ids)


@pytest.mark.parametrize("kind", sorted(set(CORRUPTIONS) - {"clean"}))
def test_one_class_cannot_be_confused(kind: str) -> None:
    case = dataclasses.replace(CASES[kind][0], num_classes=1)
    inner = getattr(case.make(0.1), "of", None)
    with pytest.raises(ValueError, match=f"^({kind}|{getattr(inner, 'kind', None)}) needs num_classes of at least"):
        case.apply(case.some_rate, labels=np.zeros(2, dtype=np.int64))


def test_a_seed_that_is_no_integer_is_refused() -> None:
    with pytest.raises(TypeError):
        Symmetric(0.2).apply([0, 1], 2, seed=0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, r"asymmetric needs a map \(cifar10, cifar100_superclass, pair, or pairs\) or a matrix; got neither"),
        ({"map": "pair", "matrix": ((0, 1, 1.0),)}, "asymmetric needs a map .* or a matrix; got both"),
        ({"map": "cifar"}, "map must be one of cifar10, cifar100_superclass, pair, or pairs; got 'cifar'"),
        ({"map": ((1, 1),)}, r"a class must be mapped to another one; got \(1, 1\)"),
        ({"map": ((1, 2), (1, 3))}, r"a class must be mapped once; got class 1 again .*"),
        ({"matrix": ((0, 1, 0.5), (2, 1, 1.0))}, "rows must sum to 1; row 0 sums to 0.5"),
        ({"matrix": ((0, 1, 1.5), (0, 0, -0.5))}, r"probabilities must be in \[0, 1\]; got 1.5 at \(0, 1\)"),
        ({"matrix": ((0, 1, 0.5), (0, 1, 0.5))}, r"a cell must be given once; got \(0, 1\) twice"),
        ({"matrix": ((0, -1, 1.0),)}, r"class ids must not be negative; got cell \(0, -1\)"),
    ],
)
def test_confusions_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Asymmetric(0.2, **parameters)  # type: ignore[arg-type]


def test_class_ids_beyond_the_data_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^classes of the confusion must be in \[0, 3\); got 7$"):
        Asymmetric(0.2, map=((0, 7),)).apply([0, 1, 2], 3, seed=0)
    with pytest.raises(ValueError, match=r"^map 'cifar10' needs num_classes 10; got 100$"):
        Asymmetric(0.2, map="cifar10").apply([0, 1, 2], 100, seed=0)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"matrix must be square, \(K, K\); got shape \(2, 3\)"),
        (np.diag([1.0, 0.0]), "row 1 sums to 0"),
    ],
)
def test_dense_matrices_that_are_not_stochastic_are_refused(matrix: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Asymmetric.from_matrix(matrix, 0.2)


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        (
            IdentityMerge(0.9),
            r"identity_merge can absorb at most 0.50 of these identities; got rate=0.9 \(5 of 10 can be absorbed\)",
        ),
        (
            IdentityMerge(0.3, groups=((0, 1), (2, 3))),
            r"identity_merge can absorb at most 0.20 of these identities; got rate=0.3 \(2 of 10 can be absorbed\)",
        ),
        (IdentityMerge(0.1, groups=((0, 10),)), r"classes in groups must be in \[0, 10\); got 10"),
    ],
)
def test_more_than_can_be_merged_is_refused(merge: IdentityMerge, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        merge.apply(range(10), 10, seed=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"group_size": 1}, "group_size must be at least 2; got 1"),
        ({"groups": ((3,),)}, r"a group must hold at least two classes; got \[3\]"),
        ({"groups": ((0, 1), (2, 1))}, r"a class may be in one group, once; got class 1 again in \[2, 1\]"),
        ({"groups": ((0, 1),), "group_size": 3}, "give groups or group_size, not both; got group_size=3 .*"),
    ],
)
def test_groups_that_are_none_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        IdentityMerge(0.1, **parameters)  # type: ignore[arg-type]


def test_transition_matrix_is_refused_at_identity_scale() -> None:
    noise = Symmetric(0.5).apply(range(1_001), 1_001, seed=0)
    with pytest.raises(ValueError, match=r"dense and refused above 1,000 classes; got 1,001: read the sparse"):
        noise.transition_matrix()
    assert noise.record.transitions is None
    assert len(noise.transitions()) == noise.record.num_flipped == 501


@pytest.fixture
def noise() -> CorruptedLabels:
    return Symmetric(0.5).apply([0, 1, 2, 0, 1, 2], 3, seed=1)


def test_verify_names_what_differs(noise: CorruptedLabels) -> None:
    noise.verify()
    swapped = CorruptedLabels(noise.true, noise.true, noise.ids, noise.record)
    with pytest.raises(ValueError, match=r"not the ones this record describes: .*given_sha256"):
        swapped.verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 1}, "noise record must have schema_version 2; got 1"),
        ({"seed": "7"}, "seed of a noise record must be int; got '7'"),
        ({"details": [1]}, r"details of a noise record must be Mapping\[str, Any\]; got \[1\]"),
        ({"count_by_class": [2, -1, 5]}, "count_by_class of a noise record must be a list of whole numbers"),
        ({"count_by_class": {"a": 1}}, "count_by_class of a noise record must be a list of whole numbers"),
        ({"transitions": [1]}, "transitions of a noise record must be an object; got list"),
        ({"steps": [3]}, "noise record must be an object; got int"),
        ({"num_dropped": 6}, "noise record contradicts itself in num_dropped, realised_rate"),
        ({"colour": "red"}, "noise record has unknown colour"),
        ({"num_flipped": 2}, "noise record contradicts itself in num_flipped, realised_rate"),
        ({"realised_rate": 0.25}, "noise record contradicts itself in realised_rate"),
        ({"num_classes": 4}, "noise record contradicts itself in num_classes, num_given_classes"),
        ({"transitions": {"true": [], "given": []}}, "transitions of a noise record lacks count"),
    ],
)
def test_a_record_that_is_none_is_refused(noise: CorruptedLabels, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        NoiseRecord.from_json({**noise.record.to_json(), **change})


def test_a_record_without_a_key_is_refused(noise: CorruptedLabels) -> None:
    data = noise.record.to_json()
    del data["seed"], data["rate"]
    with pytest.raises(ValueError, match=r"^noise record lacks rate, seed$"):
        NoiseRecord.from_json(data)

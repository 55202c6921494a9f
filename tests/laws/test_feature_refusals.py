"""What the corruptions that look at features refuse, and the sentence they refuse it with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from corruptions import Corruption, Examples
from corruptions.cells import FeatureCells
from corruptions.clustered import Clustered
from corruptions.confusion import Confusion
from corruptions.instance import Instance
from corruptions.look_alike import look_alikes

LABELS = [0, 1, 2, 0, 1, 2]
FEATURES = np.arange(18).reshape(6, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Instance(0.2, temperature=0), "temperature must be a finite number above 0; got 0"),
        (lambda: Instance(0.2, temperature=-1.0), "temperature must be a finite number above 0; got -1.0"),
        (lambda: Instance(0.2, temperature=float("nan")), "temperature must be a finite number above 0; got nan"),
        (lambda: Instance(0.2, temperature=float("inf")), "temperature must be a finite number above 0; got inf"),
        (lambda: Instance(0.2, temperature=True), "temperature must be a finite number above 0; got True"),
        (lambda: Instance(1.2), r"rate must be in \[0, 1\]; got 1.2"),
        (lambda: Clustered(0.2, cell_size=0), "cell_size must be a whole number of at least 1; got 0"),
        (lambda: Clustered(0.2, cell_size=True), "cell_size must be a whole number of at least 1; got True"),
        (lambda: Clustered(0.2, cell_size=2.5), "cell_size must be a whole number of at least 1; got 2.5"),
        (lambda: Confusion(0.2), "confusion needs a matrix or a number of neighbours; got neither"),
        (
            lambda: Confusion(0.2, matrix=((0, 1, 1.0),), neighbours=1),
            "confusion needs a matrix or a number of neighbours; got both",
        ),
        (lambda: Confusion(0.2, neighbours=-1), "neighbours must be a whole number of at least 1; got -1"),
        (lambda: Confusion(0.2, neighbours=True), "neighbours must be a whole number of at least 1; got True"),
        (lambda: Confusion(0.2, matrix=((0, 1, 0.5),)), "rows must sum to 1; row 0 sums to 0.5"),
        (lambda: Confusion.from_matrix(np.ones((2, 3)), 0.2), r"matrix must be square, \(K, K\); got shape \(2, 3\)"),
        (
            lambda: Confusion.estimated([0, 1], [0], 2, 0.1),
            "there must be one prediction per true label; got 1 for 2",
        ),
        (
            lambda: Confusion.estimated([0, 1], [0, 1], 2, 0.1),
            "a confusion needs mistakes to be estimated from; got none among 2",
        ),
        (lambda: Confusion.estimated([0, 5], [0, 1], 2, 0.1), r"labels must be in \[0, 2\); got 5 at row 1"),
        (lambda: look_alikes(Examples.of(LABELS, 3), 1), "look-alike classes need features; got none"),
        (
            lambda: look_alikes(Examples.of(LABELS, 3, features=FEATURES), 0),
            "count of look-alikes must be at least 1; got 0",
        ),
        (lambda: FeatureCells.learnt(Examples.of(LABELS, 3), 2, 0), "cells need features; got none"),
    ],
)
def test_parameters_that_cannot_be_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


@pytest.mark.parametrize("corruption", [Instance(0.2), Clustered(0.2), Confusion(0.2, neighbours=1)])
def test_features_are_asked_for(corruption: Corruption) -> None:
    assert corruption.needs() == {"features"}
    with pytest.raises(ValueError, match=f"^{corruption.kind} needs features; got none"):
        corruption.apply(LABELS, 3, seed=0)


def test_a_matrix_needs_no_features() -> None:
    corruption = Confusion(0.5, matrix=((0, 1, 1.0), (1, 2, 1.0)))
    assert corruption.needs() == frozenset()
    assert corruption.apply(LABELS, 3, seed=0).record.features_sha256 is None


@pytest.mark.parametrize(
    ("corruption", "features", "had"),
    [
        (Confusion(0.9, matrix=((0, 0, 0.5), (0, 1, 0.5))), None, 2),
        (Confusion(1.0, matrix=((0, 1, 1.0), (1, 1, 1.0), (2, 0, 1.0))), None, 4),
        (Clustered(1.0, cell_size=6), np.zeros((6, 2)), 4),
    ],
)
def test_more_than_can_be_had_is_refused_and_what_can_is_told(corruption: Corruption, features: Any, had: int) -> None:
    with pytest.raises(ValueError, match=rf"of these 6 labels wrong; {had} can be had"):
        corruption.apply(LABELS, 3, seed=0, features=features)
    rate = had / 6
    again = type(corruption)(**{**corruption.parameters(), "rate": rate})
    assert again.apply(LABELS, 3, seed=0, features=features).record.num_flipped == had


def test_look_alikes_of_the_only_class_are_refused() -> None:
    with pytest.raises(ValueError, match="0 can be had"):
        Confusion(0.5, neighbours=1).apply([1, 1], 3, seed=0, features=[[1], [2]])


def test_a_class_of_the_matrix_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"classes of the confusion must be in \[0, 3\); got 3"):
        Confusion(0.5, matrix=((0, 3, 1.0),)).apply(LABELS, 3, seed=0)

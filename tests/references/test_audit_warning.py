"""An audit by a model that learnt nothing says so: its estimates would look like answers."""

from __future__ import annotations

import numpy as np
import pytest

from noisylabels.audit.audited import warning_of_no_skill

GIVEN = np.repeat(np.arange(4), (60, 68, 64, 64))


def predicting(classes: np.ndarray, sureness: float = 0.97) -> np.ndarray:
    probabilities = np.full((len(classes), 4), (1 - sureness) / 3)
    probabilities[np.arange(len(classes)), classes] = sureness
    return probabilities


def test_one_class_for_all_and_labels_by_lot_are_warned_of() -> None:
    said = warning_of_no_skill(predicting(np.ones(256, dtype=np.int64)), GIVEN)
    assert "26.6% of the given labels" in said
    assert "alone gives 26.6%" in said
    assert "nothing was learnt" in warning_of_no_skill(predicting(np.random.default_rng(0).permutation(GIVEN)), GIVEN)


@pytest.mark.parametrize("right", [0.45, 0.9, 1.0])
def test_a_model_above_chance_is_not(right: float) -> None:
    draws = np.random.default_rng(0)
    classes = np.where(draws.random(256) < right, GIVEN, (GIVEN + 1) % 4)
    assert warning_of_no_skill(predicting(classes), GIVEN) == ""

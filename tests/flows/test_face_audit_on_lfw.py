"""The audit on real faces: faults are put into LFW, a network is trained on the faulty labels, the audit looks."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.audit_lfw import at_half, audited
from noisylabels.data import data_root


def test_the_share_at_a_precision_of_one_half_is_read_off_a_ranking() -> None:
    """By hand: right, wrong, wrong, right, right of four; precisions 1, 1/2, 1/3, 1/2, 3/5."""
    assert at_half([True, False, False, True, True], 4) == 3 / 4
    assert at_half([True, False, False, True, False], 4) == 2 / 4
    assert at_half([False, False, True], 4) == 0
    assert at_half([], 4) == 0


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(
    not (data_root() / "lfw" / "peopleDevTrain.txt").is_file(), reason="LFW is not under the data folder"
)
def test_faults_in_lfw_are_found_by_embeddings_trained_on_them() -> None:
    """One training of twelve epochs: less than the benchmark, and more than what class sizes and centres tell."""
    options = argparse.Namespace(size=32, width=24, epochs=12, trainings=1, embeddings=None)
    found = audited(5, 0, options)
    merged, split, single = found["kinds"]["merged"], found["kinds"]["split"], found["single_labels"]
    assert merged["injected"] == split["injected"] == 30
    assert merged["at_half"] > 0.7 > 2 * merged["by_size"]
    assert split["at_half"] > 0.4
    assert split["at_half"] >= split["by_cosine"]
    assert single["average_precision"]["identity_odds"] > 0.6
    assert single["right"] / single["reported"] > 0.5

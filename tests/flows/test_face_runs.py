"""Runs on faces: people never trained on are verified, whatever happened to the labels of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from noisylabels import measuring
from noisylabels.data import VerificationPairs
from noisylabels.measuring import folds_of
from noisylabels.problem import Problem, pose
from noisylabels.result import RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec

HERE = Path("nowhere")
PAIR_METRICS = ["verification_accuracy", "verification_auc", "equal_error_rate", "tar_at_1_percent_far"]


def spec_of(**changes: Any) -> RunSpec:
    values = {
        "dataset": "synthetic_identities:identities=12,images=12,held_out=20,pairs=20",
        "corruption": "identity_merge:rate=0.5",
        "model": "small_cnn:width=8",
        "head": "cosface",
        "train": {"epochs": 3, "batch_size": 32, "learning_rate": 0.05},
    }
    return RunSpec.checked(values | changes)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return pose(spec_of(), HERE)


@pytest.fixture(scope="module")
def seen(problem: Problem) -> tuple[RunResult, Any, Any]:
    """The result, the model and its evaluation."""
    kept: list[Any] = []
    real = measuring._evaluation

    def watched(model: Any, batches: Any, asked: Problem) -> Any:
        kept[:] = [model, batches, real(model, batches, asked)]
        return kept[2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_evaluation", watched)
        result = execute(spec_of(), problem, device="cpu")
    return result, kept[0], kept[2]


def test_people_verified_are_nobody_trained_on(problem: Problem) -> None:
    verification = problem.verification
    assert verification is not None
    assert not set(verification.names) & set(problem.splits.train.class_names)
    trained = {image.tobytes() for image in problem.splits.train.images}
    assert not trained & {image.tobytes() for image in verification.images}


def test_scores_are_cosines_of_original_and_mirrored_by_a_slow_loop(problem: Problem, seen: Any) -> None:
    _, model, evaluation = seen
    verification = problem.verification
    assert verification is not None
    train = problem.train.images.astype(np.float64)
    mean, std = train.mean(axis=(0, 2, 3), keepdims=True), train.std(axis=(0, 2, 3), keepdims=True)
    pairs = verification.pairs
    model.train(False)
    for number in (0, 1, 57, len(pairs) - 1):
        directions = []
        for row in (pairs.first[number], pairs.second[number]):
            image = (verification.images[row : row + 1] - mean) / std
            both = np.concatenate([image, image[:, :, :, ::-1]])
            with torch.no_grad():
                total = model.embedder(torch.tensor(both, dtype=torch.float32)).double().sum(0)
            directions.append(total / total.norm())
        assert evaluation.pair_scores[number] == pytest.approx(float(directions[0] @ directions[1]), abs=1e-4)


def test_metrics_are_those_of_the_scores(seen: Any) -> None:
    result, _, evaluation = seen
    assert [m.n for m in result.measurements if m.name in PAIR_METRICS] == [len(evaluation.pair_scores)] * 4
    auc = roc_auc_score(evaluation.pair_is_same, evaluation.pair_scores)
    assert result.value("verification_auc") == pytest.approx(auc)
    assert result.value("verification_auc") > 0.55, "it has learnt something of faces"


def test_a_data_set_without_pairs_says_so() -> None:
    spec = spec_of(dataset="digits:per_class=10,test_per_class=5", corruption="clean")
    result = execute(spec, pose(spec, HERE), device="cpu")
    notes = {m.name: (m.value, m.note) for m in result.measurements if m.name in PAIR_METRICS}
    assert set(notes.values()) == {(None, "the data set has no verification pairs")}


def pairs_without_folds(same: int, different: int) -> VerificationPairs:
    count = same + different
    first = np.arange(count, dtype=np.int64)
    fold = np.zeros(count, dtype=np.int64)
    return VerificationPairs(first, first + count, np.arange(count) < same, fold)


def test_pairs_without_folds_are_dealt_out_by_kind() -> None:
    """As in LFW's ``pairsDevTest.txt``: first those of one person, then those of two. Blocks would hold one kind."""
    folds = folds_of(pairs_without_folds(500, 500))
    for fold in range(10):
        assert (np.flatnonzero(folds == fold) < 500).sum() == 50
        assert (folds == fold).sum() == 100
    uneven = folds_of(pairs_without_folds(23, 11))
    assert sorted(np.bincount(uneven).tolist()) == [3, 3, 3, 3, 3, 3, 3, 4, 4, 5]


def test_the_protocols_folds_stay() -> None:
    pairs = pairs_without_folds(4, 4)
    own = VerificationPairs(pairs.first, pairs.second, pairs.is_same, np.arange(8, dtype=np.int64) % 2)
    np.testing.assert_array_equal(folds_of(own), own.fold)

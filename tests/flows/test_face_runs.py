"""Runs on faces: people never trained on are verified, whatever happened to the labels of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from noisylabels import measuring
from noisylabels.data import VerificationPairs
from noisylabels.data.held_out_overlap import held_out_overlap
from noisylabels.measuring import folds_of
from noisylabels.metrics.pair_scores import original_and_mirrored
from noisylabels.open_set import gallery_of, item_names, search_results
from noisylabels.problem import Problem, check, pose
from noisylabels.result import RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.training.images import channel_statistics

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
    real = measuring.evaluation_of

    def watched(model: Any, batches: Any, asked: Problem) -> Any:
        kept[:] = [model, batches, real(model, batches, asked)]
        return kept[2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("noisylabels.run.evaluation_of", watched)
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


def ranks_by_loop(directions: np.ndarray, verification: Any, *, twin: str = "") -> tuple[float, int]:
    """Rank-1 rate and number of mated probes, from the manifest, one probe and one gallery image at a time."""
    protocol = gallery_of(verification)
    assert protocol is not None
    row_of = {name: row for row, name in enumerate(item_names(verification))}
    hits = 0
    for name, person in protocol.mated:
        probe = directions[row_of[name]]
        best, whose = -2.0, ""
        for image, owner in protocol.gallery:
            other = directions[row_of[image]]
            score = float(probe @ other) / (np.linalg.norm(probe) * np.linalg.norm(other))
            if twin == "products":
                score = float(probe @ other)
            if score > best:
                best, whose = score, owner
        hits += whose == person
    return hits / len(protocol.mated), len(protocol.mated)


def test_search_is_that_of_the_manifest_by_a_slow_loop(problem: Problem, seen: Any) -> None:
    result, model, evaluation = seen
    verification = problem.verification
    assert verification is not None
    images = measuring.ImageBatches(
        verification.images, *channel_statistics(problem.train.images), device=torch.device("cpu")
    )
    directions = original_and_mirrored(
        model.embeddings(images).numpy(), model.embeddings(images, mirrored=True).numpy()
    )
    rate, count = ranks_by_loop(directions, verification)
    assert result.value("rank_1_identification") == pytest.approx(rate)
    assert len(evaluation.mated_ranks) == count
    lengths = np.random.default_rng(0).uniform(0.1, 10, (len(directions), 1))
    found = search_results(directions * lengths, verification)
    np.testing.assert_array_equal(found["mated_ranks"], evaluation.mated_ranks)
    assert ranks_by_loop(directions * lengths, verification, twin="products")[0] != pytest.approx(rate)


def test_the_gallery_is_frozen_and_of_people_never_trained_on(problem: Problem, seen: Any) -> None:
    verification = problem.verification
    assert verification is not None
    protocol = gallery_of(verification)
    assert protocol is not None
    enrolled, strangers = ({owner for _, owner in part} for part in (protocol.gallery, protocol.non_mated))
    assert len(enrolled) == 10
    assert not enrolled & strangers
    assert enrolled | strangers == set(verification.names)
    assert not (enrolled | strangers) & set(problem.splits.train.class_names)
    facts = seen[0].provenance["verification"]
    assert facts["gallery_probes_sha256"] == protocol.sha256
    assert facts["gallery_probes"] == [len(protocol.gallery), len(protocol.mated), len(protocol.non_mated)]
    assert (facts["shared_people"], facts["identical_images"]) == (0, 0)


def test_intervals_over_people_stand_around_the_value(seen: Any) -> None:
    result = seen[0]
    for name in ("verification_accuracy", "verification_auc"):
        measured = next(m for m in result.measurements if m.name == name)
        assert measured.interval is not None
        low, high = measured.interval
        assert 0 < low < measured.value < high <= 1
    assert "interval" not in json.loads(result.model_dump_json())["measurements"][0]  # accuracy has none, and no key


def with_planted(problem: Problem, row: int, image: np.ndarray) -> Any:
    """The verification set with another image in a row."""
    held_out = problem.verification
    assert held_out is not None
    images = held_out.images.copy()
    images[row] = image
    return replace(held_out, images=images)


def test_planted_overlap_is_found(problem: Problem) -> None:
    train = problem.splits.train
    assert problem.verification is not None
    clean = held_out_overlap(train, problem.verification)
    assert (clean.people, clean.same_pixels) == ((), 0)
    same = held_out_overlap(train, with_planted(problem, 3, train.images[5]))
    assert same.same_pixels == 1
    brighter = np.clip(train.images[5].astype(int) + 3, 0, 255).astype(np.uint8)
    near = held_out_overlap(train, with_planted(problem, 3, brighter))
    assert (near.same_pixels, near.near) == (0, 1 + (clean.near or 0))
    names = (train.class_names[2], *problem.verification.names[1:])
    known = held_out_overlap(train, replace(problem.verification, names=names))
    assert known.people == (train.class_names[2],)
    assert f"share 1 people by name ({train.class_names[2]!r}, ...)" in known.text


def test_a_sweep_asks_for_the_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    found = check([spec_of()], HERE)
    assert [shared.images[1] for shared in found.values()] == [240]
    assert check([spec_of(dataset="digits:per_class=10,test_per_class=5", corruption="clean")], HERE) == {}

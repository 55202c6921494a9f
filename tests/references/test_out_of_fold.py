"""Trainings of the audit: out of fold is out of fold, watching changes nothing, margins are of inference logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from noisylabels.audit import DETECTORS, Evidence, Observed
from noisylabels.audit import out_of_fold as module
from noisylabels.audit.dynamics import Journal
from noisylabels.audit.fitting import fitted
from noisylabels.audit.out_of_fold import folds, out_of_fold
from noisylabels.audit.what_if import what_if
from noisylabels.data import ImageSet
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.training.device import pick_device
from noisylabels.training.model import Model
from noisylabels.training.streams import stream

CPU = pick_device("cpu")
TINY = {"model": "small_cnn:width=4", "train": {"epochs": 2, "batch_size": 32}}
DATASET = "digits:per_class=30,validation=0.0"


def spec_of(**values: object) -> RunSpec:
    return RunSpec.checked({"dataset": DATASET, **TINY, **values})


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return pose(spec_of(), tmp_path_factory.mktemp("data")).train


def assert_equal_models(first: Model, second: Model) -> None:
    for part, ours in first.state().items():
        theirs = second.state()[part]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("head", ["softmax", "arcface"])
def test_watching_changes_no_bit_and_a_run_trains_the_same_model(images: ImageSet, head: str, tmp_path: Path) -> None:
    spec = spec_of(head=head)
    journal = Journal(2, len(images), np.arange(len(images)))
    watched, _ = fitted(spec, images, CPU, journal)
    plain, _ = fitted(spec, images, CPU)
    assert_equal_models(watched, plain)
    kept: list[Model] = []
    execute(spec, pose(spec, tmp_path), device="cpu", on_trained=lambda model, _: kept.append(model))
    assert_equal_models(watched, kept[0])


def test_the_journal_has_every_example_of_every_full_batch(images: ImageSet) -> None:
    journal = Journal(2, len(images) + 5, np.arange(len(images)) + 5)
    fitted(spec_of(), images, CPU, journal)
    seen = ~torch.isnan(journal.margins)
    full, never = len(images) // 32 * 32, int((~seen[0] & seen[1]).sum())
    assert int(seen[0].sum()) == full, "a ragged last batch is left out of an epoch"
    assert full <= int(seen[1].sum()) <= len(images), "and shown at the end, where no epoch showed it"
    assert seen[:, 5:].any(0).all()
    assert never > 0
    assert not seen[:, :5].any(), "rows that were not trained on"
    assert torch.equal(seen, journal.predicted >= 0)
    given = torch.tensor(np.concatenate([np.zeros(5, np.int64), images.labels]))
    assert torch.equal((journal.margins > 0)[seen], (journal.predicted == given)[seen])
    assert (journal.losses[seen] > 0).all()


def test_margins_are_of_inference_logits_not_of_a_heads_margin(images: ImageSet) -> None:
    """ArcFace lowers its target logit by a margin while training; that is not how far the label was behind."""
    still = {"epochs": 1, "batch_size": len(images) // 2, "learning_rate": 1e-30, "augment": "none"}
    spec = spec_of(head="arcface", train={**still, "weight_decay": 0.0})
    journal = Journal(1, len(images), np.arange(len(images)))
    model, batches = fitted(spec, images, CPU, journal)
    rows = torch.randperm(len(images), generator=stream("order", spec.seed))[: len(images) // 2]
    labels = torch.tensor(images.labels)[rows]
    model.train()
    with torch.no_grad():
        embeddings = model.embed(batches.plain(rows))
        plain, lowered = model.head.logits(embeddings), model.head.training_logits(embeddings, labels)

    def slow_margins(logits: torch.Tensor) -> list[float]:
        pairs = zip(logits.tolist(), labels.tolist(), strict=True)
        return [row[y] - max(value for k, value in enumerate(row) if k != y) for row, y in pairs]

    noted = journal.margins[0, rows]
    assert noted.tolist() == pytest.approx(slow_margins(plain), abs=2e-3)
    assert (noted - torch.tensor(slow_margins(lowered))).min() > 1, "the twin is lower by the head's margin"


def test_folds_are_even_and_hang_on_ids() -> None:
    draw = np.random.default_rng(0)
    given, ids = draw.integers(0, 7, 200), draw.permutation(1000)[:200]
    found = folds(given, ids, 4, seed=0)
    for label in range(7):
        sizes = np.bincount(found[given == label], minlength=4)
        assert sizes.max() - sizes.min() <= 1
    order = draw.permutation(200)
    np.testing.assert_array_equal(folds(given[order], ids[order], 4, seed=0), found[order])
    assert (folds(given, ids, 4, seed=1) != found).any()
    with pytest.raises(ValueError, match=r"folds must be in \[2, 3\], the number of examples; got 4"):
        folds(given[:3], ids[:3], 4, seed=0)


Probabilities = Callable[[ImageSet], NDArray[np.float64]]


def labels_of_a_fold_move_no_bit_of_its_own_probabilities(of: Probabilities, images: ImageSet) -> None:
    """Out of fold means: whatever the labels of a fold are, its model never hears of them."""
    fold = np.arange(len(images)) % 2
    labels = images.labels.copy()
    labels[fold == 0] = (labels[fold == 0] + 1) % 10
    before, after = of(images), of(ImageSet(images.images, labels, images.ids, images.class_names))
    np.testing.assert_array_equal(before[fold == 0], after[fold == 0])
    assert (before[fold == 1] != after[fold == 1]).any()


def test_out_of_fold_is_out_of_fold(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "folds", lambda given, *_, **__: np.arange(len(given)) % 2)

    def ours(some: ImageSet) -> NDArray[np.float64]:
        return out_of_fold(spec_of(), some, count=2, device="cpu").probabilities

    def in_sample(some: ImageSet) -> NDArray[np.float64]:
        """A twin: one model, trained on everything, asked about everything."""
        model, batches = fitted(spec_of(), some, CPU)
        return model.probabilities(batches).numpy().astype(np.float64)

    labels_of_a_fold_move_no_bit_of_its_own_probabilities(ours, images)
    with pytest.raises(AssertionError):
        labels_of_a_fold_move_no_bit_of_its_own_probabilities(in_sample, images)


def test_what_k_trainings_say_of_each_example(images: ImageSet) -> None:
    told: list[tuple[int, int]] = []

    def rows(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> list[Evidence]:
        assert len(embeddings) == len(given) == len(images)
        return [Evidence("training", np.full(len(given), float(len(told))), False, given + 0)]

    found = out_of_fold(
        spec_of(), images, count=3, device="cpu", geometry=rows, on_fold=lambda done, count: told.append((done, count))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.geometry[0].scores, found.fold)  # each example's by the model without it
    for number in range(3):
        held_out = found.fold == number
        assert (found.dynamics.predicted[number][:, held_out] == -1).all()
        assert (found.dynamics.predicted[number][:, ~held_out] != -1).any(axis=0).mean() > 0.9
    evidence = DETECTORS["area_under_margin"]().judge(Observed(images.labels, 10, dynamics=found.dynamics))
    assert evidence.in_sample


def test_methods_that_must_be_told_the_truth_are_refused(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="an audit cannot tell a method the true transition matrix; got 'softmax"):
        fitted(spec_of(loss="forward:transition=oracle"), images, CPU)


@pytest.mark.parametrize("strategy", ["elr", "co_teaching", "mixup"])
def test_other_strategies_can_be_watched(images: ImageSet, strategy: str) -> None:
    """Where no step scores the images under their given labels, as in mixup, the trained model is asked once."""
    spec = spec_of(strategy=strategy)
    if spec.plugin("strategy").oracle_knowledge:
        with pytest.raises(ValueError, match="an audit cannot tell a method the true noise rate"):
            fitted(spec, images, CPU, Journal(2, len(images), np.arange(len(images))))
        return
    journal = Journal(2, len(images), np.arange(len(images)))
    watched, _ = fitted(spec, images, CPU, journal)
    plain, _ = fitted(spec, images, CPU)
    assert_equal_models(watched, plain)
    assert (journal.predicted >= 0).any(0).all()
    assert bool((journal.predicted[0] >= 0).any()) == (strategy != "mixup")


def test_what_if_injects_exactly_and_puts_the_most_suspicious_right(images: ImageSet) -> None:
    """With an audit that knows: of 300 labels 60 are wrong, and looking at 3, 15 and 30 leaves 57, 45 and 30."""
    transition = np.full((10, 10), 0.02) + 0.8 * np.eye(10)

    def knowing(spec: RunSpec, noisy: ImageSet) -> Evidence:
        np.testing.assert_array_equal(noisy.ids, images.ids)
        return Evidence("knowing", (noisy.labels != images.labels).astype(np.float64), False)

    told: list[tuple[int, int]] = []
    found = what_if(
        spec_of(),
        images,
        images,
        0.2,
        transition,
        knowing,
        seeds=[0],
        device="cpu",
        on_training=lambda done, count: told.append((done, count)),
    )
    wrong = {one.name: one.wrong for one in found}
    assert {name: wrong[name] for name in ("clean", "noisy", "top 1 %", "top 5 %", "top 10 %")} == pytest.approx(
        {"clean": 0, "noisy": 60 / 300, "top 1 %": 57 / 300, "top 5 %": 45 / 300, "top 10 %": 30 / 300}
    )
    assert 30 / 300 < wrong["random 10 %"] < 60 / 300
    assert all(len(one.accuracies) == 1 for one in found)
    assert told[-1] == (6, 6)
    model, batches = fitted(spec_of(), images, CPU)
    expected = float((model.predictions(batches).numpy() == images.labels).mean())
    assert found[0].accuracies[0] == pytest.approx(expected), "clean labels, the spec's own seed"
    with pytest.raises(ValueError, match="there must be some noise to inject; the estimated rate is 0"):
        what_if(spec_of(), images, images, 0.0, transition, knowing, seeds=[0], device="cpu")

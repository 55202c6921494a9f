"""One run: what it sees, what it leaves, what it is allowed to depend on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.metrics import METRICS
from noisylabels.metrics.verified_pairs import PairMetric
from noisylabels.problem import Problem, check, pose
from noisylabels.result import RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec

HERE = Path("nowhere")
TINY = {"dataset": "digits:per_class=40,test_per_class=20", "model": "small_cnn:width=4"}
QUICK = {"epochs": 2, "batch_size": 32, "learning_rate": 0.1, "augment": "crop", "crop_padding": 1}


def spec_of(**changes: object) -> RunSpec:
    return RunSpec.checked({**TINY, "train": QUICK, **changes})


def outcome(result: RunResult) -> str:
    """All of a result that must be the same on a second execution."""
    return json.dumps(result.model_dump(mode="json", exclude={"provenance"}), sort_keys=True)


def run(spec: RunSpec, problem: Problem | None = None) -> RunResult:
    return execute(spec, problem or pose(spec, HERE))


def test_a_run_leaves_every_metric_with_unit_direction_and_n() -> None:
    result = run(spec_of(corruption="symmetric:rate=0.2", head="cam_softmax"))
    last = [m for m in result.measurements if m.selection == "last_epoch"]
    assert [m.name for m in last] == list(METRICS)
    assert all(m.unit for m in last)
    of_faces = {name for name, metric in METRICS.items() if issubclass(metric, PairMetric)}
    of_faces |= {"rank_1_identification", "dir_at_1_percent_far"}
    # Digits have nobody held out, and nobody is merged; both say so.
    assert {m.name for m in last if m.n == 0} == of_faces | {"merged_purity"}
    assert {m.selection for m in result.measurements if m.name == "accuracy"} == {
        "last_epoch", "noisy_val", "clean_val_oracle",
    }  # fmt: skip
    assert [epoch.epoch for epoch in result.history] == [1, 2]
    assert result.value("accuracy") == result.history[-1].test_accuracy
    assert result.provenance["sizes"] == {"train": 320, "validation": 80, "test": 200}


def test_training_and_validation_each_realise_the_rate_exactly() -> None:
    problem = pose(spec_of(corruption="symmetric:rate=0.3"), HERE)
    assert problem.noisy_train.record.num_flipped == 96
    assert int((problem.validation_given != problem.splits.validation.labels).sum()) == 24


def test_the_same_spec_gives_the_same_bits_and_moves_no_global_generator() -> None:
    spec = spec_of(corruption="symmetric:rate=0.2", head="cam_softmax")
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = run(spec)
    torch.manual_seed(99)
    second = run(spec)
    assert outcome(first) == outcome(second)
    torch.set_rng_state(before[0])
    run(spec)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_a_run_without_validation_split_has_no_noisy_selection_and_says_why() -> None:
    result = run(spec_of(dataset="digits:per_class=30,test_per_class=20,validation=0", corruption="symmetric:rate=0.2"))
    assert result.history[-1].validation_given_accuracy is None
    (chosen,) = [m for m in result.measurements if m.selection == "noisy_val"]
    assert chosen.value is None
    assert chosen.note == "there is no validation split"
    assert result.value("label_issue_auroc") is None


def test_a_seed_changes_the_run() -> None:
    assert run(spec_of(seed=0)).history != run(spec_of(seed=1)).history
    assert run(spec_of(seed=0)).history == run(spec_of(seed=0, corruption="symmetric:rate=0")).history


def test_training_never_sees_true_labels() -> None:
    """Other truths under the same given labels: the same weights, hence the same predictions and history."""
    spec = spec_of(corruption="symmetric:rate=0.4")
    problem = pose(spec, HERE)
    honest, deceived = run(spec, problem), run(spec, lied_to(problem))
    assert honest.history == deceived.history
    assert honest.value("accuracy") == deceived.value("accuracy")
    assert honest.value("memorisation") != deceived.value("memorisation")


def lied_to(problem: Problem) -> Problem:
    """The same given labels, other truths: wherever training could find a true label, it finds a false one."""
    lie = np.roll(problem.noisy_train.true, 7)
    train = problem.splits.train
    false = ImageSet(train.images, lie, train.ids, train.class_names)
    return dataclasses.replace(
        problem,
        noisy_train=dataclasses.replace(problem.noisy_train, true=lie),
        splits=dataclasses.replace(problem.splits, train=false),
    )


@pytest.mark.parametrize("leak", [lambda p: p.noisy_train.true, lambda p: p.splits.train.labels])
def test_a_trainer_that_peeks_would_be_caught(leak: Callable[[Problem], np.ndarray]) -> None:
    spec = spec_of(corruption="symmetric:rate=0.4")
    problem = pose(spec, HERE)
    peeking = [
        run(spec, dataclasses.replace(p, noisy_train=dataclasses.replace(p.noisy_train, given=leak(p)))).history
        for p in (problem, lied_to(problem))
    ]
    assert peeking[0] != peeking[1]


def test_test_labels_are_never_corrupted() -> None:
    clean, noisy = (pose(spec_of(corruption=text), HERE) for text in ("clean", "symmetric:rate=0.9"))
    assert np.array_equal(clean.splits.test.labels, noisy.splits.test.labels)
    assert clean.splits.test.fingerprint() == noisy.splits.test.fingerprint()


def test_merged_identities_are_credited_to_who_absorbed_them() -> None:
    problem = pose(spec_of(corruption="identity_merge:rate=0.2,groups=[[1,7],[0,5]]"), HERE)
    expected = np.arange(10)
    expected[[7, 5]] = [1, 0]
    assert np.array_equal(problem.carrying_class, expected)
    result = run(spec_of(corruption="identity_merge:rate=0.2,groups=[[1,7],[0,5]]"), problem)
    plain, merged = result.value("accuracy"), result.value("accuracy_merged")
    assert plain is not None
    assert merged is not None
    assert plain <= merged
    assert plain <= 0.8  # nobody can call an absorbed identity by its own name


def test_what_the_data_cannot_bear_is_refused_before_training() -> None:
    with pytest.raises(UsageError, match=r"identity_merge can absorb at most 0\.50 .* got rate=0\.9"):
        check([spec_of(corruption="identity_merge:rate=0.9")], HERE)
    with pytest.raises(UsageError, match=r"crop_padding must be below the image side 8; got 9"):
        check([spec_of(train={**QUICK, "crop_padding": 9})], HERE)
    with pytest.raises(UsageError, match=r"cifar100_superclass"):
        check([spec_of(corruption="asymmetric:rate=0.4,map=cifar100_superclass")], HERE)


def test_divergence_is_an_outcome() -> None:
    result = run(spec_of(train={**QUICK, "learning_rate": 1e20, "warmup": 0.0}))
    assert result.status == "diverged"
    assert result.measurements == ()
    assert result.history[-1].train_loss is None
    assert RunResult.model_validate_json(result.model_dump_json()) == result


def test_a_last_step_that_blows_up_is_divergence_not_collapse() -> None:
    """Two steps: the loss of the second is finite, its update is not."""
    spec = spec_of(train={**QUICK, "epochs": 1, "batch_size": 160, "learning_rate": 3e38, "warmup": 0.0})
    assert run(spec).status == "diverged"


def test_a_single_step_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 optimiser steps; got 1"):
        run(spec_of(train={**QUICK, "epochs": 1, "batch_size": 320}))


def test_collapse_is_an_outcome() -> None:
    """Cam-softmax ramped at once to 30 degrees: every embedding in one direction costs least."""
    result = run(spec_of(head="cam_softmax:schedule=ramp,c_stop_deg=30,ramp_share=0.05", train={**QUICK, "epochs": 6}))
    assert result.status == "collapsed"
    assert result.value("intra_class_angle_deg") < 10  # superb, and worthless


def test_a_working_run_is_not_called_collapsed() -> None:
    assert run(spec_of(head="normalised_softmax", train={**QUICK, "epochs": 4})).status == "ok"


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.1), ("adamw", 0.01)])
def test_every_optimiser_and_schedule_learns(optimizer: str, rate: float, schedule: str) -> None:
    train = {**QUICK, "epochs": 8, "optimizer": optimizer, "learning_rate": rate, "schedule": schedule}
    history = run(spec_of(train=train)).history
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    assert history[-1].test_accuracy > 0.6


def test_bfloat16_computes_nearly_the_same() -> None:
    """On any processor: emulated where it has no such instructions."""
    runs = [run(spec_of(train={**QUICK, "epochs": 1, "precision": precision})) for precision in ("float32", "bfloat16")]
    losses = [result.history[0].train_loss for result in runs]
    assert runs[1].provenance["precision"] == "bfloat16"
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)

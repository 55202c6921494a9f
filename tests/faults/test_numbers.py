"""Faults 18, 22 and 34: losses that are no numbers, rates at their limits, and generators that are not ours."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
import torch

from corruptions import CORRUPTIONS
from noisylabels.catalog import build
from noisylabels.engines.worker import Place, work
from noisylabels.losses.cross_entropy import CrossEntropy
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.conftest import Cli

DATA = "digits:per_class=20,test_per_class=10"
MODEL = "small_cnn:width=2,embedding_dim=8"

# 18: a loss that is not finite

STUDY = f"""
[base]
dataset = "{DATA}"
model = "{MODEL}"
[base.train]
epochs = 2
batch_size = 32
augment = "none"
[[methods]]
head = "softmax"
[[methods]]
head = "arcface"
train = {{ learning_rate = 1e20, warmup = 0.0 }}
"""


def test_a_run_that_diverges_is_a_result_which_is_shown_and_not_tried_again(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "study.toml").write_text(STUDY)
    study = Study.from_toml(tmp_path / "tiny" / "study.toml")
    folder = StudyFolder(tmp_path / "runs" / "tiny")
    for spec in study.plan():
        folder.run(spec.run_id).begin(spec)
        work(folder.run(spec.run_id), Place(tmp_path, device="cpu"))
    fine, lost = folder.results(study.plan())
    assert (fine.status, lost.status) == ("ok", "diverged")
    assert lost.reason == "the training loss or the weights were not finite in epoch 1"
    assert lost.measurements == ()
    before = {path: path.stat().st_mtime_ns for path in folder.path.glob("runs/*/result.json")}
    code, out, err = cli("sweep", "tiny/study.toml")
    assert code == 0, err  # what diverged did not fail
    assert "all 2 runs were done already (1 diverged, 1 ok)" in out
    assert {path: path.stat().st_mtime_ns for path in folder.path.glob("runs/*/result.json")} == before
    assert lost.reason in (folder.path / "report.md").read_text()
    assert "diverged" in cli("status", "tiny")[1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_every_loss_that_is_no_number_is_noticed_at_the_end_of_its_epoch(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-entropy of NaN logits is NaN and raises nothing, so nobody but the loop can notice."""
    spec = RunSpec.checked({"dataset": DATA, "model": MODEL, "train": {"epochs": 3, "batch_size": 32}})
    real, calls = CrossEntropy.per_example, 0

    def broken_in_the_second_epoch(self: CrossEntropy, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return real(self, logits, labels) * (value if calls == 7 else 1)  # 5 steps an epoch

    monkeypatch.setattr(CrossEntropy, "per_example", broken_in_the_second_epoch)
    result = execute(spec, pose(spec, tmp_path), device="cpu")
    assert result.status == "diverged"
    assert result.reason.endswith("in epoch 2")
    assert [epoch.epoch for epoch in result.history] == [1, 2], "nothing is trained after it"
    assert result.history[-1].train_loss is None
    assert "NaN" not in result.model_dump_json()


# 22: rates at their limits

LABELS = np.arange(200) % 10
RATES = [0.0, 0.001, 0.0024, 0.0025, 0.1, 0.4, 0.5, 0.899, 0.9, 0.95, 1.0]
"""None, too few for one label of 200, just below and at the half of one, ..., more than 1 - 1/K, all."""


def flips(kind: str, rate: float) -> np.ndarray:
    noise = build(CORRUPTIONS, f"{kind}:rate={rate}", what="corruption").apply(LABELS, 10, seed=3)
    assert noise.record.realised_rate == noise.is_flipped.mean() == (noise.given != LABELS).mean()
    return np.where(noise.given == LABELS, -1, noise.given)


@pytest.mark.parametrize("rate", RATES)
def test_symmetric_noise_flips_the_asked_share_to_half_an_example(rate: float) -> None:
    asked = Fraction(str(rate)) * len(LABELS)
    assert (flips("symmetric", rate) >= 0).sum() == floor(asked + Fraction(1, 2))


def test_wrong_at_a_low_rate_is_wrong_in_the_same_way_at_every_higher_one() -> None:
    drawn = [flips("symmetric", rate) for rate in RATES]
    for lower, higher in itertools.pairwise(drawn):
        np.testing.assert_array_equal(higher[lower >= 0], lower[lower >= 0])


def test_a_twin_that_draws_anew_for_every_rate_is_found_out() -> None:
    def anew(rate: float) -> np.ndarray:
        noise = build(CORRUPTIONS, f"symmetric:rate={rate}", what="corruption").apply(LABELS, 10, seed=int(rate * 1000))
        return np.where(noise.given == LABELS, -1, noise.given)

    low, high = anew(0.1), anew(0.4)
    assert not np.array_equal(high[low >= 0], low[low >= 0])


def planned(cli: Cli, rates: str) -> dict[str, str]:
    options = ("--dataset", DATA, "--model", MODEL, "--name", "x", "--dry-run", "--json")
    code, out, err = cli("sweep", *options, "--rate", rates)
    assert code == 0, err
    return {run["run_id"]: run["corruption"] for run in json.loads(out)["runs"]}


def test_a_list_of_rates_is_a_set_and_another_rate_changes_no_run(cli: Cli) -> None:
    sorted_once = planned(cli, "0,0.001,0.4,1")
    assert planned(cli, "0.4,1.0,0,0.001,0.4,0.40,0.0") == sorted_once
    assert len(sorted_once) == 4
    assert sorted_once.items() < planned(cli, "0,0.001,0.2,0.4,0.9,1").items()


@pytest.mark.parametrize("rate", ["-0.1", "1.0001", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(rate: str, cli: Cli) -> None:
    code, _, err = cli("sweep", "--dataset", DATA, f"--rate=0,{rate}", "--dry-run")
    assert code == 2
    assert "rate" in err
    assert err.count("\n") == 1


def test_every_label_wrong_can_be_trained_on_and_reported(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("train", "--dataset", DATA, "--model", MODEL, "--corruption", "symmetric:rate=1",
                         "--set", "train.epochs=1", "--set", "train.batch_size=32", "-q", "--json")  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert result["noise"]["realised_rate"] == 1.0
    assert "NaN" not in out


# 34: generators that are not ours


@contextmanager
def all_generators_stay_as_they_are() -> Iterator[None]:
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    assert random.getstate() == before[0], "Python's generator was moved"
    np.testing.assert_array_equal(np.random.get_state()[1], before[1][1], "NumPy's generator was moved")  # noqa: NPY002
    assert np.random.get_state()[2] == before[1][2], "NumPy's generator was moved"  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2]), "torch's generator was moved"


def test_no_command_moves_a_global_generator(cli: Cli, tmp_path: Path) -> None:
    """Runs whose strategies draw, a corruption with its picture, and a report."""
    options = ("--dataset", DATA, "--model", MODEL, "--corruption", "symmetric:rate=0.4", "-q")
    short = ("--set", "train.epochs=2", "--set", "train.batch_size=32")
    with all_generators_stay_as_they_are():
        for head, strategy in (("cam_softmax", "mixup"), ("softmax", "co_teaching")):
            assert cli("train", *options, *short, "--head", head, "--strategy", strategy)[0] == 0
        assert cli("corrupt", "--dataset", DATA, "--corruption", "symmetric:rate=0.4", "--out", "noise")[0] == 0
        (tmp_path / "none.toml").write_text(f'[base]\ndataset = "{DATA}"\n')
        assert cli("report", "none.toml")[0] == 0


@pytest.mark.parametrize("moves", [random.random, lambda: np.random.seed(0), np.random.rand, lambda: torch.rand(1)])  # noqa: NPY002
def test_a_twin_that_moves_one_is_found_out(moves: Callable[[], object]) -> None:
    """As cleanlab's noise generator does with NumPy's."""
    with pytest.raises(AssertionError, match="generator was moved"), all_generators_stay_as_they_are():
        moves()

"""Tuning end to end: the same counted budget for every method, judged by noisy labels, whoever runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from noisylabels.catalog import MissingExtraError, UsageError
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.study import Study
from noisylabels.tuning.plan import TuningPlan, default_corruption
from noisylabels.tuning.record import Tuning, read_tuning
from noisylabels.tuning.sampling import TreeParzen
from noisylabels.tuning.search import search
from tests.flows import tuning_runs as made

pytest.importorskip("optuna", reason="needs the extra 'tune'")
pytest.importorskip("tomli_w", reason="needs the extra 'tune'")

Cli = Callable[..., tuple[int, str, str]]

TINY = """
question = "Do two heads tuned alike differ?"
seeds = 2
[base]
dataset = "digits:per_class=20,test_per_class=20"
model = "small_cnn:width=4"
[base.train]
epochs = 1
batch_size = 16
learning_rate = 0.02
augment = "none"
[axes]
head = ["softmax", "normalised_softmax"]
corruption = ["symmetric"]
rate = [0.0, 0.2, 0.4]
"""


def write_study(folder: Path, text: str = TINY) -> Path:
    file = folder / "tiny" / "study.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def searched(path: Path, plan: TuningPlan, **engine: object) -> tuple[Tuning, made.MadeUpRuns]:
    runs = made.MadeUpRuns(made.folder_in(path), **engine)  # type: ignore[arg-type]
    return search(plan, runs.folder, runs), runs


# The search, over runs made up by a formula


@pytest.mark.parametrize("sampler", [None, TreeParzen(round=2, startup=2)])
def test_every_method_gets_the_same_number_of_trials_and_the_default_is_the_first(
    sampler: TreeParzen | None, tmp_path: Path
) -> None:
    tuning, runs = searched(tmp_path, made.plan(trials=5, sampler=sampler))
    assert [len(method.trials) for method in tuning.methods] == [5, 5]
    assert [len(method.space) for method in tuning.methods] == [2, 4]
    assert len(runs.begun) == len(set(runs.begun)) == 10
    for method, spec in zip(tuning.methods, made.plan().candidates, strict=True):
        assert method.trials[0].parameters == {}
        assert method.trials[0].run_id == spec.spec.run_id
        assert all(set(trial.parameters) == set(method.space) for trial in method.trials[1:])
    assert tuning.other_runs == 0


def law_the_choice_is_the_noisy_validation_labels(tuning: Tuning, results: dict[str, RunResult]) -> None:
    """The chosen trial is the first of the best by noisy validation labels, and not the best by test labels."""
    for method in tuning.methods:
        found = [results[trial.run_id] for trial in method.trials]
        noisy = [result.history[-1].validation_given_accuracy or 0 for result in found]
        test = [result.history[-1].test_accuracy for result in found]
        assert noisy.index(max(noisy)) != test.index(max(test)), "the two must differ, or nothing is tested"
        assert method.chosen == noisy.index(max(noisy)) + 1


def results_of(tuning: Tuning, path: Path) -> dict[str, RunResult]:
    found = [made.folder_in(path).run(trial.run_id).result() for one in tuning.methods for trial in one.trials]
    return {result.run_id: result for result in found if result is not None}


def test_noisy_validation_labels_choose(tmp_path: Path) -> None:
    tuning, _ = searched(tmp_path, made.plan(trials=8))
    law_the_choice_is_the_noisy_validation_labels(tuning, results_of(tuning, tmp_path))
    for method in tuning.methods:
        best = method.trials[method.chosen - 1]
        assert best.score >= method.trials[0].score
        assert method.preset.train["learning_rate"] == best.parameters["train.learning_rate"]


@pytest.mark.parametrize("label", ["test_accuracy", "validation_true_accuracy"])
def test_a_tuner_that_looks_at_other_labels_is_found(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noisylabels.tuning.search.score", lambda result, _: getattr(result.history[-1], label))
    tuning, _ = searched(tmp_path, made.plan(trials=8))
    with pytest.raises(AssertionError):
        law_the_choice_is_the_noisy_validation_labels(tuning, results_of(tuning, tmp_path))


@pytest.mark.parametrize("sampler", [None, TreeParzen(round=2, startup=2)])
def test_what_finishes_first_does_not_matter(sampler: TreeParzen | None, tmp_path: Path) -> None:
    plan = made.plan(trials=6, sampler=sampler)
    tuning, _ = searched(tmp_path / "1", plan)
    backwards, _ = searched(tmp_path / "2", plan, order=lambda specs: specs[::-1])
    assert tuning == backwards


def test_a_round_is_judged_before_the_next_is_asked_and_moves_it(tmp_path: Path) -> None:
    """The tree-structured sampler learns: other scores, other suggestions, from the round after on."""
    plan = made.plan(trials=9, sampler=TreeParzen(round=3, startup=2))
    hill, runs = searched(tmp_path / "1", plan)
    assert [len(call) for call in runs.calls] == [6, 6, 6]

    def valley(spec: RunSpec) -> RunResult:
        return made.made_up(spec, noisy=1 - (made.hill(spec).history[-1].validation_given_accuracy or 0))

    other, _ = searched(tmp_path / "2", plan, result_of=valley)
    for one, two in zip(hill.methods, other.methods, strict=True):
        assert [trial.run_id for trial in one.trials[:3]] == [trial.run_id for trial in two.trials[:3]]
        assert one.trials[3:] != two.trials[3:]


def test_a_larger_budget_begins_with_the_smaller_ones_trials(tmp_path: Path) -> None:
    small, _ = searched(tmp_path, made.plan(trials=4))
    large, runs = searched(tmp_path, made.plan(trials=7))
    assert len(runs.begun) == 2 * 3
    for one, two in zip(small.methods, large.methods, strict=True):
        assert one.trials == two.trials[:4]
    again, _ = searched(tmp_path, made.plan(trials=4))
    assert again.other_runs == 6


def test_nothing_searched_is_the_default_over_and_over_and_is_run_once(tmp_path: Path) -> None:
    nothing = dict.fromkeys(made.plan().candidates[1].space)
    tuning, runs = searched(tmp_path, made.plan(trials=4, changes=nothing))
    assert len(runs.begun) == 2
    assert [(len(method.space), method.chosen, len(method.trials)) for method in tuning.methods] == [(0, 1, 4)] * 2


def test_the_condition_is_one_that_the_study_has_and_seeds_are_not(tmp_path: Path) -> None:
    assert default_corruption(made.study()) == "symmetric:rate=0.2,inclusive=false"
    axes = {"corruption": ["asymmetric:map=pair", "symmetric"], "rate": [0.1, 0.5, 0.3]}
    assert default_corruption(made.study(axes=axes)).startswith("asymmetric:rate=0.3")
    assert default_corruption(made.study(axes={})) == "clean:rate=0.0"
    trials = [candidate.spec for candidate in made.plan(seed=3).candidates]
    assert {(spec.corruption, spec.noise_seed, spec.seed) for spec in trials} == {(made.CONDITION, 10_003, 10_003)}
    for seeds in ({"seeds": [0, 10_003]}, {"seeds": None, "noise_seeds": [10_003]}):
        values = made.study().model_dump(mode="json") | seeds
        study = Study.checked({key: value for key, value in values.items() if value is not None})
        with pytest.raises(UsageError, match="must not be tuned on a seed that they are evaluated on"):
            made.plan(study=study, seed=3)
    several = made.study(axes={"dataset": ["digits", "digits:per_class=20"]})
    with pytest.raises(UsageError, match="presets are tuned for one dataset; the study has several"):
        made.plan(study=several)


# The command


def test_tuning_from_the_command_line(noisylabels: Cli, tmp_path: Path) -> None:
    """With one worker and with two, once; then the tuned study is a study, and nothing is run twice."""
    study, out = write_study(tmp_path), tmp_path / "tuned" / "study.toml"
    command = ("tune", study, "--trials", 2, "--out", out, "--json")
    code, answer, err = noisylabels(*command, "--runs", tmp_path / "one", "--workers", 1)
    assert code == 0, err
    found = json.loads(answer)
    assert (found["budget"], found["study"], found["run_seed"]) == (2, "tiny", 10_000)
    assert [len(method["space"]) for method in found["methods"]] == [2, 3]
    assert found["study_file"] == str(out)
    tuning = read_tuning(out.with_name("tuning.json"))
    assert tuning is not None
    assert tuning == read_tuning(tmp_path / "one" / "tiny-tuned" / "tuning.json")
    stored = {file: file.stat().st_mtime_ns for file in tmp_path.glob("one/tiny-tuning/runs/*/*")}
    assert len(list(tmp_path.glob("one/tiny-tuning/runs/*/result.json"))) == 4
    for method in tuning.methods:
        for trial in method.trials:
            result = json.loads((tmp_path / f"one/tiny-tuning/runs/{trial.run_id}/result.json").read_text())
            assert result["status"] in ("ok", "collapsed")
            assert trial.score == result["history"][-1]["validation_given_accuracy"]
    assert max(trial.score for method in tuning.methods for trial in method.trials) > 0
    tuned = Study.from_toml(out)
    assert [method.head for method in tuned.methods] == [method.preset.head for method in tuning.methods]
    assert len(tuned.plan()) == len(Study.from_toml(study).plan())

    code, text, _ = noisylabels(*command[:-1], "--runs", tmp_path / "one")
    assert code == 0
    assert "softmax: 2 tuned parameters, " in text
    assert f"presets: {out}" in text
    assert {file: file.stat().st_mtime_ns for file in tmp_path.glob("one/tiny-tuning/runs/*/*")} == stored
    assert "tiny-tuning: 4 runs" in noisylabels("status", "tiny-tuning", "--runs", tmp_path / "one")[1]

    first = out.with_name("tuning.json").read_bytes()
    assert noisylabels(*command, "--runs", tmp_path / "two", "--workers", 2)[0] == 0
    assert out.with_name("tuning.json").read_bytes() == first


def test_a_dry_run_says_how_much_and_what_and_runs_nothing(noisylabels: Cli, tmp_path: Path) -> None:
    study = write_study(tmp_path)
    code, text, _ = noisylabels("tune", study, "--trials", 7, "--runs", tmp_path / "runs", "--dry-run")
    assert code == 0
    assert "normalised_softmax: 3 tuned parameters" in text
    assert "  head.normalised_softmax.scale: 5 to 64, logarithmic" in text
    assert "2 methods, 7 trials each: 14 runs under symmetric:rate=0.2,inclusive=false, seed 10000; 0 runs" in text
    assert not (tmp_path / "runs").exists()
    code, text, _ = noisylabels("tune", study, "--corruption", "pair:rate=0.3", "--dry-run", "--json")
    assert (code, json.loads(text)["runs"]) == (0, 40)


def test_mistakes_are_said_in_a_line(noisylabels: Cli, tmp_path: Path) -> None:
    study, space, mine = write_study(tmp_path), tmp_path / "space.toml", tmp_path / "mine.toml"
    space.write_text("[head.arcface]\nmargin = { low = 0.1, high = 0.2 }\n")
    mine.write_text(TINY)
    no_validation = write_study(tmp_path / "none", TINY.replace("per_class=20,", "validation=0,", 1))
    for arguments, complaint in (
        ((study, "--sampler", "tree"), "unknown sampler 'tree'"),
        ((study, "--sampler", "tpe:rounds=2"), "did you mean 'round'?"),
        ((study, "--space", space), "head.arcface.margin has no effect"),
        ((study, "--corruption", "symetric:rate=0.2"), "did you mean 'symmetric'?"),
        ((study, "--out", mine), "was not written by tune: give another --out"),
        ((no_validation,), "the data set must hold some out, such as validation=0.1"),
        (("quikstart",), "did you mean 'quickstart'?"),
    ):
        code, out, err = noisylabels("tune", *arguments, "--runs", tmp_path / "runs")
        assert (code, out) == (2, ""), err
        assert complaint in err
        assert len(err.splitlines()) == 1
    assert mine.read_text() == TINY
    assert not list(tmp_path.glob("runs/*/runs"))


@pytest.mark.parametrize("package", ["optuna", "tomli_w"])
def test_without_the_extra_the_command_says_how_to_get_it(
    package: str, noisylabels: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == package else real(name, *a))
    code, out, err = noisylabels("tune", write_study(tmp_path), "--runs", tmp_path / "runs")
    assert (code, out) == (MissingExtraError.exit_code, "")
    assert f"tune needs {package.replace('_', '-')}, which is not installed: pip install 'noisylabels[tune]'" in err

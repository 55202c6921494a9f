"""Tuning's arithmetic and tables against slow loops, closed forms and the plug-ins themselves."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from noisylabels.axes import METHOD_FIELDS
from noisylabels.catalog import UsageError
from noisylabels.heads import HEADS, REGULARISERS
from noisylabels.report import Context, report_data
from noisylabels.report.document import Entry
from noisylabels.report.tuning import tuning_section
from noisylabels.result import RunResult
from noisylabels.spec import TABLES, RunSpec, TrainSpec
from noisylabels.store import StoreError
from noisylabels.study import Study
from noisylabels.tuning.criterion import score
from noisylabels.tuning.dimensions import Choices, Range
from noisylabels.tuning.expected_best import best_by_budget, expected_best
from noisylabels.tuning.ranges import SEARCHED, Searched
from noisylabels.tuning.record import Trial, TunedMethod, Tuning, read_tuning
from noisylabels.tuning.space import changed, parameters_by_name, space_of
from noisylabels.tuning.space_file import read_space
from tests.flows import tuning_runs as made

SCORES = (
    [0.31, 0.62, 0.62, 0.15, 0.9],
    [0.5, 0.5, 0.5],
    [0.7],
    [0.0, 1.0, 0.25, 0.25, 0.0, 0.8, 0.4],
)


def by_all_subsets(scores: Sequence[float], n: int) -> float:
    best = [max(chosen) for chosen in itertools.combinations(scores, n)]
    return sum(best) / len(best)


def with_replacement(scores: Sequence[float], n: int) -> float:
    """Dodge et al.'s own estimate: the maximum of n draws from the empirical distribution."""
    total = len(scores)
    return sum(s * ((i / total) ** n - ((i - 1) / total) ** n) for i, s in enumerate(sorted(scores), start=1))


def one_rank_off(scores: Sequence[float], n: int) -> float:
    """Ranks counted from 0: a bug of one."""
    sets = math.comb(len(scores), n)
    return sum(s * math.comb(max(i - 1, 0), n - 1) / sets for i, s in enumerate(sorted(scores)))


def agrees_with_all_subsets(estimate: object) -> bool:
    return all(
        estimate(scores, n) == pytest.approx(by_all_subsets(scores, n), abs=1e-12)  # type: ignore[operator]
        for scores in SCORES
        for n in range(1, len(scores) + 1)
    )


def test_the_expected_best_is_the_mean_over_all_subsets() -> None:
    assert agrees_with_all_subsets(expected_best)


@pytest.mark.parametrize("twin", [with_replacement, one_rank_off])
def test_wrong_estimates_of_the_expected_best_are_found(twin: object) -> None:
    assert not agrees_with_all_subsets(twin)


def test_the_expected_best_of_one_is_the_mean_and_of_all_the_best_and_it_never_falls() -> None:
    draws = np.random.default_rng(5).random(200).tolist()
    curve = [expected_best(draws, n) for n in range(1, 201)]
    assert curve[0] == pytest.approx(np.mean(draws))
    assert curve[-1] == max(draws)
    assert np.all(np.diff(curve) >= -1e-15)
    assert with_replacement(draws, 200) < max(draws)
    for n in (0, 201):
        with pytest.raises(ValueError, match="n must be in"):
            expected_best(draws, n)


def test_the_expected_best_is_unbiased_for_fresh_draws() -> None:
    """Of n uniform draws the best is n / (n + 1); the estimates of many small samples must average to it."""
    samples = np.random.default_rng(7).random((4000, 6))
    mean = np.mean([expected_best(sample.tolist(), 4) for sample in samples])
    biased = np.mean([with_replacement(sample.tolist(), 4) for sample in samples])
    assert abs(mean - 4 / 5) < 0.006  # four standard errors
    assert biased < 4 / 5 - 0.02


def test_a_budget_always_has_the_default() -> None:
    default, searched = 0.6, [0.2, 0.9, 0.5]
    expected = [
        np.mean([max(default, *chosen) for chosen in itertools.combinations(searched, n)]) if n else default
        for n in range(4)
    ]
    assert best_by_budget(default, searched) == pytest.approx(expected)
    assert best_by_budget(default, []) == [default]


# The table of ranges


def owner_of(entry: Searched) -> type:
    field, _, rest = entry.name.partition(".")
    return TrainSpec if field == "train" else TABLES[field][rest.partition(".")[0]]


@pytest.mark.parametrize("entry", SEARCHED, ids=lambda entry: entry.name)
def test_every_range_is_of_a_parameter_and_says_where_it_is_from(entry: Searched) -> None:
    owner, parameter = owner_of(entry), entry.name.rpartition(".")[2]
    known = TrainSpec.model_fields if owner is TrainSpec else {field.name for field in fields(owner)}
    assert {parameter, *entry.when} <= set(known)
    assert entry.source
    default = TrainSpec.model_fields[parameter].default if owner is TrainSpec else getattr(owner, parameter)
    assert entry.range.whole == (type(default) is int)


def runs_with_every_plugin() -> list[RunSpec]:
    """For each head, regulariser, loss and strategy a run that has it."""
    heads = [{"head": kind, "loss": spec.requires_loss or "ce"} for kind, spec in HEADS.items() if kind != "pml_head"]
    heads += [{"head": f"softmax + {kind}"} for kind in REGULARISERS if kind not in ("pml", "dage", "batch_hard")]
    heads += [{"head": "cosface + dage"}, {"head": "softmax + batch_hard"}]
    losses = [{"loss": kind} for kind in TABLES["loss"] if kind not in ("one_vs_all", "sface", "sparsemax")]
    strategies = [
        {"head": "subcenter_arcface" if kind == "subcenter_cleaning" else "normalised_softmax", "strategy": kind}
        for kind in TABLES["strategy"]
    ]
    same_scale = {"sphereface2": {"loss": "one_vs_all:scale=40"}, "sface": {"loss": "sface"}}
    values = [one | same_scale.get(one.get("head", ""), {}) for one in heads + losses + strategies]
    return [RunSpec.checked({"dataset": "digits", **one}) for one in values]


@pytest.mark.parametrize("spec", runs_with_every_plugin(), ids=lambda spec: spec.method)
def test_every_corner_of_every_space_can_be_run(spec: RunSpec) -> None:
    space = space_of(spec)
    assert {"train.learning_rate", "train.weight_decay"} <= set(space)
    ends = [space[name].ends()[:1] if name.startswith("train.") else space[name].ends() for name in space]
    for corner in itertools.product(*ends):
        asked = dict(zip(space, corner, strict=True))
        found = parameters_by_name(changed(spec, asked))
        assert {name: found[name] for name in space} == asked


def test_changing_nothing_changes_nothing_and_a_change_changes_that_only() -> None:
    spec = RunSpec.checked({"dataset": "digits", "head": "cosface + center", "loss": "gce", "strategy": "elr"})
    assert changed(spec, {}).run_id == spec.run_id
    other = changed(spec, {"head.center.weight": 0.01, "train.momentum": 0.5})
    before, after = parameters_by_name(spec), parameters_by_name(other)
    assert {name for name in before if before[name] != after[name]} == {"head.center.weight", "train.momentum"}


def test_a_loss_whose_scale_must_be_its_heads_follows_it() -> None:
    spec = RunSpec.checked({"dataset": "digits", "head": "sphereface2", "loss": "one_vs_all"})
    assert "loss.one_vs_all.scale" not in parameters_by_name(spec)
    run = changed(spec, {"head.sphereface2.scale": 10.0, "loss.one_vs_all.alpha": 0.5})
    assert (run.plugin("head").scale, run.plugin("loss").scale, run.plugin("loss").alpha) == (10.0, 10.0, 0.5)


def test_what_has_no_effect_is_not_searched() -> None:
    literal = RunSpec.checked({"dataset": "digits", "head": "cam_softmax:schedule=repo"})
    assert [name for name in space_of(literal) if name.startswith("head")] == ["head.cam_softmax.scale"]
    adamw = RunSpec.checked({"dataset": "digits", "train": {"optimizer": "adamw"}})
    assert space_of(adamw)["train.learning_rate"] != space_of(RunSpec(dataset="digits"))["train.learning_rate"]


# Suggestions


def suggested(trials: int, **changes: object) -> list[dict[str, object]]:
    from noisylabels.tuning.sampling import RandomSearch, Suggestions

    given = {"seed": 0, "method": "arcface"} | changes
    space = {"a": Range(low=0.01, high=1.0, log=True), "k": Range(low=1, high=5, whole=True),
             "c": Choices(choices=(10, 20.0, "x"))}  # fmt: skip
    source = Suggestions(RandomSearch(), space, **given)  # type: ignore[arg-type]
    return [dict(source.ask()) for _ in range(trials)]


def test_random_suggestions_are_log_uniform_whole_and_chosen() -> None:
    pytest.importorskip("optuna", reason="needs the extra 'tune'")
    found = suggested(300)
    assert stats.kstest([(math.log10(float(one["a"])) + 2) / 2 for one in found], "uniform").pvalue > 0.01  # type: ignore[arg-type]
    assert {one["k"] for one in found} == {1, 2, 3, 4, 5}
    assert {type(one["k"]) for one in found} == {int}
    assert {repr(one["c"]) for one in found} == {"10", "20.0", "'x'"}
    assert all(float(f"{one['a']:.3g}") == one["a"] for one in found)


def test_a_longer_sequence_begins_with_the_shorter_and_each_method_and_seed_has_its_own() -> None:
    pytest.importorskip("optuna", reason="needs the extra 'tune'")
    assert suggested(9)[:4] == suggested(4)
    assert suggested(4) != suggested(4, method="cosface")
    assert suggested(4) != suggested(4, seed=1)


def test_rounding_stays_in_the_range() -> None:
    narrow = Range(low=0.12345, high=0.12349)
    assert narrow.rounded(0.12347) == 0.12345
    assert Range(low=0.5, high=0.9996).rounded(0.99955) == 0.9996
    assert Range(low=1, high=9, whole=True).rounded(7.0) == 7


# The file of ranges


def spaces_in(path: Path, text: str) -> object:
    path.write_text(text)
    return read_space(path, made.study().method_runs())


def test_a_file_of_ranges_stands_in_for_the_tables(tmp_path: Path) -> None:
    text = """
    [train]
    weight_decay = false
    batch_size = { low = 8, high = 64, log = true }
    [head.arcface]
    scale = { choices = [10, 20] }
    """
    changes = spaces_in(tmp_path / "space.toml", text)
    softmax, arcface = made.study().method_runs()
    assert list(space_of(softmax, changes)) == ["train.batch_size", "train.learning_rate"]  # type: ignore[arg-type]
    found = space_of(arcface, changes)  # type: ignore[arg-type]
    assert found["head.arcface.scale"] == Choices(choices=(10, 20))
    assert found["train.batch_size"] == Range(low=8, high=64, log=True, whole=True)
    assert "head.arcface.margin" in found


def test_all_mistakes_of_a_file_of_ranges_are_said_at_once(tmp_path: Path) -> None:
    text = """
    [traim]
    epochs = 3
    [train]
    learning_rates = { low = 0.1, high = 1 }
    weight_decay = { low = 0, high = 1, log = true }
    momentum = { low = 0.5, hihg = 1.0 }
    batch_size = { low = 8, high = 16.5 }
    [head.arcfase]
    margin = { low = 0.1, high = 0.2 }
    [head.cosface]
    margin = { low = 0.1, high = 0.2 }
    [head.arcface]
    margin = { low = 0.1, high = 9 }
    scale = 3
    [loss]
    gce = 0.7
    """
    with pytest.raises(UsageError) as caught:
        spaces_in(tmp_path / "space.toml", text)
    complaint = str(caught.value)
    for sentence in (
        "unknown section 'traim'; did you mean 'train'?",
        "unknown parameter of train 'learning_rates'; did you mean 'learning_rate'?",
        "train.weight_decay: low must be above 0 on a logarithmic scale; got 0",
        "unknown key 'hihg'; did you mean 'high'?",
        "train.batch_size: low and high must be whole numbers; got 8 and 16.5",
        "unknown head 'arcfase'; did you mean 'arcface'?",
        "head.cosface.margin has no effect: the study's are arcface",
        "head.arcface.margin: head: margin must be in [0, 3.14159]; got 9.0",
        "head.arcface.scale: must be { low, high, log }, { choices } or false; got 3",
        "loss.gce must be a table of parameters; got 0.7",
    ):
        assert sentence in complaint, complaint
    for path, text in (("absent.toml", None), ("broken.toml", "[train")):
        if text is not None:
            (tmp_path / path).write_text(text)
        with pytest.raises(UsageError, match=r"cannot read|is not TOML"):
            read_space(tmp_path / path, made.study().method_runs())


# What a trial is judged by


def law_only_noisy_validation_labels_decide(judge: object) -> None:
    """Whatever true or test labels say of a run, its score stays; what noisy validation labels say, it follows."""
    spec = RunSpec(dataset="digits")
    first = made.made_up(spec, noisy=0.4, test=0.9, true=0.8)
    same = made.made_up(spec, noisy=0.4, test=0.1, true=0.2, status="collapsed")
    better = made.made_up(spec, noisy=0.6, test=0.1, true=0.2)
    assert judge(first) == judge(same)  # type: ignore[operator]
    assert judge(better) > judge(first)  # type: ignore[operator]


def by_last_epoch(result: RunResult) -> float:
    return score(result, "last_epoch")


def by_best_epoch(result: RunResult) -> float:
    return score(result, "noisy_val")


@pytest.mark.parametrize("judge", [by_last_epoch, by_best_epoch])
def test_only_noisy_validation_labels_decide(judge: object) -> None:
    law_only_noisy_validation_labels_decide(judge)


def by_test_labels(result: RunResult) -> float:
    return result.history[-1].test_accuracy


def by_true_validation_labels(result: RunResult) -> float:
    return result.history[-1].validation_true_accuracy or 0.0


def by_both(result: RunResult) -> float:
    return score(result, "last_epoch") + 1e-6 * result.history[-1].test_accuracy


def worst_where_called_collapsed(result: RunResult) -> float:
    """The word ``collapsed`` is spoken by the true labels of the test set: a leak that looks like a safety net."""
    return score(result, "last_epoch") if result.status == "ok" else 0.0


@pytest.mark.parametrize(
    "twin", [by_test_labels, by_true_validation_labels, by_both, worst_where_called_collapsed]
)  # fmt: skip
def test_judges_that_look_at_other_labels_are_found(twin: object) -> None:
    with pytest.raises(AssertionError):
        law_only_noisy_validation_labels_decide(twin)


def test_runs_without_an_answer_score_worst_and_without_held_out_labels_cannot_be_judged() -> None:
    spec = RunSpec(dataset="digits")
    for status in ("diverged", "failed"):
        assert score(made.made_up(spec, noisy=0.9, status=status), "last_epoch") == 0  # type: ignore[arg-type]
    history = made.made_up(spec, noisy=0.3).history
    falling = made.made_up(spec, noisy=0.3).model_copy(
        update={"history": (history[0].model_copy(update={"validation_given_accuracy": 0.8}), history[1])}
    )
    assert score(falling, "last_epoch") == 0.3
    assert score(falling, "noisy_val") == 0.8
    blind = history[0].model_copy(update={"validation_given_accuracy": None})
    with pytest.raises(UsageError, match="must hold some out"):
        score(falling.model_copy(update={"history": (blind,)}), "last_epoch")


# The tuned study's file


def tuning(study: Study, trials: int = 3) -> Tuning:
    """A tuning of a study in which trial 2 is best; heads get another scale, training another learning rate."""
    methods = []
    for run in study.method_runs():
        space = space_of(run)
        values = {name: dimension.ends()[-1] for name, dimension in space.items()}
        tuned = changed(run, values)
        entries = {part: tuned.short(part) for part in METHOD_FIELDS}
        train = {"learning_rate": values["train.learning_rate"], "weight_decay": values["train.weight_decay"]}
        scores = [0.4, 0.7, 0.1, 0.6, 0.5][:trials]
        methods.append(
            TunedMethod(
                method=run.method,
                space=dict(space),
                trials=tuple(
                    Trial(number=n, parameters=values if n == 2 else {}, run_id=run.run_id, status="ok", score=s)
                    for n, s in enumerate(scores, start=1)
                ),
                chosen=2,
                preset={**entries, "train": train},  # type: ignore[arg-type]
            )
        )
    return Tuning(
        study=study.name, tuned_study=f"{study.name}-tuned", dataset=study.base.dataset, model=study.base.model,
        corruption=made.CONDITION, criterion="last_epoch", budget=trials, sampler="random", seed=0, run_seed=10_000,
        other_runs=0, optuna="0", methods=tuple(methods),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "question": 'Is "this" a \\ back\u0007slash, or a\nnew line = {x} # é 漢 😀?',
            "claims": ["a is better than b in accuracy under c"],
        },
        {"noise_seeds": [0, 1], "train_seeds": [3], "seeds": None},
        {"axes": {"corruption": ["symmetric:rate=0.6", "identity_merge"], "rate": [0.2]},
         "methods": [{"head": "cosface + center", "loss": "gce:q=0.4", "train": {"learning_rate": 0.01}},
                     {"strategy": "elr"}, {"head": "sface", "loss": "sface"}]},
        {"base": {"dataset": "digits", "corruption": "symmetric:rate=0.3", "selection": "noisy_val",
                  "train": {"optimizer": "adamw", "weight_decay": 1e-07}}, "axes": {}},
    ],
)  # fmt: skip
def test_the_tuned_file_is_read_as_the_tuned_study(changes: dict[str, object], tmp_path: Path) -> None:
    pytest.importorskip("tomli_w", reason="needs the extra 'tune'")
    from noisylabels.tuning.tuned_study import tuned_study, write_study

    values = made.study().model_dump(mode="json") | changes
    before = Study.checked({key: value for key, value in values.items() if value is not None})
    after = tuned_study(before, tuning(before))
    file = tmp_path / "any" / "study.toml"
    write_study(file, after)
    read = Study.from_toml(file)
    assert read.model_dump(exclude={"methods"}) == after.model_dump(exclude={"methods"})
    assert [run.run_id for run in read.plan()] == [run.run_id for run in after.plan()]
    assert (read.name, read.question, read.seed_pairs) == ("hill-tuned", before.question, before.seed_pairs)
    conditions = {(run.dataset, run.model, run.corruption, run.noise_seed, run.seed) for run in before.plan()}
    assert {(run.dataset, run.model, run.corruption, run.noise_seed, run.seed) for run in read.plan()} == conditions
    assert {run.train.learning_rate for run in read.plan()} <= {1.0, 3e-3}
    assert len(tomllib.loads(file.read_text())["methods"]) == len(before.method_runs())


def test_a_stored_tuning_is_read_back_or_refused(tmp_path: Path) -> None:
    file, stored = tmp_path / "tuning.json", tuning(made.study())
    assert read_tuning(file) is None
    stored.write(file)
    assert read_tuning(file) == stored
    file.write_text('{"study": 3}')
    with pytest.raises(StoreError, match="is not a tuning"):
        read_tuning(file)


# The report's section


def cells(rows: tuple[tuple[Entry, ...], ...]) -> list[list[str]]:
    return [[entry.main for entry in row] for row in rows]


def test_the_report_prints_the_budget_the_parameters_and_the_expected_best() -> None:
    pytest.importorskip("tomli_w", reason="needs the extra 'tune'")
    from noisylabels.tuning.tuned_study import tuned_study

    study = made.study()
    found = tuning(study, trials=5)
    section = tuning_section(found, tuned_study(study, found))
    assert "budget of 5 trials" in section.paragraphs[0]
    assert "seed 10000" in section.paragraphs[0]
    (methods,), (expected,), (spaces,), trials = (block.tables for block in section.blocks)
    assert [row[:2] for row in cells(methods.rows)] == [["softmax", "2"], ["arcface:margin=0.2", "4"]]
    assert [row[3:6] for row in cells(methods.rows)] == [["40.0", "70.0", "+30.0"]] * 2
    assert len(spaces.rows) == 6
    assert [len(table.rows) for table in trials] == [5, 5]
    others = [0.7, 0.1, 0.6, 0.5]
    by_hand = [
        np.mean([max(0.4, *drawn) for drawn in itertools.combinations(others, n - 1)]) if n > 1 else 0.4
        for n in (1, 2, 4, 5)
    ]
    assert expected.columns == ("method", "n = 1", "n = 2", "n = 4", "n = 5")
    assert cells(expected.rows)[0][1:] == [f"{100 * best:.1f}" for best in by_hand]
    chart = section.blocks[1].chart
    assert chart is not None
    assert [point.x for point in chart.panels[0].lines[0].points] == [1, 2, 3, 4, 5]


def test_the_report_warns_of_presets_that_are_not_the_tunings() -> None:
    study = made.study()
    section = tuning_section(tuning(study), study)
    assert section.tone == "warning"
    assert "not presets of this tuning: softmax, arcface:margin=0.2" in section.paragraphs[0]


def test_the_protocol_says_how_much_was_tuned_or_that_nothing_was() -> None:
    study = made.study()

    def said(beside: Context) -> str:
        protocol = next(part for part in report_data(study, [], beside).sections if part.anchor == "protocol")
        rows = cells(protocol.blocks[0].tables[0].rows)
        return dict(rows)["tuning"]

    assert said(Context(tuning=tuning(study, trials=5))) == "5 trials a method, see the section on tuning"
    assert said(Context()).startswith("no trials lie beside the study: every method ran with the values printed")

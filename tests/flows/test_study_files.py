"""Study files: written by init, read by check, planned, judged, frozen, and compared with the freeze."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import studies
from noisylabels.axes import Axes, Method
from noisylabels.catalog import UsageError
from noisylabels.cli.init import study_text
from noisylabels.deviations import deviations
from noisylabels.estimate import estimate
from noisylabels.frozen_plan import (
    NAME,
    FrozenPlan,
    differing,
    frozen_again,
    plan_of,
    plan_sha256,
    read_frozen,
    write_frozen,
)
from noisylabels.plan_summary import summarise
from noisylabels.problem import pose
from noisylabels.report.deviations import deviations_section
from noisylabels.report.verdicts import LEVEL
from noisylabels.result import RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec, TrainSpec
from noisylabels.store import StoreError, StudyFolder
from noisylabels.study import Study
from noisylabels.study_schema import schema_text, study_schema

Cli = Callable[..., tuple[int, str, str]]
TINY = {"dataset": "digits:per_class=20,test_per_class=10", "model": "small_cnn:width=4"}
CLAIM = "cosface degrades less than softmax in accuracy under symmetric"
NOW = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=UTC)


def study_of(**changes: Any) -> Study:
    values = {"name": "s", "base": TINY, "axes": {"corruption": ["symmetric"], "rate": [0, 0.4]}, "seeds": 2}
    return Study.checked(values | changes)


def done(spec: RunSpec, **provenance: Any) -> RunResult:
    return RunResult(run_id=spec.run_id, spec=spec, status="ok", provenance=provenance)


class TestInit:
    def test_what_init_writes_check_accepts_and_sweep_plans(self, cli: Cli) -> None:
        assert cli("init", "mine")[:2] == (0, "wrote mine/study.toml; next: noisylabels check mine\n")
        code, out, err = cli("check", "mine")
        assert (code, err) == (0, "")
        assert out.startswith("mine/study.toml: no mistakes\n")
        code, out, _ = cli("sweep", "mine", "--dry-run", "--json")
        assert code == 0
        assert len(json.loads(out)["runs"]) == 18

    def test_a_file_that_is_there_is_kept(self, cli: Cli) -> None:
        cli("init", "mine")
        Path("mine/study.toml").write_text("mine")
        code, out, err = cli("init", "mine")
        assert (code, out, err) == (2, "", "noisylabels: mine/study.toml is there already; --force replaces it\n")
        assert Path("mine/study.toml").read_text() == "mine"
        assert cli("init", "mine", "--force", "--dataset", "cifar10:per_class=50")[0] == 0
        assert Study.find("mine").base.short("dataset") == "cifar10:per_class=50"

    def test_here_and_by_file(self, cli: Cli) -> None:
        assert cli("init")[1] == "wrote study.toml; next: noisylabels check study.toml\n"
        assert cli("init", "a b/x.toml")[1] == "wrote a b/x.toml; next: noisylabels check 'a b/x.toml'\n"
        assert cli("check", "study.toml")[0] == cli("check", "a b/x.toml")[0] == 0

    def test_a_bad_name_or_data_set_writes_nothing(self, cli: Cli, tmp_path: Path) -> None:
        for arguments, sentence in {
            ("a b",): "a study's folder must have a name of letters, digits, - and _; got 'a b'",
            ("x\n.toml",): "must have a name that can be printed; got 'x\\n.toml'",
            ("x", "--dataset", "digit"): "unknown dataset 'digit'; did you mean 'digits'?",
        }.items():
            code, _, err = cli("init", *arguments)
            assert code == 2
            assert sentence in err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("model", [Study, Axes, Method, RunSpec, TrainSpec])
    def test_every_field_is_explained(self, model: type[Any]) -> None:
        lines = [line.removeprefix("# ") for line in study_text("digits", "x").splitlines()]
        written = {line.partition(" = ")[0] for line in lines if " = " in line}
        tables = {line.strip("[]").rpartition(".")[2] for line in lines if line.startswith("[")}
        assert set(model.model_fields) - {"seed", "noise_seed"} <= written | tables

    def test_every_optional_line_holds_when_it_is_taken_in(self, tmp_path: Path) -> None:
        """Each by itself in place of what it stands instead of; a template rots where nobody reads it."""
        text = study_text("digits", "x")
        optional = [line for line in text.splitlines() if line.startswith("# ") and " = " in line and line[2].islower()]
        instead = {"noise_seeds": "seeds", "train_seeds": "seeds", "corruption": "corruption", "dataset": "dataset"}
        instead |= {field: field for field in ("model", "head")}
        assert len(optional) > 15
        for line in optional[: optional.index('# head = "cam_softmax"')]:
            key = line[2:].partition(" = ")[0]
            dropped = f"{instead[key]} = " if key in instead else "\0"
            kept = [other for other in text.splitlines() if not other.startswith(dropped)]
            if line.startswith("# corruption"):
                kept = [other for other in kept if not other.startswith("rate = ")]
            file = tmp_path / "study.toml"
            file.write_text("\n".join(kept).replace(line, line[2:]))
            assert file.read_text() != text
            Study.from_toml(file).plan()
        listed = text.replace('head = ["softmax", "cam_softmax"]\n', "")
        start = listed.index("# [[methods]]")
        file.write_text(listed[:start] + listed[start:].replace("\n# ", "\n").removeprefix("# "))
        (method,) = Study.from_toml(file).methods
        assert method.train == {"learning_rate": 0.05}


class TestSchema:
    def test_the_committed_schema_is_the_one_of_this_code(self) -> None:
        committed = studies.folder() / "study.schema.json"
        assert committed.read_text() == schema_text(), (
            "make it again: noisylabels check --schema > studies/study.schema.json"
        )

    def test_check_prints_it(self, cli: Cli) -> None:
        assert cli("check", "--schema") == (0, schema_text(), "")

    def test_it_takes_what_check_takes(self) -> None:
        jsonschema = pytest.importorskip("jsonschema", reason="the schema's oracle is the package jsonschema")
        jsonschema.Draft202012Validator.check_schema(study_schema())
        validator = jsonschema.Draft202012Validator(study_schema())
        texts = [studies.path(name).read_text() for name in studies.names()] + [study_text("digits", "x")]
        for text in texts:
            validator.validate(tomllib.loads(text))
        good = '[base]\ndataset = "digits:per_class=3"\nhead = "softmax + ring"\n'
        validator.validate(tomllib.loads(good))
        validator.validate(tomllib.loads('#:schema ./study.schema.json\n[axes]\ndataset = ["digits", "cifar10"]'))
        for bad in (
            "", "seeds = 3", "seeds = 0\n" + good, "seeds = [1, 1]\n" + good, "seed = 1\n" + good,
            'primary = "acuracy"\n' + good, "controls = ['clean']\n" + good, good + "seed = 3", good + "loss = 'cee'",
            good + "[axes]\nhead = 'softmax'", good + "[axes]\nrate = [1.5]", good + "[axes]\nhed = []",
            good + "[[methods]]\nhead = 'softmaxx'", good + "[[methods]]\ntrain = {epoch = 3}",
            good + "[[methods]]\ntrain = {epochs = 0}", good + "[base.train]\noptimizer = 'adam'",
            "name = 'a b'\n" + good,
        ):  # fmt: skip
            assert list(validator.iter_errors(tomllib.loads(bad))), bad

    def test_every_plugin_and_every_field_is_in_it_with_words(self) -> None:
        schema = study_schema()
        assert "cam_softmax" in schema["$defs"]["head"]["anyOf"][0]["enum"]
        for table in (schema, schema["$defs"]["TrainSpec"]):
            for name, field in table["properties"].items():
                assert len(field.get("description", "")) > 4, name


class TestSeeds:
    def test_crossed_seeds_are_the_product_and_pair_over_methods(self) -> None:
        crossed = {"noise_seeds": 2, "train_seeds": [5, 7, 9]}
        study = Study.checked({"name": "s", "base": TINY, "axes": {"head": ["softmax", "cosface"]}, **crossed})
        by_head: dict[str, list[tuple[int, int]]] = {}
        for spec in study.plan():
            by_head.setdefault(spec.short("head"), []).append((spec.noise_seed, spec.seed))
        expected = [(noise, train) for noise in (0, 1) for train in (5, 7, 9)]
        assert by_head == {"softmax": expected, "cosface": expected}

    def test_one_of_them_alone(self) -> None:
        assert study_of_crossed(noise_seeds=[3, 4]).seed_pairs == ((3, 0), (4, 0))
        assert study_of_crossed(train_seeds=2).seed_pairs == ((0, 0), (0, 1))

    def test_paired_or_crossed(self) -> None:
        with pytest.raises(UsageError, match="seeds are paired, noise_seeds and train_seeds crossed"):
            study_of(noise_seeds=2)

    def test_a_crossed_study_survives_json_and_toml_values(self) -> None:
        study = study_of_crossed(noise_seeds=2, train_seeds=[4, 1])
        assert Study.model_validate_json(study.model_dump_json()) == study
        assert Study.checked(study.model_dump()) == study

    def test_studies_from_before_are_stored_as_before(self, cli: Cli) -> None:
        """The name of a changed study hangs on its content, field by field; this is the one from before the fields."""
        assert not {"noise_seeds", "train_seeds", "controls", "claims"} & set(study_of().model_dump())
        answer = json.loads(cli("sweep", "quickstart", "--seeds", "2", "--dry-run", "--json")[1])
        assert answer["study"] == "quickstart-64d5aef5"


def study_of_crossed(**seeds: Any) -> Study:
    return Study.checked({"name": "s", "base": TINY, **seeds})


class TestControls:
    def test_beside_every_corrupted_cell_and_nothing_else(self) -> None:
        corruptions = ["symmetric", "identity_merge", "symmetric:rate=0.1 + identity_merge:rate=0.3"]
        axes = {"corruption": corruptions, "rate": [0, 0.2]}
        plain, study = study_of(axes=axes).plan(), study_of(axes=axes, controls=True).plan()
        added = [spec for spec in study if spec not in plain]
        texts = list(dict.fromkeys(spec.short("corruption") for spec in added))
        assert texts == [
            'clean_subset:of="symmetric:rate=0.2"',
            'clean_subset:of="identity_merge:rate=0.2"',
            'drop_identities:of="identity_merge:rate=0.2"',
            'clean_subset:of="symmetric:rate=0.1 + identity_merge:rate=0.3"',
            'drop_identities:of="symmetric:rate=0.1 + identity_merge:rate=0.3"',
        ]
        assert [spec for spec in study if spec in plain] == plain

    def test_a_control_leaves_out_what_its_corruption_makes_wrong(self) -> None:
        """The oracle is the corrupted twin: same seed, same images."""
        study = study_of(controls=["clean_subset"], axes={"corruption": ["symmetric"], "rate": [0.4]}, seeds=[3])
        noisy, control = (pose(spec, Path()).noisy_train for spec in study.plan())
        np.testing.assert_array_equal(~control.is_kept, noisy.is_flipped)
        np.testing.assert_array_equal(control.given[control.is_kept], noisy.true[control.is_kept])
        assert noisy.is_flipped.sum() > 0

    def test_what_is_clean_or_a_control_has_none(self) -> None:
        axes = {"corruption": ['clean_subset:of="symmetric:rate=0.2"', "clean"]}
        assert study_of(axes=axes, controls=True).plan() == study_of(axes=axes).plan()

    def test_without_a_corruption_axis_it_is_the_base_runs(self) -> None:
        study = Study.checked(
            {"name": "s", "base": TINY | {"corruption": "pair:rate=0.2"}, "controls": ["clean_subset"]}
        )
        assert [spec.short("corruption") for spec in study.plan()] == [
            "pair:rate=0.2",
            'clean_subset:of="pair:rate=0.2"',
        ]

    def test_an_unknown_one(self) -> None:
        with pytest.raises(
            UsageError, match=r"controls\[0\]: unknown control 'clean_sbset'; did you mean 'clean_subset'"
        ):
            study_of(controls=["clean_sbset"])


class TestCheck:
    def test_it_says_what_is_planned(self, cli: Cli, tmp_path: Path) -> None:
        file = tmp_path / "two" / "study.toml"
        file.parent.mkdir()
        file.write_text(
            f'claims = ["{CLAIM}", "cosface is better than arcface in accuracy under pair"]\n'
            "noise_seeds = 2\ntrain_seeds = 3\ncontrols = true\n"
            '[base]\ndataset = "digits:per_class=20"\n[axes]\ncorruption = ["symmetric"]\nrate = [0, 0.2]\n'
            '[[methods]]\nhead = "softmax"\n[[methods]]\nhead = "cosface"\ntrain = {learning_rate = 0.05, epochs = 8}\n'
        )
        code, out, _ = cli("check", "two", "--workers", "2")
        assert code == 0
        lines = [line.strip() for line in out.splitlines()]
        assert "cosface (trained with learning_rate 0.05)" in lines
        assert "claims    cosface degrades less than softmax in accuracy under symmetric" in lines
        assert "symmetric at 20 %" in lines
        assert "clean_subset:of=symmetric at 20 %" in lines
        assert "seeds     noise 0, 1 x training 0, 1, 2: every draw of wrong labels with every training" in lines
        assert "runs      36, of which 0 are done" in lines
        assert "time      unknown until a first run is done" in lines
        assert "note      claims[1] cannot be judged: 'arcface' is none of the methods, or several" in lines
        assert "controls: drop_identities has nothing to stand beside: no corruption merges identities" in lines
        answer = json.loads(cli("check", "two", "--json")[1])
        assert answer["mistakes"] == []
        assert answer["runs"] == 36
        assert answer["methods"][1] == {"method": "cosface", "train": {"learning_rate": 0.05}}
        assert answer["estimate"]["seconds"] is None

    def test_it_equals_the_python_calls(self, cli: Cli, tmp_path: Path) -> None:
        answer = json.loads(cli("check", "quickstart", "--json", "--workers", "3")[1])
        summary = summarise(Study.find("quickstart"), StudyFolder(tmp_path / "runs" / "quickstart"))
        assert answer == {"file": str(studies.path("quickstart")), "mistakes": [], **summary.to_json(3)}

    def test_two_methods_of_one_name_are_noted(self, tmp_path: Path) -> None:
        study = study_of(methods=[{"head": "softmax"}, {"head": "softmax", "train": {"epochs": 3}}])
        (note,) = summarise(study, StudyFolder(tmp_path)).notes
        assert note.startswith("softmax is listed more than once")

    def test_clashes_of_all_methods_come_at_once_with_their_places(self) -> None:
        methods = [{"loss": "ce"}, {"strategy": "boundaryface"}, {"head": "sface"}, {"strategy": "noiseface"}]
        with pytest.raises(UsageError) as caught:
            study_of(methods=methods).plan()
        assert [text.partition(":")[0] for text in caught.value.mistakes] == ["methods[1]", "methods[2]", "methods[3]"]

    def test_an_axis_of_data_sets_needs_no_base(self, tmp_path: Path) -> None:
        file = tmp_path / "study.toml"
        file.write_text('[axes]\ndataset = ["digits:per_class=20", "digits:per_class=30"]\n')
        assert [spec.short("dataset") for spec in Study.from_toml(file).plan()] == [
            "digits:per_class=20",
            "digits:per_class=30",
        ]


class TestEstimate:
    """By made-up finished runs, so that every figure can be worked out by hand."""

    def finished(self, folder: StudyFolder, spec: RunSpec, seconds: float) -> int:
        folder.run(spec.run_id).begin(spec)
        folder.run(spec.run_id).finish(done(spec, seconds=seconds))
        return sum(file.stat().st_size for file in folder.run(spec.run_id).path.iterdir())

    def test_time_and_disk_are_the_medians_of_finished_runs(self, tmp_path: Path) -> None:
        study, folder = study_of(seeds=4), StudyFolder(tmp_path)
        plan = study.plan()
        sizes = [self.finished(folder, spec, seconds) for spec, seconds in zip(plan, (10, 20, 90), strict=False)]
        found = estimate(plan, folder)
        assert (found.planned, found.todo, found.untimed, found.is_guessed) == (8, 5, 0, False)
        assert found.seconds == 5 * 20
        assert found.kept_bytes == 5 * sorted(sizes)[1]
        assert found.time(2) == "about 50 s, 2 at a time, judged by finished runs"

    def test_other_epochs_are_scaled_and_other_models_are_not_told(self, tmp_path: Path) -> None:
        methods = [{"train": {"epochs": 2}}, {"train": {"epochs": 10}}]
        axes = {"model": ["small_cnn:width=4", "small_cnn:width=8"]}
        study, folder = study_of(methods=methods, axes=axes, seeds=1), StudyFolder(tmp_path)
        plan = study.plan()
        self.finished(folder, plan[0], 6.0)
        found = estimate(plan, folder)
        assert (found.todo, found.seconds, found.untimed, found.is_scaled) == (3, 30.0, 2, True)
        assert "at least 30 s" in found.time(1)
        assert "nothing tells about 2 of 3 runs" in found.time(1)

    def test_nothing_done_is_no_time_and_a_disk_that_says_it_is_a_guess(self, tmp_path: Path) -> None:
        found = estimate(study_of().plan(), StudyFolder(tmp_path))
        assert found.seconds is None
        assert found.time(2) == "unknown until a first run is done"
        assert found.disk(2).endswith("a guess from known sizes")
        unknown = Study.checked({"name": "s", "base": TINY | {"dataset": "synthetic_identities"}})
        assert estimate(unknown.plan(), StudyFolder(tmp_path)).disk(1) == "unknown until a first run is done"

    def test_all_done(self, tmp_path: Path) -> None:
        study, folder = study_of(seeds=1), StudyFolder(tmp_path)
        for spec in study.plan():
            self.finished(folder, spec, 1.0)
        assert (
            estimate(study.plan(), folder).time(1)
            == estimate(study.plan(), folder).disk(1)
            == "none: all runs are done"
        )

    def test_the_guess_holds_against_a_real_run(self, tmp_path: Path) -> None:
        """Measured: the folder of a run, and the checkpoint that it had while it was under way."""
        train = {"epochs": 2, "augment": "none", "batch_size": 32}
        spec = RunSpec.checked(TINY | {"train": train, "corruption": "symmetric:rate=0.4"})
        guess = estimate([spec], StudyFolder(tmp_path / "none"))
        folder = StudyFolder(tmp_path).run(spec.run_id)
        folder.begin(spec)
        problem = pose(spec, tmp_path)
        folder.keep_labels(problem.noisy_train)
        result = execute(spec, problem, on_epoch=folder.append, checkpoints=folder.checkpoints(every_seconds=0))
        (checkpoint,) = folder.path.glob("checkpoint-*.pt")
        assert guess.checkpoint_bytes is not None
        assert guess.checkpoint_bytes / 2 == pytest.approx(checkpoint.stat().st_size, rel=0.5)
        folder.finish(result)
        kept = sum(file.stat().st_size for file in folder.path.iterdir())
        assert guess.kept_bytes is not None
        assert kept < guess.kept_bytes < 3 * kept


CHANGES: dict[str, Any] = {
    "question": "Another?", "primary": "memorisation", "base": TINY | {"train": {"epochs": 3}},
    "axes": {"corruption": ["symmetric"], "rate": [0, 0.5]}, "methods": [{"head": "cosface"}], "seeds": [0, 2],
    "controls": True, "claims": [CLAIM],
}  # fmt: skip


def every_field_changes_the_hash(hash_of: Callable[[Study], str]) -> None:
    """The law of a freeze: whatever is changed, it shows."""
    before = study_of()
    changed = [study_of(**{field: value}) for field, value in CHANGES.items()]
    changed += [study_of_crossed(noise_seeds=2), study_of_crossed(train_seeds=2), study_of_crossed()]
    changed += [study_of(base=TINY | {key: value}) for key, value in {"loss": "gce", "selection": "noisy_val"}.items()]
    hashes = [hash_of(study) for study in (before, *changed)]
    assert len(set(hashes)) == len(hashes)
    assert hash_of(before) == hash_of(Study.model_validate_json(before.model_dump_json()))
    assert hash_of(before) == hash_of(before.model_copy(update={"name": "another"}))


def real_hash(study: Study) -> str:
    return frozen_again(study, None, level=LEVEL, date=NOW).current.sha256


class TestFreeze:
    def test_every_field_changes_the_hash(self) -> None:
        assert {*CHANGES, "name", "noise_seeds", "train_seeds"} == set(Study.model_fields)
        every_field_changes_the_hash(real_hash)

    @pytest.mark.parametrize("ignored", ["seeds", "question", "primary", "claims", "controls", "methods", "axes"])
    def test_a_freeze_that_ignores_a_field_breaks_the_law(self, ignored: str) -> None:
        def twin(study: Study) -> str:
            return plan_sha256({key: value for key, value in plan_of(study).items() if key != ignored}, LEVEL)

        with pytest.raises(AssertionError):
            every_field_changes_the_hash(twin)

    def test_the_level_is_part_of_the_hash(self) -> None:
        hashes = {frozen_again(study_of(), None, level=level, date=NOW).current.sha256 for level in (0.05, 0.01)}
        assert len(hashes) == 2

    def test_the_hash_is_that_of_canonical_json(self) -> None:
        """Written out by hand once, so that anybody can make it again with another program."""
        study = study_of(claims=[CLAIM])
        plan = {key: value for key, value in json.loads(study.model_dump_json()).items() if key != "name"}
        assert set(plan) == {"question", "primary", "base", "axes", "methods", "seeds", "claims"}
        text = json.dumps({"level": 0.05, "plan": plan}, separators=(",", ":"), sort_keys=True)
        frozen = frozen_again(study, None, level=0.05, date=NOW).current
        assert frozen.sha256 == hashlib.sha256(text.encode()).hexdigest()
        ids = sorted(spec.run_id for spec in study.plan())
        assert frozen.run_ids_sha256 == hashlib.sha256(("\n".join(ids) + "\n").encode()).hexdigest()

    def test_once_again_only_with_a_reason_that_is_kept(self, cli: Cli, tmp_path: Path) -> None:
        cli("init", "mine")
        code, out, _ = cli("study", "freeze", "mine")
        assert code == 0
        assert out.startswith("mine: 18 runs, frozen\nSHA-256 ")
        first = Path("mine", NAME).read_bytes()
        assert cli("study", "freeze", "mine")[1].startswith("mine: 18 runs, frozen already, on 20")
        assert Path("mine", NAME).read_bytes() == first
        file = Path("mine/study.toml")
        file.write_text(file.read_text().replace("\nseeds = 3", "\nseeds = 4").replace("epochs = 8", "epochs = 9"))
        code, out, err = cli("study", "freeze", "mine")
        assert (code, out) == (2, "")
        assert "since then changed: base.train.epochs, seeds" in err
        assert "(--again REASON)" in err
        assert Path("mine", NAME).read_bytes() == first
        code, out, _ = cli("study", "freeze", "mine", "--again", "more power", "--json")
        assert code == 0
        assert json.loads(out)["runs"] == 24
        frozen = read_frozen(Path("mine", NAME))
        assert frozen is not None
        assert [freeze.reason for freeze in frozen.freezes] == ["", "more power"]
        assert frozen.freezes[0] == FrozenPlan.model_validate_json(first).current

    def test_results_from_before_are_said(self, cli: Cli, tmp_path: Path) -> None:
        cli("init", "mine")
        spec = Study.find("mine").plan()[0]
        run = StudyFolder(tmp_path / "runs" / "mine").run(spec.run_id)
        run.begin(spec)
        run.finish(done(spec))
        assert "note: 1 of these runs had results before the freeze" in cli("study", "freeze", "mine")[1]
        out = cli("study", "deviations", "mine")[1]
        assert "dates: planned no run before the freeze; found 1 of 18 had results by then" in out

    @pytest.mark.parametrize("part", ["seeds", "level", "sha256", "layout", "freezes"])
    def test_an_edited_freeze_is_refused(self, part: str, tmp_path: Path) -> None:
        write_frozen(tmp_path / NAME, frozen_again(study_of(), None, level=LEVEL, date=NOW))
        values = json.loads((tmp_path / NAME).read_text())
        freeze = values["freezes"][0]
        match part:
            case "seeds":
                freeze["plan"]["seeds"] = [0]
            case "level":
                freeze["level"] = 0.5
            case "sha256":
                freeze["sha256"] = "0" * 64
            case "layout":
                values["layout"] = 2
            case "freezes":
                values["freezes"] = []
        (tmp_path / NAME).write_text(json.dumps(values))
        with pytest.raises(StoreError, match="is not a frozen plan"):
            read_frozen(tmp_path / NAME)


class TestDeviations:
    def frozen(self, study: Study) -> FrozenPlan:
        return frozen_again(study, None, level=LEVEL, date=NOW)

    def found(self, now: Study, results: list[RunResult], frozen: Study | None = None) -> dict[str, str]:
        listed = deviations(now, self.frozen(frozen or study_of()), results, level=LEVEL).listed
        assert len({one.what for one in listed}) == len(listed), "one line a deviation here"
        return {one.what: one.found for one in listed}

    def all_done(self, study: Study, started: datetime = NOW) -> list[RunResult]:
        return [done(spec, started=started.isoformat()) for spec in study.plan()]

    def test_none(self) -> None:
        study = study_of()
        assert self.found(study, self.all_done(study)) == {}
        section = deviations_section(study, self.frozen(study), self.all_done(study))
        assert "None: what is reported is what was planned." in section.paragraphs
        assert section.blocks == ()

    def test_not_frozen_is_one_line(self) -> None:
        assert deviations_section(study_of(), None, []).paragraphs == ("The plan was not frozen.",)

    @pytest.mark.parametrize("field", [field for field in CHANGES if field not in ("base", "axes")])
    def test_every_changed_field_is_named(self, field: str) -> None:
        before, now = study_of(), study_of(**{field: CHANGES[field]})
        assert field in self.found(now, self.all_done(before))

    def test_changes_inside_tables_are_named_by_their_place(self) -> None:
        now = study_of(base=CHANGES["base"], axes=CHANGES["axes"])
        found = self.found(now, self.all_done(study_of()))
        assert found == {"base.train.epochs": "3", "axes.rate": "dropped 0.4 and added 0.5"}

    def test_seeds_dropped_and_added(self) -> None:
        now = study_of(seeds=[0, 2, 3])
        assert self.found(now, self.all_done(study_of()))["seeds"] == "dropped 1 and added 2, 3"

    def test_an_order_is_a_plan_too(self) -> None:
        assert self.found(study_of(seeds=[1, 0]), self.all_done(study_of())) == {"seeds": "another order: 1, 0"}

    def test_runs_missing_and_not_planned(self) -> None:
        study = study_of()
        results = self.all_done(study)
        failed = results[0].model_copy(update={"status": "failed"})
        diverged = results[1].model_copy(update={"status": "diverged"})
        assert self.found(study, [failed, diverged, *results[2:]]) == {"runs": "1 without a result"}
        stray = self.all_done(study_of(seeds=[9]))[:1]
        assert self.found(study, [*results, *stray]) == {"runs": "1 more that were not planned"}

    def test_results_older_than_the_freeze(self) -> None:
        study = study_of()
        results = self.all_done(study)
        early = self.all_done(study, started=NOW - timedelta(seconds=1))[:2]
        assert self.found(study, [*early, *results[2:]]) == {"dates": "2 began before it"}
        same_second = [done(spec, started=NOW.isoformat(timespec="seconds")) for spec in study.plan()]
        assert self.found(study, same_second) == {}, "a record says when it began to the second, and no better"

    def test_results_without_a_date_are_no_deviation_and_no_silence(self) -> None:
        study = study_of()
        undated = [done(spec) for spec in study.plan()]
        found = deviations(study, self.frozen(study), undated, level=LEVEL)
        assert found.listed == ()
        section = deviations_section(study, self.frozen(study), undated)
        assert section.paragraphs[-1] == (
            "It cannot be told whether 4 of 4 results are older than the freeze: they do not say when they began."
        )

    def test_another_level(self) -> None:
        listed = deviations(study_of(), self.frozen(study_of()), self.all_done(study_of()), level=0.1).listed
        assert [one.text() for one in listed] == ["level: planned 0.05; found 0.1"]

    def test_runs_with_other_identities_are_said(self) -> None:
        study = study_of()
        frozen = self.frozen(study)
        moved = frozen.current.model_copy(update={"run_ids_sha256": "0" * 64})
        listed = deviations(study, FrozenPlan(study="s", freezes=(moved,)), self.all_done(study), level=LEVEL).listed
        assert [one.found for one in listed] == ["other identities: the data or the program changed"]

    def test_amendments_are_told_with_their_reasons(self) -> None:
        first, now = study_of(), study_of(seeds=3)
        frozen = frozen_again(now, self.frozen(first), level=LEVEL, date=NOW + timedelta(days=2), reason="more power")
        section = deviations_section(now, frozen, self.all_done(now, NOW + timedelta(days=3)))
        assert section.paragraphs[1] == (
            "Amendment 1, 2026-03-03 12:00 UTC, of the plan of 2026-03-01 12:00 UTC: more power (changed: seeds)"
        )

    def test_the_command_lists_them(self, cli: Cli) -> None:
        cli("init", "mine")
        assert cli("study", "deviations", "mine") == (0, "mine: not frozen\n", "")
        cli("study", "freeze", "mine")
        file = Path("mine/study.toml")
        file.write_text(file.read_text().replace("\nseeds = 3", "\nseeds = 2"))
        code, out, _ = cli("study", "deviations", "mine")
        assert code == 0
        assert "seeds: planned 0, 1, 2; found dropped 2\n" in out
        answer = json.loads(cli("study", "deviations", "mine", "--json")[1])
        assert {one["what"] for one in answer["deviations"]} == {"seeds", "runs"}


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
)
def test_differing_finds_all_and_only_differences(old: dict[str, int], new: dict[str, int]) -> None:
    expected = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    assert set(differing({"t": old}, {"t": new})) == {f"t.{key}" for key in expected}


def test_clean_runs_of_crossed_noise_seeds_are_the_same_training() -> None:
    """Why clean cells of a crossed study cost more than they tell: the noise seed of a clean run moves nothing."""
    spec = study_of_crossed(noise_seeds=2).plan()
    given_labels = [pose(one, Path()).noisy_train.given for one in spec]
    for first, second in itertools.pairwise(given_labels):
        np.testing.assert_array_equal(first, second)

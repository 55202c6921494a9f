"""The mini-language, specs and studies: both ways, and every mistake with its sentence."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import studies
from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.data import DataError, MissingDataError
from noisylabels.spec import TABLES, RunSpec
from noisylabels.study import Study


@dataclass(frozen=True)
class Sample:
    """A plug-in with a parameter of each type."""

    kind: ClassVar[str] = "sample"
    share: float = 0.5
    count: int = 1
    on: bool = False
    name: str = "plain"
    pairs: tuple[tuple[int, int], ...] = ()


@given(
    st.builds(
        Sample,
        share=st.floats(allow_nan=False, allow_infinity=False),
        count=st.integers(),
        on=st.booleans(),
        name=st.text(),
        pairs=st.lists(st.tuples(st.integers(), st.integers())).map(tuple),
    )
)
def test_text_and_plugin_are_one(sample: Sample) -> None:
    table = {"sample": Sample}
    assert catalog.build(table, catalog.full_text(sample), what="thing") == sample
    assert catalog.build(table, catalog.short_text(sample), what="thing") == sample


@pytest.mark.parametrize("field", TABLES)
def test_table_keys_are_the_kinds_and_every_plugin_says_what_it_is(field: str) -> None:
    for name, plugin in TABLES[field].items():
        assert plugin.kind == name
        assert plugin.__doc__
        assert len(plugin.__doc__.strip().splitlines()[0]) > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sampel", "unknown thing 'sampel'; did you mean 'sample'? known: sample"),
        ("sample:shar=1", "unknown parameter 'shar'; did you mean 'share'? known: count, name, on, pairs, share"),
        ("sample:share=much", "share must be a number, unable to parse string as a number; got 'much'"),
        ("sample:count=1.5", "count must be a integer, got a number with a fractional part; got 1.5"),
        ("sample:share", "parameters must be key=value; got 'share'"),
        ("sample:share=1,share=2", "parameter 'share' is given twice"),
    ],
)
def test_mistakes_in_a_text_are_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.build({"sample": Sample}, text, what="thing")
    assert sentence in str(caught.value)


def test_all_mistakes_in_a_text_come_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        catalog.build({"sample": Sample}, "sample:share=x,colour=red", what="thing")
    assert "share must be" in str(caught.value)
    assert "unknown parameter 'colour'" in str(caught.value)


class TestRunSpec:
    def test_survives_json(self) -> None:
        spec = RunSpec(dataset="digits", corruption="symmetric:rate=0.2", head="arcface:margin=0.2")
        again = RunSpec.model_validate_json(spec.model_dump_json())
        assert again == spec
        assert again.run_id == spec.run_id

    def test_identity_is_of_the_meaning_not_the_spelling(self) -> None:
        plain = RunSpec(dataset="digits", head="arcface:margin=0.5")
        spelt = RunSpec(dataset="digits:validation=0.2", head="arcface:scale=20,margin=5e-1", loss="ce")
        assert plain.run_id == spelt.run_id

    def test_every_field_but_the_spelling_changes_the_identity(self) -> None:
        base = RunSpec(dataset="digits")
        others = [
            {"seed": 1}, {"noise_seed": 1}, {"head": "cosface"}, {"corruption": "symmetric:rate=0.2"},
            {"model": "resnet8"}, {"dataset": "digits:per_class=10"}, {"train": {"epochs": 9}},
            {"selection": "noisy_val"},
        ]  # fmt: skip
        ids = {RunSpec.checked(base.model_dump() | other).run_id for other in others}
        assert len(ids | {base.run_id}) == len(others) + 1

    def test_rate_0_of_any_kind_is_the_clean_run(self) -> None:
        ids = {
            RunSpec(dataset="digits", corruption=text).run_id
            for text in ("clean", "symmetric:rate=0", "identity_merge:rate=0,group_size=3")
        }
        assert len(ids) == 1

    def test_method_leaves_out_what_goes_without_saying(self) -> None:
        assert RunSpec(dataset="digits", head="arcface:margin=0.5").method == "arcface"
        assert RunSpec(dataset="digits", head="arcface:margin=0.25").method == "arcface:margin=0.25"

    def test_all_mistakes_come_at_once(self) -> None:
        with pytest.raises(UsageError) as caught:
            RunSpec.checked({"dataset": "digits", "head": "archface", "sead": 1, "train": {"epochs": 0, "lr": 1}})
        message = str(caught.value)
        assert "unknown head 'archface'; did you mean 'arcface'?" in message
        assert "unknown key 'sead'; did you mean 'seed'?" in message
        assert "unknown key 'train.lr'" in message
        assert "train.epochs: must be greater than or equal to 1; got 0" in message


class TestStudy:
    def study(self, **axes: object) -> Study:
        axes = {"corruption": ["symmetric"]} | axes
        return Study.checked({"name": "s", "base": {"dataset": "digits"}, "axes": axes, "seeds": 2})

    def test_plan_crosses_axes_and_shares_clean_runs(self) -> None:
        heads, rates = ["softmax", "cosface"], [0, 0.2, 0.4]
        plan = self.study(head=heads, corruption=["symmetric", "identity_merge"], rate=rates).plan()
        clean = [spec for spec in plan if spec.corruption.startswith("clean")]
        assert len(clean) == len(heads) * 2
        assert len(plan) == len(heads) * 2 * (1 + 2 * 2)
        assert len({spec.run_id for spec in plan}) == len(plan)

    def test_every_method_sees_the_same_noise_seeds(self) -> None:
        plan = self.study(head=["softmax", "cosface"], rate=[0.2]).plan()
        by_head = {"softmax": [], "cosface": []}
        for spec in plan:
            by_head[spec.short("head")].append((spec.seed, spec.noise_seed))
        assert by_head["softmax"] == by_head["cosface"] == [(0, 0), (1, 1)]

    def test_a_corruption_with_its_own_rate_is_not_crossed(self) -> None:
        plan = self.study(corruption=["symmetric:rate=0.6", "identity_merge:group_size=3"], rate=[0.2]).plan()
        assert [spec.short("corruption") for spec in plan[::2]] == [
            "symmetric:rate=0.6",
            "identity_merge:rate=0.2,group_size=3",
        ]

    def test_bad_files_are_one_sentence(self, tmp_path: Path) -> None:
        file = tmp_path / "study.toml"
        for content, sentence in {
            "a = ": "is not TOML",
            'seeds = 2\n[base]\ndataset = "digit"': "unknown dataset 'digit'; did you mean 'digits'?",
            '[base]\ndataset = "digits"\n[axes]\nrate = [1.5]': "rate must be in [0, 1]; got 1.5",
            '[base]\ndataset = "digits"\n[axes]\nrate = [0.5]': "axes.rate is crossed with the kinds",
            '[base]\ndataset = "digits"\n[axes]\ncorruption = ["symmetric"]': "'symmetric' needs a rate",
            '[base]\ndataset = "digits"\n[axes]\nhead = ["archface"]': "unknown head 'archface'; did you mean",
            '[base]\ndataset = "digits"\nhead = "arcface"\n[axes]\nhead = ["softmax"]': "base.head has no effect",
            '[base]\ndataset = "digits"\nseed = 3': "base.seed has no effect in a study",
            'seeds = []\n[base]\ndataset = "digits"': "seeds: ",
            'seeds = 0\n[base]\ndataset = "digits"': "seeds: ",
            'seeds = -1\n[base]\ndataset = "digits"': "seeds: ",
            'seeds = [1, 1]\n[base]\ndataset = "digits"': "seeds must be different and at least 0; got [1, 1]",
            '[base]\ndataset = "digits"\n[base.train]\nlearning_rate = inf': "base.train.learning_rate: must be",
            '[base]\ndataset = "digits"\n[axis]\nrate = [0.5]': "unknown key 'axis'; did you mean 'axes'?",
            'primary = "acuracy"\n[base]\ndataset = "digits"': "unknown metric 'acuracy'; did you mean 'accuracy'?",
            "": "base: Field required",
        }.items():
            file.write_text(content)
            with pytest.raises(UsageError) as caught:
                Study.from_toml(file)
            assert sentence in str(caught.value)
            assert str(file) in str(caught.value)

    def test_without_axes_the_base_run_is_the_study(self) -> None:
        base = {"dataset": "digits", "corruption": "identity_merge:rate=0.3"}
        (only,) = Study.checked({"name": "s", "base": base}).plan()
        assert only.short("corruption") == "identity_merge:rate=0.3"

    def test_a_shipped_name_means_the_shipped_study_wherever_one_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "quickstart").mkdir()
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "study.toml").write_text('[base]\ndataset = "digits"\n')
        monkeypatch.chdir(tmp_path)
        assert Study.find("quickstart").question.startswith("On 1,797")
        assert Study.find("own").name == "own"
        with pytest.raises(UsageError, match="unknown study ''"):
            Study.find("")

    def test_bom_and_crlf_are_read(self, tmp_path: Path) -> None:
        file = tmp_path / "study.toml"
        file.write_bytes(b'\xef\xbb\xbf[base]\r\ndataset = "digits"\r\n')
        assert Study.from_toml(file).name == tmp_path.name

    def test_unknown_study_names_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="unknown study 'quikstart'; did you mean 'quickstart'"):
            Study.find("quikstart")

    @pytest.mark.parametrize("name", studies.names())
    def test_shipped_study_plans_and_survives_json(self, name: str) -> None:
        try:
            study = Study.find(name)
        except MissingDataError as absent:
            pytest.skip(f"the study is of images that everybody brings: {absent}")
        assert study.question
        assert study.plan()
        assert Study.model_validate_json(study.model_dump_json()).plan() == study.plan()


class TestFolderIdentity:
    """A folder's runs are known by its content, never by its place."""

    def folder(self, path: Path, level: int) -> Path:
        for name in ("cat", "dog"):
            (path / name).mkdir(parents=True)
            for i in range(4):
                Image.fromarray(np.full((8, 8), level + 20 * i, np.uint8)).save(path / name / f"{i}.png")
        return path

    def spec(self, path: Path) -> RunSpec:
        return RunSpec(dataset=f'folder:root="{path}"')

    def test_the_same_content_elsewhere_is_the_same_run(self, tmp_path: Path) -> None:
        one, other = (self.spec(self.folder(tmp_path / name, 0)) for name in ("one", "other"))
        assert one.run_id == other.run_id
        assert self.spec(self.folder(tmp_path / "third", 9)).run_id != one.run_id

    def test_an_edited_image_is_another_run_and_the_old_spec_refuses_it(self, tmp_path: Path) -> None:
        path = self.folder(tmp_path / "pets", 0)
        before = self.spec(path)
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(path / "cat" / "0.png")
        assert self.spec(path).run_id != before.run_id
        with pytest.raises(DataError, match="has changed: its content must be"):
            before.plugin("dataset").prepare(tmp_path)

    def test_a_stored_spec_needs_no_images_to_be_read(self, tmp_path: Path) -> None:
        path = self.folder(tmp_path / "pets", 0)
        spec = self.spec(path)
        study = Study.checked({"name": "s", "base": spec.model_dump(), "axes": {"head": ["softmax", "cosface"]}})
        stored, planned = study.model_dump_json(), [run.run_id for run in study.plan()]
        shutil.rmtree(path)
        assert RunSpec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id
        assert [run.run_id for run in Study.model_validate_json(stored).plan()] == planned

"""Published records: a report from the file alone, and records that are not what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import studies
from noisylabels.cli.stored import known_results
from noisylabels.data import data_root
from noisylabels.records import read_records, write_records
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StoreError, StudyFolder
from noisylabels.study import Study

STUDY = '[base]\ndataset = "digits"\n[axes]\ncorruption = ["symmetric"]\nrate = [0.0, 0.2]\n'


def result_of(spec: RunSpec) -> RunResult:
    accuracy = Measurement(name="accuracy", value=0.5, unit="share", higher_is_better=True, n=10)
    return RunResult(run_id=spec.run_id, spec=spec, status="ok", noise={"realised_rate": 0.0}, measurements=(accuracy,))


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine" / "study.toml"
    file.parent.mkdir()
    file.write_text(STUDY)
    return file


def test_records_come_back_equal(study_file: Path) -> None:
    results = [result_of(spec) for spec in Study.from_toml(study_file).plan()]
    write_records(study_file.with_name("records.jsonl"), results)
    assert read_records(study_file.with_name("records.jsonl")) == results


def test_no_results_are_records_too(tmp_path: Path) -> None:
    write_records(tmp_path / "records.jsonl", [])
    assert read_records(tmp_path / "records.jsonl") == []


def test_records_stand_in_where_nothing_was_run(study_file: Path, tmp_path: Path) -> None:
    study, folder = Study.from_toml(study_file), StudyFolder(tmp_path / "runs" / "mine")
    published = [result_of(spec) for spec in study.plan()]
    write_records(study_file.with_name("records.jsonl"), published)
    assert known_results(str(study_file), study, folder) == published
    own = published[0].model_copy(update={"status": "diverged"})
    folder.run(own.run_id).begin(own.spec)
    folder.run(own.run_id).finish(own)
    assert known_results(str(study_file), study, folder) == [own]


def test_a_record_that_was_edited_is_refused(study_file: Path) -> None:
    file = study_file.with_name("records.jsonl")
    write_records(file, [result_of(spec) for spec in Study.from_toml(study_file).plan()])
    lines = file.read_text().splitlines()
    forged = json.loads(lines[1])
    forged["spec"]["seed"] = 7
    file.write_text("\n".join([lines[0], json.dumps(forged)]))
    with pytest.raises(StoreError, match="line 2 says run"):
        read_records(file)
    file.write_text(lines[0] + "\n{")
    with pytest.raises(StoreError, match="line 2 is not a result"):
        read_records(file)


@pytest.mark.parametrize("name", [n for n in studies.names() if studies.path(n).with_name("records.jsonl").exists()])
def test_published_records_are_the_whole_plan_of_their_study(name: str) -> None:
    study = Study.find(name)
    published = read_records(studies.path(name).with_name("records.jsonl"))
    assert [result.run_id for result in published] == [spec.run_id for spec in study.plan()]


PUBLISHED = [n for n in studies.names() if studies.path(n).with_name("records.jsonl").exists()]
QUICK = ("cifar10_symmetric", "quickstart")


@pytest.mark.data
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in PUBLISHED])
def test_the_published_labels_are_made_again_bit_by_bit(name: str) -> None:
    """A record's given labels hang on nothing but its spec: no later change of the code may move them."""
    published = read_records(studies.path(name).with_name("records.jsonl"))
    if not (data_root() / "cifar-10-batches-py").is_dir():
        pytest.skip(f"needs CIFAR-10 under {data_root()}")
    by_noise = {(result.spec.dataset, result.spec.corruption, result.spec.noise_seed): result for result in published}
    splits = {dataset: Study.find(name).base.plugin("dataset").prepare(data_root()) for dataset, _, _ in by_noise}
    for (dataset, _, seed), result in by_noise.items():
        images = splits[dataset].train
        corruption = result.spec.plugin("corruption")
        noise = corruption.apply(images.labels, images.num_classes, seed=seed, example_ids=images.ids)
        assert noise.record.given_sha256 == result.noise["given_sha256"]
        assert noise.record.true_sha256 == result.noise["true_sha256"]

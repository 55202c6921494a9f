"""Every kind of noise from the command line and from a study file, on real images."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from corruptions import CORRUPTIONS
from corruptions.files import read_noise
from noisylabels.cli.app import app
from noisylabels.data import data_root
from noisylabels.problem import check, pose
from noisylabels.recipe import remade
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.study import Study

DIGITS = "digits:per_class=30,test_per_class=20"
TEXTS = {
    "asymmetric": "asymmetric:rate=0.4,map=pair",
    "clean": "clean",
    "clean_subset": 'clean_subset:of="symmetric:rate=0.4"',
    "clustered": "clustered:rate=0.3",
    "confusion": "confusion:rate=0.3,neighbours=2",
    "drop_identities": "drop_identities:of=identity_merge:rate=0.3",
    "identity_flip": "identity_flip:rate=0.3,targets=look_alike,neighbours=3",
    "identity_merge": "identity_merge:rate=0.3,pairing=look_alike,moved=0.5",
    "identity_split": "identity_split:rate=0.3,parts=3,balance=skewed",
    "instance": "instance:rate=0.3",
    "legacy": "legacy:rate=0.4,code=dividemix_symmetric",
    "outlier": "outlier:rate=0.1,labels=random",
    "pair": "pair:rate=0.3",
    "random_labels": "random_labels",
    "symmetric": "symmetric:rate=0.2,inclusive=true",
    "+": "symmetric:rate=0.1 + identity_merge:rate=0.2",
}
STUDY = """
seeds = 1
[base]
dataset = "{dataset}"
model = "small_cnn:width=4"
[base.train]
epochs = 1
batch_size = 32
crop_padding = 1
[axes]
corruption = {corruptions}
"""


def test_every_kind_has_a_text() -> None:
    assert set(TEXTS) == {*CORRUPTIONS, "+"} - {"human"}  # whose labels are CIFAR's: see test_human_noise_of_cifar


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_the_command_line_makes_verifies_and_applies_it(kind: str, tmp_path: Path) -> None:
    run = CliRunner()
    made = run.invoke(
        app, ["corrupt", "--dataset", DIGITS, "--corruption", TEXTS[kind], "--seed", "5", "--out", str(tmp_path / "a")]
    )
    assert made.exit_code == 0, made.output
    noise = read_noise(tmp_path / "a")
    for name in ("contact_sheet", "transition_matrix", "wrong_by_class"):
        with Image.open(tmp_path / "a" / f"{name}.png") as picture:
            assert picture.width > 400
    verified = run.invoke(app, ["corrupt", "verify", str(tmp_path / "a"), "--dataset", DIGITS, "--json"])
    assert json.loads(verified.stdout)["recipe_followed"] is True
    applied = run.invoke(
        app, ["corrupt", "apply", str(tmp_path / "a"), "--dataset", DIGITS, "--out", str(tmp_path / "b")]
    )
    assert applied.exit_code == 0, applied.output
    np.testing.assert_array_equal(read_noise(tmp_path / "b").given, noise.given)
    compared = run.invoke(app, ["corrupt", "diff", str(tmp_path / "a"), str(tmp_path / "b"), "--json"])
    assert json.loads(compared.stdout)["same_labels"] is True


def test_a_study_file_trains_under_every_kind(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(dataset=DIGITS, corruptions=json.dumps(list(TEXTS.values()))))
    plan = Study.from_toml(file).plan()
    assert len(plan) == len(TEXTS)
    check(plan, tmp_path)
    for spec in plan:
        problem = pose(spec, tmp_path)
        result = execute(spec, problem)
        assert result.status in ("ok", "collapsed"), spec.corruption
        assert result.value("accuracy") is not None
        assert result.noise["kind"] == (spec.plugin("corruption").kind)
        sizes = result.provenance["sizes"]
        assert sizes["train"] == len(problem.train_given) == int(problem.noisy_train.is_kept.sum())
        again = remade(problem.noisy_train) if not spec.plugin("corruption").needs() else None
        assert again is None or np.array_equal(again.given, problem.noisy_train.given)


@pytest.mark.data
@pytest.mark.parametrize("text", ["human:labels=worse", "human:labels=aggre,twin=true", 'clean_subset:of="human"'])
def test_human_noise_of_cifar(text: str, tmp_path: Path) -> None:
    """From the command line and from a study file; the recipe is followed again with the published labels."""
    if not (data_root() / "labels" / "CIFAR-10_human.pt").is_file():
        pytest.skip(f"needs CIFAR-10 and CIFAR-10N under {data_root()}")
    cifar = "cifar10:per_class=40,test_per_class=20"
    arguments = ["corrupt", "--dataset", cifar, "--corruption", text, "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    verified = CliRunner().invoke(app, ["corrupt", "verify", str(tmp_path / "out"), "--dataset", cifar, "--json"])
    assert json.loads(verified.stdout)["recipe_followed"] is True
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(dataset=cifar, corruptions=json.dumps([text])))
    (spec,) = Study.from_toml(file).plan()
    problem = pose(spec, data_root())
    np.testing.assert_array_equal(problem.noisy_train.given, read_noise(tmp_path / "out").given)
    assert execute(spec, problem).value("accuracy") is not None


def test_a_data_set_without_human_labels_says_so() -> None:
    said = failure_of("corrupt", "--dataset", DIGITS, "--corruption", "human", "--out", "nowhere")
    assert said == "digits has no published human labels; cifar10 and cifar100 have"


def test_a_rate_axis_reaches_the_step_that_has_none(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    kinds = ["symmetric", "clean_subset:of=symmetric", "symmetric + identity_merge:rate=0.2"]
    file.write_text(STUDY.format(dataset=DIGITS, corruptions=json.dumps(kinds)) + "rate = [0.0, 0.2]\n")
    texts = [spec.short("corruption") for spec in Study.from_toml(file).plan()]
    assert texts == [
        "clean",
        "symmetric:rate=0.2",
        'clean_subset:of="symmetric:rate=0.2"',
        "identity_merge:rate=0.2",
        "symmetric:rate=0.2 + identity_merge:rate=0.2",
    ]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    made = CliRunner().invoke(
        app, ["corrupt", "--dataset", DIGITS, "--corruption", "symmetric:rate=0.2", "--out", str(tmp_path / "record")]
    )
    assert made.exit_code == 0
    return tmp_path / "record"


def failure_of(*arguments: str) -> str:
    """The one line that a refused command leaves."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code != 0
    assert result.exception is not None
    return str(result.exception)


def test_a_label_edited_by_hand_is_found(record: Path, tmp_path: Path) -> None:
    with np.load(record / "noise.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    arrays["given_labels"][7] = (arrays["given_labels"][7] + 1) % 10
    np.savez(record / "noise.npz", **arrays)
    assert "do not belong together: labels are not the ones this record describes" in failure_of(
        "corrupt", "verify", str(record)
    )


def test_a_recipe_that_makes_other_labels_is_found(record: Path) -> None:
    values = json.loads((record / "noise.json").read_text())
    (record / "noise.json").write_text(json.dumps(values | {"seed": 8}))
    assert "its recipe does not make this record; other flipped_by_class" in failure_of(
        "corrupt", "verify", str(record)
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema_version": 9}, "must have schema_version 2; got 9"),
        ({"num_examples": 10**12}, "contradicts itself in num_examples"),
        ({"kind": "os.system"}, "unknown corruption 'os.system'"),
        ({"parameters": {"rate": 0.2, "colour": 1}}, "unknown parameter 'colour'"),
        ({"kind": "+", "parameters": {"steps": 5}}, "a composed record must name at least two steps; got 0"),
        ({"kind": "clean_subset", "parameters": {"of": 5}}, "a step of a record must name its kind; got 5"),
        ({"num_given_classes": 10**30}, "contradicts itself in num_given_classes"),
        ({"rate": 0.9}, "its recipe does not make this record; other rate"),
        ({"rate_of": "lies"}, "its recipe does not make this record; other rate_of"),
        ({"details": {"num_chosen": 99}}, "its recipe does not make this record; other details"),
        ({"details": {"absorbed_into": "abc"}}, "absorbed_into in the details of a noise record must be pairs"),
        ({"details": {"absent": [10]}}, "absent in the details of a noise record must be a list of class ids"),
        ({"count_by_class": "x"}, "count_by_class of a noise record must be a list of whole numbers"),
    ],
)
def test_a_record_that_is_none_is_refused_in_one_line(record: Path, change: dict[str, object], sentence: str) -> None:
    values = json.loads((record / "noise.json").read_text())
    (record / "noise.json").write_text(json.dumps(values | change))
    said = failure_of("corrupt", "verify", str(record))
    assert sentence in said
    assert "\n" not in said


def test_a_record_with_a_pickle_in_it_is_refused_and_nothing_runs(record: Path, tmp_path: Path) -> None:
    class Mine:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "executed",))

    np.savez(record / "noise.npz", ids=np.array([Mine()], dtype=object), true_labels=[0], given_labels=[0])
    assert "ids: a .npy array must hold integers or floats; got object" in failure_of("corrupt", "verify", str(record))
    assert not (tmp_path / "executed").exists()


def test_a_record_of_other_images_is_not_applied(record: Path, tmp_path: Path) -> None:
    said = failure_of(
        "corrupt", "apply", str(record), "--dataset", "digits:per_class=20", "--out", str(tmp_path / "out")
    )
    assert "the record must be about the 160 training images" in said
    assert not (tmp_path / "out").exists()


def test_a_torn_record_is_refused(record: Path) -> None:
    whole = (record / "noise.npz").read_bytes()
    (record / "noise.npz").write_bytes(whole[: len(whole) // 2])
    assert "is not a file of labels" in failure_of("corrupt", "verify", str(record))
    shutil.rmtree(record)
    assert "does not exist" in failure_of("corrupt", "verify", str(record))


def rewritten(record: Path, **changed: np.ndarray) -> None:
    with np.load(record / "noise.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(record / "noise.npz", **(arrays | changed))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"transition_matrix": np.full((10, 10), 7.0)}, "transition_matrix does not follow from the labels"),
        ({"transitions_count": np.array([999])}, "transitions_count: it must be int64 of shape"),
        ({"ids": np.zeros(240, dtype=np.int64)}, "example_ids must be unique"),
        ({"true_labels": np.zeros(240)}, "true_labels: it must be int64 of shape (240,); got float64"),
        ({"given_labels": np.zeros(9, dtype=np.int64)}, "given_labels: it must be int64 of shape (240,); got int64 of"),
    ],
)
def test_arrays_that_do_not_follow_are_found(record: Path, changed: dict[str, np.ndarray], sentence: str) -> None:
    rewritten(record, **changed)
    assert sentence in failure_of("corrupt", "verify", str(record))


def test_a_file_that_unpacks_to_more_than_the_record_says_is_not_unpacked(record: Path) -> None:
    np.savez_compressed(record / "noise.npz", ids=np.zeros(10_000_000, dtype=np.int64))
    said = failure_of("corrupt", "verify", str(record))
    assert "ids: a member must unpack to at most 6,016 bytes; got 80,000,128" in said


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"((((((((",
        b"-" * 3_000 + b"1",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (40L,)}",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,)}",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (240,)}",
        b"__import__('os').system('touch executed')",
    ],
)
def test_a_broken_array_header_is_one_line(record: Path, header: bytes) -> None:
    with zipfile.ZipFile(record / "noise.npz", "w") as archive:
        archive.writestr("ids.npy", npy(header))
    assert "do not belong together: ids: " in failure_of("corrupt", "verify", str(record))


def test_a_missing_array_is_named(record: Path) -> None:
    np.savez(record / "noise.npz", ids=np.arange(240))
    assert "do not belong together: " in failure_of("corrupt", "verify", str(record))
    with zipfile.ZipFile(record / "noise.npz", "w") as archive:
        archive.writestr("other.npy", b"")
    assert "do not belong together: ids is missing" in failure_of("corrupt", "verify", str(record))


def test_a_damaged_member_is_one_line(record: Path) -> None:
    content = bytearray((record / "noise.npz").read_bytes())
    content[60:120] = bytes(60)
    (record / "noise.npz").write_bytes(content)
    assert "noise.npz" in failure_of("corrupt", "verify", str(record))


def test_a_device_is_no_record(record: Path) -> None:
    for name in ("noise.json", "noise.npz"):
        (record / name).rename(record / "kept")
        (record / name).symlink_to("/dev/zero")
        assert "it must be a file; got something else" in failure_of("corrupt", "verify", str(record))
        (record / name).unlink()
        (record / "kept").rename(record / name)


def test_an_earlier_corruption_s_files_do_not_stay(tmp_path: Path) -> None:
    for text in ("symmetric:rate=0.2", "identity_split:rate=1,parts=24"):
        arguments = ["corrupt", "--dataset", DIGITS, "--corruption", text, "--out", str(tmp_path / "out")]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert read_noise(tmp_path / "out").record.num_given_classes == 240
    assert not (tmp_path / "out" / "transition_matrix.csv").exists()  # of 240 labels none is written


def test_who_left_most_images_to_another_is_carried_by_that_one(tmp_path: Path) -> None:
    text = "identity_merge:rate=0.2,groups=[[1,7],[0,5]],moved={}"
    for moved, carried in (("0.9", {7: 1, 5: 0}), ("0.3", {})):
        problem = pose(RunSpec(dataset=DIGITS, corruption=text.format(moved)), tmp_path)
        expected = [carried.get(k, k) for k in range(10)]
        np.testing.assert_array_equal(problem.carrying_class, expected)

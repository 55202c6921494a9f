"""Values from files, embeddings from a file, translation of rates: what ``corrupt`` takes besides texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from corruptions.files import read_noise
from noisylabels.catalog import UsageError
from noisylabels.cli.app import app
from noisylabels.data import Digits
from noisylabels.spec import canonical
from noisylabels.value_file import read_value

DIGITS = "digits:per_class=30,test_per_class=20"


def corrupt(out: Path, corruption: str, *others: str) -> str:
    """The error's sentence, or nothing."""
    result = CliRunner().invoke(
        app, ["corrupt", "--dataset", DIGITS, "--corruption", corruption, *others, "--out", str(out)]
    )
    assert (result.exit_code == 0) == (result.exception is None)
    return "" if result.exception is None else str(result.exception)


def test_the_matrix_that_one_corruption_leaves_is_the_next_one_s_parameter(tmp_path: Path) -> None:
    """``transition_matrix.csv`` has six digits, whose rows need not sum to one: they are divided by their sums."""
    assert corrupt(tmp_path / "a", "symmetric:rate=0.3") == ""
    file = tmp_path / "a" / "transition_matrix.csv"
    assert corrupt(tmp_path / "b", f"asymmetric:rate=1,matrix=@{file}") == ""
    first, second = read_noise(tmp_path / "a"), read_noise(tmp_path / "b")
    assert first.record.flipped_by_class == second.record.flipped_by_class
    assert str(tmp_path) not in json.dumps(second.record.to_json())  # cells, not a path


def test_a_json_file_holds_any_value(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text("[[3, 5], [1, 7, 2]]")
    text = canonical("corruption", f"identity_merge:rate=0.2,groups=@{tmp_path}/groups.json")
    assert "groups=[[3,5],[1,7,2]]" in text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "true_label,0,1\n0,1,1\n2,1,1\n", "line 3 must be class 1 and 2 numbers"),
        ("a.csv", "true_label,0,1\n0,1,x\n", "could not convert string to float: 'x'"),
        ("a.csv", "true_label,0,1\n0,1,-1\n", "line 2 must hold shares or counts, none negative"),
        ("a.csv", "true_label,0,1\n0,1,nan\n", "line 2 must hold shares or counts, none negative"),
        ("a.csv", "", "a matrix must have 1 to 10000 cells that are not zero; got 0"),
        ("a.json", "[1,", "Expecting value"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.csv", f"true_label,0,1\n0,1,{'1' * 200_000}\n", "field larger than field limit"),
        ("a.csv", "true_label,0,1\n0,1e308,1e308\n", "intermediate overflow in fsum"),
        ("a.npy", "x", "a value's file must be a .json or a .csv"),
        ("a.csv", "0" * (5 << 20), "must be at most 4194304 bytes; got more"),
    ],
)
def test_files_without_a_value_are_refused_in_one_line(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        canonical("corruption", f"asymmetric:rate=0.2,matrix=@{tmp_path / name}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_value_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"cannot read nowhere\.csv: No such file or directory"):
        canonical("corruption", "asymmetric:rate=0.2,matrix=@nowhere.csv")


def test_counts_become_shares(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("true_label,0,1\n0,30,10\n1,0,0\n")
    assert read_value(tmp_path / "votes.csv") == [[0, 0, 0.75], [0, 1, 0.25]]


def test_embeddings_of_one_s_own_decide_who_looks_alike(tmp_path: Path) -> None:
    """One embedding for each class, on a line: the neighbours of class i are i - 1 and i + 1."""
    splits = Digits(per_class=30, test_per_class=20).prepare(tmp_path)
    train = splits.train
    embeddings = np.full((train.ids.max() + 1, 2), np.nan)
    angle = train.labels / 12 * np.pi
    embeddings[train.ids] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.save(tmp_path / "embeddings.npy", embeddings)
    options = ("--features", str(tmp_path / "embeddings.npy"))
    assert corrupt(tmp_path / "out", "confusion:rate=0.4,neighbours=1", *options) == ""
    noise = read_noise(tmp_path / "out")
    assert set(np.abs(noise.given - noise.true)[noise.is_flipped].tolist()) == {1}
    assert noise.record.features_sha256
    verified = CliRunner().invoke(app, ["corrupt", "verify", str(tmp_path / "out")])
    assert "the recipe was not followed: it needs features" in verified.stdout
    again = CliRunner().invoke(app, ["corrupt", "verify", str(tmp_path / "out"), "--dataset", DIGITS, *options])
    assert "the recipe makes the same record again" in again.stdout
    pixels = CliRunner().invoke(app, ["corrupt", "verify", str(tmp_path / "out"), "--dataset", DIGITS])
    assert "the features are not those" in str(pixels.exception)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not an array", "is not a .npy array of numbers"),
        (b"PK\x03\x04 and so on", "is not a .npy array of numbers"),
        (b"\x93NUMPY\x01\x00\x08\x00((((((((", "is not a .npy array of numbers"),
        (b"\x93NUMPY\x01\x00\x40\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2000, 99)}  ", "is not a .npy"),
        (None, "No such file"),
    ],
)
def test_embeddings_that_are_none_are_refused(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "embeddings.npy"
    if content is not None:
        file.write_bytes(content)
    assert sentence in corrupt(tmp_path / "out", "instance:rate=0.2", "--features", str(file))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros(9), "must hold one array of shape (rows, F); got (9,)"),
        (np.zeros((9, 2)), "must have a row for every image id"),
        (np.full((2_000, 2), np.inf), "features must be finite; row 0 is not"),
        (np.zeros((2_000, 2), dtype=bool), "a .npy array must hold integers or floats; got bool"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(tmp_path: Path, array: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "embeddings.npy", array)
    said = corrupt(tmp_path / "out", "instance:rate=0.2", "--features", str(tmp_path / "embeddings.npy"))
    assert sentence in said
    assert not (tmp_path / "out").exists()


def translate(*arguments: str) -> tuple[dict[str, float], str]:
    result = CliRunner().invoke(app, ["corrupt", "translate", *arguments, "--json"])
    return (json.loads(result.stdout) if result.exit_code == 0 else {}), str(result.exception or "")


def test_rates_are_translated_both_ways() -> None:
    there, _ = translate("dividemix_symmetric", "--nominal", "0.5", "--classes", "10")
    assert there["effective"] == pytest.approx(0.45)
    back, _ = translate("dividemix_symmetric", "--effective", "0.45", "--classes", "10")
    assert back["nominal"] == pytest.approx(0.5)
    sized, _ = translate("cleanlab_cells", "--nominal", "0.2", "--classes", "3", "--sizes", "10,10,9")
    assert sized["effective"] == pytest.approx(4 / 29)  # a cell of 0.1 * 9 examples is cut to none


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("elr", "--nominal", "0.5", "--classes", "10"), "code must be one of"),
        (("pair", "--classes", "10"), "give one of --nominal and --effective"),
        (("pair", "--nominal", "0.1", "--classes", "3", "--sizes", "inf,1,2"), "--sizes must be whole numbers"),
        (("pair", "--nominal", "0.1", "--classes", "3", "--sizes", "1.9,1,2"), "--sizes must be whole numbers"),
        (("elr_asymmetric", "--effective", "0.9", "--classes", "10"), "can make a share in"),
        (("elr_asymmetric", "--nominal", "0.4", "--classes", "100"), "needs num_classes 10; got 100"),
    ],
)
def test_rates_that_cannot_be_translated_are_refused(arguments: tuple[str, ...], sentence: str) -> None:
    values, said = translate(*arguments)
    assert values == {}
    assert sentence in said

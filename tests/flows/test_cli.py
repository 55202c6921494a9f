"""The command line as a user meets it: answers, one-line errors, exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noisylabels.cli.listing import FAMILIES
from noisylabels.heads import REGULARISERS
from noisylabels.spec import TABLES

Cli = Callable[..., tuple[int, str, str]]
DIGITS = "digits:per_class=30,test_per_class=20"


TRAIN = ("train", "--dataset", DIGITS, "--model", "small_cnn:width=4", "--set", "train.epochs=2")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("train", "--dataset", "digits", "--corruption", "symetric:rate=0.2"), 2,
         "unknown corruption 'symetric'; did you mean 'symmetric'? known: asymmetric, clean, clean_subset, "),
        (("train", "--dataset", "digits", "--head", "archface"), 2, "unknown head 'archface'; did you mean 'arcface'?"),
        (("train", "--dataset", "digit"), 2, "unknown dataset 'digit'; did you mean 'digits'?"),
        (("train", "--dataset", "digits", "--corruption", "symmetric:rate=1.4"), 2,
         "rate must be in [0, 1]; got 1.4 (in 'symmetric:rate=1.4')"),
        (("sweep", "--dataset", "digits", "--rate", "0,1.5"), 2, "rate must be in [0, 1]; got 1.5"),
        (("sweep", "--dataset", "digits", "--rate", "lots"), 2, "--rate must be numbers separated by commas"),
        (("sweep",), 2, "name a study (noisylabels list studies), or give at least --dataset"),
        (("sweep", "quikstart"), 2, "unknown study 'quikstart'; did you mean 'quickstart'?"),
        (("report", "nothing.toml"), 2, "cannot read study file nothing.toml: No such file or directory"),
        (("list", "head"), 2, "unknown family 'head'; did you mean 'heads'?"),
        (("train", "--dataset", "cifar10"), 3, "no CIFAR-10 at data/cifar-10-batches-py"),
        (("sweep", "--dataset", "cifar10"), 3, "NOISYLABELS_DATA"),
        (("corrupt", "--dataset", "digits", "--corruption", "identity_merge:rate=0.9", "--out", "x"), 2,
         "identity_merge can absorb at most 0.50 of these identities; got rate=0.9"),
        (("train", "--dataset", "digits:per_class=5000"), 2, "per_class"),
        (("train", "--dataset", "digits", "--set", "train.epochs"), 2, "--set takes key=value"),
        (("train", "--dataset", "digits", "--set", "train.epoch=3"), 2, "unknown key 'train.epoch'; did you mean"),
        (("train", "--dataset", "digits", "--set", "train.learning_rate=Infinity"), 2, "must be a finite number"),
        (("train", "--dataset", "digits", "--head", "cosface:scale=Infinity"), 2, "scale must be above 0; got inf"),
        (("train", "--dataset", "digits", "--device", "abacus"), 2, "device must be auto, cpu, cuda or cuda:N"),
        (("sweep", "--dataset", "digits", "--device", "abacus"), 2, "device must be auto, cpu, cuda or cuda:N"),
        (("sweep", "quickstart", "--set", "head=softmax"), 2, "base.head has no effect: axes.head says"),
        (("sweep", "quickstart", "--set", "seed=3"), 2, "base.seed has no effect in a study"),
        (("sweep", "quickstart", "--rate", ""), 2, "'symmetric' needs a rate"),
        (("train", "--datset", "digits"), 2, "No such option: --datset"),
        (("trian",), 2, "No such command 'trian'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_its_code(cli: Cli, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    got, out, err = cli(*arguments)
    assert got == code
    assert sentence in err
    assert err.startswith("noisylabels: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""


def test_an_unreadable_image_is_named(cli: Cli, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(tmp_path / "pets" / name / f"{i}.png")
    (tmp_path / "pets" / "cat" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    code, _, err = cli("train", "--dataset", f"folder:root={tmp_path / 'pets'}")
    assert code == 2
    assert "cat/2.png" in err
    assert err.count("\n") == 1


def test_a_broken_record_is_code_5(cli: Cli, tmp_path: Path) -> None:
    assert cli(*TRAIN, "-q")[0] == 0
    (record,) = (tmp_path / "runs" / "_train" / "runs").glob("*/result.json")
    record.write_text("{")
    code, _, err = cli(*TRAIN, "-q")
    assert code == 5
    assert "is not a result" in err


def test_a_folder_that_cannot_be_written_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cli("corrupt", "--dataset", DIGITS, "--corruption", "symmetric:rate=0.2", "--out", "file")
    assert code == 1
    assert err == "noisylabels: File exists: file\n"


def test_a_renamed_study_folder_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "runs" / "old").mkdir(parents=True)
    study = {"name": "new", "base": {"dataset": "digits"}}
    (tmp_path / "runs" / "old" / "study.json").write_text(json.dumps(study))
    code, _, err = cli("report", "old")
    assert code == 5
    assert "is the study 'new': rename the folder back" in err


def test_a_changed_study_takes_a_name_of_its_own(cli: Cli) -> None:
    names = {
        json.loads(cli("sweep", *options, "--dry-run", "--json")[1])["study"]
        for options in (
            ("quickstart",),
            ("quickstart", "--seeds", "2"),
            ("quickstart", "--set", "train.epochs=3"),
            ("--dataset", "digits"),
            ("--dataset", "digits", "--head", "cosface"),
            ("--dataset", "digits", "--name", "mine"),
        )
    }
    assert len(names) == 6
    assert {"quickstart", "mine"} < names


def test_a_reader_that_leaves_is_no_failure() -> None:
    program = f"{sys.executable} -c 'from noisylabels.cli import main; main()' list metrics"
    command = f"{program} | head -c 0; exit ${{PIPESTATUS[0]}}"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert "Traceback" not in answer.stderr


def test_train_answers_for_people_and_for_programs(cli: Cli) -> None:
    code, out, err = cli(*TRAIN, "--corruption", "symmetric:rate=0.2")
    assert code == 0
    assert "20.00% of 240 labels wrong" in out
    assert "accuracy [clean_val_oracle]" in out
    assert "epoch 2/2" in err
    again, out, err = cli(*TRAIN, "--corruption", "symmetric:rate=0.2", "--json")
    assert again == 0
    assert err == ""  # it was done already
    result = json.loads(out)
    assert result["noise"]["num_flipped"] == 48
    assert {m["selection"] for m in result["measurements"]} == {"last_epoch", "noisy_val", "clean_val_oracle"}


def test_corrupt_leaves_labels_record_matrix_and_picture(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli(
        "corrupt", "--dataset", DIGITS, "--corruption", "symmetric:rate=0.25", "--seed", "3", "--out", "out"
    )
    assert code == 0
    assert "60 of 240 training labels are wrong, 25.00% (asked 25.00% of examples)" in out
    with (tmp_path / "out" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["is_flipped"]) for row in rows) == 60
    assert all((row["true_label"] != row["given_label"]) == (row["is_flipped"] == "1") for row in rows)
    record = json.loads((tmp_path / "out" / "noise.json").read_text())
    assert record["realised_rate"] == 0.25
    matrix = np.loadtxt(tmp_path / "out" / "transition_matrix.csv", delimiter=",", skiprows=1)[:, 1:]
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-5)
    with Image.open(tmp_path / "out" / "contact_sheet.png") as picture:
        assert picture.width > 500
        assert len(np.unique(np.asarray(picture))) > 50


def test_dry_run_runs_nothing(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli(
        "sweep", "quickstart", "--dry-run", "--head", "softmax,arcface:margin=0.2,scale=30", "--seeds", "2"
    )
    assert code == 0
    assert "20 of 20 runs to do" in out
    assert "arcface:margin=0.2,scale=30.0" in out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("family", [*FAMILIES[:-1]])
def test_list_names_every_plugin(cli: Cli, family: str) -> None:
    code, out, _ = cli("list", family, "--json")
    assert code == 0
    rows = json.loads(out)
    assert all(row["name"] and row["summary"] for row in rows)
    singular = {"corruptions": "corruption", "losses": "loss", "strategies": "strategy"}.get(family, family[:-1])
    if singular in TABLES:
        others = {"head": REGULARISERS}.get(singular, {})  # a head may be a sum, but is listed without what is added
        assert {row["name"] for row in rows} == TABLES[singular].keys() - others


def test_doctor_says_what_there_is(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["torchvision"] in ("native", "shimmed")
    assert found["data sets"]["digits"] == "built in"
    assert found["data sets"]["cifar10"].startswith("not at")


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    code = "import sys, noisylabels.cli; print(sorted({'torch', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", [(), ("sweep",), ("train",), ("corrupt",), ("report",), ("status",), ("list",), ("doctor",)]
)
def test_every_command_explains_itself(cli: Cli, command: tuple[str, ...]) -> None:
    code, out, _ = cli(*command, "-h")
    assert code == 0
    assert "Usage" in out

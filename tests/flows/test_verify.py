"""A model that was kept, judged by pairs: from the command line, against the run's own figures."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from noisylabels.cli.app import app
from noisylabels.data.verification_bin import write_bin
from noisylabels.metrics.verification import view2
from noisylabels.models import MODELS
from noisylabels.trained import ModelFileError, load_trained, load_weights

DATA = "synthetic_identities:identities=12,images=8,held_out=40,pairs=4"


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The folder of a run with its model, and its record."""
    runs = tmp_path_factory.mktemp("runs")
    asked = ("--dataset", DATA, "--model", "small_cnn:width=4", "--set", "train.epochs=1")
    asked += ("--set", "train.batch_size=16", "--runs", runs, "-q", "--json")
    without = json.loads(call("train", *asked))
    folder = runs / "_train" / "runs" / without["run_id"]
    assert not (folder / "model.pt").exists()
    kept = json.loads(call("train", *asked, "--keep-model"))
    assert without["measurements"] == kept["measurements"]  # keeping the model has changed nothing
    return folder, kept


def listed_pairs(folder: Path, size: int = 32) -> tuple[Path, Path]:
    """Images of two colours in a folder, and a list of forty pairs of them: one colour is one person."""
    generator = np.random.default_rng(0)
    lines = []
    for number in range(40):
        for side in range(2):
            other = number % 2 and side
            pixels = np.clip(generator.normal(60 + 120 * other, 20, (size, size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}_{side}.png")
        lines.append(f"{1 - number % 2} {number}_0.png {number}_1.png\n")
    (folder / "pairs.txt").write_text("".join(lines))
    return folder / "pairs.txt", folder


def test_folds_are_those_of_the_embeddings_worked_out_apart(trained: tuple[Path, dict], tmp_path: Path) -> None:
    folder, _ = trained
    pairs, images = listed_pairs(tmp_path)
    found = json.loads(call("verify", folder, "--pairs", f"list:file={pairs},images={images}", "--json"))
    kept = load_trained(folder, torch.device("cpu"))
    kept.model.train(False)
    scores, is_same = [], []
    for line in pairs.read_text().splitlines():
        label, *names = line.split()
        both = []
        for name in names:
            with Image.open(images / name) as picture:
                pixels = torch.tensor(np.asarray(picture).transpose(2, 0, 1).copy()).float()
            image = ((pixels - kept.mean[:, None, None]) / kept.std[:, None, None])[None]
            with torch.no_grad():
                both.append((kept.model.embed(image) + kept.model.embed(image.flip(3)))[0])
        scores.append(float(torch.cosine_similarity(both[0], both[1], dim=0)))
        is_same.append(label == "1")
    expected = view2(np.array(scores), np.array(is_same), np.repeat(np.arange(10), 4))
    assert found["folds"]["mean"] == pytest.approx(expected.mean)
    assert found["folds"]["accuracies"] == [fold.accuracy for fold in expected.folds]
    assert found["coverage"] == "40 pairs (20 same, 20 different)"
    assert found["by_mean_embeddings"] is None  # photographs, not videos


def test_a_bin_file_of_the_same_pairs_gives_the_same(trained: tuple[Path, dict], tmp_path: Path) -> None:
    pairs, images = listed_pairs(tmp_path)
    rows = [line.split() for line in pairs.read_text().splitlines()]
    content = [(images / name).read_bytes() for row in rows for name in row[1:]]
    write_bin(tmp_path / "x.bin", content, [row[0] == "1" for row in rows])
    by_list = json.loads(call("verify", trained[0], "--pairs", f"list:file={pairs},images={images}", "--json"))
    by_bin = json.loads(call("verify", trained[0], "--pairs", f"bin:file={tmp_path / 'x.bin'}", "--json"))
    assert by_bin["folds"] == by_list["folds"]
    assert by_bin["measured"] == by_list["measured"]


def test_weights_of_elsewhere(tmp_path: Path) -> None:
    spec = MODELS["small_cnn"](width=4)
    torch.manual_seed(0)
    embedder = spec.build(3, 32)
    torch.save({f"module.{name}": value for name, value in embedder.state_dict().items()}, tmp_path / "x.pt")
    pairs, images = listed_pairs(tmp_path)
    asked = (tmp_path / "x.pt", "--pairs", f"list:file={pairs},images={images}")
    text = call("verify", *asked, "--model", "small_cnn:width=4", "--size", 32)
    assert "40 pairs (20 same, 20 different)" in text
    loaded = load_weights(tmp_path / "x.pt", "small_cnn:width=4", channels=3, size=32, device=torch.device("cpu"))
    for name, value in embedder.state_dict().items():
        assert torch.equal(loaded.model.embedder.state_dict()[name], value)
    done = CliRunner().invoke(app, ["verify", *map(str, asked), "--model", "small_cnn:width=8", "--size", "32"])
    assert isinstance(done.exception, ModelFileError)
    assert "does not hold weights of 'small_cnn:width=8'" in str(done.exception)


def test_people_trained_on_are_named(
    trained: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from noisylabels.data import pair_sets
    from noisylabels.spec import RunSpec

    held_out = RunSpec.checked({"dataset": DATA}).plugin("dataset").verification(tmp_path)
    monkeypatch.setattr(pair_sets.ListedPairs, "load", lambda self, root, *, size, grey: held_out)
    kept = load_trained(trained[0], torch.device("cpu"))
    assert not set(kept.class_names) & set(held_out.names)
    assert "WARNING" not in call("verify", trained[0], "--pairs", "list:file=x,images=y")
    names = (kept.class_names[0], *held_out.names[1:])
    known = type(held_out)(
        held_out.images, held_out.items, held_out.people, names, held_out.pairs, published=held_out.published
    )
    monkeypatch.setattr(pair_sets.ListedPairs, "load", lambda self, root, *, size, grey: known)
    text = call("verify", trained[0], "--pairs", "list:file=x,images=y")
    assert f"WARNING: {kept.class_names[0]!r} were trained on" in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as weights"),
        (b"cos\nsystem\n(S'touch executed'\ntR.", "nothing in it was executed"),
        (b"PK\x03\x04 torn", "cannot be read as weights"),
    ],
)
def test_files_that_are_no_model(content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        load_trained(tmp_path, torch.device("cpu"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_a_flipped_bit_is_noticed(trained: tuple[Path, dict], tmp_path: Path) -> None:
    stored = bytearray((trained[0] / "model.pt").read_bytes())
    stored[len(stored) // 2] ^= 1
    (tmp_path / "model.pt").write_bytes(stored)
    digest = hashlib.sha256((trained[0] / "model.pt").read_bytes()).hexdigest()
    (tmp_path / "model.pt.sha256").write_text(f"{digest}  model.pt\n")
    with pytest.raises(ModelFileError, match=r"torn or altered: its SHA-256 is not the one in model\.pt\.sha256"):
        load_trained(tmp_path / "model.pt", torch.device("cpu"))
    assert (trained[0] / "model.pt.sha256").read_text() == f"{digest}  model.pt\n"  # as sha256sum --check reads it


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="train with --keep-model to have one"):
        load_trained(tmp_path, torch.device("cpu"))


def test_aligned_crops_go_on_where_they_stopped(tmp_path: Path) -> None:
    source, out = tmp_path / "photographs", tmp_path / "crops"
    rows = []
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((80, 80, 3), 90, dtype=np.uint8)).save(source / name)
        rows.append([name, 25, 30, 55, 30, 40, 45, 28, 60, 52, 60])
    with (tmp_path / "points.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows[:2])
    asked = ["data", "align", str(source), "--landmarks", str(tmp_path / "points.csv"), "--out", str(out), "-q"]
    done = CliRunner().invoke(app, [*asked, "--template", "112x96"])
    assert done.exit_code == 1
    assert f"2 aligned, 0 there already, 1 failed: see {out / 'errors.jsonl'}" in done.stdout
    assert json.loads((out / "errors.jsonl").read_text())["image"] == "b/1.jpg"
    with Image.open(out / "a/1.png") as crop:
        assert crop.size == (96, 112)
    with (tmp_path / "points.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert "1 aligned, 2 there already, 0 failed" in call(*asked, "--template", "112x96")

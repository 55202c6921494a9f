"""``noisylabels data`` as a user meets it: packed, verified, trained on, compared; one-line errors, exit codes."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noisylabels.cli import main

Cli = Callable[..., tuple[int, str, str]]


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(value).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(stream, "png")
    return stream.getvalue()


def write_tree(root: Path, people: int = 4, images: int = 8, first: int = 0) -> None:
    for person in range(people):
        (root / f"p{person}").mkdir(parents=True)
        for number in range(images):
            (root / f"p{person}/{number}.png").write_bytes(png(first + 100 * person + number))


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process, in a folder with two trees; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOISYLABELS_DATA", str(tmp_path))
    write_tree(tmp_path / "tree")
    write_tree(tmp_path / "other", first=50)
    (tmp_path / "other/p1/copy.png").write_bytes((tmp_path / "tree/p3/2.png").read_bytes())

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["noisylabels", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_pack_verify_and_train(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("data", "pack", "tree", "--out", "store", "--size", "8")
    assert (code, out) == (0, f"store: 32 images of 3x8x8, 4 classes (packed:root={tmp_path}/store)\n")
    assert err == "32 of 32 images\n"
    code, out, _ = cli("data", "verify", "store")
    assert (code, out) == (0, "store: 32 images, every hash holds\n")
    train = ("train", "--dataset", "packed:root=store,size=8", "--model", "small_cnn:width=4", "--json")
    code, out, err = cli(*train, "--set", "train.epochs=2", "--set", "train.batch_size=8", "--runs", "runs")
    assert code == 0, err
    assert json.loads(out)["status"] == "ok"


def test_images_that_cannot_be_used_fail_or_are_skipped(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tree/p2/3.png").write_bytes(b"")
    code, out, err = cli("data", "pack", "tree", "--out", "store", "--size", "8", "-q")
    assert (code, out) == (2, "")
    assert err == (
        "noisylabels: cannot use 'p2/3.png': the file is empty; all are in store/errors.jsonl;"
        " --errors skip --resume leaves them out\n"
    )
    assert cli("data", "verify", "store")[::2] == (
        3,
        "noisylabels: store is not packed to the end; go on with noisylabels data pack ... --resume\n",
    )
    again = ("data", "pack", "tree", "--out", "store", "--size", "8", "--errors", "skip", "--json")
    assert cli(*again)[0] == 2
    code, out, _ = cli(*again, "--resume")
    assert code == 0
    about = json.loads(out)
    assert (about["count"], about["skipped"], about["converted"], about["out"]) == (31, 1, 0, "store")


def test_what_a_store_left_out_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tree/p2/3.png").write_bytes(b"")
    Image.new("CMYK", (9, 9)).save(tmp_path / "tree/p0/ink.jpg")
    code, out, _ = cli("data", "pack", "tree", "--out", "store", "--size", "8", "--errors", "skip", "--grey", "-q")
    assert code == 0
    assert out.splitlines()[1] == "1 left out, 1 converted: see store/errors.jsonl"
    assert "1x8x8" in out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("pack", "nowhere", "--out", "x"), 3, "nothing to pack at nowhere"),
        (("pack", "tree"), 2, "Missing option '--out'"),
        (("pack", "tree", "--out", "x", "--errors", "ignore"), 2, "--errors must be fail or skip; got 'ignore'"),
        (("pack", "tree", "--out", "other"), 2, "--out must be a new or empty folder; other holds 'p0' (and 3 more)"),
        (("pack", "tree", "--out", "x", "--size", "0"), 2, "Invalid value for '--size'"),
        (("verify", "tree"), 3, "no packed images at tree"),
        (("overlap", "lwf", "ytf"), 2, "unknown dataset 'lwf'; did you mean 'lfw'?"),
        (("overlap", "lfw", "ytf"), 3, "no images at "),
        (("overlap", "folder:root=tree", "folder:root=other", "--similarity", "2"), 2, "must be in (0, 1]; got 2.0"),
        (("overlap", "folder:root=tree", "folder:root=other", "--threshold", "0.5"), 2, "go together"),
    ],
)
def test_mistakes_are_told_in_a_line(cli: Cli, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    found, out, err = cli("data", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_overlap(cli: Cli) -> None:
    code, out, err = cli("data", "overlap", "folder:root=tree", "folder:root=other", "--size", "16", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["a"] == {"source": "folder:root=tree", "images": 32, "people": 4, "unreadable": 0}
    assert found["shared_people"] == ["p0", "p1", "p2", "p3"]
    copy = {"a": "p3/2.png", "b": "p1/copy.png", "a_person": "p3", "b_person": "p1", "score": 1.0}
    assert (found["same_files"], found["same_pixels"], found["near"]) == ([copy], [], [])
    code, out, _ = cli("data", "overlap", "folder:root=tree", "folder:root=other")
    assert "same files: 1 images of A (0 with the same name in B)\n  1.0000 'p3/2.png' 'p1/copy.png'\n" in out


def test_overlap_by_embeddings(cli: Cli, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    ours, theirs = draws.standard_normal((32, 6)), draws.standard_normal((33, 6)).astype(np.float32)
    ours[5] = 3 * theirs[20]
    np.save(tmp_path / "a.npy", ours)
    np.save(tmp_path / "b.npy", theirs)
    sources = ("data", "overlap", "folder:root=tree", "folder:root=other", "--size", "16")
    code, out, _ = cli(*sources, "--embeddings", "a.npy", "b.npy", "--threshold", "0.999", "--json")
    assert code == 0
    (match,) = json.loads(out)["by_embedding"]
    names = [
        sorted(p.relative_to(root).as_posix() for p in root.rglob("*.png"))
        for root in (tmp_path / "tree", tmp_path / "other")
    ]
    assert (match["a"], match["b"]) == (names[0][5], names[1][20])
    code, _, err = cli(*sources, "--embeddings", "b.npy", "b.npy", "--threshold", "0.999")
    assert code == 2
    assert "b.npy must hold floats (N, D) with a row for each of 32 images; got float32 of shape (33, 6)" in err
    np.save(tmp_path / "o.npy", np.array([{"a": 1}]), allow_pickle=True)
    for bad, said in (("nowhere.npy", "cannot read nowhere.npy"), ("o.npy", "o.npy is not a .npy array of numbers")):
        code, _, err = cli(*sources, "--embeddings", bad, "b.npy", "--threshold", "0.5")
        assert code == 2
        assert said in err
    assert cli(*sources, "--embeddings", "a.npy", "b.npy", "--threshold", "7")[0] == 2


def test_help_names_every_command(cli: Cli) -> None:
    code, out, _ = cli("data", "--help")
    assert code == 0
    assert all(command in out for command in ("pack", "verify", "overlap"))


BAR = """
from noisylabels.cli.counting import counted
with counted("images", quiet=False) as told:
    for done in (1, 2, 3):
        told(done, 3)
"""


def test_progress_is_a_bar_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "70"}
    subprocess.run([sys.executable, "-c", BAR], stderr=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "images" in shown
    assert "3/3" in shown

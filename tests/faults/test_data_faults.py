"""Data that is missing, broken or hostile: each is refused in one line that says what must hold and what came."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noisylabels import torchvision_shim
from noisylabels.catalog import UsageError, build
from noisylabels.data import (
    DATASETS,
    Cifar10,
    Cifar100,
    DataError,
    Dataset,
    Digits,
    Folder,
    ImageSet,
    MissingDataError,
    Splits,
)

PIXELS = np.zeros((20, 1, 2, 2), np.uint8)
LABELS = np.zeros(20, np.int64)
IDS = np.arange(20)
TEN = tuple("0123456789")


def message(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# --- arrays --------------------------------------------------------------------------------------------------------


def labels_with(**wrong: int) -> np.ndarray:
    labels = LABELS.copy()
    for row, value in wrong.items():
        labels[int(row[1:])] = value
    return labels


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"labels": labels_with(r3=12, r17=10)}, "labels must be in [0, 10); got 12 at rows 3, 17 (2 in all)"),
        ({"labels": labels_with(r0=-1)}, "labels must be in [0, 10); got -1 at rows 0 (1 in all)"),
        ({"labels": LABELS + 10}, "labels must be in [0, 10); got 10 at rows 0, 1, 2, 3, 4, ... (20 in all)"),
        ({"labels": LABELS.astype(float)}, "labels must be a 1-dimensional int64 array; got float64[20]"),
        ({"labels": np.array(["cat"] * 20)}, "labels must be a 1-dimensional int64 array; got <U3[20]"),
        ({"labels": LABELS.tolist()}, "labels must be a 1-dimensional int64 array; got list"),
        ({"labels": LABELS[:19]}, "images, labels and ids must be equally many; got 20, 19 and 20"),
        ({"ids": np.minimum(IDS, 17)}, "ids must be unique; got 17 again at rows 18, 19 (2 in all)"),
        ({"images": PIXELS.astype(np.float32)}, "images must be a 4-dimensional uint8 array; got float32[20, 1, 2, 2]"),
        ({"images": PIXELS[:, 0]}, "images must be a 4-dimensional uint8 array; got uint8[20, 2, 2]"),
        ({"images": PIXELS.reshape(20, 2, 2, 1)}, "images must be (N, 1 or 3, H, W) with H, W > 0; got (20, 2, 2, 1)"),
        ({"class_names": ("a", "a")}, "class names must be distinct and at least one; got ('a', 'a')"),
        ({"class_names": ()}, "class names must be distinct and at least one; got ()"),
    ],
)
def test_wrong_arrays(arrays: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError) as error:
        ImageSet(**{"images": PIXELS, "labels": LABELS, "ids": IDS, "class_names": TEN} | arrays)
    assert message(error) == expected


def test_rows_that_cannot_be_taken() -> None:
    images = ImageSet(PIXELS, LABELS, IDS, TEN)
    with pytest.raises(DataError, match=r"ids must be unique; got 4 again at rows 2 \(1 in all\)"):
        images.take(np.array([4, 7, 4]))
    with pytest.raises(IndexError):
        images.take(np.array([20]))


def test_splits_of_different_kinds() -> None:
    train, other = (ImageSet(PIXELS[:1], LABELS[:1], np.array([number]), TEN) for number in (0, 1))
    test = ImageSet(PIXELS[:1], LABELS[:1], np.array([2]), TEN[::-1])
    with pytest.raises(DataError, match="splits must have the same class names"):
        Splits(train, other, test)
    test = ImageSet(np.zeros((1, 3, 2, 2), np.uint8), LABELS[:1], np.array([2]), TEN)
    with pytest.raises(DataError) as error:
        Splits(train, other, test)
    assert message(error) == (
        "splits must have the same image shape; got train (1, 2, 2), validation (1, 2, 2), test (3, 2, 2)"
    )


# --- parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits:validation=0.6", "validation must be in [0, 0.5]; got 0.6"),
        ("digits:validation=-0.1", "validation must be in [0, 0.5]; got -0.1"),
        ("digits:validation=NaN", "validation must be in [0, 0.5]; got nan"),
        ("digits:per_class=0", "per_class must be at least 1; got 0"),
        ("digits:test_per_class=-2", "test_per_class must be at least 1; got -2"),
        ("digits:subset_seed=-1", "subset_seed must be at least 0; got -1"),
        ("folder", "parameter 'root' must be given"),
        ("folder:root=x,size=0", "size must be in [1, 1024]; got 0"),
        ("folder:root=x,test=1", "test must be in (0, 1); got 1.0"),
    ],
)
def test_wrong_parameters(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        build(DATASETS, text, what="dataset")
    assert message(error) == f"{expected} (in {text!r})"


def test_more_per_class_than_there_are() -> None:
    with pytest.raises(DataError) as error:
        Digits(per_class=119).prepare(Path())
    assert message(error) == "per_class must be at most 116, all of class '8'; got 119"
    with pytest.raises(DataError) as error:
        Digits(test_per_class=100).prepare(Path())
    assert message(error) == "test_per_class must be at most 58, all of class '8'; got 100"


def test_one_image_per_class_is_left_to_train_on() -> None:
    splits = Digits(per_class=1, validation=0.5).prepare(Path())
    assert (len(splits.train), len(splits.validation)) == (10, 0)


class OneClassShort(Digits):
    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        pool, test = super()._load(root, download=download)
        return pool.take(pool.labels != 4), test


def test_a_class_without_training_images() -> None:
    with pytest.raises(DataError, match="every class must have a training image; class '4' has none"):
        OneClassShort().prepare(Path())


# --- CIFAR ---------------------------------------------------------------------------------------------------------

OFFICIAL = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that somebody tries to open; none can be."""
    asked: list[str] = []

    def refuse(request: Any, *_: Any, **__: Any) -> None:
        asked.append(getattr(request, "full_url", request))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (Cifar10(), f"no CIFAR-10 at {{root}}/cifar-10-batches-py (looked for {', '.join(OFFICIAL)})"),
        (Cifar100(), "no CIFAR-100 at {root}/cifar-100-python (looked for train, test, meta)"),
    ],
)
def test_cifar_is_not_there(dataset: Dataset, expected: str, tmp_path: Path, no_network: list[str]) -> None:
    with pytest.raises(MissingDataError) as error:
        dataset.prepare(tmp_path)
    advice = "; put the official files there, set NOISYLABELS_DATA, or pass --download"
    assert message(error) == expected.format(root=tmp_path) + advice
    assert no_network == []
    assert list(tmp_path.iterdir()) == []


def test_download_that_fails(tmp_path: Path, no_network: list[str]) -> None:
    with pytest.raises(MissingDataError, match=r"\(downloading https://\S+ failed: .*no route to host"):
        Cifar10().prepare(tmp_path, download=True)
    assert no_network


def test_half_of_cifar(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in OFFICIAL:
        if name not in ("data_batch_3", "test_batch"):
            (folder / name).write_bytes(b"")
    with pytest.raises(MissingDataError, match=r"\(looked for data_batch_3, test_batch\)"):
        Cifar10().prepare(tmp_path)


def test_a_malicious_cifar_batch_is_refused_and_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    marker = tmp_path / "ran"
    for name in OFFICIAL:
        (folder / name).write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    with pytest.raises(DataError) as error:
        Cifar10().prepare(tmp_path)
    assert re.fullmatch(
        rf"{folder}/data_batch_1 must have MD5 c99cafc152244af753f735de768cd75f; got [0-9a-f]{{32}}: "
        "replace it by the official file, or pass --download",
        message(error),
    )
    assert not marker.exists()


def test_without_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ModuleNotFoundError("No module named 'torchvision'")

    monkeypatch.setattr("noisylabels.data.cifar.import_torchvision", absent)
    with pytest.raises(MissingDataError, match="CIFAR-10 is read through torchvision: pip install torchvision"):
        Cifar10().prepare(tmp_path)


# --- folders -------------------------------------------------------------------------------------------------------


def folder(root: Path, **parameters: Any) -> Dataset:
    return Folder(root=str(root), **{"size": 4, "validation": 0, "test": 0.5} | parameters)


def write_images(folder: Path, count: int = 2) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (6, 5), (number, 0, 0)).save(folder / f"{number}.png")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    write_images(tmp_path / "pets" / "cat", 4)
    write_images(tmp_path / "pets" / "dog", 4)
    return tmp_path / "pets"


def png_header(width: int, height: int) -> bytes:
    """A valid PNG of that size in its header, whose few bytes of data do not fill it: a decompression bomb's shape."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def truncated_jpeg(folder: Path) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "whole.jpg")
    content = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"GIF, honestly", "not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "not an image of a known format"),
        (png_header(8000, 8000), "8000 x 8000 is more than 50 megapixels"),
        (png_header(12000, 12000), "12000 x 12000 is more than 50 megapixels"),
        (png_header(20000, 20000), "more than 50 megapixels"),
        (png_header(100, 100), "cannot be decoded: "),
    ],
)
def test_a_bad_image_is_named(pets: Path, content: bytes, reason: str) -> None:
    (pets / "cat" / "9.png").write_bytes(content)
    with pytest.raises(DataError) as error:
        folder(pets).prepare(pets)
    assert message(error).startswith(f"cannot use 'cat/9.png': {reason}")
    assert message(error).endswith(f"(under {pets})")


def test_further_bad_images_are_counted(pets: Path) -> None:
    (pets / "cat" / "8.jpg").write_bytes(truncated_jpeg(pets))
    for name in ("a", "b", "c"):
        (pets / "dog" / f"{name}.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        folder(pets).prepare(pets)
    text = message(error)
    assert text.startswith("cannot use 'cat/8.jpg': cannot be decoded: ")
    assert "truncated" in text
    assert text.endswith(f" (and 3 more) (under {pets})")


@pytest.mark.parametrize(("mode", "value", "reason"), [("F", 0.5, "floating-point"), ("I", 70000, "[0, 65535]")])
def test_pixels_of_no_known_range(pets: Path, mode: str, value: float, reason: str) -> None:
    Image.new(mode, (4, 4), value).save(pets / "cat" / "9.tif")
    with pytest.raises(DataError) as error:
        folder(pets).prepare(pets)
    assert reason in message(error)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as error:
        Folder(root="pets").prepare(tmp_path)
    assert message(error) == (
        f"no image folder at {tmp_path}/pets (looked for <class>/<image>, or train/<class>/<image> and "
        "test/<class>/<image>); give root as an absolute path or one below the data folder"
    )


def test_a_folder_is_sought_under_the_data_root(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYLABELS_DATA", str(pets.parent))
    assert Folder(root="pets").pinned().identity() == Folder(root=str(pets)).pinned().identity()
    monkeypatch.delenv("NOISYLABELS_DATA")
    with pytest.raises(MissingDataError, match="no image folder at data/pets "):
        Folder(root="pets").pinned()


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold at least 2 class folders; got 0"):
        folder(tmp_path).prepare(tmp_path)
    write_images(tmp_path / "cat")
    with pytest.raises(DataError, match="must hold at least 2 class folders; got 1"):
        folder(tmp_path).prepare(tmp_path)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=rf"class folder '{tmp_path}/dog' holds no images \(looked for <class>/<image>"):
        folder(tmp_path).prepare(tmp_path)


def test_train_without_test_is_not_taken_for_a_class(tmp_path: Path) -> None:
    write_images(tmp_path / "train" / "cat")
    write_images(tmp_path / "train" / "dog")
    with pytest.raises(DataError, match=r"train' holds no images .*test/<class>/<image>"):
        folder(tmp_path).prepare(tmp_path)


def test_splits_beside_classes(pets: Path) -> None:
    write_images(pets / "train")
    write_images(pets / "test")
    with pytest.raises(DataError) as error:
        folder(pets).prepare(pets)
    expected = f"{pets} must hold train/ and test/ alone, or classes alone; got also 'cat' (and 1 more)"
    assert message(error) == expected


def test_own_split_is_kept_and_must_agree(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            write_images(tmp_path / part / name, count)
    splits = folder(tmp_path).prepare(tmp_path)
    assert (splits.train.class_sizes().tolist(), splits.test.class_sizes().tolist()) == ([3, 3], [2, 2])
    assert splits.test.ids.tolist() == [6, 7, 8, 9]
    write_images(tmp_path / "test" / "newt")
    with pytest.raises(DataError, match="every test class must have training images; 'newt' has none"):
        folder(tmp_path).prepare(tmp_path)


def test_nothing_left_to_test_on(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write_images(tmp_path / name, 2)
    with pytest.raises(DataError, match=r"some class must have a test image; got test=0\.1 of at most 2 images"):
        folder(tmp_path, test=0.1).prepare(tmp_path)


@pytest.mark.parametrize("is_class", [False, True])
def test_symlinks_that_leave_are_refused(pets: Path, tmp_path: Path, is_class: bool) -> None:
    write_images(tmp_path / "secret")
    link = pets / "owl" if is_class else pets / "cat" / "9.png"
    link.symlink_to(tmp_path / "secret" if is_class else tmp_path / "secret" / "0.png")
    for use in (lambda: folder(pets).prepare(pets), folder(pets).pinned):
        with pytest.raises(DataError) as error:
            use()
        assert message(error) == f"symlinks must stay inside '{pets}'; '{link}' leaves it"


def test_symlinks_that_stay_and_hidden_files_are_fine(pets: Path) -> None:
    (pets / "cat" / "9.png").symlink_to(pets / "dog" / "0.png")
    (pets / "cat" / ".9.png").write_bytes(b"")
    (pets / ".git").mkdir()
    splits = folder(pets).prepare(pets)
    assert splits.train.class_names == ("cat", "dog")
    assert len(splits.train) + len(splits.test) == 9


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(pets: Path) -> None:
    os.mkfifo(pets / "cat" / "9.png")
    with pytest.raises(DataError, match=r"images must be regular files; '.*/cat/9\.png' is not"):
        folder(pets).pinned()


HOSTILE = [
    "<script>alert(1)<",
    r"$\frac{$",
    "=cmd()|' '!A0",
    'a"b',
    "line\nbreak",
    "\u202egnp",
    "🙂",
    " ",
    "--rate",
    "x" * 250,
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_hostile_names_stay_data(tmp_path: Path) -> None:
    for name in HOSTILE:
        write_images(tmp_path / name)
    splits = folder(tmp_path).prepare(tmp_path)
    assert splits.train.class_names == tuple(sorted(HOSTILE))
    assert len(splits.train.fingerprint()) == 64
    (tmp_path / "line\nbreak" / "9.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        folder(tmp_path).prepare(tmp_path)
    assert r"'line\nbreak/9.png': the file is empty" in message(error)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux file systems take any bytes")
def test_names_that_are_not_text(pets: Path) -> None:
    os.mkdir(os.fsencode(pets) + b"/\xff")  # noqa: PTH102  # a path of bytes
    with pytest.raises(DataError, match=r"file names must be UTF-8; got b'.*\\xff'"):
        folder(pets).prepare(pets)


# --- imports -------------------------------------------------------------------------------------------------------


def run_python(code: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with warnings as errors; ``path`` comes before the installed packages."""
    repository = Path(torchvision_shim.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(p) for p in (path, repository) if p)}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_listing_data_sets_imports_nothing_heavy() -> None:
    code = "import sys, noisylabels.data; print({'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    assert run_python(code).stdout == "set()\n"


SHIM_AFTER_A_FAILED_IMPORT = """
try:
    import torchvision
except RuntimeError:
    pass
from noisylabels.torchvision_shim import import_torchvision, shim_state
module = import_torchvision()
assert import_torchvision() is module
import torchvision
assert torchvision is module and module.datasets.CIFAR10 and module.models.resnet18
print(shim_state())
"""


def test_real_torchvision_imports_without_a_warning_even_after_a_failure() -> None:
    done = run_python(SHIM_AFTER_A_FAILED_IMPORT)
    assert done.stdout in ("shimmed\n", "native\n"), done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("", "native"),
        ("raise RuntimeError('PyTorch and torchvision were compiled with different CUDA versions')", "different CUDA"),
        (
            "import sys\nif 'stale' not in sys.modules:\n"
            "    sys.modules['stale'] = sys\n    raise RuntimeError('operator torchvision::nms does not exist')",
            "shimmed",
        ),
    ],
)
def test_the_shim_acts_on_its_one_symptom_only(package: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(package)
    done = run_python("from noisylabels.torchvision_shim import shim_state; print(shim_state())", tmp_path)
    assert expected in (done.stdout.strip() or done.stderr)


def test_absent_torchvision_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_shim.importlib.util, "find_spec", lambda name: None)
    assert torchvision_shim.shim_state() == "absent"

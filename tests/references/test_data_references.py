"""Pixels, labels and choices against independent readers: scikit-learn's own arrays, a walk over the pickle's opcodes
that executes nothing, the sizes that LFW publishes, and slow loops."""

from __future__ import annotations

import pickletools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from corruptions.draws import example_draws
from noisylabels.data import Cifar10, Digits, Folder, data_root
from noisylabels.data.decoding import decode
from noisylabels.data.selection import share_of, smallest_draws
from noisylabels.data.tree import read_tree
from noisylabels.torchvision_shim import import_torchvision


def data_folder(name: str) -> Path:
    folder = data_root() / name
    if not folder.is_dir():
        pytest.skip(f"no {name} under {data_root()} (NOISYLABELS_DATA)")
    return folder


def test_digits_are_scikit_learns() -> None:
    source = load_digits()
    splits = Digits().prepare(Path())
    numbers = []
    for part in (splits.train, splits.validation, splits.test):
        levels = [int(Fraction(255 * level, 16) + Fraction(1, 2)) for level in range(17)]
        np.testing.assert_array_equal(np.searchsorted(levels, part.images[:, 0]), source.images[part.ids])
        assert set(np.unique(part.images).tolist()) <= set(levels)
        np.testing.assert_array_equal(part.labels, source.target[part.ids])
        numbers += part.ids.tolist()
    assert sorted(numbers) == list(range(1797))
    assert splits.train.images.max() == 255


def test_digits_split_is_the_documented_one() -> None:
    splits = Digits(validation=0).prepare(Path())
    table = {
        words[0]: [int(word) for word in words[-11:]]
        for line in (Digits.__doc__ or "").splitlines()
        if (words := line.split()) and words[0] in ("training", "test") and words[-1].isdigit()
    }
    for name, part in (("training", splits.train), ("test", splits.test)):
        assert table[name] == [*part.class_sizes().tolist(), len(part)]
    assert len(splits.validation) == 0


def read_batch(path: Path) -> tuple[np.ndarray, list[int]]:
    """One CIFAR-10 batch from its pickle's opcodes: the one 30 MB string is the pixels, the integers that come between
    the key ``labels`` and the next string are the labels."""
    pixels, labels, key = b"", [], None
    for opcode, argument, _ in pickletools.genops(path.read_bytes()):
        if isinstance(argument, str | bytes):
            key = argument
            if len(argument) == 10_000 * 3072:
                pixels = argument.encode("latin1") if isinstance(argument, str) else argument
        elif opcode.name == "BININT1" and key == "labels":
            labels.append(argument)
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, 3, 32, 32), labels


@pytest.mark.data
def test_cifar10_is_what_the_official_files_say() -> None:
    folder = data_folder("cifar-10-batches-py")
    train, test = Cifar10()._load(data_root(), download=False)
    batches = [read_batch(folder / f"data_batch_{number}") for number in range(1, 6)] + [
        read_batch(folder / "test_batch")
    ]
    for position, (pixels, labels) in enumerate(batches):
        part, rows = (train, slice(position * 10_000, (position + 1) * 10_000)) if position < 5 else (test, slice(None))
        np.testing.assert_array_equal(part.images[rows], pixels)
        assert part.labels[rows].tolist() == labels
        assert part.ids[rows].tolist() == list(range(position * 10_000, (position + 1) * 10_000))
    assert train.class_names == test.class_names
    assert train.class_names[:3] == ("airplane", "automobile", "bird")
    assert set(train.class_sizes()) == {5000}


@pytest.mark.data
def test_lfw_has_the_published_people_and_counts() -> None:
    folder = data_folder("lfw")
    tree = read_tree(folder / "images")
    published = dict(line.split() for line in (folder / "lfw-names.txt").read_text().splitlines() if line.strip())
    found = dict.fromkeys(tree.class_names, 0)
    for file in tree.files:
        found[file.class_name] += 1
    assert len(tree.files) == 13_233
    assert found == {name: int(count) for name, count in published.items()}


def test_choice_equals_a_slow_loop() -> None:
    generator = np.random.default_rng(2)
    labels, keys = generator.integers(0, 7, size=300), generator.permutation(10_000)[:300]
    counts = np.array([0, 1, 5, 10, 20, 1000, 3])
    expected = set()
    for label, count in enumerate(counts):
        members = [int(key) for key in keys[labels == label]]
        members.sort(key=lambda key: int(example_draws(4, "split", np.array([key]))[0]))
        expected |= set(members[:count])
    chosen = smallest_draws(labels, keys, counts, seed=4, purpose="split")
    assert set(keys[chosen].tolist()) == expected


@pytest.mark.parametrize("share", [0.0, 0.1, 0.145, 0.29, 0.5])
def test_shares_are_rounded_in_decimal(share: float) -> None:
    sizes = np.arange(201)
    exact = [int(Fraction(str(share)) * int(n) + Fraction(1, 2)) for n in sizes]
    assert share_of(sizes, share).tolist() == [
        max(0, min(count, int(n) - 1)) for count, n in zip(exact, sizes, strict=True)
    ]


# --- decoding: files whose pixels are known beforehand -------------------------------------------------------------


def test_an_image_of_the_right_size_is_taken_pixel_for_pixel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_array_equal(decode(tmp_path / "x.png", size=6, grey=False), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (24, 24), (8, 8), (40, 8)])
def test_scaling_and_cutting_are_torchvisions(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Sides that scale to whole numbers, where "short side, then centre" leaves nothing to rounding."""
    transforms = import_torchvision().transforms
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, size=(*shape, 3), dtype=np.uint8))
    image.save(tmp_path / "x.png")
    expected = transforms.CenterCrop(8)(transforms.Resize(8)(image))
    np.testing.assert_array_equal(decode(tmp_path / "x.png", size=8, grey=False).transpose(1, 2, 0), expected)


def test_reduction_averages_and_does_not_skip(tmp_path: Path) -> None:
    """A one-pixel chequerboard is mid-grey from afar; picking every eighth pixel would make it black or white."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "x.png")
    decoded = decode(tmp_path / "x.png", size=8, grey=True)
    assert np.abs(decoded.astype(int) - 127.5).max() < 8


COLOURS = {
    "L": (90, [90, 90, 90]),
    "LA": ((90, 128), [90, 90, 90]),
    "RGB": ((10, 20, 30), [10, 20, 30]),
    "RGBA": ((10, 20, 30, 128), [10, 20, 30]),
    "1": (1, [255, 255, 255]),
    "I;16": (2442, [10, 10, 10]),  # 9.502 of 255; cutting off the low byte would make it 9
    "I": (65535, [255, 255, 255]),
    "CMYK": ((255, 0, 0, 0), [0, 255, 255]),
}


@pytest.mark.parametrize("mode", COLOURS)
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    value, rgb = COLOURS[mode]
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I") else "x.png")
    Image.new(mode, (4, 4), value).save(path)
    assert decode(path, size=2, grey=False).reshape(3, -1).T.tolist() == [rgb] * 4


def test_palette_transparency_and_animation(tmp_path: Path) -> None:
    frame = Image.new("P", (4, 4), 1)
    frame.putpalette([0, 0, 0, 10, 20, 30])
    frame.save(tmp_path / "x.png", transparency=bytes([0, 128]))
    assert decode(tmp_path / "x.png", size=4, grey=False)[:, 0, 0].tolist() == [10, 20, 30]
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / "x.gif", size=4, grey=False)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "bmp", "webp", "ppm", "pgm", "tif", "tiff", "gif"])
def test_every_suffix_is_read(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("L", (9, 8), 100).save(tmp_path / name / f"{number}.{suffix}")
    splits = Folder(root=str(tmp_path), size=4, grey=True, test=0.5, validation=0).prepare(tmp_path)
    assert splits.train.images.shape == splits.test.images.shape == (2, 1, 4, 4)
    assert np.abs(splits.train.images.astype(int) - 100).max() <= 2

"""Packed images against NumPy's own reader, Pillow in a plain loop, and the data set that reads the same files itself;
streamed batches against batches held in memory; and wrong twins, each a mistake of the field."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from noisylabels.catalog import UsageError
from noisylabels.data import Casia, DataError, ImageSet, Splits, mapped_images, packing
from noisylabels.data.conversions import conversions
from noisylabels.data.face_records import write_faces
from noisylabels.data.mapped_images import MappedImages, MappedImageSet, image_set
from noisylabels.data.pack_source import pack_source
from noisylabels.data.packed import Packed
from noisylabels.data.packing import PackOptions, pack
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.training.images import ImageBatches, channel_statistics

CPU = torch.device("cpu")


def encoded(value: int, side: int = 9, kind: str = "png") -> bytes:
    """A picture whose first channel says which one it is."""
    pixels = np.random.default_rng(value).integers(0, 256, (side, side, 3), dtype=np.uint8)
    pixels[..., 0] = value
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write_tree(root: Path, people: int = 5, images: int = 6) -> Path:
    """Image number ``n`` of person ``p`` has the red value 10 p + n everywhere."""
    for person in range(people):
        folder = root / f"person_{person}"
        folder.mkdir(parents=True)
        for number in range(images):
            (folder / f"{number}.png").write_bytes(encoded((10 * person + number) % 256))
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "CHUNK", 4)


def packed(source: Path, out: Path, **options: Any) -> Path:
    pack(pack_source(source), out, PackOptions(**({"size": 8} | options)))
    return out


# --- the files -----------------------------------------------------------------------------------------------------


def test_numpy_and_pillow_read_the_same_images(tree: Path, tmp_path: Path) -> None:
    out = packed(tree, tmp_path / "out")
    names = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.png"))
    images = np.load(out / "images.npy", mmap_mode="r")
    with np.load(out / "index.npz", allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays}
    assert images.shape == (30, 3, 8, 8)
    ends = found["image_ends"].tolist()
    text = found["image_names"].tobytes()
    assert [text[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)] == names
    for row, name in enumerate(names):
        picture = Image.open(tree / name).convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], np.moveaxis(np.asarray(picture), -1, 0))
        assert found["file_sha256"][row].tobytes() == hashlib.sha256((tree / name).read_bytes()).digest()
        assert found["pixel_sha256"][row].tobytes() == hashlib.sha256(images[row].tobytes()).digest()
        assert found["labels"][row] == int(name[7])
    np.testing.assert_array_equal(found["ids"], np.arange(30))
    about = json.loads((out / "index.json").read_bytes())
    for name, key in (("images.npy", "images"), ("index.npz", "arrays"), ("errors.jsonl", "errors")):
        assert about[f"{key}_sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()
    assert sorted(path.name for path in out.iterdir()) == ["errors.jsonl", "images.npy", "index.json", "index.npz"]


def test_the_same_source_is_packed_to_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        packed(tree, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def rows_of_naive_packer(tree: Path) -> list[tuple[int, int]]:
    """The field's mistake: failed images are left out of the pixels and not out of the labels."""
    paths = sorted(tree.rglob("*.png"))
    labels = [int(path.parent.name[7:]) for path in paths]
    pixels = [np.asarray(Image.open(path))[0, 0, 0] for path in paths if path.stat().st_size > 50]
    return [(int(red), label) for red, label in zip(pixels, labels, strict=False)]


def rows_of_store(out: Path) -> list[tuple[int, int]]:
    with np.load(out / "index.npz") as arrays:
        labels = arrays["labels"]
    return list(zip(np.load(out / "images.npy")[:, 0, 0, 0].tolist(), labels.tolist(), strict=True))


def test_images_left_out_shift_no_label(tree: Path, tmp_path: Path) -> None:
    for name in ("person_0/2.png", "person_3/0.png", "person_4/5.png"):
        (tree / name).write_bytes(b"not an image")
    rows = rows_of_store(packed(tree, tmp_path / "out", errors="skip"))
    assert len(rows) == 27
    assert all(red // 10 == label for red, label in rows)
    assert not all(red // 10 == label for red, label in rows_of_naive_packer(tree))
    errors = [json.loads(line) for line in (tmp_path / "out/errors.jsonl").read_text().splitlines()]
    assert [error["image"] for error in errors] == ["person_0/2.png", "person_3/0.png", "person_4/5.png"]
    assert {error["reason"] for error in errors} == {"not an image of a known format"}
    with np.load(tmp_path / "out/index.npz") as arrays:
        np.testing.assert_array_equal(arrays["ids"], np.setdiff1d(np.arange(30), [2, 18, 29]))


# --- what changes a picture is told --------------------------------------------------------------------------------


def png_of_16_bit_colour() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + bytes(range(24)) for _ in range(4)))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def saved(mode: str, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (16, 16)).save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved("RGB", "jpeg", exif=exif.tobytes())


CONVERTED: dict[str, tuple[bytes, tuple[str, ...], tuple[str, ...]]] = {
    "rgb.png": (saved("RGB", "png"), (), ()),
    "rgb.jpg": (saved("RGB", "jpeg"), (), ()),
    "rgb.bmp": (saved("RGB", "bmp"), (), ()),
    "grey.jpg": (saved("L", "jpeg"), ("grey",), ()),
    "cmyk.jpg": (saved("CMYK", "jpeg"), ("CMYK",), ("CMYK",)),
    "palette.png": (saved("P", "png"), ("palette",), ("palette",)),
    "rgba.png": (saved("RGBA", "png"), ("transparency dropped",), ("transparency dropped",)),
    "grey16.png": (saved("I;16", "png"), ("16 bits scaled to 8",), ("16 bits scaled to 8",)),
    "rgb48.png": (png_of_16_bit_colour(), ("16 bits cut to 8",), ("16 bits cut to 8",)),
    "turned.jpg": (turned(), ("EXIF orientation 6 not applied",), ("EXIF orientation 6 not applied",)),
    "moving.gif": (
        saved("RGB", "gif", save_all=True, append_images=[Image.new("RGB", (16, 16), "red")]),
        ("palette", "first frame of several"),
        ("palette", "first frame of several"),
    ),
}


@pytest.mark.parametrize("grey", [False, True])
def test_every_conversion_is_listed(tmp_path: Path, grey: bool) -> None:
    for person in ("a", "b"):
        (tmp_path / "tree" / person).mkdir(parents=True)
        for name, (content, *_) in CONVERTED.items():
            (tmp_path / "tree" / person / name).write_bytes(content)
    out = packed(tmp_path / "tree", tmp_path / "out", grey=grey)
    told: dict[str, tuple[str, ...]] = {}
    for line in (out / "errors.jsonl").read_text().splitlines():
        error = json.loads(line)
        assert not error["skipped"]
        told[error["image"]] = (*told.get(error["image"], ()), error["reason"])
    wanted = {f"{p}/{name}": texts[grey] for p in "ab" for name, (_, *texts) in CONVERTED.items() if texts[grey]}
    assert told == wanted
    assert json.loads((out / "index.json").read_bytes())["converted"] == len(wanted)


def test_what_is_no_image_has_nothing_to_tell() -> None:
    assert conversions(b"nothing", grey=False) == ()


# --- the data set --------------------------------------------------------------------------------------------------

CHOICES: list[dict[str, Any]] = [
    {},
    {"identities": 14, "max_images": 4, "test": 0.4, "validation": 0.3},
    {"identities": 9, "outside": 3, "held_out": 20, "pairs": 2, "validation": 0.0},
]


def assert_same_splits(ours: Splits, theirs: Splits) -> None:
    for name in ("train", "validation", "test"):
        assert getattr(ours, name).fingerprint() == getattr(theirs, name).fingerprint(), name


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("kind", ["files", "records"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_it_is_the_data_set_of_what_was_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: dict[str, Any], kind: str, in_memory: bool
) -> None:
    if kind == "files":
        write_tree(tmp_path / "faces", people=40 if "held_out" in choice else 20, images=5)
    else:
        people = 40 if "held_out" in choice else 20
        (tmp_path / "faces").mkdir()
        images = ((7 * person, encoded((5 * person + n) % 256)) for person in range(people) for n in range(5))
        write_faces(tmp_path / "faces/train.rec", images)
    packed(tmp_path / "faces", tmp_path / "store")
    if not in_memory:
        monkeypatch.setattr(mapped_images, "IN_MEMORY_BYTES", 0)
    ours = Packed(root="store", size=8, **choice)
    theirs = Casia(root="faces", size=8, **choice)
    splits = ours.prepare(tmp_path)
    assert isinstance(splits.train, MappedImageSet) is not in_memory
    assert_same_splits(splits, theirs.prepare(tmp_path))
    pairs, others = ours.verification(tmp_path), theirs.verification(tmp_path)
    assert (pairs is None) == (others is None)
    if pairs is not None and others is not None:
        np.testing.assert_array_equal(pairs.images, others.images)
        np.testing.assert_array_equal(pairs.pairs.first, others.pairs.first)
        assert pairs.names == others.names


def test_its_identity_is_its_content_and_not_its_place(tree: Path, tmp_path: Path) -> None:
    stores = [packed(tree, tmp_path / name) for name in ("here", "there")]
    (tree / "person_1/3.png").write_bytes(encoded(200))
    stores.append(packed(tree, tmp_path / "changed"))
    here, there, changed = (Packed(root=str(store), size=8).identity() for store in stores)
    assert here == there
    assert here != changed
    assert "root" not in here
    small = Packed(root=str(stores[0]), size=8, identities=2)
    other = Packed(root=str(stores[2]), size=8, identities=2)
    used = small.prepare(tmp_path).train.class_names
    assert (small.identity() == other.identity()) is ("person_1" not in used)


@pytest.mark.parametrize("asked", [{"size": 9}, {"size": 8, "grey": True}])
def test_images_of_another_shape_are_refused(tree: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    packed(tree, tmp_path / "out")
    with pytest.raises(UsageError, match=r"holds images of size=8,grey=false; got size="):
        Packed(root="out", **asked).prepare(tmp_path)


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="held_out must be 0 or at least 20"):
        Packed(root="x", held_out=3)
    with pytest.raises(UsageError, match="pairs at least 1; got 20 and 0"):
        Packed(root="x", held_out=20, pairs=0)


# --- images on the disk --------------------------------------------------------------------------------------------


def pixels(count: int = 60, channels: int = 3, side: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)


def mapped(images: NDArray[np.uint8], path: Path, rows: NDArray[np.int64]) -> MappedImages:
    np.save(path, images)
    return MappedImages(np.load(path, mmap_mode="r"), rows)


def test_mapped_images_answer_as_an_array_does(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).permutation(60)[:41]
    array = pixels()[rows]
    ours = mapped(pixels(), tmp_path / "x.npy", rows)
    assert (ours.shape, ours.ndim, ours.dtype, ours.nbytes, len(ours)) == (
        array.shape,
        4,
        array.dtype,
        array.nbytes,
        41,
    )
    some = np.array([3, 0, 40])
    for key in (5, -1, slice(3, 9), slice(0, 0), some, array[:, 0, 0, 0] > 99, (slice(None), 1), (4, 0), (some, 2, 3)):
        np.testing.assert_array_equal(ours[key], array[key])
    np.testing.assert_array_equal(np.concatenate(list(ours.blocks())), array)
    np.testing.assert_array_equal(np.asarray(ours), array)
    np.testing.assert_array_equal(ours.take(some)[:], array[some])
    with pytest.raises(IndexError):
        ours[41]


def test_a_mapped_set_is_the_set_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).permutation(60)
    values = (np.arange(60) % 4, np.arange(60) * 3, tuple("abcd"))
    in_memory = image_set(mapped(pixels(), tmp_path / "x.npy", rows), *values)
    assert type(in_memory) is ImageSet
    monkeypatch.setattr(mapped_images, "IN_MEMORY_BYTES", 20 * 3 * 7 * 7)
    ours = image_set(mapped(pixels(), tmp_path / "x.npy", rows), *values)
    assert type(ours) is MappedImageSet
    assert repr(ours) == repr(in_memory)
    assert ours.fingerprint() == in_memory.fingerprint()
    for chosen, kind in ((np.arange(59, 10, -1), MappedImageSet), (np.arange(60) % 3 == 0, ImageSet)):
        assert type(ours.take(chosen)) is kind
        assert ours.take(chosen).fingerprint() == in_memory.take(chosen).fingerprint()
    with pytest.raises(DataError, match=r"labels must be in \[0, 3\); got 3"):
        image_set(mapped(pixels(), tmp_path / "x.npy", rows), *values[:2], tuple("abc"))
    with pytest.raises(DataError, match="ids must be unique"):
        ours.take(np.array([4] * 30))
    with pytest.raises(DataError, match="equally many"):
        image_set(mapped(pixels(), tmp_path / "x.npy", rows), values[0][:9], values[1], values[2])


def test_choosing_from_a_large_set_copies_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20_000
    store = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(count, 3, 32, 32))
    monkeypatch.setattr(mapped_images, "IN_MEMORY_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        everything = image_set(
            MappedImages(store, np.arange(count)), np.arange(count) % 9, np.arange(count), tuple("abcdefghi")
        )
        half = everything.take(everything.ids % 2 == 0).take(np.arange(count // 2 - 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert half.images.nbytes > 30_000_000
    assert peak < 4_000_000


# --- batches -------------------------------------------------------------------------------------------------------


class ZeroBorder(ImageBatches):
    """Pads a batch with black, as torchvision's RandomCrop does unless told otherwise."""

    def _bordered(self, images: Tensor) -> Tensor:
        return F.pad(images, (self.padding,) * 4).contiguous(memory_format=torch.channels_last)


class InDiskOrder(ImageBatches):
    """Reads a batch's rows in the order of the disk, and leaves them so."""

    def augmented(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        return super().augmented(rows.sort().values, generator)


class OneDrawABatch(ImageBatches):
    """Shifts all images of a batch alike."""

    def augmented(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        whole = super().augmented(rows[:1].expand(len(rows)), generator)
        return torch.cat([whole[:1], super().augmented(rows[1:], generator)])


def assert_streams_as_held(kind: type[ImageBatches], tmp_path: Path, channels: int, padding: int, mirror: bool) -> None:
    rows = np.random.default_rng(2).permutation(60)[:50]
    ours = mapped(pixels(channels=channels), tmp_path / "x.npy", rows)
    array = pixels(channels=channels)[rows]
    for statistic, wanted in zip(channel_statistics(ours), channel_statistics(array), strict=True):
        assert torch.equal(statistic, wanted)
    how: dict[str, Any] = {"padding": padding, "mirror": mirror, "device": CPU}
    streamed = kind(ours, *channel_statistics(array), **how)
    held = ImageBatches(array, *channel_statistics(array), **how)
    assert len(streamed) == len(held) == 50
    assert torch.equal(streamed.plain(slice(7, 30)), held.plain(slice(7, 30)))
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    for batch in torch.randperm(50, generator=torch.Generator().manual_seed(4)).split(16):
        assert torch.equal(streamed.plain(batch), held.plain(batch))
        found, wanted = (b.augmented(batch, g) for b, g in zip((streamed, held), generators, strict=True))
        assert torch.equal(found, wanted)
        assert found.stride() == wanted.stride()
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


@pytest.mark.parametrize(("channels", "padding", "mirror"), [(3, 2, True), (1, 4, False), (3, 0, True)])
def test_streamed_batches_are_held_batches(tmp_path: Path, channels: int, padding: int, mirror: bool) -> None:
    assert_streams_as_held(ImageBatches, tmp_path, channels, padding, mirror)


@pytest.mark.parametrize("twin", [ZeroBorder, InDiskOrder, OneDrawABatch])
def test_wrong_streams_are_found(tmp_path: Path, twin: type[ImageBatches]) -> None:
    with pytest.raises(AssertionError):
        assert_streams_as_held(twin, tmp_path, 3, 2, True)


def test_statistics_are_those_of_floats() -> None:
    images = pixels(count=1400, side=64)  # of more than one block
    mean, std = channel_statistics(images)
    floats = images.astype(np.float64)
    np.testing.assert_allclose(mean, floats.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, floats.std((0, 2, 3)), rtol=1e-6)


def test_a_run_comes_to_the_same_bits_from_the_disk(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(tree, tmp_path / "store")
    spec = RunSpec.checked(
        {
            "dataset": f"packed:root={tmp_path}/store,size=8,validation=0.2",
            "corruption": "identity_merge:rate=0.4",
            "model": "small_cnn:width=4",
            "head": "cam_softmax",
            "train": {"epochs": 2, "batch_size": 6, "crop_padding": 2, "augment": "crop_flip"},
        }
    )
    results = []
    for limit in (1 << 30, 0):
        monkeypatch.setattr(mapped_images, "IN_MEMORY_BYTES", limit)
        problem = pose(spec, tmp_path)
        assert isinstance(problem.train, MappedImageSet) is (limit == 0)
        result = execute(spec, problem, device="cpu")
        results.append((result.measurements, result.history, result.noise, result.provenance["fingerprints"]))
    assert results[0] == results[1]


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"size": 0}, {"size": 2000}, {"errors": "shrug"}):
        with pytest.raises(UsageError):
            replace(PackOptions(), **wrong)

"""What must hold of every data set in the table, and wrong twins that the laws must reject."""

from __future__ import annotations

import functools
import hashlib
import pickle  # noqa: TID251  # writes the miniature CIFAR-100; nothing here reads a pickle
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from noisylabels.data import DATASETS, Cifar10, DataError, Dataset, Digits, ImageSet, Splits, data_root
from noisylabels.data.pack_source import pack_source
from noisylabels.data.packing import PackOptions, pack
from noisylabels.torchvision_shim import import_torchvision


@dataclass(frozen=True)
class Source:
    """A data set's class, the parameters it cannot do without, and where its files are."""

    dataset: type[Dataset]
    root: Path
    parameters: dict[str, Any]

    def prepare(self, **parameters: Any) -> Splits:
        return self.dataset(**self.parameters | parameters).prepare(self.root)

    def pool(self) -> ImageSet:
        train, _ = self.dataset(**self.parameters)._load(self.root, download=False)
        return train


# --- sources -------------------------------------------------------------------------------------------------------


def write_image_folder(root: Path) -> None:
    """Three classes of 20, 17 and 24 different images, in odd formats and shapes."""
    generator = np.random.default_rng(5)
    for name, count, suffix in (("cat", 20, "png"), ("dog", 17, "jpg"), ("tree frog", 24, "bmp")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, size=(9 + number % 3, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.{suffix}")


def write_small_lfw(root: Path) -> None:
    """LFW's lists and layout: four people to train on, two to verify; every image different."""
    generator = np.random.default_rng(6)
    lists = {
        "peopleDevTrain.txt": {"Ann": 20, "Bo": 17, "Cy": 24, "Di_Du": 3},
        "peopleDevTest.txt": {"Eve": 2, "Flo": 3},
    }
    for name, people in lists.items():
        lines = [str(len(people)), *(f"{person}\t{count}" for person, count in people.items())]
        root.mkdir(exist_ok=True)
        (root / name).write_text("\n".join(lines) + "\n")
        for person, count in people.items():
            (root / person).mkdir()
            for number in range(1, count + 1):
                pixels = generator.integers(0, 256, size=(10, 10, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / person / f"{person}_{number:04d}.jpg")
    (root / "pairsDevTest.txt").write_text("2\nEve\t1\t2\nFlo\t1\t3\nEve\t1\tFlo\t2\nEve\t2\tFlo\t2\n")


def write_small_cifar100(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in CIFAR-100's layout, 8 + 4 images a class; torchvision is told their MD5s instead of the real ones."""
    reader = import_torchvision().datasets.CIFAR100
    folder = root / reader.base_folder
    folder.mkdir()

    def write(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def batch(per_class: int) -> dict[str, Any]:
        labels = np.random.default_rng(per_class).permutation(np.repeat(np.arange(100), per_class))
        pixels = np.random.default_rng(per_class).integers(0, 256, size=(labels.size, 3072), dtype=np.uint8)
        return {"data": pixels, "fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}

    monkeypatch.setattr(reader, "train_list", [["train", write("train", batch(8))]])
    monkeypatch.setattr(reader, "test_list", [["test", write("test", batch(4))]])
    names = {"fine_label_names": [f"kind {label}" for label in range(100)]}
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": write("meta", names)})


@functools.cache
def load_cifar10_once(root: Path) -> tuple[ImageSet, ImageSet]:
    return Cifar10()._load(root, download=False)


class Cifar10ReadOnce(Cifar10):
    """The real thing, spared a second and more for each law."""

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        return load_cifar10_once(root)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.data if name == "cifar10" else ()) for name in DATASETS])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Every entry of the table; one that this fixture cannot feed fails, so a new data set must be added here."""
    name = request.param
    if name == "digits":
        return Source(Digits, tmp_path, {})
    if name == "cifar10":
        if not (data_root() / "cifar-10-batches-py").is_dir():
            pytest.skip(f"no cifar-10-batches-py under {data_root()} (NOISYLABELS_DATA)")
        return Source(Cifar10ReadOnce, data_root(), {})
    if name == "cifar100":
        write_small_cifar100(tmp_path, monkeypatch)
        return Source(DATASETS[name], tmp_path, {})
    if name == "folder":
        write_image_folder(tmp_path / "pets")
        return Source(DATASETS[name], tmp_path, {"root": "pets", "size": 8, "test": 0.3})
    if name == "lfw":
        write_small_lfw(tmp_path / "lfw")
        return Source(DATASETS[name], tmp_path, {"root": "lfw", "size": 8, "test": 0.3})
    if name == "casia":
        write_image_folder(tmp_path / "casia-webface")
        return Source(DATASETS[name], tmp_path, {"root": "casia-webface", "size": 8, "test": 0.3})
    if name == "packed":
        write_image_folder(tmp_path / "pets")
        pack(pack_source(tmp_path / "pets"), tmp_path / "store", PackOptions(size=8))
        return Source(DATASETS[name], tmp_path, {"root": "store", "size": 8, "test": 0.3})
    if name == "synthetic_identities":
        return Source(DATASETS[name], tmp_path, {"identities": 6, "images": 24, "size": 8})
    pytest.fail(f"no files for data set {name!r}: teach this fixture how to get some")


# --- laws ----------------------------------------------------------------------------------------------------------


def law_subsets_are_balanced(source: Source) -> None:
    splits = source.prepare(per_class=5, test_per_class=2, validation=0.3)
    assert set(splits.train.class_sizes()) == {3}
    assert set(splits.validation.class_sizes()) == {2}  # floor(0.3 * 5 + 1/2)
    assert set(splits.test.class_sizes()) == {2}


def law_smaller_subsets_are_part_of_larger(source: Source) -> None:
    small, large, whole = (pool_ids(source.prepare(per_class=n)) for n in (3, 6, None))
    assert small < large < whole
    assert ids(source.prepare(test_per_class=1).test) < ids(source.prepare(test_per_class=3).test)


def law_splits_are_disjoint_and_complete(source: Source) -> None:
    splits = source.prepare(validation=0.25)
    assert not ids(splits.train) & ids(splits.validation)
    assert not pool_ids(splits) & ids(splits.test)
    pool = source.pool()
    assert pool_ids(splits) == ids(pool)
    held_out = [int(np.floor(0.25 * size + 0.5)) for size in pool.class_sizes()]
    assert splits.validation.class_sizes().tolist() == held_out


def law_images_keep_their_labels(source: Source) -> None:
    splits, pool = source.prepare(per_class=5), source.pool()
    row_of = {number: row for row, number in enumerate(pool.ids.tolist())}
    for part in (splits.train, splits.validation):
        rows = [row_of[number] for number in part.ids.tolist()]
        np.testing.assert_array_equal(part.images, pool.images[rows])
        np.testing.assert_array_equal(part.labels, pool.labels[rows])


def law_calls_repeat(source: Source) -> None:
    assert fingerprints(source.prepare(per_class=5)) == fingerprints(source.prepare(per_class=5))


def law_row_order_does_not_matter(source: Source) -> None:
    class Shuffled(source.dataset):  # type: ignore[name-defined,misc]
        def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
            parts = super()._load(root, download=download)
            train, test = (part.take(np.random.default_rng(1).permutation(len(part))) for part in parts)
            return train, test

    shuffled = replace(source, dataset=Shuffled).prepare(per_class=5, test_per_class=2)
    straight = source.prepare(per_class=5, test_per_class=2)
    for name in ("train", "validation", "test"):
        assert ids(getattr(shuffled, name)) == ids(getattr(straight, name))


def law_training_parameters_leave_the_test_set_alone(source: Source) -> None:
    before = source.prepare(test_per_class=2).test.fingerprint()
    after = source.prepare(test_per_class=2, per_class=3, validation=0.4, subset_seed=9).test.fingerprint()
    assert before == after


def law_subset_seed_is_used(source: Source) -> None:
    one, other = (source.prepare(per_class=6, subset_seed=seed) for seed in (0, 1))
    assert pool_ids(one) != pool_ids(other)
    assert ids(source.prepare(subset_seed=0).validation) != ids(source.prepare(subset_seed=1).validation)


def law_global_random_state_is_untouched(source: Source) -> None:
    before = random_states()
    source.prepare(per_class=5, test_per_class=2)
    assert random_states() == before


def law_arrays_are_read_only(source: Source) -> None:
    splits = source.prepare(per_class=5)
    for part in (splits.train, splits.validation, splits.test):
        for array in (part.images, part.labels, part.ids):
            assert array.flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def law_identity_tells_parameters_apart(source: Source) -> None:
    def identity(**parameters: Any) -> str:
        values = source.parameters | parameters
        if "root" in values:
            values["root"] = str(source.root / values["root"])
        return repr(source.dataset(**values).identity())

    changes = ({}, {"per_class": 3}, {"test_per_class": 3}, {"validation": 0.3}, {"subset_seed": 1})
    assert len({identity(**change) for change in changes}) == len(changes)
    assert identity() == identity()
    assert str(source.root) not in identity()


LAWS = [law for name, law in sorted(globals().items()) if name.startswith("law_")]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("law_"))
def test_law(law: Any, source: Source) -> None:
    law(source)


def ids(images: ImageSet) -> set[int]:
    return set(images.ids.tolist())


def pool_ids(splits: Splits) -> set[int]:
    return ids(splits.train) | ids(splits.validation)


def fingerprints(splits: Splits) -> list[str]:
    return [part.fingerprint() for part in (splits.train, splits.validation, splits.test)]


def random_states() -> tuple[str, ...]:
    states = (random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())  # noqa: NPY002  # only looked at
    return tuple(repr(state) for state in states)


# --- laws that bite: each twin is wrong in one way, and the law named beside it must notice ------------------------


class Twin(Digits):
    """Digits whose training pool is chosen by ``_choose``; validation is every fourth image of it."""

    def _choose(self, pool: ImageSet) -> np.ndarray:
        return np.concatenate([np.flatnonzero(pool.labels == k)[: self.per_class] for k in range(10)])

    def prepare(self, root: Path, *, download: bool = False) -> Splits:  # type: ignore[misc]
        pool, test = self._load(root, download=download)
        pool = pool.take(self._choose(pool))
        held_out = np.arange(len(pool)) % 4 == 0
        return Splits(pool.take(~held_out), pool.take(held_out), self._choose_test(test))

    def _choose_test(self, test: ImageSet) -> ImageSet:
        return test


class FirstRows(Twin):
    """Takes the first rows of every class, so the subset is whatever the file's order makes it."""


class FirstOfAnyClass(Twin):
    """The first K * per_class rows, classes as they come."""

    def _choose(self, pool: ImageSet) -> np.ndarray:
        return np.arange(10 * (self.per_class or 100))


class GlobalGenerator(Twin):
    """Draws from NumPy's global generator."""

    def _choose(self, pool: ImageSet) -> np.ndarray:
        return np.random.permutation(len(pool))[:50]  # noqa: NPY002  # the very mistake


class SizeInTheSeed(Twin):
    """Draws afresh for every subset size."""

    def _choose(self, pool: ImageSet) -> np.ndarray:
        return np.random.default_rng(self.per_class).permutation(len(pool))[: 10 * (self.per_class or 100)]


class MovingTest(Twin):
    """Lets the subset seed move the test set."""

    def _choose_test(self, test: ImageSet) -> ImageSet:
        return test.take(np.random.default_rng(self.subset_seed).permutation(len(test))[:100])


class LabelsShifted(Twin):
    """Drops an image but not its label."""

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        pool, test = super()._load(root, download=download)
        if self.per_class is None:
            return pool, test
        return replace(pool, labels=np.roll(pool.labels, 1)), test


class DroppedRemainder(Twin):
    """Rounds the pool down to a multiple of a batch, as loaders do."""

    def _choose(self, pool: ImageSet) -> np.ndarray:
        return np.arange(len(pool) // 64 * 64)


@pytest.mark.parametrize(
    ("twin", "law"),
    [
        (FirstRows, law_row_order_does_not_matter),
        (FirstRows, law_subset_seed_is_used),
        (FirstOfAnyClass, law_subsets_are_balanced),
        (GlobalGenerator, law_global_random_state_is_untouched),
        (GlobalGenerator, law_calls_repeat),
        (SizeInTheSeed, law_smaller_subsets_are_part_of_larger),
        (MovingTest, law_training_parameters_leave_the_test_set_alone),
        (LabelsShifted, law_images_keep_their_labels),
        (DroppedRemainder, law_splits_are_disjoint_and_complete),
    ],
)
def test_wrong_twin_is_caught(twin: type[Dataset], law: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        law(Source(twin, tmp_path, {}))


def test_splits_that_share_an_image_cannot_be_made() -> None:
    digits = Digits().prepare(Path())
    leaky = digits.train.take(np.arange(3))
    expected = rf"splits must share no image; id {leaky.ids[0]} is in train and test \(and 2 more\)"
    with pytest.raises(DataError, match=expected):
        Splits(digits.train, digits.validation, leaky)


# --- image sets ----------------------------------------------------------------------------------------------------


@pytest.fixture
def images() -> ImageSet:
    pixels = np.arange(4 * 3 * 2 * 2, dtype=np.uint8).reshape(4, 3, 2, 2)
    return ImageSet(pixels, np.array([0, 1, 1, 0]), np.array([7, 3, 5, 9]), ("a", "b"))


def test_fingerprint_is_the_content(images: ImageSet) -> None:
    pixels, labels, numbers = images.images.copy(), images.labels.copy(), images.ids.copy()
    pixels[3, 2, 1, 1] ^= 1
    labels[0] = 1
    numbers[0] = 8
    changed = [
        replace(images, images=pixels),
        replace(images, labels=labels),
        replace(images, ids=numbers),
        replace(images, class_names=("a", "c")),
        replace(images, class_names=("a", "b", "c")),
        replace(images, images=images.images.reshape(4, 3, 1, 4)),
        images.take(np.array([1, 0, 2, 3])),
    ]
    assert images.fingerprint() == replace(images, labels=images.labels.copy()).fingerprint()
    assert len({images.fingerprint(), *(other.fingerprint() for other in changed)}) == 1 + len(changed)


def test_the_giver_of_an_array_keeps_no_hold_on_it() -> None:
    pixels, labels, numbers = np.zeros((2, 1, 2, 2), np.uint8), np.array([0, 1]), np.array([0, 1])
    images = ImageSet(pixels, labels, numbers, ("a", "b"))
    pixels[:], labels[:] = 255, 0
    assert images.images.max() == 0
    assert images.labels.tolist() == [0, 1]
    assert pixels.flags.writeable  # and nothing was done to the argument


def test_take_keeps_the_order_asked_for(images: ImageSet) -> None:
    taken = images.take(np.array([2, 0]))
    assert taken.ids.tolist() == [5, 7]
    assert taken.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(taken.images, images.images[[2, 0]])
    assert images.take(images.labels == 1).ids.tolist() == [3, 5]
    assert repr(taken) == "ImageSet(2 images of 3x2x2, 2 classes)"


def test_a_folder_is_known_by_its_content_wherever_it_is(tmp_path: Path) -> None:
    folders = []
    for place in ("here", "there"):
        write_image_folder(tmp_path / place / "pets")
        folders.append(DATASETS["folder"](root=str(tmp_path / place / "pets")))  # type: ignore[call-arg]
    here = folders[0].identity()
    assert here == folders[1].identity()
    Image.new("RGB", (4, 4)).save(tmp_path / "here" / "pets" / "cat" / "0.png")
    edited = folders[0].identity()
    (tmp_path / "there" / "pets" / "cat" / "0.png").rename(tmp_path / "there" / "pets" / "dog" / "zero.png")
    moved = folders[1].identity()
    assert len({repr(here), repr(edited), repr(moved)}) == 3


def test_adding_images_does_not_reshuffle_a_folders_test_set(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    folder = DATASETS["folder"](root=str(tmp_path), size=8, test=0.3)  # type: ignore[call-arg]
    before = folder.prepare(tmp_path).test
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "cat" / f"-{number}.png")  # sorts before all others
    after = folder.prepare(tmp_path).test
    old, new = ({image.tobytes() for image in part.images} for part in (before, after))
    assert len(old & new) >= len(old) - 4

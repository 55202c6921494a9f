"""Face files against independent readers: Python's own pickle, bytes laid out by hand, lines counted in the published
lists, a linear least-squares fit, dots whose place is known; and wrong twins, each a mistake of the field."""

from __future__ import annotations

import hashlib
import io
import itertools
import pickle  # noqa: TID251  # writes .bin files as the field does, and reads back those written here
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import KFold

from corruptions import Outlier
from noisylabels.data import (
    Casia,
    Folder,
    Lfw,
    SyntheticIdentities,
    VerificationPairs,
    VerificationSet,
    data_root,
    lfw_view2,
    shared_people,
)
from noisylabels.data.alignment import INSIGHTFACE, SPHEREFACE, LandmarkAligner, similarity_transform, warp
from noisylabels.data.casia import LFW_OVERLAP
from noisylabels.data.dataset import Dataset
from noisylabels.data.decoding import decode
from noisylabels.data.drawn_pairs import drawn_pairs
from noisylabels.data.face_records import list_faces, pack, write_faces
from noisylabels.data.face_source import RecordFaces
from noisylabels.data.landmarks import read_landmarks
from noisylabels.data.pair_files import read_labelled_paths, read_lfw_pairs, read_people, read_ytf_splits
from noisylabels.data.pairs import NamedPairs, contiguous_folds
from noisylabels.data.recordio import RecordReader, RecordWriter, read_index
from noisylabels.data.verification_bin import bin_verification, read_bin, write_bin
from noisylabels.data.ytf import ytf_verification

MAGIC = bytes.fromhex("0a23d7ce")


def real(name: str) -> Path:
    folder = data_root() / name
    if not folder.is_dir():
        pytest.skip(f"no {name} under {data_root()} (NOISYLABELS_DATA)")
    return folder


def png(seed: int, side: int = 10) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, size=(side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def write_people(root: Path, people: dict[str, int], *, pattern: str = "{person}/{person}_{number:04d}.jpg") -> None:
    """Images that are all different, named like LFW's."""
    for person, count in people.items():
        for number in range(1, count + 1):
            path = root / pattern.format(person=person, number=number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(1000 * zlib.crc32(person.encode()) + number))


# --- RecordIO ------------------------------------------------------------------------------------------------------

BY_HAND = (
    MAGIC + struct.pack("<I", 1 << 29 | 4) + b"abcd"
    + MAGIC + struct.pack("<I", 2 << 29 | 0)
    + MAGIC + struct.pack("<I", 3 << 29 | 5) + b"efghi\0\0\0"
    + MAGIC + struct.pack("<I", 2) + b"xy\0\0"
    + MAGIC + struct.pack("<I", 0)
)  # fmt: skip
WHOLE = [b"abcd" + MAGIC + MAGIC + b"efghi", b"xy", b""]


def scanned(path: Path) -> list[bytes]:
    with RecordReader(path) as reader:
        return [content for _, content in reader.scan()]


def law_parts_are_joined_with_the_magic(read: Callable[[Path], list[bytes]], tmp_path: Path) -> None:
    (tmp_path / "x.rec").write_bytes(BY_HAND)
    assert read(tmp_path / "x.rec") == WHOLE


def joined_without_it(path: Path) -> list[bytes]:
    return [content.replace(MAGIC, b"") for content in scanned(path)]


def every_part_a_record(path: Path) -> list[bytes]:
    """A reader that takes no notice of the flag."""
    content, parts, offset = path.read_bytes(), [], 0
    while offset < len(content):
        length = struct.unpack_from("<I", content, offset + 4)[0] & (1 << 29) - 1
        parts.append(content[offset + 8 : offset + 8 + length])
        offset += 8 + -(-length // 4) * 4
    return parts


def test_parts_are_joined_with_the_magic(tmp_path: Path) -> None:
    law_parts_are_joined_with_the_magic(scanned, tmp_path)


@pytest.mark.parametrize("twin", [joined_without_it, every_part_a_record])
def test_wrong_joins_are_caught(twin: Callable[[Path], list[bytes]], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        law_parts_are_joined_with_the_magic(twin, tmp_path)


def test_the_writer_makes_those_very_bytes(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "x.rec") as writer:
        for key, content in enumerate(WHOLE):
            writer.write(key, content)
    assert (tmp_path / "x.rec").read_bytes() == BY_HAND
    assert (tmp_path / "x.idx").read_text() == "0\t0\n1\t36\n2\t48\n"


def test_records_come_back_whatever_is_in_them(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    contents = [MAGIC, MAGIC * 5, b"abc" + MAGIC, b"abcd" + MAGIC + b"e", b"", MAGIC + b"q", b"\0" * 7]
    pieces = [MAGIC, b"\0", b"12", b"123", b"1234"]
    contents += [b"".join(pieces[k] for k in generator.integers(0, 5, size=20)) for _ in range(200)]
    with RecordWriter(tmp_path / "x.rec") as writer:
        for key, content in enumerate(contents):
            writer.write(key + 5, content)
    assert scanned(tmp_path / "x.rec") == contents
    keys, offsets = read_index(tmp_path / "x.idx")
    assert keys.tolist() == list(range(5, 5 + len(contents)))
    with RecordReader(tmp_path / "x.rec") as reader:
        assert [reader.read(offset) for offset in offsets.tolist()] == contents
        assert [reader.head(offset, 3)[:2] for offset in offsets.tolist()] == [(c[:3], len(c)) for c in contents]


FACES = [(7, png(1)), (7, png(2)), (3, png(3)), (3, png(4)), (3, png(5))]


def test_faces_are_listed_with_and_without_the_index(tmp_path: Path) -> None:
    write_faces(tmp_path / "train.rec", FACES)
    indexed = list_faces(tmp_path / "train.rec")
    (tmp_path / "train.idx").unlink()
    for faces in (indexed, list_faces(tmp_path / "train.rec")):
        assert faces.labels.tolist() == [7, 7, 3, 3, 3]
        assert faces.keys.tolist() == [1, 2, 3, 4, 5]
        assert list(faces.images(range(5))) == [image for _, image in FACES]
        assert list(faces.images([4, 0])) == [FACES[4][1], FACES[0][1]]


def test_the_header_record_is_insightfaces(tmp_path: Path) -> None:
    """Record 0 is [n + 1, m]; records n + 1 .. m - 1 are ranges of images: read by hand."""
    write_faces(tmp_path / "train.rec", FACES)
    offsets = dict(zip(*(a.tolist() for a in read_index(tmp_path / "train.idx")), strict=True))
    content = (tmp_path / "train.rec").read_bytes()

    def extra_labels(key: int) -> tuple[float, ...]:
        flag = struct.unpack_from("<I", content, offsets[key] + 8)[0]
        return struct.unpack_from(f"<{flag}f", content, offsets[key] + 8 + 24)

    assert extra_labels(0) == (6, 8)
    assert [extra_labels(key) for key in (6, 7)] == [(1, 3), (3, 6)]


def test_extra_labels_and_an_image_with_the_magic_in_it(tmp_path: Path) -> None:
    """A BMP's pixels begin at byte 54; two bytes on, the magic stands at multiples of four, and the record is cut."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "bmp")
    bitmap = stream.getvalue()[:54] + (b"\1\2" + MAGIC + b"\3\4") * 24
    with RecordWriter(tmp_path / "train.rec") as writer:
        writer.write(1, pack([5, 0.25, 9], 1, bitmap))
        writer.write(2, pack([10], 2, bitmap))
    assert struct.unpack_from("<I", (tmp_path / "train.rec").read_bytes(), 4)[0] >> 29 == 1
    faces = list_faces(tmp_path / "train.rec")
    assert faces.labels.tolist() == [5, 10]
    expected = np.asarray(Image.open(io.BytesIO(bitmap)).convert("RGB")).transpose(2, 0, 1)
    for image in RecordFaces(faces).decode(np.array([1, 0]), size=8, grey=False):
        np.testing.assert_array_equal(image, expected)


# --- .bin ----------------------------------------------------------------------------------------------------------

IMAGES = [png(1), b"\xff\xd8\x00\n'\"\\", png(3), png(4)]
SAME = [True, False]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("truth", ["list", "numpy scalars", "array", "integers"])
@pytest.mark.parametrize("kind", ["bytes", "arrays"])
def test_what_python_pickles_is_read(tmp_path: Path, protocol: int, truth: str, kind: str) -> None:
    values = {"list": SAME, "numpy scalars": [np.bool_(v) for v in SAME], "array": np.array(SAME), "integers": [1, 0]}
    images = [np.frombuffer(image, np.uint8) for image in IMAGES] if kind == "arrays" else IMAGES
    (tmp_path / "x.bin").write_bytes(pickle.dumps((images, values[truth]), protocol=protocol))
    read, is_same = read_bin(tmp_path / "x.bin")
    assert list(read) == IMAGES
    assert is_same.dtype == np.bool_
    assert is_same.tolist() == SAME


def python2(protocol: int) -> bytes:
    """What Python 2 wrote for the same value, by its documented opcodes: its strings were bytes."""
    if protocol == 0:
        quoted = "".join(f"S{repr(image)[1:]}\np{n + 3}\na" for n, image in enumerate(IMAGES))
        return b"((lp1\n" + quoted.encode() + b"(lp2\nI01\naI00\natp0\n."
    strings = b"".join(
        b"U" + bytes([len(image)]) + image if len(image) < 256 else b"T" + struct.pack("<i", len(image)) + image
        for image in IMAGES
    )
    start = b"\x80\x02" if protocol == 2 else b""
    truth = b"\x88\x89" if protocol == 2 else b"I01\nI00\n"
    return start + b"(]q\x01(" + strings + b"e]q\x02(" + truth + b"etq\x00."


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_what_python_2_pickled_is_read(tmp_path: Path, protocol: int) -> None:
    content = python2(protocol)
    assert pickle.loads(content, encoding="bytes")[0] == IMAGES  # noqa: S301  # the bytes above are such a pickle
    (tmp_path / "x.bin").write_bytes(content)
    read, is_same = read_bin(tmp_path / "x.bin")
    assert list(read) == IMAGES
    assert is_same.tolist() == SAME


@pytest.mark.parametrize("encoding", ["ASCII", "bytes"])
def test_what_is_written_python_reads(tmp_path: Path, encoding: str) -> None:
    write_bin(tmp_path / "x.bin", IMAGES, SAME)
    with (tmp_path / "x.bin").open("rb") as stream:
        assert pickle.load(stream, encoding=encoding) == (IMAGES, SAME)  # noqa: S301  # written one line above
    assert list(read_bin(tmp_path / "x.bin")[0]) == IMAGES


def test_pairs_of_a_bin_are_neighbours_in_scikit_learns_folds(tmp_path: Path) -> None:
    images = [png(number) for number in range(46)]
    write_bin(tmp_path / "x.bin", images, [number % 3 == 0 for number in range(23)])
    found = bin_verification(tmp_path / "x.bin", size=10)
    assert (found.pairs.second - found.pairs.first).tolist() == [1] * 23
    for fold, (_, held_out) in enumerate(KFold(10, shuffle=False).split(np.zeros(23))):
        np.testing.assert_array_equal(np.flatnonzero(found.pairs.fold == fold), held_out)
    (tmp_path / "9.png").write_bytes(images[9])
    np.testing.assert_array_equal(found.images[9], decode(tmp_path / "9.png", size=10, grey=False))
    assert found.people is None
    assert not found.images.flags.writeable


# --- pair lists ----------------------------------------------------------------------------------------------------

SMALL_VIEW_2 = (
    "2\t2\nAnn\t1\t4\nBo\t2\t3\nAnn\t2\tBo\t1\nCy\t1\tAnn\t3\nCy\t1\t2\nCy\t2\t3\nBo\t1\tDi\t1\nDi\t2\tAnn\t1\n"
)

Reader = Callable[[Path], NamedPairs]


def law_small_view_2(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(SMALL_VIEW_2)
    named = read(tmp_path / "pairs.txt")
    pairs = named.pairs
    assert [named.items[row] for row in pairs.first[[0, 3]]] == ["Ann/Ann_0001", "Cy/Cy_0001"]
    assert [named.items[row] for row in pairs.second[[0, 3]]] == ["Ann/Ann_0004", "Ann/Ann_0003"]
    assert pairs.is_same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4


def fold_of_every_kind(path: Path) -> NamedPairs:
    """Takes the 300 of the header for the length of a block, which is 600."""
    named = read_lfw_pairs(path)
    return NamedPairs(named.items, type(named.pairs)(
        named.pairs.first, named.pairs.second, named.pairs.is_same, np.arange(len(named.pairs)) // 2
    ))  # fmt: skip


def matched_first_throughout(path: Path) -> NamedPairs:
    """Takes the first half of the file for the same pairs."""
    named = read_lfw_pairs(path)
    is_same = np.arange(len(named.pairs)) < len(named.pairs) // 2
    return NamedPairs(named.items, type(named.pairs)(named.pairs.first, named.pairs.second, is_same, named.pairs.fold))


def test_small_view_2(tmp_path: Path) -> None:
    law_small_view_2(read_lfw_pairs, tmp_path)


@pytest.mark.parametrize("twin", [fold_of_every_kind, matched_first_throughout])
def test_wrong_readings_of_view_2_are_caught(twin: Reader, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        law_small_view_2(twin, tmp_path)


def kinds(named: NamedPairs) -> dict[tuple[int, bool], int]:
    """Pairs of each fold and kind."""
    values, counts = np.unique(np.stack([named.pairs.fold, named.pairs.is_same], axis=1), axis=0, return_counts=True)
    return {(int(fold), bool(same)): int(n) for (fold, same), n in zip(values, counts, strict=True)}


@pytest.mark.data
def test_lfws_lists_have_the_published_counts() -> None:
    lfw = real("lfw")
    assert kinds(read_lfw_pairs(lfw / "pairs.txt")) == dict.fromkeys(itertools.product(range(10), (False, True)), 300)
    assert kinds(read_lfw_pairs(lfw / "pairsDevTest.txt")) == {(0, False): 500, (0, True): 500}
    assert kinds(read_lfw_pairs(lfw / "pairsDevTrain.txt")) == {(0, False): 1100, (0, True): 1100}
    train, test = (dict(read_people(lfw / f"peopleDev{part}.txt")) for part in ("Train", "Test"))
    assert (len(train), sum(train.values()), len(test)) == (4038, 9525, 1711)
    assert [sum(count >= n for count in train.values()) for n in (5, 10)] == [298, 111]
    assert not set(train) & set(test)
    for name in ("pairs", "pairsDevTest", "pairsDevTrain"):
        words = [line.split() for line in (lfw / f"{name}.txt").read_text().splitlines()[1:]]
        named = read_lfw_pairs(lfw / f"{name}.txt")
        assert [len(row) == 3 for row in words] == named.pairs.is_same.tolist()
        ends = [f"{row[0]}/{row[0]}_{int(row[1]):04d}" for row in words]
        assert ends == [named.items[row] for row in named.pairs.first.tolist()]


@pytest.mark.data
def test_ytfs_list_has_the_published_counts() -> None:
    path = real("ytf") / "splits.txt"
    assert kinds(read_ytf_splits(path)) == dict.fromkeys(itertools.product(range(10), (False, True)), 250)


def test_ytfs_header_may_be_there(tmp_path: Path) -> None:
    rows = "1, 1, Ann/0, Ann/5, 1\r\n1, 2, Ann/0, Bo/2, 0\r\n2, 1, Bo/1, Bo/2, 1"
    (tmp_path / "without.txt").write_text(rows)
    (tmp_path / "with.txt").write_text("split number, pair number, first name, second name, is same\n" + rows)
    for name in ("with.txt", "without.txt"):
        named = read_ytf_splits(tmp_path / name)
        assert named.items == ("Ann/0", "Ann/5", "Bo/2", "Bo/1")
        assert named.pairs.first.tolist() == [0, 0, 3]
        assert named.pairs.second.tolist() == [1, 2, 2]
        assert named.pairs.is_same.tolist() == [True, False, True]
        assert named.pairs.fold.tolist() == [0, 0, 1]


def test_labelled_paths(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1 a/1.jpg a/2.jpg\n0 a/1.jpg b/1.jpg\n1 b/1.jpg b/2.jpg\n")
    named = read_labelled_paths(tmp_path / "pairs.txt", folds=2)
    assert named.items == ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    assert named.pairs.is_same.tolist() == [True, False, True]
    assert named.pairs.fold.tolist() == [0, 0, 1]


@pytest.mark.parametrize("count", [3, 10, 23, 6000])
def test_contiguous_folds_are_scikit_learns(count: int) -> None:
    splits = KFold(min(10, count), shuffle=False).split(np.zeros(count))
    expected = np.concatenate([np.full(len(held_out), fold) for fold, (_, held_out) in enumerate(splits)])
    np.testing.assert_array_equal(contiguous_folds(count, min(10, count)), expected)


def test_drawn_pairs_are_what_they_say() -> None:
    people = np.random.default_rng(4).integers(0, 40, size=400)
    pairs = drawn_pairs(people, per_fold=30, folds=5, seed=2)
    assert len(pairs) == 300
    seen, people_of_fold = set(), [set() for _ in range(5)]
    for a, b, same, fold in zip(pairs.first, pairs.second, pairs.is_same, pairs.fold, strict=True):
        assert (people[a] == people[b]) == same
        seen.add(frozenset((int(a), int(b))))
        people_of_fold[fold] |= {int(people[a]), int(people[b])}
    assert len(seen) == 300
    assert not any(one & other for one, other in itertools.combinations(people_of_fold, 2))
    assert kinds(NamedPairs((), pairs)) == dict.fromkeys(itertools.product(range(5), (False, True)), 30)


# --- LFW -----------------------------------------------------------------------------------------------------------

TRAINED = {"Ann": 12, "Bo": 9, "Cy": 14, "Di_Du": 3, "Ed": 1, "Fay": 10, "Gus": 8}


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    lists = {"peopleDevTrain.txt": TRAINED, "peopleDevTest.txt": {"Xi": 2, "Yve": 3}}
    for name, people in lists.items():
        write_people(tmp_path / "lfw" / "images", people)
        rows = "".join(f"{person}\t{count}\n" for person, count in people.items())
        (tmp_path / "lfw" / name).write_text(f"{len(people)}\n{rows}")
    (tmp_path / "lfw" / "pairsDevTest.txt").write_text("2\nXi\t1\t2\nYve\t1\t3\nXi\t1\tYve\t2\nXi\t2\tYve\t3\n")
    return tmp_path


def small(**parameters: Any) -> Lfw:
    return Lfw(**{"size": 10, "test": 0.3, "validation": 0} | parameters)


def everything(dataset: Dataset, root: Path) -> dict[int, str]:
    """Class name of every image that is used, by id."""
    splits = dataset.prepare(root)
    parts = (splits.train, splits.validation, splits.test)
    return {
        number: part.class_names[label]
        for part in parts
        for number, label in zip(part.ids.tolist(), part.labels.tolist(), strict=True)
    }


def test_ids_are_places_in_the_official_list(lfw: Path) -> None:
    used = everything(small(min_images=1), lfw)
    expected = [person for person, count in TRAINED.items() for _ in range(count)]
    assert used == dict(enumerate(expected))
    assert everything(small(min_images=9), lfw) == {k: v for k, v in used.items() if TRAINED[v] >= 9}
    test = small(min_images=1).prepare(lfw).test
    place = int(test.ids[0]) - expected.index(expected[int(test.ids[0])]) + 1
    path = lfw / "lfw" / "images" / expected[int(test.ids[0])] / f"{expected[int(test.ids[0])]}_{place:04d}.jpg"
    np.testing.assert_array_equal(test.images[0], decode(path, size=10, grey=False))


def test_fewer_people_or_images_are_part_of_more(lfw: Path) -> None:
    sizes = [2, 3, 4, 5]
    chosen = [set(everything(small(min_images=3, identities=n), lfw).values()) for n in sizes]
    assert [len(names) for names in chosen] == sizes
    assert all(small < large for small, large in itertools.pairwise(chosen))
    capped = [set(everything(small(max_images=n), lfw)) for n in (5, 7, None)]
    assert capped[0] < capped[1] < capped[2]
    assert len(capped[0]) == 5 * sum(count >= 5 for count in TRAINED.values())


def test_a_new_person_moves_nobody_elses_draws(lfw: Path) -> None:
    tests = [small().prepare(lfw).test]
    write_people(lfw / "lfw" / "images", {"Aaa": 6})
    rows = "".join(f"{person}\t{count}\n" for person, count in ({"Aaa": 6} | TRAINED).items())
    (lfw / "lfw" / "peopleDevTrain.txt").write_text(f"{1 + len(TRAINED)}\n{rows}")
    tests.append(small().prepare(lfw).test)
    before, after = ({(p.class_names[k], i.tobytes()) for k, i in zip(p.labels, p.images, strict=True)} for p in tests)
    assert before == {(name, image) for name, image in after if name != "Aaa"}


def test_people_outside_come_last_and_are_never_tested(lfw: Path) -> None:
    inside, widened = small(identities=3).prepare(lfw), small(identities=3, outside=2).prepare(lfw)
    assert widened.train.class_names[:3] == inside.train.class_names
    assert len(set(widened.train.class_names)) == 5
    assert inside.test.ids.tolist() == widened.test.ids.tolist()
    assert set(inside.train.ids.tolist()) < set(widened.train.ids.tolist())
    noisy = Outlier(rate=0.1, outside=(3, 4)).apply(widened.train.labels, 5, seed=0)
    assert set(noisy.given[noisy.is_kept].tolist()) == {0, 1, 2}
    assert np.count_nonzero(noisy.is_kept) == len(inside.train)
    assert (widened.train.labels[noisy.is_kept & noisy.is_flipped] >= 3).all()


def law_nobody_verified_is_trained_on(dataset: Dataset, root: Path) -> None:
    found, splits = dataset.verification(root), dataset.prepare(root)
    assert found is not None
    assert found.images.shape[1:] == splits.train.images.shape[1:]
    assert shared_people(splits.train.class_names, found) == ()
    verified = {image.tobytes() for image in found.images}
    for part in (splits.train, splits.validation, splits.test):
        assert not verified & {image.tobytes() for image in part.images}


class VerifiesWhomItTrainedOn(Lfw):
    """Pairs from among the people trained on, as a random split of LFW's images makes them."""

    def verification(self, root: Path) -> VerificationSet:
        faces = self._source(root)
        images = faces.decode(np.arange(2), size=self.size, grey=self.grey)
        pairs = VerificationPairs(np.array([0]), np.array([1]), np.array([True]), np.array([0]))
        return VerificationSet(images, np.arange(2), np.zeros(2, np.int64), faces.names[:1], pairs, published=1)


class VerifiesInAnotherSize(Lfw):
    def verification(self, root: Path) -> VerificationSet:
        return small(size=self.size + 1).verification(root)


@pytest.mark.parametrize("twin", [VerifiesWhomItTrainedOn, VerifiesInAnotherSize])
def test_verifying_the_wrong_people_or_images_is_caught(lfw: Path, twin: type[Lfw]) -> None:
    law_nobody_verified_is_trained_on(small(), lfw)
    with pytest.raises(AssertionError):
        law_nobody_verified_is_trained_on(twin(size=10, test=0.3), lfw)


def test_view_1_verifies_people_who_were_not_trained_on(lfw: Path) -> None:
    found = small(size=7, grey=True).verification(lfw)
    splits = small(size=7, grey=True, min_images=1).prepare(lfw)
    assert found.images.shape[1:] == splits.train.images.shape[1:] == (1, 7, 7)
    assert found.names == ("Xi", "Yve")
    assert found.people is not None
    assert found.people.tolist() == [0, 0, 1, 1, 1]
    assert shared_people(splits.train.class_names, found) == ()
    assert (found.pairs.first.tolist(), found.pairs.second.tolist()) == ([0, 2, 0, 1], [1, 4, 3, 4])
    path = lfw / "lfw" / "images" / "Yve" / "Yve_0003.jpg"
    np.testing.assert_array_equal(found.images[4], decode(path, size=7, grey=True))
    assert found.coverage == "4 pairs (2 same, 2 different)"


def test_content_covers_what_is_used_and_only_that(lfw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYLABELS_DATA", str(lfw))
    before = small().pinned().content
    (lfw / "lfw" / "images" / "Ed" / "Ed_0001.jpg").write_bytes(png(77))  # has too few images to be used
    assert small().pinned().content == before
    (lfw / "lfw" / "images" / "Xi" / "Xi_0001.jpg").write_bytes(png(78))
    verified = small().pinned().content
    (lfw / "lfw" / "pairsDevTest.txt").write_text("1\nXi\t1\t2\nXi\t1\tYve\t2\n")
    paired = small().pinned().content
    (lfw / "lfw" / "images" / "Ann" / "Ann_0001.jpg").write_bytes(png(79))
    assert len({before, verified, paired, small().pinned().content}) == 4


@pytest.mark.data
def test_real_view_1_is_the_published_one() -> None:
    folder = real("lfw")
    people = dict(read_people(folder / "peopleDevTrain.txt"))
    splits = Lfw(size=8, min_images=10, identities=20).prepare(data_root())
    used = len(splits.train) + len(splits.validation) + len(splits.test)
    assert (splits.train.num_classes, used) == (20, sum(people[name] for name in splits.train.class_names))
    for min_images, count in ((5, 298), (10, 111)):
        dataset = Lfw(min_images=min_images)
        assert dataset._choose(dataset._source(data_root())).num_inside == count
    held_out = Lfw()._held_out(data_root())
    assert (len(held_out.names), len(held_out.files)) == (1711, 13_233 - 9525)


@pytest.mark.data
@pytest.mark.slow
def test_real_view_1_verifies_others() -> None:
    real("lfw")
    found = Lfw(size=8).verification(data_root())
    assert (len(found.names), len(found.images)) == (1711, 13_233 - 9525)
    assert found.coverage == "1,000 pairs (500 same, 500 different)"
    law_nobody_verified_is_trained_on(Lfw(size=8), data_root())


@pytest.mark.data
@pytest.mark.slow
def test_real_view_2() -> None:
    found = lfw_view2(real("lfw"), size=8)
    assert found.coverage == "6,000 pairs (3,000 same, 3,000 different)"


# --- YouTube Faces -------------------------------------------------------------------------------------------------


def write_ytf(root: Path, *, flat: bool) -> None:
    """Ten splits of one pair of each kind; the video Bo/7 has no frames."""
    root.mkdir()
    rows = []
    for split in range(1, 11):
        different = "Bo/7" if split == 4 else "Bo/2"
        rows += [f"{split}, 1, Ann/0, Ann/5, 1", f"{split}, 2, Ann/{5 * (split % 2)}, {different}, 0"]
    (root / "splits.txt").write_text("\n".join(rows))
    for place, (video, frames) in enumerate({"Ann/0": (9, 10), "Ann/5": (1, 2, 3), "Bo/2": (4,)}.items()):
        for frame in frames:
            name = f"{video.replace('/', '_')}_{frame}.png" if flat else f"{video}/{frame}.png"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(png(100 * place + frame))


def test_both_layouts_are_the_same_videos(tmp_path: Path) -> None:
    sets = []
    for name in ("folders", "flat"):
        write_ytf(tmp_path / name, flat=name == "flat")
        sets.append(ytf_verification(tmp_path / name, size=10, pairs_per_split=1))
    for found in sets:
        assert found.coverage == "19 of 20 pairs (10 same, 9 different)"
        assert found.items.tolist() == [0, 0, 1, 1, 1, 2]
        assert (found.names, found.people.tolist()) == (("Ann", "Bo"), [0, 0, 1])
        assert sorted(set(found.pairs.fold.tolist())) == list(range(10))
    np.testing.assert_array_equal(sets[0].images, sets[1].images)
    path = tmp_path / "folders" / "Ann" / "0" / "9.png"
    np.testing.assert_array_equal(sets[0].images[0], decode(path, size=10, grey=False))  # 9 before 10
    first = ytf_verification(tmp_path / "flat", size=10, pairs_per_split=1, frames=1)
    np.testing.assert_array_equal(first.images, sets[0].images[[0, 2, 5]])


@pytest.mark.data
def test_real_videos_cover_the_listed_pairs() -> None:
    ytf = real("ytf")
    found = ytf_verification(ytf, size=8, frames=1)
    assert found.coverage == "1,426 of 5,000 pairs (1,150 same, 276 different)"
    rows = [line.split(",") for line in (ytf / "pairs_covered.txt").read_text().splitlines()]
    assert found.pairs.is_same.tolist() == [row[4] == "1" for row in rows]
    assert found.pairs.fold.tolist() == [int(row[0]) - 1 for row in rows]
    owners = [found.names[person] for person in found.people]
    for end, column in (("first", 2), ("second", 3)):
        people = [owners[row] for row in getattr(found.pairs, end)]
        assert people == [row[column].split("/")[0] for row in rows]
    lfw = (name for part in ("Train", "Test") for name, _ in read_people(real("lfw") / f"peopleDev{part}.txt"))
    everybody = {folder.name for folder in ytf.iterdir() if folder.is_dir()}
    known = set(lfw)
    assert (len(everybody), len(everybody & known)) == (347, 346)
    assert set(shared_people(known, found)) == set(found.names) & known != set()


# --- CASIA ---------------------------------------------------------------------------------------------------------

PEOPLE = {f"{number:07d}": 6 + number % 3 for number in range(30)}


def test_folders_and_records_are_the_same_images(tmp_path: Path) -> None:
    write_people(tmp_path / "casia-webface", PEOPLE, pattern="{person}/{number:03d}.png")
    paths = sorted((tmp_path / "casia-webface").rglob("*.png"))
    (tmp_path / "packed").mkdir()
    write_faces(tmp_path / "packed" / "train.rec", [(int(path.parent.name), path.read_bytes()) for path in paths])
    parameters: dict[str, Any] = {"size": 10, "max_images": None, "min_images": 7}
    folders = Casia(**parameters)._load(tmp_path, download=False)
    records = Casia(root="packed", **parameters)._load(tmp_path, download=False)
    pools = []
    for pool, test in (folders, records):
        names = np.array([int(name) for name in pool.class_names])
        used = np.concatenate([pool.ids, test.ids])
        pools.append({
            (int(names[k]), image.tobytes())
            for part in (pool, test)
            for k, image in zip(part.labels, part.images, strict=True)
        })  # fmt: skip
        assert len(set(used.tolist())) == sum(count for count in PEOPLE.values() if count >= 7)
    assert pools[0] == pools[1]
    assert folders[0].class_names == tuple(name for name, count in PEOPLE.items() if count >= 7)
    assert records[0].class_names == tuple(str(int(name)) for name in folders[0].class_names)


def test_identities_known_to_be_in_lfw_are_removed(tmp_path: Path) -> None:
    overlap = sorted(LFW_OVERLAP)
    assert (len(overlap), all(len(name) == 7 and name.isdigit() for name in overlap)) == (16, True)
    assert {"0166921", "1056413", "1193098"} < LFW_OVERLAP
    write_people(tmp_path / "casia-webface", {"0000045": 5, "0000099": 5, overlap[0]: 5, "0166921": 5})
    kept, cleaned = (
        Casia(size=4, remove_overlap=choice).prepare(tmp_path).train.class_names for choice in (False, True)
    )
    assert kept == ("0000045", "0000099", overlap[0], "0166921")
    assert cleaned == ("0000045", "0000099")


def test_people_held_out_are_not_trained_on(tmp_path: Path) -> None:
    write_people(tmp_path / "casia-webface", PEOPLE)
    dataset = Casia(size=10, held_out=20, pairs=5, identities=4, outside=3)
    found, splits = dataset.verification(tmp_path), dataset.prepare(tmp_path)
    assert found is not None
    assert (len(found.names), splits.train.num_classes) == (20, 7)
    law_nobody_verified_is_trained_on(dataset, tmp_path)
    assert found.coverage == "100 pairs (50 same, 50 different)"
    more = Casia(size=10, held_out=20, pairs=5, identities=9).verification(tmp_path)
    assert more is not None
    assert more.names == found.names
    assert Casia(size=10).verification(tmp_path) is None


def test_records_and_folders_know_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYLABELS_DATA", str(tmp_path))
    contents = set()
    for seed in (0, 1, 0):
        for path in tmp_path.iterdir():
            path.unlink()
        write_faces(tmp_path / "train.rec", [(k, png(seed + 10 * k + n)) for k in range(3) for n in range(4)])
        contents.add(Casia(root=".").pinned().content)
    assert len(contents) == 2


# --- synthetic identities ------------------------------------------------------------------------------------------


def by_id(**parameters: Any) -> dict[int, bytes]:
    parts = SyntheticIdentities(size=12, **parameters)._load(Path(), download=False)
    return {int(k): image.tobytes() for part in parts for k, image in zip(part.ids, part.images, strict=True)}


def test_more_people_or_pictures_change_no_other_picture() -> None:
    few, people, pictures = (by_id(identities=n, images=m) for n, m in ((5, 6), (9, 6), (5, 8)))
    assert few.items() < people.items()
    assert few.items() < pictures.items()
    assert len(set(pictures.values())) == 40
    assert few != by_id(identities=5, images=6, seed=1)


def test_the_same_bits_on_every_machine() -> None:
    """Nothing but IEEE arithmetic in a fixed order makes a picture, so one sum stands for all machines."""
    pool, _ = SyntheticIdentities(identities=8, images=8)._load(Path(), download=False)
    digest = hashlib.sha256(pool.images.tobytes()).hexdigest()
    assert digest[:16] == "4310b356f920d164"


def test_grey_is_the_luma_of_the_colours() -> None:
    colour, grey = (SyntheticIdentities(size=8, identities=3, images=4, grey=g)._load(Path(), download=False)[0]
                    for g in (False, True))  # fmt: skip
    for rgb, luma in zip(colour.images, grey.images, strict=True):
        expected = np.asarray(Image.fromarray(rgb.transpose(1, 2, 0)).convert("L"))
        assert np.abs(luma[0].astype(int) - expected.astype(int)).max() <= 1


def nearest_pixels(train: Any, test: Any) -> float:
    """Accuracy of the nearest training image's label, by squared distance of pixels."""
    a, b = (part.images.reshape(len(part), -1).astype(np.float64) for part in (train, test))
    distances = (a * a).sum(1) - 2 * b @ a.T
    return float((train.labels[distances.argmin(1)] == test.labels).mean())


def test_pixels_alone_do_not_tell_people_apart() -> None:
    splits = SyntheticIdentities(identities=50, validation=0).prepare(Path())
    assert 3 / 50 < nearest_pixels(splits.train, splits.test) < 0.4


@pytest.mark.slow
def test_a_small_net_learns_to_tell_them_apart() -> None:
    from noisylabels.problem import pose
    from noisylabels.run import execute
    from noisylabels.spec import RunSpec

    dataset = "synthetic_identities:identities=20,images=24"
    spec = RunSpec.checked({"dataset": dataset, "train": {"epochs": 14, "batch_size": 64}})
    problem = pose(spec, Path())
    result = execute(spec, problem, device="cpu")
    assert result.history[-1].test_accuracy > 0.7 > 0.4 > nearest_pixels(problem.splits.train, problem.splits.test)


def test_synthetic_people_to_verify_are_others() -> None:
    dataset = SyntheticIdentities(size=8, identities=30, images=6, held_out=20, pairs=10)
    found = dataset.verification(Path())
    law_nobody_verified_is_trained_on(dataset, Path())
    assert found is not None
    assert found.coverage == "200 pairs (100 same, 100 different)"
    more = SyntheticIdentities(size=8, identities=60, images=6, held_out=20, pairs=10).verification(Path())
    assert more is not None
    np.testing.assert_array_equal(more.images, found.images)
    assert SyntheticIdentities(held_out=0).verification(Path()) is None


@pytest.mark.parametrize("kind", [Folder, Lfw, Casia])
def test_data_sets_know_whether_they_verify(kind: type[Dataset]) -> None:
    """Only those that define it have a verification set; the others say None without looking for files."""
    assert ("verification" in vars(kind)) == (kind is not Folder)
    assert Folder(root="nowhere").verification(Path()) is None


# --- alignment -----------------------------------------------------------------------------------------------------


def least_squares(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The same minimum as a linear problem in (a, b, c, d): x' = a x - b y + c, y' = b x + a y + d."""
    rows = [[[x, -y, 1, 0], [y, x, 0, 1]] for x, y in source]
    a, b, c, d = np.linalg.lstsq(np.reshape(rows, (-1, 4)), target.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def law_least_squares(fit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    generator = np.random.default_rng(3)
    target = np.array(INSIGHTFACE.points)
    cases = [generator.normal(size=(5, 2)) * 50 + 100 for _ in range(20)]
    cases += [target @ np.array([[0.0, -3.0], [3.0, 0.0]]) + 7, target * [-1, 1]]  # turned, and seen in a mirror
    for source in cases:
        np.testing.assert_allclose(fit(source, target), least_squares(source, target), atol=1e-9)


def with_reflection(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Forgets Umeyama's sign: a mirrored face comes out mirrored back."""
    centre, aim = source.mean(axis=0), target.mean(axis=0)
    left, singular, right = np.linalg.svd((target - aim).T @ (source - centre))
    rotation = singular.sum() / ((source - centre) ** 2).sum() * left @ right
    return np.column_stack([rotation, aim - rotation @ centre])


def without_scale(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    matrix = similarity_transform(source, target)
    rotation = matrix[:, :2] / np.hypot(matrix[0, 0], matrix[1, 0])
    return np.column_stack([rotation, target.mean(axis=0) - rotation @ source.mean(axis=0)])


def test_the_transform_is_the_least_squares_one() -> None:
    law_least_squares(similarity_transform)


@pytest.mark.parametrize("twin", [with_reflection, without_scale])
def test_wrong_transforms_are_caught(twin: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    with pytest.raises(AssertionError):
        law_least_squares(twin)


def centre_of(image: Image.Image, channel: int = 0) -> tuple[float, float]:
    """Centre of mass of a channel, whole numbers are pixel centres."""
    weights = np.asarray(image, dtype=np.float64)[..., channel]
    y, x = np.indices(weights.shape)
    return float((x * weights).sum() / weights.sum()), float((y * weights).sum() / weights.sum())


def law_dots_land_on_the_template(align: Callable[..., Image.Image]) -> None:
    for template, scale in ((INSIGHTFACE, 1.0), (SPHEREFACE, 1.6), (INSIGHTFACE, 4.3)):
        turn = scale * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
        points = np.array(template.points) @ turn.T + [90 * scale, 30]
        for number, point in enumerate(points):
            y, x = np.indices((int(220 * scale), int(250 * scale)))
            blob = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * (2.5 * scale) ** 2))
            photograph = Image.fromarray((np.stack([blob] * 3, axis=-1) * 255).astype(np.uint8))
            aligned = align(points, photograph, template)
            assert aligned.size == (template.width, template.height)
            np.testing.assert_allclose(centre_of(aligned), template.points[number], atol=0.06)


def aligned(points: np.ndarray, photograph: Image.Image, template: Any) -> Image.Image:
    return LandmarkAligner({"x": points}, template).align("x", photograph)


def from_the_corner(points: np.ndarray, photograph: Image.Image, template: Any) -> Image.Image:
    """Hands the inverse matrix to Pillow as it is: half a pixel off where the scale is not 1."""
    matrix = similarity_transform(points, np.array(template.points))
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    size = (template.width, template.height)
    return photograph.transform(size, Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BILINEAR)


def test_dots_land_on_the_template() -> None:
    law_dots_land_on_the_template(aligned)


def test_half_a_pixel_is_noticed() -> None:
    with pytest.raises(AssertionError):
        law_dots_land_on_the_template(from_the_corner)


def test_warping_by_nothing_changes_nothing() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, size=(9, 7, 3), dtype=np.uint8))
    np.testing.assert_array_equal(np.asarray(warp(image, np.eye(2, 3), 7, 9)), np.asarray(image))


def test_templates_are_the_published_points() -> None:
    assert SPHEREFACE.points[2] == (48.0252, 71.7366)
    assert (SPHEREFACE.width, SPHEREFACE.height) == (96, 112)
    np.testing.assert_allclose(INSIGHTFACE.points[0], (38.2946, 51.6963))
    np.testing.assert_allclose(INSIGHTFACE.points[4], (70.7299, 92.2041))


def test_landmark_files(tmp_path: Path) -> None:
    rows = 'a/1.jpg, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.5\n\n"b, c.jpg",0,0,1,0,2,0,3,0,4,-1e1\n'
    for header in ("", "name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n"):
        (tmp_path / "points.csv").write_text(header + rows)
        points = read_landmarks(tmp_path / "points.csv")
        assert list(points) == ["a/1.jpg", "b, c.jpg"]
        assert points["a/1.jpg"].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.5]]
        assert points["b, c.jpg"][4].tolist() == [4, -10]

"""Face data that is missing, broken or hostile: refused in one line that names the file and the place, nothing run."""

from __future__ import annotations

import io
import os
import pickle  # noqa: TID251  # makes the hostile files; nothing here reads a pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noisylabels.catalog import UsageError
from noisylabels.data import (
    Casia,
    DataError,
    Lfw,
    MissingDataError,
    SyntheticIdentities,
    VerificationPairs,
    VerificationSet,
    bin_verification,
    lfw_view2,
    ytf_verification,
)
from noisylabels.data.alignment import LandmarkAligner
from noisylabels.data.drawn_pairs import drawn_pairs
from noisylabels.data.face_records import list_faces, pack, write_faces
from noisylabels.data.landmarks import read_landmarks
from noisylabels.data.pair_files import read_labelled_paths, read_lfw_pairs, read_people, read_ytf_splits
from noisylabels.data.recordio import RecordReader, RecordWriter, read_index
from noisylabels.data.verification_bin import read_bin, write_bin

MAGIC = bytes.fromhex("0a23d7ce")


def message(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def png(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((6, 6, 3), seed, dtype=np.uint8)).save(stream, "png")
    return stream.getvalue()


# --- RecordIO ------------------------------------------------------------------------------------------------------


def part(content: bytes, flag: int = 0, *, magic: bytes = MAGIC, length: int | None = None) -> bytes:
    stated = len(content) if length is None else length
    return magic + struct.pack("<I", flag << 29 | stated) + content + bytes(-len(content) % 4)


GOOD = part(pack([3], 1, b"image"))


@pytest.mark.parametrize(
    ("content", "offset", "rule"),
    [
        (
            GOOD + part(b"abcd", magic=b"RIFF"),
            40,
            "a record must start with the magic number 0xced7230a; got 0x46464952",
        ),
        (GOOD + MAGIC, 40, "a record must start with 8 bytes; the file has 44 bytes"),
        (GOOD + part(b"abcd", length=5), 40, "a part of 5 bytes must lie in the file; 4 bytes are left"),
        (GOOD + part(b"", length=2**29 - 1), 40, "a part of 536870911 bytes must lie in the file; 0 bytes are left"),
        (GOOD[:-1], 0, "a part of 29 bytes must lie in the file; 31 bytes are left"),
        (GOOD + part(b"abcd", 2), 40, "the part's flag must be 0 or 1; got 2"),
        (GOOD + part(b"abcd", 7), 40, "the part's flag must be 0 or 1; got 7"),
        (part(b"abcd", 1) + GOOD, 12, "the part's flag must be 2 or 3; got 0"),
        (GOOD + part(b"abcd", 1), 52, "a record must start with 8 bytes; the file has 52 bytes"),
        (GOOD + part(b"abcd"), 40, "a record must have a header of 24 bytes; got 4 bytes in all"),
        (
            GOOD + part(struct.pack("<IfQQ", 3, 0, 1, 0) + b"abcd"),
            40,
            "a record with flag 3 must have 36 bytes at least",
        ),
        (GOOD + part(struct.pack("<IfQQ", 2**32 - 1, 0, 1, 0)), 40, "a record with flag 4294967295 must have "),
        (GOOD + part(pack([1.5], 2, b"x")), 40, "a label must be a whole number in [0, 2^24); got 1.5"),
        (GOOD + part(pack([-1], 2, b"x")), 40, "a label must be a whole number in [0, 2^24); got -1.0"),
        (GOOD + part(pack([float("nan")], 2, b"x")), 40, "a label must be a whole number in [0, 2^24); got nan"),
        (GOOD + part(pack([float("inf"), 1], 2, b"x")), 40, "a label must be a whole number in [0, 2^24); got inf"),
        (GOOD + part(pack([2.0**24], 2, b"x")), 40, "a label must be a whole number in [0, 2^24); got 16777216.0"),
        (GOOD + part(pack([3, 4], 0, b"")), 40, "the header record says 2 images; the file has 1"),
        (GOOD + part(pack([2, 1.5], 0, b"")), 40, "the header record must hold [n + 1, m]; got [2.0, 1.5]"),
        (
            GOOD + part(pack([2, 1], 0, b"")),
            40,
            "the header record must hold [n + 1, m] with 1 <= n + 1 <= m; got [2, 1]",
        ),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, content: bytes, offset: int, rule: str) -> None:
    path = tmp_path / "train.rec"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list_faces(path)
    assert message(error).startswith(f"{path} at byte {offset}: {rule}")


def test_no_images_in_it(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(b"")
    with pytest.raises(DataError, match="must hold labelled images; got none in 0 records"):
        list_faces(tmp_path / "train.rec")
    with pytest.raises(MissingDataError, match=r"no RecordIO file at .*other\.rec"):
        list_faces(tmp_path / "other.rec")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("1\t0\n2\n", "line 2: must be a key, a tab and an offset; got b'2\\n'"),
        ("1\t0\n2\t-8\n", "line 2: must be a key, a tab and an offset"),
        ("1\t0\nx\t4\n", "line 2: must be a key, a tab and an offset"),
        (f"1\t{'9' * 30}\n", "line 1: must be a key, a tab and an offset"),
        ("1\t0\n1\t4\n", "line 2: keys must be unique; got 1 again"),
    ],
)
def test_a_malformed_index_is_named(tmp_path: Path, content: str, rule: str) -> None:
    (tmp_path / "train.idx").write_text(content)
    with pytest.raises(DataError) as error:
        read_index(tmp_path / "train.idx")
    assert message(error).startswith(f"{tmp_path}/train.idx, {rule}")


@pytest.mark.parametrize("offset", [4, 41, 10**12])
def test_an_index_that_points_elsewhere(tmp_path: Path, offset: int) -> None:
    (tmp_path / "train.rec").write_bytes(GOOD)
    (tmp_path / "train.idx").write_text(f"1\t{offset}\n")
    with pytest.raises(DataError, match=f"train.rec at byte {offset}: a record must start with"):
        list_faces(tmp_path / "train.rec")


def test_a_large_file_is_never_held(tmp_path: Path) -> None:
    """64 MB of records, of which a listing reads the headers and a reader one image at a time."""
    content = bytes(4 * 2**20)
    with RecordWriter(tmp_path / "train.rec") as writer:
        for key in range(16):
            writer.write(key + 1, pack([key % 3], key + 1, content))
    tracemalloc.start()
    faces = list_faces(tmp_path / "train.rec")
    listed = tracemalloc.get_traced_memory()[1]
    sizes = {len(image) for image in faces.images(range(16))}
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == {len(content)}
    assert listed < 2**20
    assert read < 20 * 2**20


def test_records_that_cannot_be_written(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "x.rec") as writer:
        writer.write(1, b"")
        for key in (1, -1):
            with pytest.raises(DataError, match=f"record keys must be at least 0 and new; got {key}"):
                writer.write(key, b"")
    with pytest.raises(FileExistsError):
        RecordWriter(tmp_path / "x.rec")
    with pytest.raises(DataError, match="must have content and follow the others of identity 1"):
        write_faces(tmp_path / "y.rec", [(1, b"x"), (2, b"x"), (1, b"x")])


def test_a_record_that_changed_under_the_listing(tmp_path: Path) -> None:
    path = tmp_path / "train.rec"
    path.write_bytes(GOOD)
    faces = list_faces(path)
    path.write_bytes(GOOD[:20])
    with pytest.raises(DataError, match="at byte 0: a part of 29 bytes must lie in the file; 12 bytes are left"):
        list(faces.images([0]))
    with RecordReader(path) as reader, pytest.raises(DataError, match="at byte -4"):
        reader.read(-4)


# --- .bin: hostile pickles -----------------------------------------------------------------------------------------


class Runs:
    """Pickled, it is a call of the system's shell."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def calls(marker: Path, protocol: int) -> list[bytes]:
    """The call as the whole value, as an image, and as a truth value."""
    call = Runs(marker)
    return [pickle.dumps(value, protocol=protocol) for value in (call, ([call, b"b"], [True]), ([b"a", b"b"], [call]))]


def by_hand(marker: Path) -> list[bytes]:
    """Every opcode that makes or calls something, with the shell as its target."""
    command = f"touch {marker}".encode()
    text = b"X" + struct.pack("<I", len(command)) + command
    return [
        b"(S'" + command + b"'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\n" + text + b"o.",  # OBJ
        b"\x80\x02cos\nsystem\n" + text + b"\x85\x81.",  # NEWOBJ
        b"\x80\x04cos\nsystem\n" + text + b"\x85}\x92.",  # NEWOBJ_EX
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + text + b"\x85R.",  # STACK_GLOBAL
        b"cbuiltins\neval\n" + text + b"\x85R.",
        b"cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\nK\x00\x85C\x01b\x87R.",  # a known name, other arguments
        b"cnumpy\ndtype\n" + text + b"\x89\x88\x87R.",
        b"cnumpy.core.multiarray\nscalar\n" + text + b"\x85R.",
        b"cnumpy\nndarray\n" + text + b"\x85R.",
        b"]cos\nsystem\n" + text + b"\x86b.",  # BUILD on a list
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02\x83\x01\x00.",  # EXT2
        b"\x80\x02\x84\x01\x00\x00\x00.",  # EXT4
        b"Pevil\n.",  # PERSID
        b"\x80\x02U\x04evilQ.",  # BINPERSID
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x02}U\x01aU\x01bs.",  # a dict
    ]


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_bin_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "ran"
    for content in calls(marker, protocol):
        (tmp_path / "lfw.bin").write_bytes(content)
        with pytest.raises(DataError) as error:
            read_bin(tmp_path / "lfw.bin")
        assert f"{tmp_path}/lfw.bin: must hold images and truth values only; got 'posix.system'" in message(error)
    assert not marker.exists()


def test_no_opcode_that_makes_anything_is_followed(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for content in by_hand(marker):
        (tmp_path / "lfw.bin").write_bytes(content)
        with pytest.raises(DataError, match=r"lfw\.bin: (must hold images|an array must|an item)"):
            read_bin(tmp_path / "lfw.bin")
    assert not marker.exists()


def test_the_hostile_pickles_do_run_elsewhere(tmp_path: Path) -> None:
    """Python's own reader falls for them: the two tests above cannot pass because the files are harmless."""
    ran = 0
    for number, content in enumerate([*calls(tmp_path / "0", 2), *by_hand(tmp_path / "0")[:5]]):
        content = content.replace(str(tmp_path / "0").encode(), str(tmp_path / str(number % 10)).encode())
        try:
            pickle.loads(content)  # noqa: S301  # made above, and all it can do is to make a file in this folder
        except Exception:  # NEWOBJ and its like fail on a function that is no class, after the others have run
            continue
        ran += 1
    assert ran >= 5
    assert list(tmp_path.iterdir())


def test_small_files_that_ask_for_much(tmp_path: Path) -> None:
    """Each is under 100 kB; none may take more than a few megabytes or be taken for a verification set."""
    text = b"X" + struct.pack("<I", 30_000) + b"a" * 30_000
    encode = b"c_codecs\nencode\n"
    bombs = [
        text + b"q\x010](" + (encode + b"h\x01X\x06\x00\x00\x00latin1\x86R") * 2000 + b"e.",  # copies of one text
        b"]q\x00" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(30)) + b".",  # laughs
        b"(" * 90_000 + b".",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # BINBYTES8 of a terabyte
        b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.",
        b"B" + struct.pack("<I", 2**32 - 1) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",  # LONG4
        b"](" + b"I" + b"9" * 5000 + b"\ne.",
        b"h\x01.", b"q\x01.", b"]q\x01]q\x01.", b"e.", b"a.", b".", b"", b"K\x01K\x02.", b"\xff", b"S'a\n.", b"Sa\n.",
    ]  # fmt: skip
    tracemalloc.start()
    for bomb in bombs:
        (tmp_path / "x.bin").write_bytes(bomb)
        with pytest.raises(DataError):
            read_bin(tmp_path / "x.bin")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([b"a", b"b"], "must be a pair of a list of images and a list of truth values"),
        ((b"ab", [True]), "must be a pair of a list of images"),
        (([b"a", b"b"], [True], 1), "must be a pair of a list of images"),
        (([b"a", b"b", b"c"], [True]), "must have two images for each truth value, one pair at least; got 3 and 1"),
        (([], []), "must have two images for each truth value, one pair at least; got 0 and 0"),
        (([b"a", "b"], [True]), "image 1 must be encoded bytes; got str"),
        (([b"a", b""], [True]), "image 1 must be encoded bytes; got none"),
        (([b"a", [b"b"]], [True]), "image 1 must be encoded bytes; got list"),
        (([b"a", b"b"], [2]), "truth value 0 must be true or false; got int"),
        (([b"a", b"b"], [None]), "truth value 0 must be true or false; got NoneType"),
        (([b"a", b"b"], b"\x01"), "truth values must be a list; got bytes"),
        (([b"a", b"b"], np.array([1], np.uint8)), "truth values must be booleans; got uint8"),
        (([b"a", b"b"], np.array([1.0])), "must hold images and truth values; got a call of 'numpy dtype'"),
        (([b"a", np.zeros((2, 2), np.uint8)], [True]), "an array must be built once, of a shape (n,), type u1 or b1"),
    ],
)
def test_a_bin_of_other_things(tmp_path: Path, value: Any, rule: str) -> None:
    (tmp_path / "x.bin").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(DataError) as error:
        read_bin(tmp_path / "x.bin")
    assert message(error).startswith(f"{tmp_path}/x.bin: {rule}")


def test_a_bin_cut_short_or_not_there(tmp_path: Path) -> None:
    write_bin(tmp_path / "x.bin", [png(), png()], [True])
    whole = (tmp_path / "x.bin").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "x.bin").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"x\.bin: must be a whole pickle"):
            read_bin(tmp_path / "x.bin")
    with pytest.raises(MissingDataError, match="no verification set at"):
        read_bin(tmp_path / "y.bin")


def test_an_image_of_a_bin_or_a_record_that_is_none(tmp_path: Path) -> None:
    write_bin(tmp_path / "x.bin", [png(), b"GIF, honestly", png(), b"\0"], [True, False])
    with pytest.raises(DataError) as error:
        bin_verification(tmp_path / "x.bin", size=4)
    assert message(error).startswith("cannot use 'image 1': not an image of a known format (and 1 more) (in ")
    write_faces(tmp_path / "train.rec", [(k, png() if k else b"%!PS-Adobe-3.0") for k in (0, 0, 0, 1, 1, 1)])
    with pytest.raises(DataError, match=r"cannot use 'record 1': not an image of a known format \(and 2 more\)"):
        Casia(root=".").prepare(tmp_path)


# --- pair lists ----------------------------------------------------------------------------------------------------

VIEW_2 = "1\t1\nAnn\t1\t2\nAnn\t1\tBo\t1\n"
SPLIT = "1, 1, Ann/0, Ann/1, 1"


@pytest.mark.parametrize(
    ("read", "content", "rule"),
    [
        (read_lfw_pairs, "", ": must start with the number of pairs; the file is empty"),
        (
            read_lfw_pairs,
            "ten\nAnn\t1\t2\n",
            ", line 1: must be the number of pairs, or of blocks and of pairs; got 'ten'",
        ),
        (read_lfw_pairs, "1\t1\nAnn\t1\t2\n", ": must have 1 x (1 + 1) pairs after its first line; got 1 lines"),
        (read_lfw_pairs, VIEW_2.replace("1\t2", "1\t1"), ", line 2: must be 'name i j' with i and j different"),
        (read_lfw_pairs, VIEW_2.replace("1\t2", "0\t2"), ", line 2: must be 'name i j'"),
        (read_lfw_pairs, VIEW_2.replace("1\t2", "1\t2\t3"), ", line 2: must be 'name i j'"),
        (read_lfw_pairs, VIEW_2.replace("Bo", "Ann"), ", line 3: must be 'name i other j' with different names"),
        (read_lfw_pairs, VIEW_2.replace("Bo", "../Bo"), r", line 3: must be 'name i other j' with different names"),
        (read_lfw_pairs, VIEW_2.replace("\tBo\t1", "\t2"), ", line 3: must be 'name i other j' with different names"),
        (read_lfw_pairs, VIEW_2.replace("\t2", "\tx\u00b2"), ", line 2: must be 'name i j'"),
        (read_people, "2\nAnn\t1\n", ": must have the 2 people it says; got 1"),
        (read_people, "2\nAnn\t1\nAnn\t2\n", ", line 3: must be a new name and its number of images; got 'Ann\\t2'"),
        (read_people, "1\n..\t1\n", ", line 2: must be a new name"),
        (read_people, "1\n/etc/passwd\t1\n", ", line 2: must be a new name"),
        (read_people, "Ann\t1\n", ": must start with the number of people; got 'Ann\\t1'"),
        (read_ytf_splits, "", ": must have a line a pair; got none"),
        (
            read_ytf_splits,
            f"{SPLIT}\n1, 2, Ann/0, Bo/1\n",
            ", line 2: must be 'split, pair number, first video, second",
        ),
        (read_ytf_splits, SPLIT.replace(", 1, 1", ", 1, 2")[:-1] + "2", ", line 1: must be 'split, pair number"),
        (read_ytf_splits, SPLIT.replace("Ann/1", "Ann/0"), ", line 1: is-same must be 1 for two videos of one person"),
        (read_ytf_splits, SPLIT.replace("Ann/1", "Bo/1"), ", line 1: is-same must be 1 for two videos of one person"),
        (read_ytf_splits, SPLIT.replace("Ann/1", "Ann"), ", line 1: videos must be '<person>/<number>'"),
        (read_ytf_splits, SPLIT.replace("Ann/1", "../.."), ", line 1: videos must be '<person>/<number>'"),
        (read_ytf_splits, f"header\n\n{SPLIT.replace('1, 1,', '0, 1,')}", ", line 3: must be 'split, pair number"),
        (
            read_labelled_paths,
            "1 a.jpg b.jpg\n2 a.jpg b.jpg\n",
            ", line 2: must be 'label path0 path1' with label 0 or 1",
        ),
        (read_labelled_paths, "1 a.jpg ../b.jpg\n", ", line 1: must be 'label path0 path1'"),
        (read_labelled_paths, "1 a.jpg /etc/passwd\n", ", line 1: must be 'label path0 path1'"),
        (read_labelled_paths, "1 a.jpg a.jpg\n", ", line 1: must be of two different items"),
    ],
)
def test_a_malformed_list_is_named(tmp_path: Path, read: Callable[[Path], Any], content: str, rule: str) -> None:
    (tmp_path / "list.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read(tmp_path / "list.txt")
    assert message(error).startswith(f"{tmp_path}/list.txt{rule}")


@pytest.mark.parametrize("read", [read_lfw_pairs, read_people, read_ytf_splits, read_labelled_paths])
def test_a_list_that_is_missing_or_no_text(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(MissingDataError, match="no pair or people list at"):
        read(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"1\n\xff\xfe")
    with pytest.raises(DataError, match="must be UTF-8 text"):
        read(tmp_path / "list.txt")


ROWS = np.array([0, 1])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"first": [0, 1]}, "first must be a 1-dimensional int64 array; got list"),
        ({"first": np.array([0.0, 1.0])}, "first must be a 1-dimensional int64 array; got float64[2]"),
        ({"is_same": np.array([0, 1])}, "is_same must be a 1-dimensional bool array; got int64[2]"),
        (
            {"fold": np.array([0])},
            "first, second, is_same and fold must be equally many, one pair at least; got [2, 2, 2, 1]",
        ),
        ({"fold": np.array([0, -1])}, "fold must be at least 0; not so at pair 1"),
        ({"second": np.array([-3, -4])}, "second must be at least 0; not so at pair 0 (and 1 more)"),
        ({"second": np.array([1, 1])}, "a pair must be of two different items; not so at pair 1"),
    ],
)
def test_pairs_that_cannot_be(change: dict[str, Any], rule: str) -> None:
    arrays: dict[str, Any] = {"first": ROWS, "second": ROWS + 2, "is_same": ROWS == 0, "fold": ROWS} | change
    with pytest.raises(DataError) as error:
        VerificationPairs(**arrays)
    assert message(error) == rule


def test_pairs_are_read_only_and_nobody_keeps_a_hold_on_them() -> None:
    first = ROWS.copy()
    pairs = VerificationPairs(first, ROWS + 2, ROWS == 0, ROWS)
    first[0] = 9
    assert pairs.first.tolist() == [0, 1]
    for name in ("first", "second", "is_same", "fold"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(pairs, name)[0] = 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"images": np.zeros((4, 2, 5, 5), np.uint8)}, "images must be uint8 (M, 1 or 3, H, W)"),
        ({"items": np.arange(3)}, "items must be int64, one an image"),
        ({"items": np.array([0, 1, 3, 4])}, "items must be 0, 1, 2, ... in ascending order, each with an image"),
        ({"items": np.array([0, 1, 1, 2])}, "pairs must be of 3 items; got row 3"),
        ({"published": 1}, "published must be at least the 2 pairs; got 1"),
        ({"people": np.array([0, 1, 1, 2])}, "is_same must agree with people; pair 0 does not (1 in all)"),
        ({"people": np.array([0, 1, 0, 7])}, "people must be rows of 3 distinct names"),
        ({"people": None}, "names must be empty where it is not known who items show; got 3"),
    ],
)
def test_verification_sets_that_cannot_be(change: dict[str, Any], rule: str) -> None:
    values: dict[str, Any] = {
        "images": np.zeros((4, 1, 5, 5), np.uint8),
        "items": np.arange(4),
        "people": np.array([0, 1, 0, 2]),
        "names": ("a", "b", "c"),
        "pairs": VerificationPairs(ROWS, ROWS + 2, ROWS == 0, ROWS),
        "published": 2,
    }
    VerificationSet(**values)
    with pytest.raises(DataError) as error:
        VerificationSet(**values | change)
    assert message(error).startswith(rule)


def test_more_pairs_than_there_are() -> None:
    with pytest.raises(DataError, match="pairs must be at most 2, all of the same person in fold 0; got 3"):
        drawn_pairs(np.array([0, 0, 1, 1]), per_fold=3, folds=1)
    with pytest.raises(DataError, match="all of different people in fold 0; got 1"):
        drawn_pairs(np.array([0, 0]), per_fold=1, folds=1)


# --- LFW, YouTube Faces, CASIA -------------------------------------------------------------------------------------


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    folder = tmp_path / "lfw"
    for name, people in {"Train": {"Ann": 3, "Bo": 3, "Cy": 2}, "Test": {"Xi": 2, "Yve": 2}}.items():
        rows = [f"{person}\t{count}" for person, count in people.items()]
        folder.mkdir(exist_ok=True)
        (folder / f"peopleDev{name}.txt").write_text("\n".join([str(len(rows)), *rows]))
        for person, count in people.items():
            (folder / person).mkdir()
            for number in range(count):
                (folder / person / f"{person}_{number + 1:04d}.jpg").write_bytes(png(number))
    (folder / "pairsDevTest.txt").write_text("1\nXi\t1\t2\nXi\t1\tYve\t2\n")
    return folder


def dataset(**parameters: Any) -> Lfw:
    return Lfw(**{"size": 4, "test": 0.4, "min_images": 2} | parameters)


def test_lfw_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as error:
        Lfw().prepare(tmp_path)
    assert message(error) == (
        f"no LFW at {tmp_path}/lfw (looked for peopleDevTrain.txt, and for images/<name>/<name>_0001.jpg or "
        "<name>/<name>_0001.jpg); put the official images and lists there, or set NOISYLABELS_DATA"
    )
    with pytest.raises(MissingDataError, match=r"no pair or people list at .*pairs\.txt"):
        lfw_view2(tmp_path)


def test_half_of_lfw(lfw: Path) -> None:
    for name in ("Bo/Bo_0002.jpg", "Cy/Cy_0001.jpg"):
        (lfw / name).unlink()
    with pytest.raises(MissingDataError) as error:
        dataset().prepare(lfw.parent)
    assert message(error) == f"LFW at {lfw} lacks 'Bo/Bo_0002.jpg' (and 1 more)"


def test_a_broken_face_is_named(lfw: Path) -> None:
    (lfw / "Bo" / "Bo_0002.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot use 'Bo/Bo_0002\.jpg': the file is empty \(in "):
        dataset().prepare(lfw.parent)


def test_nobody_is_both_trained_on_and_verified(lfw: Path) -> None:
    (lfw / "peopleDevTest.txt").write_text("3\nXi\t2\nYve\t2\nAnn\t3\n")
    with pytest.raises(DataError, match=r"must be in both peopleDevTrain\.txt and peopleDevTest\.txt; 'Ann' is"):
        dataset().verification(lfw.parent)


def test_a_pair_of_somebody_who_was_trained_on(lfw: Path) -> None:
    (lfw / "pairsDevTest.txt").write_text("1\nXi\t1\t2\nXi\t1\tAnn\t2\n")
    with pytest.raises(DataError, match="every pair must be of images that the list of people has; 'Ann/Ann_0002'"):
        dataset().verification(lfw.parent)


def test_a_symlink_out_of_lfw_is_refused(lfw: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(png())
    (lfw / "Bo" / "Bo_0002.jpg").unlink()
    (lfw / "Bo" / "Bo_0002.jpg").symlink_to(secret)
    with pytest.raises(DataError, match=r"symlinks must stay inside '.*'; '.*Bo_0002\.jpg' leaves it"):
        dataset().prepare(lfw.parent)
    (lfw / "Bo").rename(tmp_path / "Bo")
    (lfw / "Bo").symlink_to(tmp_path / "Bo")
    with pytest.raises(DataError, match=r"symlinks must stay inside '.*'; '.*Bo' leaves it"):
        dataset().prepare(lfw.parent)


def test_lfw_that_has_changed_since_is_refused(lfw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYLABELS_DATA", str(lfw.parent))
    pinned = dataset().pinned()
    assert pinned.prepare(lfw.parent).train.num_classes == 3
    (lfw / "Yve" / "Yve_0001.jpg").write_bytes(png(99))
    for use in (pinned.prepare, pinned.verification):
        with pytest.raises(DataError, match=f"{lfw} has changed: its content must be {pinned.content}; got "):
            use(lfw.parent)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"identities": 4}, "identities must be at most 3, the people with at least 2 images; got 4"),
        ({"outside": 1}, "outside must be at most 0, the people left; got 1"),
        ({"min_images": 4}, "there must be at least 2 people with at least 4 images; got 0"),
        ({"test": 0.01}, "somebody must have a test image; got test=0.01 of at most 3 images"),
        ({"size": 0}, "size must be in [1, 1024]; got 0"),
        ({"test": 1.0}, "test must be in (0, 1); got 1.0"),
        ({"identities": 1}, "identities must be at least 2; got 1"),
        ({"max_images": 0}, "max_images must be at least 1; got 0"),
        ({"outside": -1}, "outside must be at least 0; got -1"),
        ({"outside": 1, "test_per_class": 1}, "test_per_class cannot be had with people outside"),
    ],
)
def test_faces_that_cannot_be_had(lfw: Path, parameters: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError) as error:
        dataset(**parameters).prepare(lfw.parent)
    assert message(error).startswith(rule)


def test_ytf_is_not_there_or_another_protocol(tmp_path: Path) -> None:
    rows = [
        f"{split}, {n}, Ann/{n}, {'Ann' if n == 1 else 'Bo'}/3, {int(n == 1)}" for split in range(1, 11) for n in (1, 2)
    ]
    (tmp_path / "splits.txt").write_text("\n".join(rows))
    with pytest.raises(DataError, match="split 1 must have 250 same and 250 different pairs; got 1 and 1"):
        ytf_verification(tmp_path)
    with pytest.raises(MissingDataError, match=r"no frames of YouTube Faces at .* <person>_<video>_<frame> all in one"):
        ytf_verification(tmp_path, pairs_per_split=1)
    (tmp_path / "Ann_1_0.jpg").write_bytes(png())
    with pytest.raises(DataError, match="a pair must have both its items; none of 20 has"):
        ytf_verification(tmp_path, pairs_per_split=1)
    (tmp_path / "splits.txt").write_text("\n".join(rows[:-2]))
    with pytest.raises(DataError, match=r"splits must be 1\.\.10; got \[1, 2, 3, 4, 5, 6, 7, 8, 9\]"):
        ytf_verification(tmp_path, pairs_per_split=1)
    with pytest.raises(DataError, match="frames must be at least 1; got 0"):
        ytf_verification(tmp_path, frames=0)


def test_casia_is_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(MissingDataError) as error:
        Casia().prepare(tmp_path, download=True)
    assert message(error) == (
        f"no CASIA-WebFace at {tmp_path}/casia-webface (looked for <identity>/<image> and train.rec); it is never "
        "downloaded: put your own copy there, or give root as an absolute path or one below the data folder"
    )


def test_casia_that_cannot_be_had(tmp_path: Path) -> None:
    write_faces(tmp_path / "train.rec", [(k, png()) for k in (0, 0, 0, 1, 1, 1)])
    with pytest.raises(UsageError, match="remove_overlap needs folders named by identity"):
        Casia(root=".", remove_overlap=True).prepare(tmp_path)
    with pytest.raises(UsageError, match="held_out must be 0 or at least 20, two people a fold; got 5"):
        Casia(held_out=5)
    with pytest.raises(DataError, match="held_out must be at most 2, the people with at least 2 images; got 20"):
        Casia(root=".", held_out=20).prepare(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"identities": 1}, "identities must be in [2, 524288]; got 1"),
        ({"images": 1}, "images must be in [2, 1048576]; got 1"),
        ({"size": 4}, "size must be in [8, 256]; got 4"),
        ({"held_out": 3}, "held_out must be 0 or at least 20, two people a fold; got 3"),
        ({"test": 0.0}, "test must be in (0, 1); got 0.0"),
        ({"images": 2, "test": 0.1}, "somebody must have a test image; got test=0.1 of 2 images"),
    ],
)
def test_synthetic_people_that_cannot_be(parameters: dict[str, Any], rule: str) -> None:
    with pytest.raises(UsageError) as error:
        SyntheticIdentities(**parameters).prepare(Path())
    assert message(error) == rule


# --- landmarks -----------------------------------------------------------------------------------------------------

TEN = ",".join(map(str, range(10)))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", ": must have a line a photograph; got none"),
        (f"a,{TEN}\na,{TEN}\n", ", line 2: must be a new name and ten finite numbers; got 'a,0,1"),
        (f"a,{TEN}\nb,{TEN},5\n", ", line 2: must be a new name"),
        (f"a,{TEN}\nb,{TEN.replace('7', 'x')}\n", ", line 2: must be a new name"),
        (f"a,{TEN.replace('7', 'nan')}\nb,{TEN.replace('7', 'inf')}\n", ", line 2: must be a new name"),
        (f"a,{TEN}\n,{TEN}\n", ", line 2: must be a new name"),
        (f'a,{TEN}\n"b,{TEN}\n', ": must be UTF-8 text of comma-separated values; "),
    ],
)
def test_a_malformed_landmark_file_is_named(tmp_path: Path, content: str, rule: str) -> None:
    (tmp_path / "points.csv").write_text(content)
    with pytest.raises(DataError) as error:
        read_landmarks(tmp_path / "points.csv")
    assert message(error).startswith(f"{tmp_path}/points.csv{rule}")


def test_points_that_are_no_face() -> None:
    aligner = LandmarkAligner({"a.jpg": np.ones((5, 2)), "b.jpg": np.ones((4, 2)), "c.jpg": np.full((5, 2), np.nan)})
    rules = {"a.jpg": "must be spread out", "b.jpg": "must be as many", "c.jpg": "must be finite"}
    for name, rule in rules.items():
        with pytest.raises(DataError, match=f"'{name}': points {rule}"):
            aligner.align(name, Image.new("RGB", (9, 9)))
    with pytest.raises(DataError, match=r"unknown photograph 'a\.jpeg'; did you mean 'a\.jpg'\?"):
        aligner.align("a.jpeg", Image.new("RGB", (9, 9)))

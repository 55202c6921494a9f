"""Packing under faults: killed, out of room, fed hostile files; and stores that are not what they say."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from noisylabels.catalog import UsageError
from noisylabels.data import DataError, MissingDataError, pack_finish, pack_journal, packing
from noisylabels.data.face_records import pack as record
from noisylabels.data.pack_journal import PackingError, PackLockedError
from noisylabels.data.pack_source import pack_source
from noisylabels.data.packed import Packed
from noisylabels.data.packed_files import open_store
from noisylabels.data.packing import PackOptions, pack
from noisylabels.data.recordio import RecordWriter

SMALL = PackOptions(size=8)


def png(value: int = 0, side: int = 9) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(value).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(stream, "png")
    return stream.getvalue()


def write_tree(root: Path, people: int = 3, images: int = 5, side: int = 9) -> Path:
    for person in range(people):
        (root / f"p{person}").mkdir(parents=True)
        for number in range(images):
            (root / f"p{person}/{number:03d}.png").write_bytes(png(100 * person + number, side))
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "CHUNK", 4)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def message(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# --- interrupted ---------------------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from noisylabels.data import packing
from noisylabels.data.pack_source import pack_source
packing.CHUNK = 8
told = lambda done, count: print(done, flush=True)
source, out = map(Path, sys.argv[1:])
packing.pack(pack_source(source), out, packing.PackOptions(size=24, errors="skip"), resume=True, on_chunk=told)
"""


def test_a_pack_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = write_tree(tmp_path / "tree", people=8, images=40, side=40)
    (tree / "p1/017.png").write_bytes(b"")
    (tree / "p6/002.png").write_bytes(png(3)[:-20])
    monkeypatch.setattr(packing, "CHUNK", 64)
    pack(pack_source(tree), tmp_path / "undisturbed", PackOptions(size=24, errors="skip"))
    out, draws = tmp_path / "out", np.random.default_rng(0)
    reached, killed = 0, 0
    for chunks in (0, 3, 9, 7, 1, 12):
        command = [sys.executable, "-c", CHILD, str(tree), str(out)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        began = 0
        for number, line in enumerate(process.stdout):
            began, reached = (int(line), reached) if number == 0 else (began, int(line))
            if number == chunks:
                time.sleep(float(draws.random()) * 0.004)
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.close()
        killed += process.wait() == -signal.SIGKILL
        assert began <= reached or reached == 0
        if (out / "index.json").exists():
            break
    assert killed >= 3
    pack(pack_source(tree), out, PackOptions(size=24, errors="skip"), resume=True)
    assert content(out) == content(tmp_path / "undisturbed")


CALLS: list[tuple[Any, str]] = [
    (os, "pwrite"),
    (os, "fsync"),
    (os, "ftruncate"),
    (os, "posix_fallocate"),
    (Path, "replace"),
    (packing, "_decoded"),
    (pack_finish, "write_atomically"),
    (pack_journal, "write_atomically"),
]


@pytest.mark.parametrize(("where", "name"), CALLS, ids=lambda value: getattr(value, "__name__", value))
def test_a_call_that_fails_leaves_a_pack_that_can_be_gone_on_with(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    (tree / "p1/004.png").write_bytes(b"broken")
    options = PackOptions(size=8, errors="skip")
    pack(pack_source(tree), tmp_path / "undisturbed", options)
    failed = 0
    for bad in range(1, 40):
        out = tmp_path / f"out{bad}"
        with monkeypatch.context() as patched:
            patched.setattr(where, name, failing_at(bad, getattr(where, name)))
            said = complaint(tree, out, options)
        if said is None:
            break
        failed += 1
        assert "No space left on device" in said
        assert " bytes are free on its disk" in said
        assert not [path for path in out.iterdir() if path.name.startswith(".") and path.name != ".lock"]
        if (out / "index.json").exists():  # its own fsync failed: then all is there
            open_store(out).require_files()
        pack(pack_source(tree), out, options, resume=True)
        assert content(out) == content(tmp_path / "undisturbed")
    assert failed >= 1


def failing_at(bad: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose call number ``bad`` finds the disk full."""
    calls = 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == bad:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **named)

    return failing


def complaint(tree: Path, out: Path, options: PackOptions) -> str | None:
    try:
        pack(pack_source(tree), out, options)
    except PackingError as error:
        return str(error)
    return None


def test_half_a_write_is_written_on(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(pack_source(tree), tmp_path / "whole", SMALL)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, memoryview(data)[: max(1, len(data) // 3)], at))
    pack(pack_source(tree), tmp_path / "halves", SMALL)
    assert content(tmp_path / "halves") == content(tmp_path / "whole")


def test_a_disk_without_room_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(PackingError) as error:
            pack(pack_source(tree), tmp_path / "out", SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"no room to write {tmp_path}/out/images.npy: File too large, " in message(error)
    assert error.value.exit_code == 1
    assert not (tmp_path / "out/images.npy").exists()
    pack(pack_source(tree), tmp_path / "out", SMALL, resume=True)


def test_a_torn_journal_line_does_not_count(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(pack_source(tree), tmp_path / "undisturbed", SMALL)
    out = tmp_path / "out"

    def stop(done: int, count: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(pack_source(tree), out, SMALL, on_chunk=stop)
    journal = out / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-40])
    pack(pack_source(tree), out, SMALL, resume=True)
    assert content(out) == content(tmp_path / "undisturbed")


def stopped(tree: Path, out: Path) -> Path:
    def stop(done: int, count: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(pack_source(tree), out, SMALL, on_chunk=stop)
    return out


def test_rows_that_are_not_what_was_written_are_found(tree: Path, tmp_path: Path) -> None:
    out = stopped(tree, tmp_path / "out")
    with (out / "images.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.seek(128 + 5 * 192)
        file.write(b"\0" * 64)
    with pytest.raises(PackingError, match="row 5 is not what was written"):
        pack(pack_source(tree), out, SMALL, resume=True)


@pytest.mark.parametrize("line", [b"{}\n", b"[1]\n", b'{"seen": "x"}\n', b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_journal_that_is_none_is_refused(tree: Path, tmp_path: Path, line: bytes) -> None:
    out = stopped(tree, tmp_path / "out")
    with (out / "journal.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(DataError, match="is not a journal of a pack"):
        pack(pack_source(tree), out, SMALL, resume=True)


def test_what_cannot_be_gone_on_with_is_refused(tree: Path, tmp_path: Path) -> None:
    out = stopped(tree, tmp_path / "out")
    with pytest.raises(UsageError, match="interrupted; add --resume to go on"):
        pack(pack_source(tree), out, SMALL)
    with pytest.raises(UsageError, match="cannot be gone on with: other size"):
        pack(pack_source(tree), out, PackOptions(size=9), resume=True)
    with pytest.raises(MissingDataError, match="is not packed to the end"):
        open_store(out)
    (tree / "p0/000.png").write_bytes(png(77, side=10))
    with pytest.raises(UsageError, match="the source has changed since"):
        pack(pack_source(tree), out, SMALL, resume=True)


def test_a_pack_that_is_done_is_left_alone(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack(pack_source(tree), out, SMALL)
    before = content(out)
    with pytest.raises(UsageError, match="already holds packed images"):
        pack(pack_source(tree), out, SMALL)
    with pytest.raises(UsageError, match="another source or of other options"):
        pack(pack_source(tree), out, PackOptions(size=9), resume=True)
    pack(pack_source(tree), out, SMALL, resume=True)
    assert content(out) == before


def test_two_at_once_are_refused(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(PackLockedError, match="another process is packing into") as error:
        pack(pack_source(tree), out, SMALL)
    assert error.value.exit_code == 4


# --- hostile sources and folders -----------------------------------------------------------------------------------


def bomb() -> bytes:
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


BAD = {
    "bomb.png": (bomb(), "more than 50 megapixels"),
    "empty.png": (b"", "the file is empty"),
    "text.jpg": (b"#!/bin/sh\ntouch owned\n", "not an image of a known format"),
    "torn.png": (png()[:-60], "cannot be decoded"),
    "pickle.png": (b"cos\nsystem\n(S'touch owned'\ntR.", "not an image of a known format"),
}


def test_files_that_cannot_be_used_are_all_listed(tree: Path, tmp_path: Path) -> None:
    for name, (bad, _) in BAD.items():
        (tree / "p1" / name).write_bytes(bad)
    out = tmp_path / "out"
    with pytest.raises(DataError) as error:
        pack(pack_source(tree), out, SMALL)
    said = message(error)
    assert "cannot use 'p1/bomb.png': more than 50 megapixels" in said
    assert f"(and 4 more); all are in {out}/errors.jsonl; --errors skip --resume leaves them out" in said
    errors = {e["image"]: e["reason"] for e in map(json.loads, (out / "errors.jsonl").read_text().splitlines())}
    assert set(errors) == {f"p1/{name}" for name in BAD}
    assert all(reason in errors[f"p1/{name}"] for name, (_, reason) in BAD.items())
    about = pack(pack_source(tree), out, PackOptions(size=8, errors="skip"), resume=True)
    assert (about["count"], about["skipped"]) == (15, 5)
    assert not list(tmp_path.rglob("owned"))


def test_a_source_without_a_usable_image_is_refused(tmp_path: Path) -> None:
    for person in "ab":
        (tmp_path / "tree" / person).mkdir(parents=True)
        (tmp_path / "tree" / person / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="there is no other image"):
        pack(pack_source(tmp_path / "tree"), tmp_path / "out", PackOptions(size=8, errors="skip"))


def test_an_unreadable_file_and_a_file_too_large(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pack_source(tree)
    (tree / "p0/001.png").unlink()
    monkeypatch.setattr("noisylabels.data.pack_source.MAX_FILE_BYTES", 1000)
    (tree / "p2/000.png").write_bytes(b"x" * 1001)
    pack(source, tmp_path / "out", PackOptions(size=8, errors="skip"))
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "out/errors.jsonl").read_text().splitlines()]
    assert reasons == ["cannot be read: No such file or directory", "larger than 0 MiB"]


def test_a_record_that_broke_since_is_left_out(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        for key in range(1, 7):
            writer.write(key, record([key % 2], key, png(key)))
    source = pack_source(tmp_path)
    with (tmp_path / "train.rec").open("r+b") as file:
        file.seek(int(source.faces.records.offsets[2]))  # type: ignore[union-attr]
        file.write(b"RIFF")
    pack(source, tmp_path / "out", PackOptions(size=8, errors="skip"))
    (line,) = (tmp_path / "out/errors.jsonl").read_text().splitlines()
    assert json.loads(line)["image"] == "record 3"
    assert "must start with the magic number" in json.loads(line)["reason"]


NAMES = [
    "<script>alert(1)",
    "=cmd()",
    "a\nb",
    "..",
    "'\"`$(touch owned)",
    "\u202eevil",
    "😀" * 50,
    " ",
    "%s{0}",
]


def test_names_are_data(tmp_path: Path) -> None:
    people = [name if name != ".." else "..x" for name in NAMES]
    for number, name in enumerate(people):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / f"{name}.png").write_bytes(png(number))
        (tmp_path / "tree" / name / f"{name}0.png").write_bytes(b"bad")
    before = set(tmp_path.rglob("*"))
    pack(pack_source(tmp_path / "tree"), tmp_path / "out", PackOptions(size=8, errors="skip"))
    written = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"out"}
    assert {path.name for path in written} == {"out", "errors.jsonl", "images.npy", "index.json", "index.npz"}
    listed = [json.loads(line)["image"] for line in (tmp_path / "out/errors.jsonl").read_bytes().splitlines()]
    visible = [name for name in people if not name.startswith(".")]
    assert sorted(listed) == sorted(f"{name}/{name}0.png" for name in visible)
    assert open_store(tmp_path / "out").index.class_names == tuple(sorted(visible))


@pytest.mark.parametrize("what", ["image", "class"])
def test_symlinks_out_of_the_source_are_refused(tree: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x.png").write_bytes(png())
    if what == "image":
        (tree / "p0/x.png").symlink_to(tmp_path / "secret/x.png")
    else:
        (tree / "p9").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="symlinks must stay inside"):
        pack_source(tree)


def test_a_pipe_among_the_images_is_refused(tree: Path) -> None:
    os.mkfifo(tree / "p0/x.png")
    with pytest.raises(DataError, match="images must be regular files"):
        pack_source(tree)


@pytest.mark.parametrize("name", ["images.npy", "journal.jsonl", "index.json"])
def test_nothing_is_written_through_a_symlink(tree: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(victim)
    with pytest.raises(UsageError, match="must be a regular file"):
        pack(pack_source(tree), tmp_path / "out", SMALL, resume=True)
    assert victim.read_bytes() == b"precious"


def test_a_folder_with_other_things_is_left_alone(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"must be a new or empty folder; .* holds 'thesis\.tex'"):
            pack(pack_source(tree), tmp_path / "out", SMALL, resume=resume)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_a_store_inside_its_source_is_refused(tree: Path) -> None:
    with pytest.raises(UsageError, match="must not lie inside the source"):
        pack(pack_source(tree), tree / "p0/store", SMALL)
    assert not (tree / "p0/store").exists()


def test_a_folder_divided_into_splits_and_a_missing_one(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    tree.rename(tmp_path / "both/train")
    write_tree(tmp_path / "both/test")
    with pytest.raises(DataError, match="pack each by itself"):
        pack_source(tmp_path / "both")
    with pytest.raises(MissingDataError, match="nothing to pack at"):
        pack_source(tmp_path / "nowhere")


# --- stores that are not what they say -----------------------------------------------------------------------------


@pytest.fixture
def store(tree: Path, tmp_path: Path) -> Path:
    pack(pack_source(tree), tmp_path / "store", SMALL)
    return tmp_path / "store"


def rewritten(store: Path, change: Callable[[dict[str, Any]], object]) -> None:
    about = json.loads((store / "index.json").read_bytes())
    change(about)
    (store / "index.json").write_text(json.dumps(about))


def with_arrays(**changed: Any) -> Callable[[Path], None]:
    """Other arrays, with the right checksum: what an attacker would write."""

    def write(store: Path) -> None:
        with np.load(store / "index.npz") as file:
            arrays = {name: file[name] for name in file} | changed
        np.savez(store / "index.npz", **{name: array for name, array in arrays.items() if array is not None})
        resum(store)

    return write


def resum(store: Path) -> None:
    digest = hashlib.sha256((store / "index.npz").read_bytes()).hexdigest()
    rewritten(store, lambda about: about.update(arrays_sha256=digest))


def with_bytes(name: str, new: bytes) -> Callable[[Path], object]:
    return lambda store: (store / name).write_bytes(new)


def field(**changed: Any) -> Callable[[Path], object]:
    return lambda store: rewritten(store, lambda about: about.update(changed))


def zip_bomb(store: Path) -> None:
    with zipfile.ZipFile(store / "index.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", b"\0" * 10_000_000)
    resum(store)


def longer(store: Path) -> None:
    with (store / "images.npy").open("ab") as file:
        file.write(b"x")


def other_header(store: Path) -> None:
    np.save(store / "images.npy", np.load(store / "images.npy").astype(np.int16))


def objects(store: Path) -> None:
    np.savez(store / "index.npz", labels=np.array([{"a": 1}] * 15, dtype=object))
    resum(store)


MALFORMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (with_bytes("index.json", b"{"), "is not an index of packed images"),
    "a deep JSON": (with_bytes("index.json", b"[" * 200_000), "is not an index of packed images"),
    "a long JSON": (with_bytes("index.json", b" " * 2_000_000), "is not an index of packed images"),
    "another format": (field(format="x"), "is not an index of packed images"),
    "another version": (field(version=2), "the version must be 1; got 2"),
    "a negative count": (field(count=-1), "count must be a whole number, at least 0; got -1"),
    "a true count": (field(count=True), "count must be a whole number, at least 0; got True"),
    "no image": (field(count=0), "there must be an image and a class"),
    "a huge count": (field(count=10**15), "must hold uint8 of shape (1000000000000000, 3, 8, 8)"),
    "an odd shape": (field(shape=[2, 8, 8]), "shape must be [1 or 3, H, W]"),
    "a shape of texts": (field(shape=["3", "8", "8"]), "shape must be [1 or 3, H, W]"),
    "an empty side": (field(shape=[3, 0, 8]), "shape must be [1 or 3, H, W]"),
    "another checksum": (field(arrays_sha256="0" * 64), "index.npz must have SHA-256 000"),
    "fewer classes": (field(classes=2), "is not an index of packed images"),
    "no arrays": (lambda store: (store / "index.npz").unlink(), "must hold index.npz"),
    "no images": (lambda store: (store / "images.npy").unlink(), "must hold images.npy"),
    "images cut short": (
        lambda store: os.truncate(store / "images.npy", 999),
        "images.npy must have 3008 bytes; got 999",
    ),
    "images too long": (longer, "images.npy must have 3008 bytes; got 3009"),
    "images without header": (with_bytes("images.npy", b"x" * 3008), "must be of version 1 or 2"),
    "images of another type": (other_header, "got int16"),
    "labels out of range": (with_arrays(labels=np.full(15, 3)), "labels must be in [0, 3); got 3 to 3"),
    "labels missing": (with_arrays(labels=None), "There is no item named 'labels.npy'"),
    "labels too few": (with_arrays(labels=np.zeros(14, dtype=np.int64)), "it must be int64 of shape (15,)"),
    "labels as floats": (with_arrays(labels=np.zeros(15)), "it must be int64 of shape (15,)"),
    "ids twice": (with_arrays(ids=np.zeros(15, dtype=np.int64)), "ids must be distinct"),
    "keys twice": (with_arrays(keys=np.zeros(15, dtype=np.int64)), "keys must be distinct"),
    "names twice": (with_arrays(class_names=np.frombuffer(b"p0p0p0", np.uint8)), "class names must be distinct"),
    "names no UTF-8": (with_arrays(class_names=np.full(6, 255, np.uint8)), "can't decode byte 0xff"),
    "ends that fall": (with_arrays(class_ends=np.array([4, 2, 6])), "class_ends must not fall"),
    "ends below zero": (with_arrays(class_ends=np.array([-4, 2, 6])), "class_ends must not fall"),
    "ends far away": (
        with_arrays(class_ends=np.array([2, 4, 2**60])),
        "it must be uint8 of shape (1152921504606846976,)",
    ),
    "compressed": (zip_bomb, "is not an index of packed images"),
    "pickled objects": (objects, "must hold integers or floats"),
    "no archive": (lambda store: ((store / "index.npz").write_bytes(b"PK"), resum(store)), "File is not a zip file"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_store_is_refused_in_a_sentence(store: Path, case: str) -> None:
    break_it, rule = MALFORMED[case]
    break_it(store)
    with pytest.raises(DataError) as error:
        open_store(store)
    assert rule in message(error)


def refusal(store: Path) -> str | None:
    """What is said of a store that is refused; None of one that is opened."""
    try:
        open_store(store)
    except DataError as error:
        return str(error)
    return None


def test_random_damage_is_refused_or_harmless(store: Path) -> None:
    draws, refused = np.random.default_rng(0), 0
    for name in ("index.json", "index.npz"):
        whole = (store / name).read_bytes()
        for number in range(60):
            damaged = bytearray(whole)
            damaged[draws.integers(len(damaged))] ^= 1 << int(draws.integers(8))
            (store / name).write_bytes(damaged)
            os.utime(store / name, ns=(number, number))
            if name == "index.npz":
                resum(store)
            said = refusal(store)
            refused += said is not None
            assert "\n" not in (said or "")
        (store / name).write_bytes(whole)
        if name == "index.npz":
            resum(store)
    assert refused > 60


def test_changed_pixels_are_named(store: Path, tmp_path: Path) -> None:
    root = str(store)
    pinned = Packed(root=root, size=8).pinned()
    pinned.prepare(tmp_path)
    with (store / "images.npy").open("r+b") as file:
        file.seek(128 + 7 * 192 + 11)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    rule = r"images\.npy: row 7 must be 'p1/002\.png' as it was packed; its SHA-256 differs$"
    with pytest.raises(DataError, match=rule):
        Packed(root=root, size=8).identity()
    with pytest.raises(DataError, match=rule):
        pinned.prepare(tmp_path)
    opened = open_store(store)
    with pytest.raises(DataError, match=r"images\.npy must have SHA-256"):
        opened.require_files()
    opened.require_pixels(np.array([0, 6, 8]))


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="make them with noisylabels data pack"):
        Packed(root="nowhere").prepare(tmp_path)

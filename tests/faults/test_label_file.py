"""Label files that are broken, hostile or merely of another kind: refused in one line, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle  # noqa: TID251  (to write files that would run code, and never to load one)
import random
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corruptions.label_file import MAX_BYTES, LabelFileError, read_annotations

SETS = {
    "clean_label": np.arange(300) % 10,
    "worse_label": (np.arange(300) % 7).astype(np.int32),
    "bytes": (np.arange(300) % 256).astype(np.uint8),
    "big_endian": (np.arange(300) * 1_000_003).astype(">i8"),
    "below_zero": -np.arange(300).astype(np.int16),
    "unsigned": (np.arange(300) * 9).astype(np.uint64),
}


def zipped(content: bytes, name: str = "archive/data.pkl", compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, content)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def unzipped(content: bytes) -> bytes:
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}]
    return b"".join(pickle.dumps(value, 2) for value in head) + content + pickle.dumps([], 2)


FORMS: dict[str, Callable[[bytes], bytes]] = {"zip": zipped, "no zip": unzipped}


def read(folder: Path, content: bytes) -> dict[str, np.ndarray]:
    path = folder / "labels.pt"
    path.write_bytes(content)
    return read_annotations(path)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(LabelFileError) as caught:
        read(folder, content)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'labels.pt'} is not a label file: ")
    assert "\n" not in message
    assert len(message) < 500
    assert "must" in message
    return message


def saved(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_what_torch_saves_is_read_as_torch_loads_it(tmp_path: Path, kind: type, is_zip: bool, protocol: int) -> None:
    content = saved(kind(SETS), pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    loaded = torch.load(io.BytesIO(content), weights_only=False)  # our own bytes
    found = read(tmp_path, content)
    assert list(found) == list(loaded) == list(SETS)
    for name, labels in found.items():
        assert labels.dtype == np.int64
        assert labels.dtype.isnative
        np.testing.assert_array_equal(labels, loaded[name])
        np.testing.assert_array_equal(labels, SETS[name])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read_as_numpy_reads_it(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "labels.npz", **SETS)
    found = read_annotations(str(tmp_path / "labels.npz"))
    with np.load(tmp_path / "labels.npz", allow_pickle=False) as loaded:
        assert sorted(found) == sorted(loaded)
        for name in loaded:
            np.testing.assert_array_equal(found[name], loaded[name])


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


class Reduced:
    """Pickled as the call of a function with arguments."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def attacks(marker: Path) -> dict[str, bytes]:
    """Pickles of which each would make the marker file, were it loaded."""
    command = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w').close()"
    os_system = b"cos\nsystem\n"
    legitimate = pickle.dumps(SETS, 2)
    array = pickle.dumps(SETS["clean_label"], 2)[2:-1]
    return {
        "os.system by REDUCE": b"\x80\x02" + os_system + text(command) + b"\x85R.",
        "posix.system by pickle": pickle.dumps(Reduced(os.system, (command,)), 2),
        "builtins.eval": pickle.dumps(Reduced(eval, (python,)), 2),
        "builtins.exec, protocol 4": pickle.dumps(Reduced(exec, (python,)), 4),
        "STACK_GLOBAL": b"\x80\x04" + text("os") + text("system") + b"\x93" + text(command) + b"\x85R.",
        "INST": b"(" + text(command) + b"ios\nsystem\n.",
        "INST of text": b"(S" + repr(command).encode() + b"\nios\nsystem\n.",
        "OBJ": b"(" + os_system + text(command) + b"o.",
        "NEWOBJ": b"\x80\x02" + b"csubprocess\nPopen\n" + text(command) + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04" + b"csubprocess\nPopen\n" + text(command) + b"\x85}\x92.",
        "BUILD with __setstate__": b"\x80\x02ctypes\nSimpleNamespace\n)R}" + text("__setstate__") + os_system
        + b"sb" + text(command) + b"b.",
        "BUILD of an array": b"\x80\x02" + array + text(command) + b"b.",
        "EXT1": b"\x80\x02\x82\x01)R.",
        "EXT2": b"\x80\x02\x83\x01\x00)R.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00)R.",
        "nested in a dict of arrays": legitimate[:-1] + text("worse") + os_system + text(command) + b"\x85Rs.",
        "nested in a dict by pickle": pickle.dumps({**SETS, "x": Reduced(os.system, (command,))}, 2),
        "numpy's own eval": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n" + text(python) + b"}\x86R.",
        "getattr chain": b"\x80\x02cbuiltins\ngetattr\ncos\n__dict__\n" + text("system") + b"\x86R.",
        "codecs.decode": b"\x80\x02c_codecs\ndecode\n" + text(command) + text("rot13") + b"\x86R.",
        "codecs.encode of another codec": b"\x80\x02c_codecs\nencode\n" + text(command) + text("rot13") + b"\x86R.",
        "reconstruct of another class": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncsubprocess\nPopen\nK\x00\x85"
        + text("b") + b"\x87R.",
        "call of a dict": b"\x80\x02}" + text(command) + b"\x85R.",
        "persistent id": b"\x80\x02" + text(command) + b"Q.",
        "persistent id of text": b"P" + command.encode() + b"\n.",
        "memo out of order": b"\x80\x02" + os_system + b"q\x00" + text(command) + b"\x850h\x00.",
    }  # fmt: skip


ATTACKS = list(attacks(Path("marker")))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_file_is_run(tmp_path: Path, attack: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    content = FORMS[form](attacks(marker)[attack])
    calls: list[object] = []
    for name in ("system", "popen"):
        monkeypatch.setattr(os, name, lambda *args: calls.append(args))
    refusal(tmp_path, content)
    assert not marker.exists()
    assert calls == []


def test_the_attacks_would_have_worked(tmp_path: Path) -> None:
    """Else the test above proves nothing: two of them, loaded, make the marker."""
    for attack in ("builtins.eval", "builtins.exec, protocol 4"):
        marker = tmp_path / attack
        pickle.loads(attacks(marker)[attack])  # noqa: S301  (our own bytes)
        assert marker.exists()


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_are_refused_with_advice(tmp_path: Path, is_zip: bool) -> None:
    content = saved({"clean_label": torch.arange(3)}, _use_new_zipfile_serialization=is_zip)
    assert "tensor.numpy()" in refusal(tmp_path, content)


ARRAY = np.array([1, 2, 3])
NOT_LABELS: dict[str, tuple[object, str]] = {
    "objects": ({"a": np.array([1, "x"], dtype=object)}, "integers"),
    "floats": ({"a": np.array([1.0])}, "dtype 'f8'"),
    "booleans": ({"a": np.array([True])}, "dtype 'b1'"),
    "texts": ({"a": np.array(["x"])}, "integers"),
    "records": ({"a": np.zeros(3, dtype=[("x", "i8")])}, "integers"),
    "two dimensions": ({"a": np.ones((2, 2), dtype=np.int64)}, "shape"),
    "no dimension": ({"a": np.array(3)}, "shape"),
    "no labels": ({"a": np.empty(0, dtype=np.int64)}, "bytes"),
    "lists": ({"a": [1, 2, 3]}, "APPENDS"),
    "a number": ({"a": 3}, "at 'a'"),
    "another key": ({3: ARRAY}, "text"),
    "no dict": (ARRAY, "dict"),
    "an empty dict": ({}, "at least one set"),
    "unequal sets": ({"a": ARRAY, "b": ARRAY[:2]}, "lengths [2, 3]"),
    "a dict of dicts": ({"a": {"b": ARRAY}}, "at 'a'"),
    "too large": ({"a": np.array([2**63], dtype=np.uint64)}, "below 2^63"),
}


@pytest.mark.parametrize("name", NOT_LABELS)
@pytest.mark.parametrize("is_zip", [True, False])
def test_other_values_are_refused(tmp_path: Path, name: str, is_zip: bool) -> None:
    value, reason = NOT_LABELS[name]
    assert reason in refusal(tmp_path, saved(value, _use_new_zipfile_serialization=is_zip))


LEGITIMATE = pickle.dumps({"a": ARRAY}, 2)
BROKEN: dict[str, tuple[bytes, str]] = {
    "bytes too few": (LEGITIMATE.replace(b"K\x03\x85", b"K\x04\x85"), "as many bytes"),
    "bytes too many": (LEGITIMATE.replace(b"K\x03\x85", b"K\x02\x85"), "as many bytes"),
    "a huge shape": (LEGITIMATE.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"), "as many bytes"),
    "a negative shape": (LEGITIMATE.replace(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"), "at least one"),
    "a dtype of no order": (LEGITIMATE.replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00|"), "built once"),
    "native order": (LEGITIMATE.replace(b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00="), "built once"),
    "letters beyond latin1": (LEGITIMATE.replace(b"\x01\x00\x00\x00\x00\x00\x00\x00", "Ā".encode() * 4, 1), "latin1"),
    "memo never filled": (b"\x80\x02h\x07.", "memo"),
    "memo filled twice": (b"\x80\x02}q\x00}q\x00.", "memo"),
    "memo of a mark": (b"\x80\x02(q\x00.", "more values"),
    "no mark": (b"\x80\x02K\x01t.", "mark"),
    "stack too short": (b"\x80\x02K\x01\x86.", "more values"),
    "two values": (b"\x80\x02K\x01K\x02.", "one value"),
    "nested tuples": (b"\x80\x02K\x01" + b"\x85" * 4 + b".", "nested"),
    "deep stack": (b"\x80\x02" + b"}" * 2_000 + b".", "deep"),
    "many marks": (b"\x80\x02" + b"(" * 2_000 + b".", "deep"),
    "many opcodes": (b"\x80\x02" + b"(t" * 20_000 + b".", "deep"),
    "endless opcodes": (b"\x80\x02}q\x00" + b"\x80\x02" * 20_000 + b".", "opcodes"),
    "a key twice": (b"\x80\x02}(" + 2 * (text("a") + b"K\x01") + b"u.", "again"),
    "an odd item": (b"\x80\x02}(" + text("a") + b"u.", "items"),
    "an unknown opcode": (b"\x80\x02\xff.", "whole pickles"),
    "no end": (b"\x80\x02", "must"),
    "a long number of text": (b"I" + b"9" * 10_000 + b"\n.", "whole pickles"),
    "a bad escape": (b"S'\\q'\n.", "must"),
    "more after the end": (LEGITIMATE + b"}.", "more"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("form", FORMS)
def test_broken_pickles_are_refused(tmp_path: Path, name: str, form: str) -> None:
    content, reason = BROKEN[name]
    assert content != LEGITIMATE
    assert reason in refusal(tmp_path, FORMS[form](content))


@pytest.mark.parametrize("form", FORMS)
def test_bytes_made_again_and_again_are_refused(tmp_path: Path, form: str) -> None:
    """One megabyte of text turned into bytes a thousand times would be a gigabyte."""
    encode = b"c_codecs\nencode\nq\x00" + text("latin1") + b"q\x01" + text("x" * 2**20) + b"q\x02"
    content = b"\x80\x02" + encode + b"h\x00h\x02h\x01\x86R" * 900 + b"."
    tracemalloc.start()
    try:
        assert "size limit" in refusal(tmp_path, FORMS[form](content))
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_a_dict_within_itself_is_refused(tmp_path: Path) -> None:
    assert "at 'a'" in refusal(tmp_path, zipped(b"\x80\x02}q\x00" + text("a") + b"h\x00s."))


def test_several_pickles_in_a_zip_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for folder in ("one", "two"):
            archive.writestr(f"{folder}/data.pkl", LEGITIMATE)
    assert "got 2 data.pkl" in refusal(tmp_path, buffer.getvalue())


def test_other_zips_are_refused(tmp_path: Path) -> None:
    assert "got 0 data.pkl" in refusal(tmp_path, zipped(LEGITIMATE, name="archive/other.pkl"))
    assert "stored or deflated" in refusal(tmp_path, zipped(LEGITIMATE, compression=zipfile.ZIP_LZMA))
    encrypted = bytearray(zipped(LEGITIMATE))
    entry = encrypted.rindex(b"PK\x01\x02", 0, encrypted.rindex(b"PK\x01\x02"))
    encrypted[entry + 8] |= 1
    assert "not encrypted" in refusal(tmp_path, bytes(encrypted))


def test_a_compression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zipped(b"\x00" * (MAX_BYTES + 1), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < MAX_BYTES // 500
    tracemalloc.start()
    try:
        assert "unpack to at most" in refusal(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def test_a_bomb_that_understates_its_size_is_not_unpacked(tmp_path: Path) -> None:
    bomb = bytearray(zipped(b"\x00" * 2**24, compression=zipfile.ZIP_DEFLATED))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = bomb.index(signature) + offset
        bomb[start : start + 4] = struct.pack("<I", 100)
    tracemalloc.start()
    try:
        with pytest.raises(LabelFileError):
            read(tmp_path, bytes(bomb))
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def test_npz_members_are_checked(tmp_path: Path) -> None:
    def with_header(header: str, magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.npy", magic + struct.pack("<H", len(header)) + header.encode() + b"\x01" * 8)
        return buffer.getvalue()

    good = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n"
    assert read(tmp_path, with_header(good))["a"].tolist() == [0x0101010101010101]
    assert "as many bytes" in refusal(tmp_path, with_header(good.replace("(1,)", f"({10**15},)")))
    assert "one-dimensional" in refusal(tmp_path, with_header(good.replace("(1,)", "(1, 1)")))
    assert "integers" in refusal(tmp_path, with_header(good.replace("<i8", "|O")))
    assert "integers" in refusal(tmp_path, with_header(good.replace("<i8", "<f8")))
    assert "header" in refusal(tmp_path, with_header("__import__('os')"))
    assert "header" in refusal(tmp_path, with_header("(" * 9_000))
    assert "header" in refusal(tmp_path, with_header(good, magic=b"\x93NUMPY\x09\x00"))


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "got 0" in refusal(tmp_path, b"")
    refusal(tmp_path, b"<html>not found</html>")
    refusal(tmp_path, b"PK\x03\x04")
    with pytest.raises(LabelFileError, match=r"absent.pt cannot be read: No such file"):
        read_annotations(tmp_path / "absent.pt")
    with pytest.raises(LabelFileError, match="must be a file"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, is_zip: bool) -> None:
    content = saved({"a": ARRAY, "b": ARRAY}, _use_new_zipfile_serialization=is_zip)
    for length in range(0, len(content), 3):
        refusal(tmp_path, content[:length])


@pytest.mark.parametrize("form", FORMS)
def test_any_damage_is_refused_or_harmless(tmp_path: Path, form: str) -> None:
    """Bytes of the pickle changed at random: integer arrays come out, or one line that names the file."""
    shuffle = random.Random(4)
    original = pickle.dumps({"a": ARRAY, "b": ARRAY.astype(np.uint8)}, 2)
    refused = 0
    for _ in range(1_000):
        content = bytearray(original)
        for _ in range(shuffle.randint(1, 4)):
            content[shuffle.randrange(len(content))] = shuffle.randrange(256)
        found, message = {}, ""
        try:
            found = read(tmp_path, FORMS[form](bytes(content)))
        except LabelFileError as error:
            message = str(error)
            refused += 1
        assert found or message.startswith(str(tmp_path))
        assert "\n" not in message
        assert all(labels.dtype == np.int64 and labels.ndim == 1 for labels in found.values())
    assert refused > 500

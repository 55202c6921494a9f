"""Fault 6: the n-th write, fsync and rename fails, for every n, in everything that writes; and the power goes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from corruptions import Symmetric
from noisylabels import atomic
from noisylabels.atomic import append_line, drop_unfinished, write_atomically
from noisylabels.checkpoint import StoredCheckpoints
from noisylabels.records import read_records, write_records
from noisylabels.report import write
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder
from noisylabels.study import Study
from tests.faults.failing_files import Fault, files_in
from tests.faults.write_laws import LAWS, Writer

SPEC = RunSpec.checked({"dataset": "digits", "corruption": "symmetric:rate=0.2"})
STUDY = Study.checked({"name": "tiny", "base": {"dataset": "digits"}})
EPOCHS = [
    Epoch(
        epoch=number, train_loss=1.0 / number, train_given_accuracy=0.5, validation_given_accuracy=None,
        validation_true_accuracy=None, test_accuracy=0.5,
    )
    for number in (1, 2)
]  # fmt: skip
RESULT = RunResult(run_id=SPEC.run_id, spec=SPEC, status="ok", history=tuple(EPOCHS))
LABELS = Symmetric(rate=0.2).apply(np.arange(50) % 5, 5, seed=1)


def run(folder: Path) -> RunFolder:
    return RunFolder(folder / SPEC.run_id)


def kept(folder: Path) -> StoredCheckpoints:
    return run(folder).checkpoints(every_seconds=0)


def keep(folder: Path, epoch: int) -> None:
    kept(folder).keep(lambda: {"epochs_done": epoch, "weights": torch.full((5,), float(epoch))})


def a_checkpoint_can_be_trusted(folder: Path) -> None:
    content = kept(folder).latest()
    assert content is not None
    assert torch.equal(content["weights"], torch.full((5,), float(content["epochs_done"])))


def the_store_can_be_read(folder: Path) -> None:
    assert run(folder).result() in (None, RESULT)
    assert run(folder).events() in ([], EPOCHS[:1], EPOCHS)
    assert kept(folder).latest() is None or a_checkpoint_can_be_trusted(folder) is None


def records_can_be_read(folder: Path) -> None:
    assert read_records(folder / "records.jsonl") in ([RESULT], [RESULT, RESULT])


A_FILE = Writer(
    "one file",
    before=lambda folder: write_atomically(folder / "deep" / "file", b"old" * 30),
    steps=(lambda folder: write_atomically(folder / "deep" / "file", b"new" * 40),),
)
WRITERS = (
    A_FILE,
    replace(A_FILE, name="a file in new folders", before=lambda folder: folder.mkdir(parents=True, exist_ok=True)),
    Writer(
        "a checkpoint",
        before=lambda folder: keep(folder, 1),
        steps=(lambda folder: keep(folder, 2),),
        agree=a_checkpoint_can_be_trusted,
    ),
    Writer(
        "a run's life",
        before=lambda folder: run(folder).begin(SPEC),
        steps=(
            lambda folder: run(folder).begin(SPEC),
            lambda folder: run(folder).keep_labels(LABELS),
            lambda folder: run(folder).append(EPOCHS[0]),
            lambda folder: keep(folder, 1),
            lambda folder: run(folder).append(EPOCHS[1]),
            lambda folder: run(folder).finish(RESULT),
        ),
        agree=the_store_can_be_read,
        watched_only=frozenset({f"{SPEC.run_id}/events.jsonl"}),
    ),
    Writer(
        "a run that breaks",
        before=lambda folder: run(folder).begin(SPEC),
        steps=(lambda folder: run(folder).begin(SPEC), lambda folder: run(folder).fail("broke")),
    ),
    Writer(
        "records",
        before=lambda folder: write_records(folder / "records.jsonl", [RESULT]),
        steps=(lambda folder: write_records(folder / "records.jsonl", [RESULT, RESULT]),),
        agree=records_can_be_read,
    ),
    Writer(
        "a report",
        before=lambda folder: write.write_formats(STUDY, [], folder, ("md", "html", "csv")),
        steps=(lambda folder: write.write_formats(STUDY, [RESULT], folder, ("md", "html", "csv")),),
    ),
)


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether something was fsynced is what the layers above keep account of; the real disk need not spin for it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that take no second each to draw: what they say is not the question here."""
    monkeypatch.setattr(write, "report_data", lambda study, results, *_: len(results))
    monkeypatch.setattr(write, "to_markdown", lambda report: f"# of {report} results\n" * 20)
    monkeypatch.setattr(write, "to_html", lambda report: f"<p>of {report} results\n" * 40)


@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_law(writer: Writer, law: Callable[[Writer, Path], None], tmp_path: Path) -> None:
    law(writer, tmp_path)


# Twins that each get one thing wrong, as it has been seen in programs that people rely on

Twin = Callable[[Path, bytes], None]


def temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f".{path.name}.1{atomic.UNFINISHED}"


def put(path: Path, content: bytes, *, synced: bool, whole: bool = True) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        done = os.write(descriptor, content)
        while whole and done < len(content):
            done += os.write(descriptor, content[done:])
        if synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def in_place(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, content, synced=True)
    sync_folder(path.parent)


def without_fsync(path: Path, content: bytes) -> None:
    with removed_on_failure(temporary(path)) as new:
        put(new, content, synced=False)
        new.replace(path)
    sync_folder(path.parent)


def without_fsync_of_the_folder(path: Path, content: bytes) -> None:
    with removed_on_failure(temporary(path)) as new:
        put(new, content, synced=True)
        new.replace(path)


def one_write_only(path: Path, content: bytes) -> None:
    with removed_on_failure(temporary(path)) as new:
        put(new, content, synced=True, whole=False)
        new.replace(path)
    sync_folder(path.parent)


def removed_and_renamed(path: Path, content: bytes) -> None:
    with removed_on_failure(temporary(path)) as new:
        put(new, content, synced=True)
        path.unlink(missing_ok=True)
        new.replace(path)
    sync_folder(path.parent)


def temporary_left(path: Path, content: bytes) -> None:
    new = temporary(path)
    put(new, content, synced=True)
    new.replace(path)
    sync_folder(path.parent)


def failures_hushed_up(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):
        write_atomically(path, content)


def nameless(path: Path, content: bytes) -> None:
    """Right in all but its error, which is that of a descriptor."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


@contextlib.contextmanager
def removed_on_failure(path: Path) -> Iterator[Path]:
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def named(path: Path, content: bytes, twin: Twin) -> None:
    """So that a twin gets nothing else wrong."""
    try:
        twin(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, None if twin is nameless else str(path)) from None


TWINS = {
    in_place: "neither the old nor the new one",
    without_fsync: "neither the old nor the new one",
    without_fsync_of_the_folder: "it had said it was done",
    one_write_only: "loses what a short write did not take",
    removed_and_renamed: "is gone",
    temporary_left: "a temporary file stays",
    failures_hushed_up: "nobody heard",
    nameless: "the error must name a file",
}


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)
def test_a_careless_twin_is_found_out(twin: Twin, tmp_path: Path) -> None:
    writer = replace(A_FILE, steps=(lambda folder: named(folder / "deep" / "file", b"new" * 40, twin),))
    found = []
    for law in LAWS:
        try:
            law(writer, tmp_path / law.__name__)
        except AssertionError as error:
            found.append(str(error))
    assert any(TWINS[twin] in message for message in found), found


def test_folders_that_nobody_synced_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that makes folders as ``mkdir(parents=True)`` does: the file is safe, the way to it is not."""
    monkeypatch.setattr(atomic, "_make_folder", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    with pytest.raises(AssertionError, match="it had said it was done"):
        LAWS[2](replace(A_FILE, before=lambda folder: folder.mkdir(parents=True, exist_ok=True)), tmp_path)


# Lines


def test_a_torn_line_is_not_glued_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\nsec")
    append_line(path, b"third")
    assert path.read_bytes() == b"first\nsec\nthird\n"


@pytest.mark.parametrize("call", ["open", "write", "close"])
def test_a_line_that_cannot_be_added_leaves_the_file_as_it_was(call: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    append_line(path, b"first")
    with Fault(call, 1).injected(), pytest.raises(OSError, match="No space left on device") as error:
        append_line(path, b"second")
    assert error.value.filename == str(path)
    assert path.read_bytes() == (b"first\nsecond\n" if call == "close" else b"first\n")


def test_what_killed_writers_left_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    for name in (".result.json.ab12.unfinished", ".lock", "result.json", "notes.unfinished"):
        (tmp_path / name).write_bytes(b"x")
    drop_unfinished(tmp_path)
    assert sorted(files_in(tmp_path)) == [".lock", "notes.unfinished", "result.json"]

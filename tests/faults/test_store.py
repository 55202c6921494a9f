"""The store under faults: old state or new state, never in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StoreError, StudyFolder, StudyLockedError, write_atomically

SPEC = RunSpec(dataset="digits")
EPOCH = Epoch(
    epoch=1, train_loss=1.0, train_given_accuracy=0.5, validation_given_accuracy=None, validation_true_accuracy=None,
    test_accuracy=0.5,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = StudyFolder(tmp_path).run(SPEC.run_id)
    run.begin(SPEC)
    return run


@pytest.mark.parametrize("call", ["fsync", "fdopen", "open", "close"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failing_system_call_leaves_old_or_new(
    call: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail the n-th call of each kind; whatever happens the file is whole and nothing temporary stays behind."""
    target = tmp_path / "result.json"
    target.write_bytes(b"old")
    real, count = getattr(os, call), 0

    def failing(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        try:
            write_atomically(target, b"new")
            succeeded = True
        except OSError:
            succeeded = False
    assert target.read_bytes() in ((b"new",) if succeeded else (b"old", b"new"))
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_a_torn_last_event_is_dropped(folder: RunFolder) -> None:
    folder.append(EPOCH)
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'{"epoch": 2, "train_lo')
    assert folder.events() == [EPOCH]


def test_a_new_attempt_forgets_the_old_ones_events(folder: RunFolder) -> None:
    folder.append(EPOCH)
    folder.fail("broke")
    assert folder.failure() is not None
    folder.begin(SPEC)
    assert folder.events() == []
    assert folder.failure() is None


def test_result_comes_back_equal_and_clears_the_failure(folder: RunFolder) -> None:
    folder.fail("broke")
    result = RunResult(run_id=SPEC.run_id, spec=SPEC, status="ok", history=(EPOCH,))
    folder.finish(result)
    assert folder.result() == result
    assert folder.failure() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": "x"}', b"\xff\xfe"])
def test_a_broken_result_is_named_not_believed(folder: RunFolder, content: bytes) -> None:
    (folder.path / "result.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"result\.json is not a result .* remove its folder to run it again"):
        folder.result()


def test_another_runs_result_is_refused(folder: RunFolder) -> None:
    other = RunSpec(dataset="digits", seed=1)
    stranger = RunResult(run_id=other.run_id, spec=other, status="ok")
    (folder.path / "result.json").write_text(stranger.model_dump_json())
    with pytest.raises(StoreError, match=f"holds the result of run {other.run_id}"):
        folder.result()


def test_another_runs_spec_is_refused(folder: RunFolder) -> None:
    (folder.path / "spec.json").write_text(RunSpec(dataset="digits", seed=1).model_dump_json())
    with pytest.raises(StoreError, match="is the spec of run"):
        folder.spec()


def test_a_locked_study_names_its_owner_and_frees_itself(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "s")
    assert not study.is_locked()
    with study.locked():
        assert study.is_locked()
        with pytest.raises(StudyLockedError, match=f"process {os.getpid()} on"), StudyFolder(study.path).locked():
            pass
        assert study.is_locked()
    assert not study.is_locked()

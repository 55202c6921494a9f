"""The store under faults: old state or new state, never in between."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from corruptions import Symmetric
from corruptions.files import read_noise
from noisylabels.ownership import LockedError, locked
from noisylabels.result import Epoch, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StoreError, StudyFolder

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
    with locked(study.path):
        assert study.is_locked()
        with pytest.raises(LockedError, match=f"process {os.getpid()} on"), locked(study.path):
            pass
        assert study.is_locked()
    assert not study.is_locked()


def test_a_broken_line_among_the_events_is_passed_over(folder: RunFolder) -> None:
    folder.append(EPOCH)
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'{"epoch": 2, "train\n')
    folder.append(EPOCH)
    assert folder.events() == [EPOCH, EPOCH]


def test_labels_are_kept_with_their_record(folder: RunFolder) -> None:
    ids = np.array([10, 20, 30, 40])
    labels = Symmetric(rate=0.5).apply([0, 1, 2, 0], 3, seed=1, example_ids=ids)
    folder.keep_labels(labels)
    with np.load(folder.path / "noise.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["ids"], ids)
        assert (stored["true_labels"] != stored["given_labels"]).sum() == 2
        np.testing.assert_array_equal(stored["given_labels"], labels.given)
    assert read_noise(folder.path).record == labels.record

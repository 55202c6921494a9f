"""Runs that cannot be reproduced: each says in one line what is not there, or not what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noisylabels.catalog import UsageError
from noisylabels.reproduction import compared
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

Cli = Callable[..., tuple[int, str, str]]
TRAIN = {"epochs": 1, "batch_size": 8, "augment": "none"}


@pytest.fixture
def cli(cli: Cli) -> Cli:
    """The command line, whose errors are one line."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code, out, err = cli(*arguments)
        assert err.count("\n") <= 1
        return code, out, err

    return call


def stored(study: str = "mine", **values: Any) -> tuple[str, Path]:
    """A run that was done once, as far as its record says: its id and its result's file."""
    spec = RunSpec.checked({"dataset": "digits:per_class=20,test_per_class=20", "train": TRAIN, **values})
    accuracy = Measurement(name="accuracy", value=0.5, unit="share", higher_is_better=True, n=200)
    provenance = {"versions": {"noisylabels": "0.0.7"}, "device": "cpu", "threads": 1}
    folder = StudyFolder(Path("runs") / study).run(spec.run_id)
    folder.finish(
        RunResult(run_id=spec.run_id, spec=spec, status="ok", measurements=(accuracy,), provenance=provenance)
    )
    return spec.run_id, folder.path / "result.json"


def rewritten(file: Path, **changes: Any) -> None:
    values = json.loads(file.read_bytes())
    file.write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("0123456789abcdef", "no run '0123456789abcdef' under runs, nor in a published study"),
        ("../runs", "a run is named by its id, 16 digits of 0-9a-f, or the first of them; got '../runs'"),
        ("*", "a run is named by its id"),
        ("", "a run is named by its id"),
        ("ABCD", "a run is named by its id"),
    ],
)
def test_no_such_run(run: str, sentence: str, cli: Cli) -> None:
    code, _, err = cli("reproduce", run)
    assert code == 2
    assert sentence in err


def test_a_slip_in_an_id_is_told_the_nearest_and_too_few_digits_the_choice(cli: Cli) -> None:
    ids = sorted(stored(seed=seed)[0] for seed in range(20))
    slip = ids[0][:8] + ("0" if ids[0][8] != "0" else "1") + ids[0][9:]
    assert f"no run '{slip}' in study 'mine'; did you mean {ids[0]}?" in cli("reproduce", slip, "--study", "mine")[2]
    digit = next(i[0] for i in ids if sum(other[0] == i[0] for other in ids) > 1)  # 20 ids, 16 digits
    several = [i for i in ids if i[0] == digit]
    code, _, err = cli("reproduce", digit, "--study", "mine")
    assert code == 2
    assert f"{len(several)} runs begin with '{digit}': {', '.join(several[:5])}" in err
    assert "give more digits" in err
    assert "unknown study 'nime'" in cli("reproduce", digit, "--study", "nime")[2]


def test_data_that_is_not_here(cli: Cli) -> None:
    run_id, _ = stored(dataset="cifar10")
    code, _, err = cli("reproduce", run_id)
    assert code == 3
    assert "no CIFAR-10 at data/cifar-10-batches-py" in err


def test_data_that_has_changed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYLABELS_DATA", str(tmp_path))
    for number in range(20):
        file = tmp_path / "animals" / ("cat" if number % 2 else "dog") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(file)
    run_id, _ = stored(dataset="folder:root=animals,size=8,grey=true")
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(file)
    code, out, err = cli("reproduce", run_id)
    assert (code, out) == (2, "")
    assert f"{tmp_path / 'animals'} has changed: its content must be " in err


def test_a_spec_that_no_longer_parses(cli: Cli) -> None:
    run_id, file = stored()
    spec = json.loads(file.read_bytes())["spec"]
    rewritten(file, spec={**spec, "head": "cam_softmacks"})
    code, _, err = cli("reproduce", run_id)
    assert code == 5
    assert f"runs/mine/runs/{run_id}/result.json is no result of this version (spec.head: unknown head" in err
    assert "did you mean 'cam_softmax'?" in err
    assert "it was made by noisylabels 0.0.7" in err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema_version": 0}, "schema_version must be 1; got 0: an earlier noisylabels wrote it: read it with that"),
        ({"measurements": [{"name": "accuracy"}]}, "is no result of this version (measurements.0.value: Field requ"),
        ({"spec": 3}, "is no result of this version (spec: Input should be"),
        ({"run_id": "0" * 16}, "holds the result of run"),
        ({"provenance": None}, "it does not say which version made it"),
    ],
)
def test_a_record_that_is_not_what_it_says(changes: dict[str, Any], sentence: str, cli: Cli) -> None:
    run_id, file = stored()
    rewritten(file, **changes)
    code, _, err = cli("reproduce", run_id)
    assert (code, sentence in err) == (5, True), err


def test_a_record_in_the_folder_of_another_run_and_one_that_is_torn(cli: Cli) -> None:
    (first, file), (second, other) = stored(), stored(seed=1)
    file.write_bytes(other.read_bytes())
    code, _, err = cli("reproduce", first)
    assert (code, f"holds the result of run {second}" in err) == (5, True)
    file.write_bytes(other.read_bytes()[:99])
    code, _, err = cli("reproduce", first)
    assert (code, "is no result of this version" in err) == (5, True)


def test_a_provenance_that_is_nonsense_is_all_unrecorded(cli: Cli) -> None:
    _, file = stored()
    result = RunResult.model_validate_json(file.read_bytes())
    nonsense = result.model_copy(update={"provenance": {"versions": "<script>", "fingerprints": [1], "threads": None}})
    found = compared(nonsense, result)
    assert found.verdict == "identical"
    assert all(change.stored is None for change in found.environment + found.code + found.data)


def test_a_run_without_a_result(cli: Cli) -> None:
    run_id, file = stored()
    folder = StudyFolder(Path("runs/mine")).run(run_id)
    folder.begin(RunResult.model_validate_json(file.read_bytes()).spec)
    file.unlink()
    code, _, err = cli("reproduce", run_id)
    assert (code, "has no result to compare with; it is unfinished" in err) == (2, True)
    folder.fail("the worker was killed by SIGKILL")
    assert "no result to compare with; it broke: the worker was killed by SIGKILL" in cli("reproduce", run_id)[2]


def test_a_tolerance_must_be_a_number_from_0(cli: Cli) -> None:
    run_id, file = stored()
    assert cli("reproduce", run_id, "--tolerance", "-1")[0] == 2
    assert cli("reproduce", run_id, "--tolerance", "nan")[0] == 2
    result = RunResult.model_validate_json(file.read_bytes())
    for tolerance in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="tolerance must be at least 0; got"):
            compared(result, result, tolerance=tolerance)


def test_a_run_that_breaks_the_second_time(cli: Cli) -> None:
    """One step an epoch, one epoch: a training that cannot be, found only when it begins."""
    run_id, _ = stored(train={**TRAIN, "batch_size": 9999})
    code, out, err = cli("reproduce", run_id, "--quiet")
    assert (code, out) == (1, "")
    assert f"run {run_id} broke when it was run again: " in err
    assert "a training needs at least 2 optimiser steps; got 1" in err

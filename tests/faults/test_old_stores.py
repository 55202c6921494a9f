"""Fault 25: what the first release left behind is read for ever; what a later one leaves is refused with a way out.

``tests/records/old_store`` is a study as version 0.1.0 kept it, before there were attempts, controls or an index: two
finished runs, two that diverged, one that failed and one that was interrupted. Never make it anew: what matters is that
it is old.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from corruptions.files import read_noise
from noisylabels.records import read_records, write_records
from noisylabels.store import StoreError, StudyFolder
from noisylabels.study import Study
from tests.conftest import Cli

OLD = Path(__file__).parents[1] / "records" / "old_store"
STATES = {
    "012cd607cb8371bb": "ok",
    "30d017e217cc0b47": "ok",
    "046fa71d4a72105b": "failed",
    "49fe9c04ca8fc055": "interrupted",
    "1c3b693528a872e2": "diverged",
    "3bc81b79bf1ae6f6": "diverged",
}
ACCURACY = {"012cd607cb8371bb": 0.1, "30d017e217cc0b47": 0.17}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs folder with the old study, which may be written to."""
    shutil.copytree(OLD, tmp_path / "runs" / "old_store")
    return tmp_path / "runs"


def test_it_is_planned_into_the_same_runs() -> None:
    """An identity that changed would have every study done anew."""
    assert [spec.run_id for spec in Study.from_toml(OLD / "study.toml").plan()] == [*STATES]
    stored = Study.model_validate_json((OLD / "study.json").read_bytes())
    assert [spec.run_id for spec in stored.plan()] == [*STATES]


def test_every_file_of_it_is_read(runs: Path) -> None:
    study = Study.from_toml(OLD / "study.toml")
    folder = StudyFolder(runs / "old_store")
    for spec in study.plan():
        run = folder.run(spec.run_id)
        state = STATES[spec.run_id]
        assert run.spec() == spec
        result = run.result() or run.failure()
        assert (result.status if result else "interrupted") == state
        assert len(run.events()) == {"ok": 2, "interrupted": 2, "diverged": 1, "failed": 0}[state]
        if state != "failed":
            noise = read_noise(run.path)
            assert noise.record.realised_rate == (0.4 if "rate=0.4" in spec.corruption else 0)
        kept = run.checkpoints().latest()
        assert (kept is not None) == (state == "interrupted")
    finished = {result.run_id: result for result in folder.results(study.plan())}
    assert {run_id: finished[run_id].value("accuracy") for run_id in ACCURACY} == ACCURACY


def test_the_command_line_answers_for_it_and_would_go_on_where_it_stopped(runs: Path, cli: Cli) -> None:
    code, out, err = cli("status", "old_store", "--runs", runs, "--json")
    assert code == 0, err
    states = {run["run_id"]: run["state"].split(",")[0] for run in json.loads(out)["runs"]}
    assert states == STATES
    code, out, err = cli("report", "old_store", "--runs", runs)
    assert code == 0, err
    report = (runs / "old_store" / "report.md").read_text()
    assert "the worker was killed by SIGKILL (out of memory?)" in report
    code, out, err = cli("sweep", runs / "old_store" / "study.toml", "--runs", runs, "--dry-run", "--json")
    assert code == 0, err
    assert {run["run_id"]: run["done"] for run in json.loads(out)["runs"]} == {
        run_id: state in ("ok", "diverged") for run_id, state in STATES.items()
    }


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        ({"schema_version": 99}, "schema_version must be 1; got 99: a later noisylabels wrote it: upgrade this one"),
        (
            {"schema_version": 99, "uncertainties": {"kind": "unheard of"}},
            "schema_version must be 1; got 99: a later noisylabels wrote it: upgrade this one",
        ),
        (
            {"schema_version": 0},
            "schema_version must be 1; got 0: an earlier noisylabels wrote it: read it with that one",
        ),
    ],
)
def test_a_result_of_another_schema_is_refused_with_a_way_out(
    changes: dict[str, object], way_out: str, runs: Path, cli: Cli, tmp_path: Path
) -> None:
    file = runs / "old_store" / "runs" / "012cd607cb8371bb" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    code, _, err = cli("report", "old_store", "--runs", runs)
    assert code == 5
    assert way_out in err
    assert err.count("\n") == 1
    records = tmp_path / "records.jsonl"
    records.write_text(json.dumps(json.loads(file.read_text())) + "\n")
    with pytest.raises(StoreError, match="line 1 is not a result") as error:
        read_records(records)
    assert way_out in str(error.value)


def test_old_results_are_written_again_as_they_were(runs: Path, tmp_path: Path) -> None:
    """Fields that came later are left out where there is nothing in them: a record of old runs keeps its bytes."""
    results = StudyFolder(runs / "old_store").results(Study.from_toml(OLD / "study.toml").plan())
    write_records(tmp_path / "records.jsonl", results)
    lines = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert lines == [json.loads((OLD / "runs" / result.run_id / "result.json").read_text()) for result in results]

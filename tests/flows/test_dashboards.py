"""Dashboards and sweep files: what they say is what runs log, and what W&B's own tools read in them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noisylabels.metrics import METRICS
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from noisylabels.tracking.families import FAMILIES, named
from noisylabels.tracking.layout import Curve, Shown, sections
from tests.flows.telling import Tell, tell
from tests.flows.tracked_runs import write_study
from tests.laws.tracker_twins import Listener

Cli = Callable[..., tuple[int, str, str]]
STUDY = """
[base]
dataset = "digits:per_class=12,test_per_class=5"
model = "small_cnn:width=4"
[base.train]
epochs = 2
batch_size = 16
augment = "none"
[axes]
head = ["softmax", "arcface:margin=0.2"]
corruption = ["symmetric"]
rate = [0.0, 0.4]
"""
SECTIONS = ["degradation", "memorisation", "compactness", "verification", "detection", "failures"]

__all__ = ["tell"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_dry_run_prints_workspace_and_report_and_asks_nobody(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces", reason="needs pip install 'noisylabels[dashboards]'")
    write_study(tmp_path / "runs")
    code, out, err = cli("dashboard", "tracked", "--dry-run", "--json", "--runs", tmp_path / "runs")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    section = shown["workspace"]["spec"]["section"]
    listed = section["panelBankConfig"]["sections"]
    assert [one["name"] for one in listed] == ["degradation", "compactness", "failures"], "what was measured, no more"
    runs = section["runSets"][0]
    assert runs["grouping"] == [{"section": "config", "name": "head.value"}]
    assert [one["value"] for one in runs["filters"]["filters"]] == ["tracked", ["symmetric", "clean"]]
    assert section["settings"]["xAxis"] == "realised_rate"
    first = listed[0]["panels"][0]["config"]
    assert (first["xAxis"], first["metrics"], first["groupAgg"]) == ("realised_rate", ["degradation/accuracy"], "mean")
    grids = [block for block in shown["report"]["spec"]["blocks"] if block["type"] == "panel-grid"]
    assert len(grids) == len(listed)
    panels = [grid["metadata"]["panelBankSectionConfig"]["panels"] for grid in grids]
    assert [len(one) for one in panels] == [len(one["panels"]) for one in listed], "the same panels"
    assert [one["name"] for one in grids[0]["metadata"]["runSets"]] == ["symmetric"]


@pytest.mark.usefixtures("no_network")
def test_a_study_that_was_not_run_has_a_dashboard_of_all_sections(cli: Cli) -> None:
    pytest.importorskip("wandb_workspaces", reason="needs pip install 'noisylabels[dashboards]'")
    assert [section.name for section in sections(set(METRICS))] == SECTIONS
    code, out, _ = cli("dashboard", "lfw_identity_noise", "--noise", "identity_merge", "--dry-run", "--json")
    assert code == 0
    assert "verification/verification_auc" in out
    code, _, err = cli("dashboard", "quickstart", "--noise", "symetric", "--dry-run")
    assert (code, "did you mean 'symmetric'?" in err) == (2, True)


def test_every_panel_shows_what_runs_log(tell: Tell, tmp_path: Path) -> None:
    """A figure under another name than the runs' is an empty panel, and nobody is told."""
    listener = Listener()
    tell(write_study(tmp_path / "runs"), listener)
    logged = {name for run in listener.heard for row in run.rows for name in (*row.figures, *row.items)}
    axes = {axis.metrics.removesuffix("/*"): axis.along for axis in listener.heard[0].run.axes}
    shown = [panel for section in sections({"accuracy", "intra_class_angle_deg"}) for panel in section.panels]
    for panel in shown:
        if isinstance(panel, Curve):
            assert set(panel.figures) | {panel.along} <= logged
            assert {axes[figure.partition("/")[0]] for figure in panel.figures} == {panel.along}
        elif isinstance(panel, Shown):
            assert panel.name in logged
    for metric in METRICS:
        assert named(metric).partition("/")[0] in axes
    assert {metric for metrics in FAMILIES.values() for metric in metrics} <= METRICS.keys()


def test_a_sweep_file_is_what_wandb_takes_and_its_agents_type(cli: Cli, tmp_path: Path) -> None:
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="needs pip install 'noisylabels[wandb]'")
    yaml = pytest.importorskip("yaml")
    code, out, _ = cli("export-sweep", "quickstart")
    assert code == 0
    sweep = yaml.safe_load(out)
    plan = Study.find("quickstart").plan()
    assert sweep["parameters"]["only"]["values"] == [spec.run_id for spec in plan]
    assert (sweep["method"], sweep["metric"]) == ("grid", {"name": "degradation/accuracy", "goal": "maximize"})
    given = {"args": {"only": {"value": plan[3].run_id}}}
    arguments = utils.create_sweep_command_args(given)["args"]
    assert arguments == [f"--only={plan[3].run_id}"]
    typed = [word for part in sweep["command"] for word in (arguments if part == "${args}" else [part])]
    assert typed == [
        *("noisylabels", "sweep", "quickstart", "--track", "wandb:online", "--workers", "1"),
        f"--only={plan[3].run_id}",
    ]
    code, _, _ = cli("export-sweep", "quickstart", "--out", tmp_path / "sweep.yaml")
    assert (code, (tmp_path / "sweep.yaml").read_text()) == (0, out)


def test_an_agent_does_one_run_of_the_study_in_its_store(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tracked" / "study.toml"
    file.parent.mkdir()
    file.write_text(STUDY)
    plan = Study.from_toml(file).plan()
    code, out, err = cli("sweep", file, "--only", plan[1].run_id[:12], "--json")
    assert code == 0, err
    assert json.loads(out) == {"study": "tracked", "asked": 1, "statuses": {plan[1].run_id: "ok"}}
    folder = StudyFolder(Path("runs/tracked"))
    assert [folder.run(spec.run_id).has_result() for spec in plan] == [False, True, False, False]
    assert Study.model_validate_json((folder.path / "study.json").read_bytes()) == Study.from_toml(file)
    code, out, _ = cli("sweep", file, f"--only={plan[1].run_id}")
    assert (code, out) == (0, "tracked: 1 of 1 runs asked for are done (1 ok)\n")
    code, _, err = cli("sweep", file, "--only", "ffff")
    assert (code, "unknown run 'ffff'" in err) == (2, True)

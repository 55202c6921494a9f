"""Benchmarks are commands that people run: each starts, and the comparison with committed ratios can fail."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks import check, table
from benchmarks.ratios import RATIOS, Ratio

FOLDER = Path(benchmarks.__path__[0])
MODULES = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
COMMANDS = [name for name in MODULES if "__main__" in (FOLDER / f"{name}.py").read_text()]


@pytest.mark.parametrize("name", MODULES)
def test_every_benchmark_can_be_imported(name: str) -> None:
    """One that nobody runs breaks without a word when what it measures is renamed."""
    importlib.import_module(f"benchmarks.{name}")


def test_the_readme_names_every_command() -> None:
    said = (FOLDER / "README.md").read_text()
    assert [name for name in COMMANDS if f"benchmarks.{name}" not in said] == []


def test_the_readme_has_the_table_that_the_results_give(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (FOLDER.parent / "README.md").read_text()
    assert table.table() in readme
    result = table.result

    def of_another_day(name: str) -> Any:
        found = result(name)
        return found | {"median_ratio": 0.6} if name == "sweep_scaling" else found

    monkeypatch.setattr(table, "result", of_another_day)
    assert "1.67 times: **missed**" in table.table()
    assert table.table() not in readme


def test_committed_ratios_are_of_promises_that_are_made() -> None:
    committed = json.loads(check.FILE.read_text())["ratios"]
    assert committed.keys() == {ratio.name for ratio in RATIOS}


UP = Ratio("speed", 3.0, True, lambda: 0.0)
DOWN = Ratio("time", 1.1, False, lambda: 0.0)


@pytest.mark.parametrize(
    ("ratio", "now", "worse"),
    [(UP, 2.62, []), (UP, 2.5, ["speed"]), (UP, 9.0, []), (DOWN, 3.4, []), (DOWN, 3.5, ["time"]), (DOWN, 0.1, [])],
)
def test_fifteen_per_cent_worse_is_a_regression(ratio: Ratio, now: float, worse: list[str], monkeypatch) -> None:
    monkeypatch.setattr(check, "RATIOS", (UP, DOWN))
    assert check.regressions({ratio.name: now}, {"speed": 3.0, "time": 3.0}) == worse


def test_the_command_fails_on_a_regression_and_names_it(tmp_path: Path, monkeypatch, capsys) -> None:
    file = tmp_path / "ratios.json"
    file.write_text(json.dumps({"ratios": {"speed": 3.0}}))
    monkeypatch.setattr(check, "FILE", file)
    for value, fails in ((2.9, False), (1.0, True)):
        monkeypatch.setattr(check, "RATIOS", (Ratio("speed", 3.0, True, lambda value=value: value),))
        monkeypatch.setattr("sys.argv", ["check"])
        if fails:
            with pytest.raises(SystemExit, match="worse than committed by more than 15%: speed"):
                check.main()
        else:
            check.main()
        assert "goal >= 3 missed" in capsys.readouterr().out
    assert json.loads(file.read_text())["ratios"] == {"speed": 3.0}

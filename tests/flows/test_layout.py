"""The rooms keep their order: import contracts, tables, lightness, versions."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import corruptions
import noisylabels.data
import noisylabels.heads
import noisylabels.losses
import noisylabels.models
import noisylabels.strategies
from corruptions import Composition, Corruption
from noisylabels.data import Dataset
from noisylabels.heads import HeadSpec, Regularised, RegulariserSpec
from noisylabels.losses import Loss
from noisylabels.method_table import method_table
from noisylabels.models import ModelSpec
from noisylabels.spec import TABLES
from noisylabels.strategies import Strategy

ROOT = Path(__file__).parents[2]


def test_import_contracts_are_kept() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 broken" in answer.stdout


def test_the_page_of_methods_is_what_the_docstrings_say() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert page == method_table(), "run: python -m noisylabels.method_table > docs/methods.md"


@pytest.mark.parametrize(
    ("room", "base", "field"),
    [
        (corruptions, Corruption, "corruption"),
        (noisylabels.data, Dataset, "dataset"),
        (noisylabels.heads, HeadSpec, "head"),
        (noisylabels.heads, RegulariserSpec, "head"),
        (noisylabels.losses, Loss, "loss"),
        (noisylabels.models, ModelSpec, "model"),
        (noisylabels.strategies, Strategy, "strategy"),
    ],
)
def test_every_plugin_in_a_room_is_in_its_table(room: object, base: type, field: str) -> None:
    """But for sums, which are written a + b and not by a name."""
    found = set()
    for module in pkgutil.iter_modules(room.__path__):  # type: ignore[attr-defined]
        for value in vars(importlib.import_module(f"{room.__name__}.{module.name}")).values():  # type: ignore[attr-defined]
            if (
                inspect.isclass(value)
                and issubclass(value, base)
                and not inspect.isabstract(value)
                and value.__name__[0] != "_"
            ):
                found.add(value)
    assert found - {Composition, Regularised} == {kind for kind in TABLES[field].values() if issubclass(kind, base)}


def test_corruptions_stand_on_numpy_alone() -> None:
    code = "import sys, corruptions; print({m.split('.')[0] for m in sys.modules} & {%s})"
    heavy = "'torch', 'sklearn', 'scipy', 'pydantic', 'pandas', 'noisylabels', 'cleanlab', 'matplotlib'"
    answer = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_version_is_the_changelogs_newest() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[?(\d[^\]\s]*)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def test_no_lock_file_and_no_machine_in_the_tree() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    if tracked == [""]:
        pytest.skip("not a git checkout")
    assert not [name for name in tracked if name.endswith(("uv.lock", "poetry.lock", "Pipfile.lock"))]

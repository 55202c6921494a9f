"""Notebooks are thin, have no outputs in the tree, and run."""

from __future__ import annotations

import ast
import functools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import corruptions
import noisylabels

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NAMES = (
    "01_quickstart",
    "02_what_is_my_noise",
    "03_read_a_study",
    "04_add_a_head_in_one_file",
    "05_audit_a_face_folder",
    "06_cam_softmax",
)
QUICK = ("02_what_is_my_noise",)
"""Executed in every test run; the others are slow: a kernel that imports torch takes seconds before it begins."""

MOST_LINES = 15


def content(name: str) -> dict[str, Any]:
    """The notebook's JSON."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return found


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are executed."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def faults(notebook: dict[str, Any]) -> list[str]:
    """What a notebook in the tree must not have."""
    found = []
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        found.append("not of format 4.5")
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        found.append("cells without ids of their own")
    for cell in code_cells(notebook):
        source = "".join(cell["source"])
        if cell["outputs"] or cell["execution_count"] is not None:
            found.append(f"{cell['id']} has outputs")
        if len(source.split("\n")) > MOST_LINES + 5 or _statement_lines(source) > MOST_LINES:
            found.append(f"{cell['id']} has more than {MOST_LINES} lines")
        found += [f"{cell['id']} defines {name}, which the package has" for name in _defined(source) & package_names()]
    return found


def _statement_lines(source: str) -> int:
    """Lines of code, without imports, blank lines and comments."""
    tree = ast.parse(source)
    imports = {n for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)) for n in _lines(node)}
    lines = enumerate(source.split("\n"), start=1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and n not in imports for n, line in lines)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _defined(source: str) -> set[str]:
    """Functions and classes at the top of a cell."""
    return {node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@functools.cache
def package_names() -> frozenset[str]:
    """Every function and class at the top of any module of the packages."""
    return frozenset(_package_names())


def _package_names() -> Iterator[str]:
    for package in (corruptions, noisylabels):
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            yield from _defined(file.read_text(encoding="utf-8"))


def test_they_are_all_here() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_thin_and_stripped(name: str) -> None:
    assert faults(content(name)) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def t_interval(values):\n    return values", "defines t_interval, which the package has"),
        ("class CosFace:\n    pass", "defines CosFace, which the package has"),
        ("\n".join(f"x{n} = {n}" for n in range(MOST_LINES + 1)), "has more than"),
    ],
)
def test_a_cell_that_does_the_packages_work_is_found_out(source: str, fault: str) -> None:
    notebook = content(NAMES[0])
    notebook["cells"][-1] = {"cell_type": "code", "id": "x", "source": [source], "outputs": [], "execution_count": None}
    assert [fault in one for one in faults(notebook)] == [True]


def test_an_output_that_was_left_is_found_out() -> None:
    notebook = content(NAMES[0])
    code_cells(notebook)[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}]
    assert [one.endswith("has outputs") for one in faults(notebook)] == [True]


def executed(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook as it is after every cell has run, in a fresh kernel in ``folder``.

    Raises:
        CellExecutionError: a cell raised.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's own libraries, about event loops and deprecations
        import nbformat
        from nbclient import NotebookClient

        client = NotebookClient(
            nbformat.reads(json.dumps(notebook), as_version=4),
            timeout=240,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        found: dict[str, Any] = client.execute()
    return found


def _needed() -> None:
    for module in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install 'noisylabels[notebooks]'")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
@pytest.mark.filterwarnings("ignore")
def test_they_run(name: str, tmp_path: Path) -> None:
    _needed()
    notebook = content(name)
    ran = executed(notebook, tmp_path)
    counts = [cell["execution_count"] for cell in code_cells(ran)]
    assert counts == list(range(1, len(counts) + 1))
    assert all(cell["outputs"] for cell in code_cells(ran) if _shows(cell))
    assert content(name) == notebook


def _shows(cell: dict[str, Any]) -> bool:
    """Whether a cell ends in a value that is to be seen."""
    return isinstance(ast.parse("".join(cell["source"])).body[-1], ast.Expr)


@pytest.mark.filterwarnings("ignore")
def test_one_that_breaks_is_found_out(tmp_path: Path) -> None:
    _needed()
    from nbclient.exceptions import CellExecutionError

    notebook = content(QUICK[0])
    code_cells(notebook)[0]["source"] = ["from corruptions import Symmetrical"]
    with pytest.raises(CellExecutionError, match="cannot import name 'Symmetrical'"):
        executed(notebook, tmp_path)

"""Fault 6, the other half: nothing writes files in any other way than the one whose failures are tested."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from noisylabels import atomic

OTHER_WRITERS = {
    "noisylabels/engines/worker.py": "a log, which is there to be read by people",
    "noisylabels/report/pdf.py": "a page in a folder of its own that is gone afterwards",
    "noisylabels/engines/ray_connection.py": "into nothing",
    "noisylabels/data/recordio.py": "an archive that no memory need hold, made anew where it is torn",
    "noisylabels/data/verification_bin.py": "an archive that no memory need hold, made anew where it is torn",
    "noisylabels/data/packing.py": "images by the gigabyte, under a journal: see test_packing_faults",
    "noisylabels/data/pack_finish.py": "the same",
    "noisylabels/data/pack_journal.py": "the journal",
    "noisylabels/data/packed_files.py": "the same",
    "noisylabels/tracking/child.py": "the tracking process's own log, appended to: see test_tracking_faults",
    "noisylabels/tracking/tensorboard_tracker.py": "TensorBoard's event files, which its readers follow as they grow",
}
"""Who opens files to write without ``atomic``, and why that may be."""


def opened_to_write(source: str) -> list[int]:
    """Lines of calls that write a file by themselves."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _writes(node)]


def _writes(call: ast.Call) -> bool:
    is_method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "open":
        return name in ("write_text", "write_bytes", "pwrite", "ftruncate", "copyfile", "copytree")
    given = call.args[0 if is_method else 1 :][:1] + [word.value for word in call.keywords if word.arg == "mode"]
    modes = [mode.value for mode in given if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    return any(set(mode) & set("wax+") for mode in modes)


def test_nothing_else_writes_files() -> None:
    """What goes past ``atomic`` goes past the laws of ``write_laws``."""
    root = Path(atomic.__file__).parent
    found = {
        f"noisylabels/{path.relative_to(root)}": lines
        for path in root.rglob("*.py")
        if path != Path(atomic.__file__) and (lines := opened_to_write(path.read_text()))
    }
    assert found.keys() <= OTHER_WRITERS.keys(), {name: found[name] for name in found.keys() - OTHER_WRITERS.keys()}


CARELESS = ("Path('x').write_text('')", "open('x', 'w')", "p.open(mode='ab')", "open(p, 'r+')", "p.open('xb')")


@pytest.mark.parametrize("careless", CARELESS)
def test_a_careless_line_is_found(careless: str) -> None:
    assert opened_to_write(careless) == [1]
    assert opened_to_write("open('x'); p.open('rb'); p.open(); write_atomically(p, b'')") == []

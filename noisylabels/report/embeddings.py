"""Test embeddings in the plane of their two principal axes, rate by rate on the same scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noisylabels.report.comparison import reference_method
from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import Setting
from noisylabels.report.wording import decimal, percent
from noisylabels.result import RunResult

TEXT = (
    "Directions of clean test embeddings, centred and projected on their own two principal axes, of at most ten "
    "classes and 200 images; the first seed that finished. All panels have the same scale, so spread can be compared; "
    "axes are each model's own, so places cannot. A plane keeps only the share of the variance that the table gives."
)


def embeddings_section(setting: Setting, anchor: str) -> Section | None:
    """The reference method and the first other one, at the lowest and the highest rate; None without projections."""
    ours = reference_method(setting)
    methods = [ours, *[method for method in setting.methods if method != ours][:1]]
    found = [
        (method, kind, rate, result)
        for corruption in setting.corruptions
        for method in methods
        for kind, rate, result in _ends(setting, method, corruption)
    ]
    shown = list({result.run_id: one for one in found for result in one[3:]}.values())  # corruptions share clean runs
    if not shown:
        return None
    reach = max(_reach(result) for *_, result in shown)
    panels = tuple(_panel(f"{method}, {kind} {percent(rate)}", result, reach) for method, kind, rate, result in shown)
    rows = tuple(_row(*one) for one in shown)
    table = Table(
        f"Share of the variance on the axes drawn (%), one seed; {setting.label}.",
        ("method", "corruption", "asked rate", "seed", "first axis", "second axis"),
        rows,
        headers=3,
    )
    title = "Test embeddings by true class"
    chart = Chart(setting.heading(title), _describe(rows), panels, 2)
    return Section(anchor, setting.heading("Embeddings"), (TEXT,), (Block(chart, (table,), folded=True, title=title),))


def _ends(setting: Setting, method: str, corruption: str) -> list[tuple[str, float, RunResult]]:
    curve = setting.curve(method, corruption)
    ends = [curve[0], curve[-1]] if len(curve) > 1 else list(curve)
    found = []
    for cell in ends:
        first = next((result for result in cell.finished if result.array("plane") is not None), None)
        if first is not None:
            found.append((cell.corruption, cell.rate, first))
    return found


def _points(result: RunResult) -> NDArray[np.float64]:
    plane = result.array("plane")
    assert plane is not None
    return np.array(plane.values).reshape(plane.shape)


def _reach(result: RunResult) -> float:
    """The largest coordinate, rounded up to a tenth."""
    return float(np.ceil(10 * np.abs(_points(result)[:, :2]).max() + 0.5) / 10)


def _panel(title: str, result: RunResult, reach: float) -> Panel:
    points = _points(result)
    names = result.provenance.get("class_names")
    lines = []
    for style, label in enumerate(np.unique(points[:, 2]).astype(int).tolist()):
        own = points[points[:, 2] == label]
        name = str(names[label]) if isinstance(names, list) and label < len(names) else str(label)
        lines.append(Line(f"class {name}", style, tuple(Point(x, y) for x, y, _ in own.tolist()), joined=False))
    return Panel(title, "first axis", "second axis", tuple(lines), -reach, reach, -reach, reach)


def _row(method: str, corruption: str, rate: float, result: RunResult) -> tuple[Entry, ...]:
    variance = result.array("plane_variance")
    shares = variance.values if variance is not None else ()
    texts = [decimal(100 * share, ".1f") for share in shares] or ["–", "–"]
    return tuple(map(Entry, (method, corruption, percent(rate), str(result.spec.seed), *texts)))


def _describe(rows: tuple[tuple[Entry, ...], ...]) -> str:
    return " ".join(
        f"{row[0].main}, {row[1].main} at {row[2].main}: {row[4].main} and {row[5].main} % of the variance."
        for row in rows
    )

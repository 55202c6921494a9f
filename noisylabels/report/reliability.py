"""Reliability diagrams: how often predictions of each confidence are right, without noise and with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import CLEAN, Cell, Setting
from noisylabels.report.wording import decimal, percent

TEXT = (
    "Clean test predictions in 15 bins of confidence, all seeds together; bins of fewer than 10 are not drawn. On the "
    "diagonal a prediction of 80 % is right in 80 % of cases; below it the model is too sure of itself. Margin heads "
    "speak at their own scale, which nobody has calibrated."
)

FEWEST = 10


def reliability_section(setting: Setting, anchor: str) -> Section | None:
    """A panel for the clean runs and one for each corruption's highest rate; None where nothing is kept."""
    places: dict[tuple[str, float], dict[str, Cell]] = {}
    for kind in setting.corruptions:
        for method in setting.methods:
            curve = setting.curve(method, kind)
            for cell in (*curve[:1], *curve[-1:]):
                places.setdefault((cell.corruption, cell.rate), {})[method] = cell
    panels = [_panel(setting, list(cells.values())) for cells in places.values()]
    shown = [panel for panel in panels if len(panel.lines) > 1]
    if not shown:
        return None
    title = "Confidence and accuracy"
    chart = Chart(setting.heading(title), _describe(shown), tuple(shown), min(3, len(shown)))
    tables = tuple(_table(panel) for panel in shown)
    return Section(anchor, setting.heading("Calibration"), (TEXT,), (Block(chart, tables, folded=True, title=title),))


def _panel(setting: Setting, cells: Sequence[Cell]) -> Panel:
    style = {method: number for number, method in enumerate(setting.methods)}
    lines = [Line("perfect", len(style), (Point(0, 0), Point(100, 100)))]
    for cell in cells:
        bins = _bins(cell)
        if bins is not None:
            points = [Point(100 * c, 100 * a) for n, c, a in bins.T.tolist() if n >= FEWEST]
            lines += [Line(cell.method, style[cell.method], tuple(points))] if points else []
    first = cells[0]
    title = (
        CLEAN if first.rate == 0 and first.corruption == CLEAN else f"{first.corruption}, asked {percent(first.rate)}"
    )
    return Panel(title, "confidence (%)", "share that is right (%)", tuple(lines), 0.0, 100.0)


def _bins(cell: Cell) -> NDArray[np.float64] | None:
    """Counts, mean confidence and accuracy of each bin over all seeds, (3, 15)."""
    found = [array for result in cell.finished if (array := result.array("reliability")) is not None]
    if not found:
        return None
    bins = np.array([np.array(array.values).reshape(array.shape) for array in found])
    counts = bins[:, 0].sum(axis=0)
    sums = (bins[:, :1] * bins[:, 1:]).sum(axis=0)
    return np.vstack([counts, sums / np.maximum(counts, 1)])


def _table(panel: Panel) -> Table:
    rows = []
    for line in panel.lines[1:]:
        gaps = [point.y - point.x for point in line.points]
        lowest, highest = min(gaps), max(gaps)
        ends = f"{decimal(line.points[0].x, '.0f')} to {decimal(line.points[-1].x, '.0f')}"
        rows.append((Entry(line.label), Entry(ends), Entry(decimal(lowest, "+.1f")), Entry(decimal(highest, "+.1f"))))
    return Table(
        f"Accuracy minus confidence over the bins drawn (points); {panel.title}.",
        ("method", "confidence drawn (%)", "most overconfident bin", "most underconfident bin"),
        tuple(rows),
    )


def _describe(panels: Sequence[Panel]) -> str:
    return " ".join(
        f"{panel.title}: "
        + "; ".join(
            f"{line.label} is right in {line.points[-1].y:.3g} % at {line.points[-1].x:.3g} % confidence"
            for line in panel.lines[1:]
        )
        + "."
        for panel in panels
    )

"""What happened on the way: test accuracy by epoch, and the angle c of cam-softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import CLEAN, Cell, Setting
from noisylabels.report.wording import decimal, percent
from noisylabels.result import Epoch

MAX_COLUMNS = 8
Reading = Callable[[Epoch], float | None]


def histories_section(setting: Setting, anchor: str) -> Section | None:
    """Means over seeds by epoch, at the lowest and the highest rate; None without a history."""
    panels = _accuracy_panels(setting)
    blocks = [_block("Test accuracy by epoch", panels, setting)] if panels else []
    moving = [panel for kind in setting.corruptions for panel in _angle_panels(setting, kind)]
    if moving:
        blocks.append(_block("The angle c of cam-softmax by epoch", moving, setting))
    if not blocks:
        return None
    text = "Means over the seeds that finished. Clean test accuracy is for the record only; no decision was made by it."
    return Section(anchor, setting.heading("On the way"), (text,), tuple(blocks))


def _accuracy_panels(setting: Setting) -> list[Panel]:
    """The lowest and the highest rate of each corruption; the clean runs, which corruptions share, once."""
    curves = (setting.curve(method, kind) for kind in setting.corruptions for method in setting.methods)
    ends = [cell for curve in curves if curve for cell in (curve[0], curve[-1])]
    places = dict.fromkeys((cell.corruption, cell.rate) for cell in ends)
    panels = (_accuracy_panel(setting, corruption, rate) for corruption, rate in places)
    return [panel for panel in panels if panel.lines]


def _accuracy_panel(setting: Setting, corruption: str, rate: float) -> Panel:
    lines = []
    for style, method in enumerate(setting.methods):
        cell = setting.cells.get((method, corruption, rate))
        if cell is not None and (points := by_epoch(cell, lambda epoch: 100 * epoch.test_accuracy)):
            lines.append(Line(method, style, points))
    title = corruption if corruption == CLEAN else f"{corruption}, asked {percent(rate)}"
    return Panel(title, "epoch", "test accuracy (%), ↑ higher is better", tuple(lines), 0.0, 100.0)


def _angle_panels(setting: Setting, corruption: str) -> list[Panel]:
    panels = []
    for method in setting.methods:
        lines = [
            Line(f"asked {percent(cell.rate)}", style, points)
            for style, cell in enumerate(setting.curve(method, corruption))
            if (points := by_epoch(cell, lambda epoch: epoch.head.get("c_deg")))
        ]
        if lines:
            panels.append(Panel(f"{method}, {corruption}", "epoch", "c, zero crossing (°)", tuple(lines), 0.0, 180.0))
    return panels


def by_epoch(cell: Cell, reading: Reading) -> tuple[Point, ...]:
    """Mean of a reading over the cell's finished seeds, for each epoch that all of them recorded."""
    histories = [[reading(epoch) for epoch in result.history] for result in cell.finished if result.history]
    points = []
    for epoch, values in enumerate(zip(*histories, strict=False), start=1):
        found = [value for value in values if value is not None]
        if len(found) == len(values):
            points.append(Point(epoch, sum(found) / len(found)))
    return tuple(points)


def _block(title: str, panels: Sequence[Panel], setting: Setting) -> Block:
    chart = Chart(setting.heading(title), _describe(panels), tuple(panels), min(len(panels), 3))
    return Block(chart, tuple(_table(panel) for panel in panels), folded=True, title=title)


def _table(panel: Panel) -> Table:
    epochs = _spread(sorted({int(point.x) for line in panel.lines for point in line.points}))
    rows = []
    for line in panel.lines:
        at = {int(point.x): point.y for point in line.points}
        rows.append((Entry(line.label), *(Entry(decimal(at[e], ".1f") if e in at else "–") for e in epochs)))
    caption = f"{panel.y_label}, mean over seeds; {panel.title}."
    return Table(caption, ("line", *(f"epoch {epoch}" for epoch in epochs)), tuple(rows))


def _spread(epochs: Sequence[int]) -> list[int]:
    """At most ``MAX_COLUMNS`` of them, evenly spread, first and last included."""
    steps = min(MAX_COLUMNS, len(epochs)) - 1
    return [epochs[round(step * (len(epochs) - 1) / steps)] for step in range(steps + 1)] if steps else list(epochs)


def _describe(panels: Iterable[Panel]) -> str:
    return " ".join(
        f"{panel.title}: " + "; ".join(f"{line.label} ends at {line.points[-1].y:.4g}" for line in panel.lines) + "."
        for panel in panels
    )

"""Accuracy against compactness, run by run: a compact embedding that has collapsed is not a good one."""

from __future__ import annotations

from noisylabels.report.curves import MOST_DOTS
from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.entries import value_entry
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, percent, quantity
from noisylabels.result import RunResult

TEXT = (
    f"Every run of every rate is one mark, of more than {MOST_DOTS} seeds the first so many; hollow marks are runs "
    "that collapsed, which enter no mean. To the left embeddings lie closer to their class: that is worth nothing "
    "where accuracy is lost with it."
)


def planes_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """A panel for each corruption; None where no run has both numbers."""
    compactness = quantity("intra_class_angle_deg")
    if shown.name == compactness.name:
        return None
    panels = [_panel(setting, kind, shown, compactness) for kind in setting.corruptions]
    panels = [panel for panel in panels if panel.lines]
    if not panels:
        return None
    title = f"{shown.words} against compactness"
    chart = Chart(setting.heading(title), _describe(panels, shown, compactness), tuple(panels), len(panels))
    tables = tuple(_table(setting, kind, shown, compactness) for kind in setting.corruptions)
    block = Block(chart, tables, folded=True, title=title)
    return Section(anchor, setting.heading("Compact and right?"), (TEXT,), (block,))


def _panel(setting: Setting, corruption: str, shown: Quantity, compactness: Quantity) -> Panel:
    lines = []
    for style, method in enumerate(setting.methods):
        runs = [run for cell in setting.curve(method, corruption) for run in cell.runs[:MOST_DOTS]]
        points = [point for run in runs if run.result and (point := _point(run.result, shown, compactness))]
        if points:
            lines.append(Line(method, style, tuple(points), joined=False))
    return Panel(corruption, compactness.heading, shown.heading, tuple(lines), shown.lower, shown.upper)


def _point(result: RunResult, shown: Quantity, compactness: Quantity) -> Point | None:
    x, y = result.value(compactness.name), result.value(shown.name, shown.selection)
    if x is None or y is None or result.status not in ("ok", "collapsed"):
        return None
    return Point(x * compactness.factor, y * shown.factor, hollow=result.status == "collapsed")


def _table(setting: Setting, corruption: str, shown: Quantity, compactness: Quantity) -> Table:
    rows = []
    for method in setting.methods:
        for cell in setting.curve(method, corruption):
            both = (value_entry(cell, metric, cell.interval(metric)) for metric in (compactness, shown))
            rows.append((Entry(method), Entry(percent(cell.rate)), *both, Entry(str(_collapsed(cell)))))
    return Table(
        f"Both axes over the runs that ended well; {corruption}, {setting.label}. Mean [95 % interval] n.",
        ("method", "asked rate", compactness.heading, shown.heading, "collapsed runs"),
        tuple(rows),
        headers=2,
    )


def _collapsed(cell: Cell) -> int:
    return sum(run.state == "collapsed" for run in cell.runs)


def _describe(panels: list[Panel], shown: Quantity, compactness: Quantity) -> str:
    sentences = []
    for panel in panels:
        collapsed = sum(point.hollow for line in panel.lines for point in line.points)
        count = sum(len(line.points) for line in panel.lines)
        sentences.append(
            f"{panel.title}: {count} runs by {compactness.words} and {shown.words}, {collapsed} collapsed."
        )
    return " ".join(sentences)

"""Which classes pay: per-class accuracy without noise and at the highest rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import decimal, percent

TEXT = (
    "Loss of clean-test accuracy of each class at the highest rate, means over seeds, classes in each method's own "
    "order from the most damaged to the least. A mean over classes hides that a few may be lost entirely."
)

WORST = 3


def class_damage_section(setting: Setting, anchor: str) -> Section | None:
    """Sorted losses of all classes, and the worst ones by name; None where runs have not kept them."""
    found = [block for kind in setting.corruptions if (block := _block(setting, kind)) is not None]
    return Section(anchor, setting.heading("Which classes pay"), (TEXT,), tuple(found)) if found else None


def _block(setting: Setting, corruption: str) -> Block | None:
    losses = {}
    for style, method in enumerate(setting.methods):
        curve = setting.curve(method, corruption)
        if len(curve) > 1 and curve[0].rate == 0:
            clean, noisy = class_accuracies(curve[0]), class_accuracies(curve[-1])
            if clean is not None and noisy is not None and len(clean) == len(noisy):
                losses[style] = (curve[-1], clean - noisy)
    if not losses:
        return None
    rate = max(cell.rate for cell, _ in losses.values())
    lines = tuple(_line(cell.method, style, loss) for style, (cell, loss) in losses.items())
    title = f"{corruption}, asked {percent(rate)}"
    panel = Panel(title, "class, most damaged first", "loss of accuracy (points), ↓ lower is better", lines)
    chart = Chart(setting.heading(title), _describe(lines), (panel,), 1)
    rows = tuple(_row(cell, loss) for cell, loss in losses.values())
    columns = ("method", "mean loss", "largest loss", "classes that gain", f"the {WORST} most damaged")
    caption = f"Loss of accuracy by class (points), ↓ lower is better; {title}. Means over seeds."
    return Block(chart, (Table(caption, columns, rows),), folded=True, title=title)


def class_accuracies(cell: Cell) -> NDArray[np.float64] | None:
    """Mean over seeds of each class's accuracy, NaN where a class has no test image; None where none is kept."""
    shares = []
    for result in cell.finished:
        found = result.array("class_accuracy")
        if found is not None:
            images, right = np.array(found.values).reshape(found.shape)
            shares.append(np.divide(right, images, out=np.full(len(images), np.nan), where=images > 0))
    return np.mean(shares, axis=0) if shares and len({len(share) for share in shares}) == 1 else None


def _line(method: str, style: int, loss: NDArray[np.float64]) -> Line:
    ordered = np.sort(loss[np.isfinite(loss)])[::-1]
    return Line(
        method, style, tuple(Point(place, 100 * value) for place, value in enumerate(ordered.tolist(), start=1))
    )


def _row(cell: Cell, loss: NDArray[np.float64]) -> tuple[Entry, ...]:
    known = np.flatnonzero(np.isfinite(loss))
    worst = known[np.argsort(-loss[known], kind="stable")][:WORST]
    names = next((r.provenance.get("class_names") for r in cell.finished), None)
    called = [
        f"{names[k] if isinstance(names, list) and k < len(names) else k} ({_points(loss[k])})" for k in worst.tolist()
    ]
    mean, largest = _points(float(loss[known].mean())), _points(float(loss[known].max()))
    return tuple(map(Entry, (cell.method, mean, largest, str(int((loss[known] < 0).sum())), ", ".join(called))))


def _points(share: float) -> str:
    return decimal(100 * share, "+.1f")


def _describe(lines: tuple[Line, ...]) -> str:
    return " ".join(
        f"{line.label}: from {line.points[0].y:.3g} points in the most damaged class to {line.points[-1].y:.3g}."
        for line in lines
        if line.points
    )

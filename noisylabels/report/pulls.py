"""Where cosine heads have put right and wrong labels, and how hard they still pull there."""

from __future__ import annotations

from collections.abc import Sequence

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import decimal, percent

X_LABEL = "cosine of embedding and class weight"
SHOWN = {
    "clean": "right label",
    "flipped_given": "wrong label, to the given class",
    "flipped_true": "wrong label, to the true class",
}
"""Profiles of shares of examples, as they are printed."""

TEXT = (
    "At the end of training, over the training images without augmentation; means over seeds. The pull is the slope of "
    "the target's training logit in its cosine, divided by the scale: 1 for normalised softmax at every cosine. What a "
    "wrong label does depends on the pull where the wrong labels lie, and not on the margin's size elsewhere."
)


def pulls_section(setting: Setting, anchor: str) -> Section | None:
    """At each corruption's highest rate: histograms of every cosine head, then all heads' pulls in one panel.

    None where no run has a profile.
    """
    blocks = [block for kind in setting.corruptions if (block := _block(setting, kind)) is not None]
    return Section(anchor, setting.heading("Where training pulls"), (TEXT,), tuple(blocks)) if blocks else None


def _block(setting: Setting, corruption: str) -> Block | None:
    cells = _cells_with_profiles(setting, corruption)
    if not cells:
        return None
    panels = [*(_histogram(cell) for cell in cells), _pulls(setting, cells)]
    title = f"{corruption}, asked {percent(cells[0].rate)}"
    chart = Chart(setting.heading(title), _describe(cells), tuple(panels), min(len(panels), 3))
    return Block(chart, (_table(cells, corruption),), folded=True, title=title)


def _cells_with_profiles(setting: Setting, corruption: str) -> list[Cell]:
    """One cell a method, all of the highest rate at which there is a profile."""
    found = [
        cell
        for method in setting.methods
        for cell in setting.curve(method, corruption)
        if mean_profile(cell, "clean") and mean_profile(cell, "pull")
    ]
    highest = max((cell.rate for cell in found), default=0.0)
    return [cell for cell in found if cell.rate == highest]


def mean_profile(cell: Cell, name: str) -> tuple[Point, ...]:
    """Mean of a profile over the cell's finished seeds, where any has a value; no points without one."""
    profiles = [found.values for result in cell.finished if (found := result.profile(name)) is not None]
    points = []
    for number, values in enumerate(zip(*profiles, strict=True)):
        known = [value for value in values if value is not None]
        if known:
            points.append(Point(_centre(number, len(profiles[0])), sum(known) / len(known)))
    return tuple(points)


def _centre(number: int, cells: int) -> float:
    return -1 + (2 * number + 1) / cells


def _histogram(cell: Cell) -> Panel:
    lines = []
    for style, (name, words) in enumerate(SHOWN.items()):
        points = tuple(Point(point.x, 100 * point.y) for point in mean_profile(cell, name))
        if points:
            lines.append(Line(words, style, points))
    return Panel(cell.method, X_LABEL, "share of these examples (%)", tuple(lines), 0.0, 100.0)


def _pulls(setting: Setting, cells: Sequence[Cell]) -> Panel:
    style = {method: number for number, method in enumerate(setting.methods)}
    lines = tuple(
        Line(cell.method, len(SHOWN) + style[cell.method], points)
        for cell in cells
        if (points := mean_profile(cell, "pull"))
    )
    return Panel("pull", X_LABEL, "pull, 1 is normalised softmax", lines)


def weighted_pull(cell: Cell, name: str) -> float | None:
    """Mean pull over where a profile's examples lie: how hard the head still pulls on them."""
    shares = {point.x: point.y for point in mean_profile(cell, name)}
    pulls = {point.x: point.y for point in mean_profile(cell, "pull")}
    total = sum(share for x, share in shares.items() if x in pulls)
    return sum(share * pulls[x] for x, share in shares.items() if x in pulls) / total if total > 0 else None


def _table(cells: Sequence[Cell], corruption: str) -> Table:
    columns = (
        "method",
        "mean cosine, right labels",
        "mean cosine, wrong labels to the given class",
        "to the true class",
        "pull on right labels",
        "pull on wrong labels",
        "wrong over right",
    )
    caption = f"Cosines and pulls at the end; {corruption}, asked {percent(cells[0].rate)}. Means over seeds."
    return Table(caption, columns, tuple(_row(cell) for cell in cells))


def _row(cell: Cell) -> tuple[Entry, ...]:
    means = [_mean_cosine(cell, name) for name in SHOWN]
    right, wrong = weighted_pull(cell, "clean"), weighted_pull(cell, "flipped_given")
    ratio = wrong / right if right and wrong is not None else None
    return (Entry(cell.method), *(_entry(value) for value in (*means, right, wrong, ratio)))


def _mean_cosine(cell: Cell, name: str) -> float | None:
    points = mean_profile(cell, name)
    total = sum(point.y for point in points)
    return sum(point.x * point.y for point in points) / total if total > 0 else None


def _entry(value: float | None) -> Entry:
    return Entry("–" if value is None else decimal(value, ".2f"))


def _describe(cells: Sequence[Cell]) -> str:
    sentences = []
    for cell in cells:
        right, wrong = weighted_pull(cell, "clean"), weighted_pull(cell, "flipped_given")
        ends = [f"{value:.2f} on {words} labels" for value, words in ((right, "right"), (wrong, "wrong")) if value]
        sentences.append(f"{cell.method}: mean pull {' and '.join(ends)}.")
    return " ".join(sentences)

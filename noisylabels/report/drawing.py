"""A chart as SVG, the same bytes every time; no global state of the plotting library is left changed."""

from __future__ import annotations

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from noisylabels.report.document import Chart, HeatMap, Line, Panel
from noisylabels.report.heat_map import draw_heat_map
from noisylabels.report.wording import decimal, plain

INK = "#0a0b0c"
"""Stands for the page's own text colour, which takes its place when the drawing is inlined."""

# Okabe and Ito's colours for all kinds of colour vision, without black and yellow; markers and dashes differ too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.6)),
    (0, (1.4, 1.4)),
    (0, (6, 1.6, 1.4, 1.6)),
    (0, (3, 1, 1, 1, 1, 1)),
)
_PANEL_WIDTHS = (7.0, 5.0, 3.5)
_PANEL_HEIGHTS = (3.8, 3.0, 3.0)
"""Inches, of one, two or three panels in a row."""
_TITLE_LIMITS = (80, 64, 38)
"""Letters of a title's line over such a panel."""
_SIDE_LIMIT = 40
"""Letters of a line that stands beside a panel: a longer one reaches into the next panel's."""
LABEL_LIMIT = 60

_LEGEND_ROWS, _LEGEND_ROW = 3, 0.2
"""Rows of the legend that a drawing's height has room for, and inches for each one more."""

LOG_SPAN = 20.0
"""Positive values without an upper bound that differ by more than this factor are drawn on a logarithmic axis."""

BAND_REACH = 0.15
"""How far beyond all marks a band may stretch the axis, as a share of the range of the marks."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "noisylabels",
    "text.parse_math": False,
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw(chart: Chart, *, background: str = "none") -> str:
    """The chart as an SVG document; without a date, hence the same bytes for the same chart.

    Args:
        background: a colour, for a drawing that stands alone; ``none`` inside a page.
    """
    with figure_of(chart) as figure:
        buffer = io.StringIO()
        figure.set_canvas(FigureCanvasSVG(figure))
        _lay_out(figure)
        figure.savefig(
            buffer, format="svg", facecolor=background, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return buffer.getvalue()


def draw_file(chart: Chart, kind: Literal["png", "pdf"]) -> bytes:
    """The chart as a file of that kind, on white; without a date."""
    undated: dict[str, Any] = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    with figure_of(chart) as figure:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150, facecolor="white", metadata=undated)
    return buffer.getvalue()


@contextmanager
def figure_of(chart: Chart) -> Iterator[Figure]:
    """The chart as a figure, to be written while the style holds."""
    with _quiet_style():
        columns = min(len(_PANEL_WIDTHS), chart.columns, len(chart.panels))
        rows = math.ceil(len(chart.panels) / columns)
        width = _PANEL_WIDTHS[columns - 1] * columns
        entries, across = _legend_shape(chart, width)
        more = max(0, math.ceil(entries / across) - _LEGEND_ROWS)
        figure = Figure(
            figsize=(width, _PANEL_HEIGHTS[columns - 1] * rows + 0.5 + _LEGEND_ROW * more), layout="constrained"
        )
        for place, panel in enumerate(chart.panels, start=1):
            axes = figure.add_subplot(rows, columns, place)
            if isinstance(panel, HeatMap):
                draw_heat_map(axes, panel)
            else:
                _draw_panel(axes, panel)
            title = _broken(_label(panel.title), _TITLE_LIMITS[columns - 1])
            axes.set_title(title, fontsize=9.5, fontweight="bold", loc="left", y=1.0)
        _legend(figure, across)
        yield figure


def _lay_out(figure: Figure) -> None:
    """Give everything its place, for good; saving would draw the whole figure once more only to do so."""
    figure.dpi = 72  # what the writer of SVG measures letters by
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)


@contextmanager
def _quiet_style() -> Iterator[None]:
    """The style for a while; a name with characters the metrics font lacks is the browser's to draw, not a warning."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for line in panel.lines:
        if line.joined:
            _draw_line(axes, line)
        else:
            _draw_marks(axes, line)
    axes.set_xlabel(_label(panel.x_label))
    axes.set_ylabel(_broken(_label(panel.y_label), _SIDE_LIMIT))
    axes.grid(axis="y", color=INK, alpha=0.13, linewidth=0.7)
    axes.tick_params(length=3, width=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=panel.x_label == "epoch"))
    _scale(axes, panel)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_plain_numbers())


def _scale(axes: Axes, panel: Panel) -> None:
    """A logarithmic axis where a ratio spans decades; else no room for what cannot be, nor for very wide bands."""
    if panel.left is not None and panel.right is not None:
        axes.set(xlim=(panel.left, panel.right), ylim=(panel.lower, panel.upper), aspect="equal")
        return
    points = [point for line in panel.lines for point in line.points]
    values = [value for point in points for value in (point.y, *point.dots)]
    if panel.lower >= 0 and math.isinf(panel.upper) and 0 < LOG_SPAN * min(values) < max(values):
        axes.set_yscale("log")
        axes.set_ylim(bottom=min(values) / 2)
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    low, high = axes.get_ylim()
    reach = BAND_REACH * (max(values) - min(values))
    if reach > 0:
        low, high = max(low, min(values) - reach), min(high, max(values) + reach)
    room = 0.03 * (high - low)
    axes.set_ylim(max(low, panel.lower - room), min(high, panel.upper + room))


def _plain_numbers() -> FuncFormatter:
    return FuncFormatter(lambda value, _: decimal(value, "g"))


def _draw_line(axes: Axes, line: Line) -> None:
    colour = COLOURS[line.style % len(COLOURS)]
    for piece in line.pieces:
        banded = [(p.x, p.low, p.high) for p in piece if p.low is not None and p.high is not None]
        if banded:
            places, lows, highs = zip(*banded, strict=True)
            axes.fill_between(places, lows, highs, color=colour, alpha=0.13, linewidth=0)
    dots = [(point.x, dot) for point in line.points for dot in point.dots]
    if dots:
        axes.scatter([x for x, _ in dots], [y for _, y in dots], s=9, color=colour, alpha=0.55, linewidths=0, zorder=2)
    for piece in line.pieces:
        axes.plot(
            *_columns([(point.x, point.y) for point in piece]),
            label=_label(line.label),
            color=colour,
            linewidth=1.7,
            linestyle=DASHES[line.style % len(DASHES)],
            marker=MARKERS[line.style % len(MARKERS)],
            markersize=5,
            markevery=max(1, len(line.points) // 8),
            zorder=3,
        )


def _draw_marks(axes: Axes, line: Line) -> None:
    colour, marker = COLOURS[line.style % len(COLOURS)], MARKERS[line.style % len(MARKERS)]
    full = [(point.x, point.y) for point in line.points if not point.hollow]
    hollow = [(point.x, point.y) for point in line.points if point.hollow]
    axes.plot(*_columns(full), label=_label(line.label), color=colour, marker=marker, markersize=3.5, linestyle="none")
    if hollow:
        x, y = _columns(hollow)
        axes.plot(x, y, color=colour, marker=marker, markersize=5.5, linestyle="none", markerfacecolor="none")


def _columns(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _legend_shape(chart: Chart, width: float) -> tuple[int, int]:
    """How many entries the legend has, and how many of them stand side by side."""
    labels = list(dict.fromkeys(_label(line.label) for line in chart.lines))
    columns = max(1, len(labels))
    while columns > 1 and _legend_width(labels, columns) > width:
        columns -= 1
    return len(labels), columns


def _legend_width(labels: list[str], columns: int) -> float:
    """Inches; labels go down column by column, the first columns being one longer where they do not come out."""
    rows, longer = divmod(len(labels), columns)
    ends = list(itertools.accumulate(rows + (column < longer) for column in range(columns)))
    starts = [0, *ends[:-1]]
    longest = [max(map(len, labels[start:end])) for start, end in zip(starts, ends, strict=True)]
    return sum(0.075 * letters + 0.65 for letters in longest)


def _legend(figure: Figure, columns: int) -> None:
    """One legend under all panels, each label once."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    figure.legend(
        entries.values(), entries.keys(), loc="outside lower center", ncols=columns, handlelength=3.2, columnspacing=1.6
    )


def _broken(title: str, limit: int) -> str:
    """The title on as many lines as it needs, broken behind commas where it can be.

    >>> _broken("cam_softmax:schedule=ramp,c_stop_deg=75", 30)
    'cam_softmax:schedule=ramp,\\nc_stop_deg=75'
    """
    lines = [""]
    for part in re.findall(r"[^,]+,?|,", title):
        if lines[-1] and len(lines[-1]) + len(part) > limit:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def _label(text: str) -> str:
    return plain(text, LABEL_LIMIT)

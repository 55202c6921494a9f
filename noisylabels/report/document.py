"""What a report says, before it looks like anything: plain frozen values that both printed forms are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "answer", "warning"]


@dataclass(frozen=True)
class Entry:
    """One table cell: the number, and in small print what belongs to it: interval and n, runs left out."""

    main: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of entries under headings; the first ``headers`` entries of a row say what the row is about."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    headers: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if ragged := [len(row) for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"every row must have {len(self.columns)} entries; got {ragged[0]}")


@dataclass(frozen=True)
class Point:
    """A place on a curve, in printed units.

    Attributes:
        low, high: ends of the band there, or None.
        dots: the single seeds' values.
        hollow: drawn empty: of a run that enters no mean.
        after_gap: no line leads here, as what was planned between this point and the one before has no value.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    hollow: bool = False
    after_gap: bool = False


@dataclass(frozen=True)
class Line:
    """A named curve; ``style`` numbers its colour, marker and dash, the same for one method in every chart.

    Attributes:
        joined: whether its points are joined; single marks otherwise.
    """

    label: str
    style: int
    points: tuple[Point, ...]
    joined: bool = True

    @property
    def pieces(self) -> list[list[Point]]:
        """The points between gaps."""
        pieces: list[list[Point]] = []
        for point in self.points:
            if point.after_gap or not pieces:
                pieces.append([])
            pieces[-1].append(point)
        return pieces


@dataclass(frozen=True)
class Panel:
    """Curves over common axes.

    Attributes:
        lower, upper: the y values that are possible at all.
        left, right: ends of a fixed x axis; with them the y axis is fixed at ``lower`` and ``upper``, on one scale.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    lower: float = float("-inf")
    upper: float = float("inf")
    left: float | None = None
    right: float | None = None


@dataclass(frozen=True)
class HeatMap:
    """A matrix of shares, rows down; cells from white at 0 to dark at 100 %.

    Attributes:
        row_label, column_label: of the axes.
        names: of rows and columns alike.
        percent: the cells, in per cent.
    """

    title: str
    row_label: str
    column_label: str
    names: tuple[str, ...]
    percent: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if {len(self.percent), *map(len, self.percent)} != {len(self.names)}:
            raise ValueError(f"a heat map must have {len(self.names)} rows and columns, as many as names")


@dataclass(frozen=True)
class Chart:
    """Panels under one legend, so many ``columns`` of them; ``description`` says in words what is to be seen."""

    title: str
    description: str
    panels: tuple[Panel | HeatMap, ...]
    columns: int

    @property
    def lines(self) -> tuple[Line, ...]:
        """All that the legend names."""
        return tuple(line for panel in self.panels if isinstance(panel, Panel) for line in panel.lines)


@dataclass(frozen=True)
class Picture:
    """An image as it is, a PNG in base64; ``description`` says in words what is to be seen."""

    title: str
    description: str
    png_base64: str


@dataclass(frozen=True)
class Block:
    """A chart with the tables of its numbers, or a picture; each may be absent. ``folded``: shown on demand."""

    chart: Chart | None = None
    tables: tuple[Table, ...] = ()
    folded: bool = False
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    picture: Picture | None = None


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    tone: Tone = "plain"


@dataclass(frozen=True)
class ReportData:
    """The whole report; Markdown and HTML print these very strings."""

    title: str
    question: str
    sections: tuple[Section, ...]

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
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """A named curve; ``style`` numbers its colour, marker and dash, the same for one method in every chart."""

    label: str
    style: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """Curves over common axes.

    Attributes:
        lower, upper: the y values that are possible at all.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    lower: float = float("-inf")
    upper: float = float("inf")


@dataclass(frozen=True)
class Chart:
    """Panels under one legend, so many ``columns`` of them; ``description`` says in words what is to be seen."""

    title: str
    description: str
    panels: tuple[Panel, ...]
    columns: int


@dataclass(frozen=True)
class Block:
    """A chart with the tables of its numbers; either may be absent. ``folded`` tables are shown on demand."""

    chart: Chart | None = None
    tables: tuple[Table, ...] = ()
    folded: bool = False
    title: str = ""
    paragraphs: tuple[str, ...] = ()


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

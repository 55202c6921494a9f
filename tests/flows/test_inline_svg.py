"""A drawing inside a page shows what the drawing alone shows, in fewer bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from noisylabels.report import report_data
from noisylabels.report.drawing import INK, draw
from noisylabels.report.inline_svg import inline_svg
from tests.flows.test_report_on_records import recorded, study_with

Shown = tuple[str, ...]


def shown(svg: str) -> list[Shown]:
    """Everything that is painted, in order: what it is, where, and in the style that it has or inherits."""
    root = ET.fromstring(svg)
    symbols = {element.get("id", ""): element for element in root.iter()}
    return list(_painted(root, {}, (), symbols))


def _painted(
    element: ET.Element, style: dict[str, str], turns: tuple[str, ...], symbols: dict[str, ET.Element]
) -> Iterator[Shown]:
    tag = element.tag.rpartition("}")[2]
    if tag in ("defs", "style", "metadata", "title", "desc", "clipPath"):
        return
    parts = [part.partition(":") for part in element.get("style", "").split(";") if part.strip()]
    style = style | {name.strip(): value.strip() for name, _, value in parts}
    style = {name: value for name, value in style.items() if name not in ("font-family", "max-width")}
    clip = re.search(r"#([\w-]+)", element.get("clip-path", ""))
    if clip is not None:
        (shape,) = symbols[clip[1]]
        style["clip"] = _rounded(str(sorted(shape.attrib.items())))
    turn = element.get("transform", "")
    turns = (*turns, turn) if turn and not turn.startswith("rotate(-0 ") else turns
    href = next((value for name, value in element.attrib.items() if name.rpartition("}")[2] == "href"), "")
    what = _path(symbols[href[1:]]) if href.startswith("#") else href
    places = [element.get(name, "") for name in ("d", "x", "y", "width", "height", "points")]
    if tag not in ("g", "svg"):
        written = "".join(element.itertext()).strip()
        yield (tag, what, *map(_rounded, places), written, str(sorted(style.items())), str(turns))
    for child in element:
        yield from _painted(child, style, turns, symbols)


def _path(symbol: ET.Element) -> str:
    return _rounded(symbol.get("d", "")) + symbol.get("style", "")


def _rounded(places: str) -> str:
    return re.sub(r"(\d*\.\d\d)\d+", r"\1", places)


def charts() -> list:
    report = report_data(study_with(), recorded())
    found = [block.chart for section in report.sections for block in section.blocks if block.chart is not None]
    return [max(found, key=lambda chart: len(chart.panels)), found[0], found[-1]]


@pytest.mark.parametrize("place", [0, 1, 2], ids=["most panels", "first", "last"])
def test_the_same_marks_stand_in_the_same_places(place: int) -> None:
    chart = charts()[place]
    alone = draw(chart)
    inside = inline_svg(alone, prefix="p", title="t", description="d")
    assert shown(inside) == shown(alone.replace(INK, "currentColor"))
    assert len(inside) < 0.7 * len(alone)
    assert not re.search(r"<g>|\n\s+<|font-family", inside)


def test_a_mark_more_or_less_or_elsewhere_is_seen() -> None:
    """The comparison above, with drawings that are not the same."""
    alone = draw(charts()[1]).replace(INK, "currentColor")
    for before, after in (("stroke-opacity: 0.13", ""), ("clip-path=", "no="), ("<g ", '<g transform="scale(2)" ')):
        assert before in alone
        assert shown(alone.replace(before, after, 1)) != shown(alone), before


def test_words_between_spans_stay() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">\n <g id="a">\n  <text id="b" '
        "style=\"font-size: 9px; font-family: 'A', b\">one<tspan>two</tspan>three</text>\n </g>\n</svg>"
    )
    inside = inline_svg(svg, prefix="p", title="t", description="d")
    assert '<text style="font-size: 9px;">one<tspan>two</tspan>three</text>' in inside
    assert "<g" not in inside

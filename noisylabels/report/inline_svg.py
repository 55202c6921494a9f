"""An SVG document made part of a page: its own ids, a title and a description, the page's ink."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from noisylabels.report.drawing import INK
from noisylabels.report.wording import plain

PIXELS_PER_POINT = 100 / 72
"""A drawing is never shown larger than this, so that lettering has one size in all of them."""

_PLACES = re.compile(r"(\d*\.\d\d)\d+")
_GEOMETRY = ("d", "x", "y", "points")
"""Attributes whose numbers are places on the drawing, in points: a hundredth of one is enough for any eye."""

_REFERENCE = re.compile(r"url\(#([^)]+)\)")

_FONT = re.compile(r" font-family: [^;]*;?")
_NO_TURN = re.compile(r"rotate\(-?0(?: -?[\d.]+){2}\)")


def inline_svg(svg: str, *, prefix: str, title: str, description: str) -> str:
    """The ``<svg>`` element alone, fit to stand beside others in one HTML page.

    Every id and every reference to one gets the prefix, because the plotting library names the same marks alike in each
    drawing. Namespaces go (HTML implies them) and with them the only web addresses; so does the drawing's style sheet,
    which inside a page would style the page. So does all that shows nothing and says nothing, half of the bytes: names
    of groups that nobody refers to, groups without attributes, fonts (the page chooses), turns by no angle, indents.

    Args:
        svg: a drawing of our own; never a document from elsewhere.
        prefix: different for each drawing of the page; letters, digits, hyphens.
        title: short name, for screen readers and tooltips.
        description: what is to be seen.
    """
    root = ET.fromstring(svg)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): _renamed(_local(name), value, prefix) for name, value in element.attrib.items()}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("style", "metadata")]:
            parent.remove(child)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    _make_lean(root)
    width = float(root.attrib["viewBox"].split()[2]) * PIXELS_PER_POINT
    root.attrib |= {
        "style": f"max-width: {width:.0f}px",
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = plain(text, 4000)
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _make_lean(root: ET.Element) -> None:
    values = [value for element in root.iter() for name, value in element.attrib.items() if name != "id"]
    referred = {found for value in values for found in re.findall(r"#([\w-]+)", value)}
    for element in root.iter():
        if not (element.tail or "").strip():
            element.tail = None if element.tag == "tspan" else "\n"
        if not (element.text or "").strip():
            element.text = None
        if element.attrib.get("id", "") not in referred:
            element.attrib.pop("id", None)
        if element.tag == "text":
            element.attrib["style"] = _FONT.sub("", element.attrib.get("style", ""))
        if _NO_TURN.fullmatch(element.attrib.get("transform", "")):
            del element.attrib["transform"]
    _unwrap(root)


def _unwrap(element: ET.Element) -> None:
    """Puts what is in groups without attributes, which change nothing, in their place."""
    for child in list(element):
        _unwrap(child)
    children: list[ET.Element] = []
    for child in element:
        bare = child.tag == "g" and not child.attrib
        children.extend(child if bare else (child,))
    element[:] = [child for child in children if len(child) or child.attrib or child.tag != "defs"]


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _renamed(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{prefix}-{value[1:]}"
    if name in _GEOMETRY:
        return _PLACES.sub(r"\1", value)
    return _REFERENCE.sub(rf"url(#{prefix}-\1)", value).replace(INK, "currentColor")

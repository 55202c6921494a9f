"""The report as one HTML file that needs nothing else: no script, no address, its drawings inside it."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from noisylabels.report.document import Chart, Picture, ReportData
from noisylabels.report.drawing import draw
from noisylabels.report.inline_svg import inline_svg
from noisylabels.report.wording import plain


def to_html(report: ReportData) -> str:
    """The whole report as one HTML document. The same report gives the same bytes."""
    numbers = count(1)

    def drawing(chart: Chart) -> Markup:
        svg = inline_svg(draw(chart), prefix=f"chart{next(numbers)}", title=chart.title, description=chart.description)
        return Markup(svg)  # our own drawing; every text in it was escaped by the XML writer

    def data(picture: Picture) -> Markup:
        return Markup(re.sub(r"[^A-Za-z0-9+/=]", "", picture.png_base64))  # nothing that could end the attribute

    environment = Environment(
        loader=PackageLoader("noisylabels.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2").render(report=report, drawing=drawing, data=data)


def _printable(value: Any) -> Any:
    """Every text that is not markup of ours: no control characters, no line break inside ``n = 3`` or ``40 %``."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = re.sub(r"\b([np]) = (?=[\d.])", "\\1\u00a0=\u00a0", plain(value, 4000))
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", text)

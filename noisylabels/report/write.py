"""Write a study's report: the one entry to this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noisylabels.atomic import write_atomically
from noisylabels.report.build import report_data
from noisylabels.report.drawing import draw
from noisylabels.report.markdown import to_markdown
from noisylabels.report.page import to_html
from noisylabels.result import RunResult
from noisylabels.study import Study


@dataclass(frozen=True)
class ReportFiles:
    """Where the report is."""

    markdown: Path
    html: Path


def write_report(study: Study, results: Sequence[RunResult], folder: Path) -> ReportFiles:
    """Write ``report.md`` and ``report.html``, the same numbers in both, from results and nothing else.

    The same study and results give the same bytes. Each file is replaced whole or not at all.

    Args:
        study: what was asked; a run it plans and that has no result is reported as missing.
        results: in any order, of any status.
        folder: where to; made if it is not there.
    """
    report = report_data(study, results)
    files = ReportFiles(markdown=folder / "report.md", html=folder / "report.html")
    write_atomically(files.markdown, to_markdown(report).encode())
    write_atomically(files.html, to_html(report).encode())
    return files


def write_figures(study: Study, results: Sequence[RunResult], folder: Path) -> list[Path]:
    """Write every chart of the report as an SVG file of its own, ``<section>-<number>.svg``; the same bytes each time.

    Args:
        study, results: as for ``write_report``.
        folder: where to; made if it is not there.
    """
    files = []
    for section in report_data(study, results).sections:
        charts = [block.chart for block in section.blocks if block.chart is not None]
        for number, chart in enumerate(charts, start=1):
            files.append(folder / f"{section.anchor}-{number}.svg")
            write_atomically(files[-1], draw(chart, background="white").encode())
    return files

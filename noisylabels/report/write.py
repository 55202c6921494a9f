"""Write a study's report: the one entry to this room."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from noisylabels.atomic import write_atomically
from noisylabels.report.build import report_data
from noisylabels.report.context import Context
from noisylabels.report.document import Chart, ReportData
from noisylabels.report.drawing import draw, draw_file
from noisylabels.report.latex import to_latex
from noisylabels.report.markdown import to_markdown
from noisylabels.report.page import to_html
from noisylabels.report.pdf import write_pdf
from noisylabels.report.tidy import write_csv, write_parquet
from noisylabels.report.vega import to_vega_lite
from noisylabels.result import RunResult
from noisylabels.study import Study
from noisylabels.uncollected import uncollected

Format = Literal["html", "md", "json", "pdf", "tex", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""``csv`` and ``parquet`` hold every measurement of every run; the others hold the report."""

FigureFormat = Literal["svg", "png", "pdf", "vl.json"]
FIGURE_FORMATS: tuple[FigureFormat, ...] = get_args(FigureFormat)


@dataclass(frozen=True)
class ReportFiles:
    """Where the report is."""

    markdown: Path
    html: Path


def write_report(
    study: Study, results: Sequence[RunResult], folder: Path, context: Context | None = None
) -> ReportFiles:
    """Write ``report.md`` and ``report.html``, the same numbers in both, from results and nothing else.

    The same study and results give the same bytes. Each file is replaced whole or not at all.

    Args:
        study: what was asked; a run it plans and that has no result is reported as missing.
        results: in any order, of any status.
        folder: where to; made if it is not there.
        context: what lies beside the study.
    """
    written = write_formats(study, results, folder, ("md", "html"), context)
    return ReportFiles(markdown=written["md"], html=written["html"])


def write_formats(
    study: Study,
    results: Sequence[RunResult],
    folder: Path,
    formats: Sequence[Format],
    context: Context | None = None,
) -> dict[Format, Path]:
    """Write ``report.<format>`` in each of the formats.

    Args:
        study, results, folder, context: as for ``write_report``.
        formats: some of ``FORMATS``.

    Raises:
        MissingExtraError: Parquet without pyarrow.
    """
    with uncollected():
        report = report_data(study, results, context)
    texts: dict[Format, Callable[[ReportData], str]] = {
        "html": to_html,
        "md": to_markdown,
        "json": to_json,
        "tex": to_latex,
    }
    files = {kind: folder / f"report.{kind}" for kind in formats}
    for kind, file in files.items():
        if kind in texts:
            write_atomically(file, texts[kind](report).encode())
        elif kind == "pdf":
            write_pdf(file, report)
        elif kind == "csv":
            write_csv(file, results)
        else:
            write_parquet(file, results)
    return files


def to_json(report: ReportData) -> str:
    """The report's sections, tables and charts as one JSON object."""
    return json.dumps(dataclasses.asdict(report), ensure_ascii=False, indent=1, default=str) + "\n"


def write_figures(
    study: Study, results: Sequence[RunResult], folder: Path, formats: Sequence[FigureFormat] = ("svg",)
) -> list[Path]:
    """Write every chart of the report as a file of its own, ``<section>-<number>.<format>``; the same bytes each time.

    Args:
        study, results: as for ``write_report``.
        folder: where to; made if it is not there.
        formats: some of ``FIGURE_FORMATS``; ``vl.json`` is a Vega-Lite specification.
    """
    files = []
    for section in report_data(study, results).sections:
        charts = [block.chart for block in section.blocks if block.chart is not None]
        for number, chart in enumerate(charts, start=1):
            for kind in formats:
                files.append(folder / f"{section.anchor}-{number}.{kind}")
                write_atomically(files[-1], _drawn(chart, kind))
    return files


def _drawn(chart: Chart, kind: FigureFormat) -> bytes:
    if kind == "svg":
        return draw(chart, background="white").encode()
    if kind == "vl.json":
        return (json.dumps(to_vega_lite(chart), ensure_ascii=False, indent=1) + "\n").encode()
    return draw_file(chart, kind)

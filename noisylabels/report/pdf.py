"""The report as PDF: the page itself where a browser can print it, else its charts and tables on plain pages."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure

from noisylabels.atomic import write_atomically
from noisylabels.report.document import Block, Chart, ReportData, Table
from noisylabels.report.drawing import figure_of
from noisylabels.report.page import to_html
from noisylabels.report.wording import plain

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PRINT_SECONDS = 120

A4 = (8.27, 11.69)
LINES, LETTERS = 78, 100
"""Of a page of plain text."""


def write_pdf(path: Path, report: ReportData) -> str:
    """Write the report, whole or not at all.

    Args:
        path: of the file.
        report: what it says.

    Returns:
        How it was made, in a few words.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    printed = None if browser is None else _printed(browser, to_html(report))
    write_atomically(path, printed or _plain_pages(report))
    return f"printed by {Path(str(browser)).name}" if printed else "charts and tables on plain pages"


def _printed(browser: str, page: str) -> bytes | None:
    """The page as a browser prints it, folded parts open; None where it cannot. It is given no network."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page.replace("<details>", "<details open>"), encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += [f"--user-data-dir={folder}/profile", "--no-pdf-header-footer", f"--print-to-pdf={target}"]
        try:
            subprocess.run([*command, source.as_uri()], capture_output=True, timeout=PRINT_SECONDS, check=True)
            return target.read_bytes()
        except (OSError, subprocess.SubprocessError):
            return None


def _plain_pages(report: ReportData) -> bytes:
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"CreationDate": None, "Title": plain(report.title)}) as pages:
        text = [report.title, "", *_wrapped(report.question)]
        for section in report.sections:
            text += ["", section.title.upper(), *(line for part in section.paragraphs for line in _wrapped(part))]
            for block in section.blocks:
                text += _block_text(block)
                if block.chart is not None:
                    _text_pages(pages, text)
                    text = []
                    _chart_page(pages, block.chart)
                for table in block.tables:
                    text += ["", *_table_text(table)]
        _text_pages(pages, text)
    return buffer.getvalue()


def _block_text(block: Block) -> list[str]:
    return [
        *(["", block.title] if block.title else []),
        *(line for part in block.paragraphs for line in _wrapped(part)),
    ]


def _table_text(table: Table) -> Iterator[str]:
    """Row by row, each entry under its column's name: wide tables fit no page of text."""
    yield from _wrapped(table.caption)
    for row in table.rows:
        cells = [" ".join((entry.main, *entry.details)) for entry in row]
        yield from textwrap.wrap(plain(", ".join(cells[: table.headers]), 1000), LETTERS, initial_indent="  ")
        for column, cell in list(zip(table.columns, cells, strict=True))[table.headers :]:
            yield from textwrap.wrap(plain(f"{column}: {cell}", 1000), LETTERS, initial_indent="      ")
    for note in table.notes:
        yield from _wrapped(note)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(plain(text, 4000), LETTERS)


def _text_pages(pages: PdfPages, lines: list[str]) -> None:
    for start in range(0, len(lines), LINES):
        figure = Figure(figsize=A4)
        FigureCanvasPdf(figure)
        shown = "\n".join(lines[start : start + LINES])
        figure.text(0.07, 0.95, shown, fontsize=7, family="monospace", va="top", parse_math=False)
        pages.savefig(figure)  # type: ignore[no-untyped-call]


def _chart_page(pages: PdfPages, chart: Chart) -> None:
    with figure_of(chart) as figure:
        FigureCanvasPdf(figure)
        pages.savefig(figure, facecolor="white")  # type: ignore[no-untyped-call]

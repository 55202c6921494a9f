"""The report as Markdown (GitHub's dialect); the numbers of every chart are in its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from noisylabels.report.document import Block, Entry, ReportData, Section, Table
from noisylabels.report.wording import plain


def to_markdown(report: ReportData) -> str:
    """The whole report as one Markdown document."""
    lines = [f"# {escape(report.title)}", ""]
    if report.question:
        lines += [f"> {escape(report.question)}", ""]
    for section in report.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip("\n") + "\n"


def escape(text: str) -> str:
    r"""Text that Markdown prints as it stands: no markup, no HTML, no link, no end of a table cell.

    >>> escape("a|b <script> *c*")
    'a\\|b &lt;script&gt; \\*c\\*'
    >>> escape("cam_softmax+ce")
    'cam_softmax+ce'
    """
    text = plain(text, 4000)
    text = re.sub(r"([\\`*|~$])", r"\\\1", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)  # inside a word an underscore is no markup
    text = re.sub(r"\](?=[(\[:])", r"\\]", text)  # what would make the brackets a link
    return re.sub(r"^(#|[-+=](?=[\s=-]|$)|\d+(?=[.)]\s))", _guarded, text)


def _guarded(start: re.Match[str]) -> str:
    """A heading, list item or rule is none behind a backslash; a number needs it behind itself."""
    return f"{start[0]}\\" if start[0].isdigit() else f"\\{start[0]}"


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {escape(section.title)}", "")
    for paragraph in section.paragraphs:
        yield from (escape(paragraph), "")
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if block.title:
        yield from (f"### {escape(block.title)}", "")
    for paragraph in block.paragraphs:
        yield from (escape(paragraph), "")
    if block.picture is not None:
        yield from (f"{escape(block.picture.description)} The picture is in report.html.", "")
    for table in block.tables:
        yield from table_lines(table)


def table_lines(table: Table) -> Iterator[str]:
    """A caption, the table, and its notes."""
    yield from (f"**{escape(table.caption)}**", "")
    yield "| " + " | ".join(map(escape, table.columns)) + " |"
    yield "|" + " --- |" * len(table.columns)
    for row in table.rows:
        yield "| " + " | ".join(map(_entry, row)) + " |"
    yield ""
    for note in table.notes:
        yield from (escape(note), "")


def _entry(entry: Entry) -> str:
    return escape(f"{entry.main} {'; '.join(entry.details)}".rstrip())

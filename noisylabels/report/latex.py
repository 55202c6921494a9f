"""Every table of a report for LaTeX, in the style of booktabs."""

from __future__ import annotations

import re

from noisylabels.report.document import Entry, ReportData, Table
from noisylabels.report.wording import plain

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": r"$-$",
    "–": "--",
    "±": r"$\pm$",
    "°": r"\textdegree{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "…": r"\dots{}",
    "ⁿ": r"$^n$",
    "\u00a0": "~",
}
_SPECIALS = re.compile("[" + re.escape("".join(_SPECIAL)) + "]")

HEAD = r"""% Tables of the report {title}, written by noisylabels. Needs:
% \usepackage[T1]{{fontenc}} \usepackage{{textcomp,booktabs,longtable}}
"""


def to_latex(report: ReportData) -> str:
    """All tables in the order of the report, each a ``longtable`` with its caption; no text can be a command."""
    tables = [table for section in report.sections for block in section.blocks for table in block.tables]
    title = re.sub(r"[^\w .,:-]", "?", plain(report.title))
    return "\n".join([HEAD.format(title=title), *map(_table, tables)]) + "\n"


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it stands.

    >>> escape("100 % of a_b \\input{x}")
    '100 \\% of a\\_b \\textbackslash{}input\\{x\\}'
    """
    return _SPECIALS.sub(lambda found: _SPECIAL[found[0]], plain(text, 4000))


def _table(table: Table) -> str:
    columns = "l" * table.headers + "r" * (len(table.columns) - table.headers)
    lines = [
        rf"\begin{{longtable}}{{{columns}}}",
        rf"\caption{{{escape(table.caption)}}}\\",
        r"\toprule",
        _row([escape(column) for column in table.columns]),
        r"\midrule",
        r"\endhead",
        *(_row([_entry(entry) for entry in row]) for row in table.rows),
        r"\bottomrule",
        r"\end{longtable}",
        *(escape(note) + "\n" for note in table.notes),
    ]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _entry(entry: Entry) -> str:
    details = "; ".join(map(escape, entry.details))
    return f"{escape(entry.main)} {{\\footnotesize {details}}}" if details else escape(entry.main)

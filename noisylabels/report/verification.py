"""Every number of a written report held to what the records say now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noisylabels.report.build import report_data
from noisylabels.report.context import Context
from noisylabels.report.markdown import to_markdown
from noisylabels.report.page import to_html
from noisylabels.result import RunResult
from noisylabels.study import Study

MOST = 20
"""Differences that are told."""


def verify_report(
    study: Study, results: Sequence[RunResult], report: Path, context: Context | None = None
) -> list[str]:
    """Compute the report again and compare it with a file, line by line.

    Args:
        study, results: that the report should be of.
        report: a ``report.md`` or ``report.html``.
        context: what lies beside the study.

    Returns:
        What differs, in order, ``MOST`` lines at most: the heading above it, what the file says and what the records
        say; empty where every line is the same.
    """
    data = report_data(study, results, context)
    expected = (to_html(data) if report.suffix == ".html" else to_markdown(data)).splitlines()
    found = report.read_text(encoding="utf-8").splitlines()
    place, differences = "", []
    for number in range(max(len(expected), len(found))):
        should, is_ = (lines[number] if number < len(lines) else "" for lines in (expected, found))
        if should.startswith(("#", "**", "<h2", "<caption")):
            place = should.strip("# *")
        if should != is_:
            differences.append(f"line {number + 1}, under {place!r}: the file says {told_apart(is_, should)}")
    more = len(differences) - MOST
    return differences[:MOST] + ([f"and {more} more lines"] if more > 0 else [])


def told_apart(found: str, expected: str, room: int = 40) -> str:
    """Both texts around the first letter that differs, ``room`` letters to either side."""
    first = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    start = max(0, first - room)
    return f"{found[start : first + room]!r}, the records say {expected[start : first + room]!r}"

"""Docstrings as Markdown. They are written to be read in the source, and some of their habits mean else on a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
SECTION = re.compile(r"[A-Z]\w*( \w+)?:$")
RULE = re.compile(r"=+( +=+)+$")
SPAN = re.compile(r"(``.+?``|`[^`]+`)")
SHARED = re.compile(r" {4}[a-z_]\w*(?:, [a-z_]\w*)+(?=: )")
"""Several names under one description; between spaces the parser would take the second for a type."""
TAG = re.compile(r"<(?=[\w/!])")


class MarkdownDocstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called by griffe with each object that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Roles, tables between rules and examples become code, and ``<name>`` stands for itself.

    >>> as_markdown("See :class:`noisylabels.heads.Head`: <root>/<class>.")
    'See `Head`: &lt;root>/&lt;class>.'
    """
    lines = _with_tables_as_code(ROLE.sub(r"`\1`", text).split("\n"))
    return "\n".join(line if is_code else _escaped(line) for line, is_code in _told_apart(_with_fences(lines)))


def _with_tables_as_code(lines: list[str]) -> Iterator[str]:
    rules = [number for number, line in enumerate(lines) if RULE.match(line)]
    for number, line in enumerate(lines):
        inside = bool(rules) and rules[0] <= number <= rules[-1]
        yield f"    {line}" if inside else line


def _with_fences(lines: Iterator[str]) -> Iterator[str]:
    """An example begins with a prompt and ends with a blank line."""
    inside = False
    for line in lines:
        if line.startswith(">>>") and not inside:
            inside = True
            yield "```pycon"
        elif inside and not line.strip():
            inside = False
            yield "```"
        yield line
    if inside:
        yield "```"


def _told_apart(lines: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code: indented or an example, but not what stands under ``Args:`` and the like."""
    in_section = in_fence = False
    for line in lines:
        in_fence ^= line.startswith("```")
        if line and not line.startswith(" "):
            in_section = SECTION.match(line) is not None
        yield line, in_fence or (not in_section and line.startswith("    "))


def _escaped(line: str) -> str:
    parts = SPAN.split(line)
    shown = "".join(part if number % 2 else TAG.sub("&lt;", part) for number, part in enumerate(parts))
    return SHARED.sub(lambda found: found[0].replace(", ", ",\N{NO-BREAK SPACE}"), shown)

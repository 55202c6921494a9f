"""The table of methods, made from their docstrings: ``python -m noisylabels.method_table > docs/methods.md``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from noisylabels.heads import HEADS, REGULARISERS
from noisylabels.losses import LOSSES
from noisylabels.strategies import STRATEGIES

FAMILIES: Mapping[str, Mapping[str, type[Any]]] = {
    "Heads": HEADS,
    "Regularisers": REGULARISERS,
    "Losses": LOSSES,
    "Strategies": STRATEGIES,
}

INTRODUCTION = """\
# Methods

A method is a head, a loss and a strategy (`head+loss+strategy`); regularisers are added to a head (`cosface + center`).
This page is made from the docstrings, which say more: parameters, ranges, defaults, numerical guards. `exact` is the
formula of the source; `reconstruction` fills in what the source leaves open or could not be read; `our own` is ours.
*Told* is what a method knows by default that nobody has in practice.
"""


def method_table() -> str:
    """The page, Markdown."""
    parts = [INTRODUCTION]
    for family, table in FAMILIES.items():
        rows = [_row(name, plugin) for name, plugin in table.items()]
        parts.append(
            "\n".join(
                [f"## {family}\n", "| name | what it is | source | tag | told |", "|---|---|---|---|---|", *rows, ""]
            )
        )
    return "\n".join(parts)


def _row(name: str, plugin: type[Any]) -> str:
    what, source, tag = described(plugin)
    told = getattr(plugin(), "oracle_knowledge", "")
    return f"| `{name}` | {_cell(what)} | {_cell(source)} | {tag} | {told} |"


def described(plugin: type[Any]) -> tuple[str, str, str]:
    """First sentence, source and tag of a plug-in's docstring.

    Raises:
        ValueError: it has no ``Reference:`` that ends with a ``Tag:``.
    """
    paragraphs = inspect.cleandoc(plugin.__doc__ or "").split("\n\n")
    flat = [" ".join(paragraph.split()) for paragraph in paragraphs]
    for paragraph in flat:
        found = re.fullmatch(r"Reference: (.*?)\s*Tag: ([^.]+)\.?", paragraph)
        if found:
            return flat[0], found[1], found[2]
    raise ValueError(f"{plugin.__name__}'s docstring must have a paragraph 'Reference: ... Tag: ...'")


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    print(method_table(), end="")  # noqa: T201

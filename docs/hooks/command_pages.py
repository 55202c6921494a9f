"""``::: commands`` in a page: every command with its arguments, options and examples, as ``--help`` has them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from noisylabels.cli.app import app
from noisylabels.cli.examples import EXAMPLES

DIRECTIVE = "::: commands"
HEAD = "| | default | |\n| --- | --- | --- |"


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Write all commands in its place."""
    if DIRECTIVE not in markdown:
        return markdown
    root = typer.main.get_command(app)
    return markdown.replace(DIRECTIVE, "\n\n".join(_written(words, command) for words, command in _leaves([], root)))


def _leaves(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    """Every command that does something, with the words that name it; a group may do something, too."""
    inner_commands = getattr(command, "commands", {})
    if words and (not inner_commands or command.invoke_without_command):
        yield words, command
    for name, inner in inner_commands.items():
        yield from _leaves([*words, name], inner)


def _written(words: list[str], command: Any) -> str:
    name = " ".join(words)
    arguments = [_argument(parameter) for parameter in command.params if _is_argument(parameter)]
    usage = " ".join(["    noisylabels", *words, *arguments, "[OPTIONS]"])
    table = "\n".join([HEAD, *(_row(parameter) for parameter in command.params)])
    examples = "\n".join(f"    {line}" for line in EXAMPLES.get(name, ()))
    return "\n\n".join(
        [f"## {name}", _plain(command.help), usage, table, *(["Examples:", examples] if examples else [])]
    )


def _row(parameter: Any) -> str:
    names = _argument(parameter) if _is_argument(parameter) else _option(parameter)
    default = parameter.default if isinstance(parameter.default, (str, int, float)) else None
    shown = "required" if parameter.required else "" if default in (None, False, "") else f"`{default}`"
    return f"| `{names}` | {shown} | {_plain(parameter.help).replace('|', '&#124;')} |"


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _option(parameter: Any) -> str:
    return " ".join([", ".join(parameter.opts), *([parameter.metavar] if parameter.metavar else [])])


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]")
    return name if parameter.required else f"[{name}]"


def _plain(text: str | None) -> str:
    """Help as Markdown: signs that would be tags stand for themselves."""
    return re.sub(r"<(?=\w)", "&lt;", inspect.cleandoc(text or "").replace("*", r"\*"))

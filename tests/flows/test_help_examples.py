"""The examples at the end of each command's help: there, whole, and taken by the command line's own parser."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from noisylabels.catalog import UsageError
from noisylabels.cli.app import EXAMPLES as ROOT_HELP
from noisylabels.cli.app import app
from noisylabels.cli.examples import EXAMPLES
from noisylabels.cli.options import plugin_texts
from noisylabels.records import read_records
from noisylabels.spec import canonical
from noisylabels.study import Study
from tests.conftest import Cli

ROOT = typer.main.get_command(app)
PLUGINS = ("dataset", "corruption", "head", "loss", "strategy", "model")
LINES = [line for lines in EXAMPLES.values() for line in lines]
IN_ROOT_HELP = [
    re.split(r"  +", line.strip())[0] for line in ROOT_HELP.splitlines() if line.startswith("  noisylabels")
]


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command by the words that name it, groups first."""
    if words:
        yield " ".join(words)
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def parsed(line: str) -> list[tuple[str, dict[str, Any]]]:
    """The commands that a line goes through and what each is given; nothing is run.

    Raises:
        typer.Exit, an error of the parser: the line is not one of this command line.
    """
    program, *arguments = shlex.split(line)
    assert program == "noisylabels"
    command, name, parent, found = ROOT, "noisylabels", None, []
    while True:
        context = command.make_context(name, list(arguments), parent=parent)
        found.append((name, dict(context.params)))
        arguments = [*context._protected_args, *context.args]
        if not arguments or not hasattr(command, "commands"):
            assert not arguments, f"left over: {arguments}"
            return found
        name, command, arguments = command.resolve_command(context, arguments)
        parent = context


def test_every_command_has_examples_and_every_example_a_command() -> None:
    assert sorted(commands(ROOT)) == sorted(EXAMPLES)
    assert all(1 <= len(lines) <= 3 for lines in EXAMPLES.values())


@pytest.mark.parametrize("name", list(commands(ROOT)))
def test_help_ends_with_them(name: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in a terminal of 80 letters, so that they can be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = cli(*name.split(), "--help")
    assert code == 0
    printed = [line.strip() for line in out.splitlines() if line.strip()]
    assert tuple(printed[-len(EXAMPLES[name]) :]) == EXAMPLES[name]
    assert printed[-len(EXAMPLES[name]) - 1] in ("Example", "Examples")


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines])
def test_each_is_an_example_of_its_command(name: str, line: str) -> None:
    words = name.split()
    found = [word for word, _ in parsed(line)][1:]
    is_short = name == "audit dataset" or words == found[: len(words)]
    assert is_short
    assert found[: len(words)] == words


@pytest.mark.parametrize("line", [*LINES, *IN_ROOT_HELP])
def test_each_names_what_there_is(line: str) -> None:
    """Plug-ins are in their tables; folders of one's own need not be there."""
    for _, given in parsed(line):
        for field in PLUGINS:
            texts = given.get(field) or []
            for text in [texts] if isinstance(texts, str) else [t for one in texts for t in plugin_texts(one)]:
                if "root=" not in text:
                    assert canonical(field, text).startswith(re.split(r"[: ]", text)[0])


def test_the_run_that_is_reproduced_is_a_published_one() -> None:
    (line,) = (line for line in EXAMPLES["reproduce"] if "--study" in line)
    given = parsed(line)[-1][1]
    records = read_records(Study.file(given["study"]).with_name("records.jsonl"))
    assert sum(record.run_id.startswith(given["run"]) for record in records) == 1


@pytest.mark.parametrize(
    "line",
    [
        "noisylabels sweep quickstart --sedes 3",
        "noisylabels corrupt translate elr_asymmetric --nominal much --classes 10",
        "noisylabels status",
        "noisylabels study power quickstart",
        "noisylabels data merge store",
        "noisylabels compare one two three",
    ],
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  (Typer's own errors have no public base)
        parsed(line)
    assert hasattr(refused.value, "exit_code")
    assert not isinstance(refused.value, AssertionError)


def test_an_unknown_plugin_is_refused() -> None:
    (given,) = (given for name, given in parsed("noisylabels train --dataset digits --head softmx") if name == "train")
    with pytest.raises(UsageError, match="did you mean 'softmax'"):
        canonical("head", given["head"])

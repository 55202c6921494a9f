"""Every ``noisylabels`` command that a text shows, and what the command line would say against it."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

import studies
from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.cli import listing, options
from noisylabels.cli.app import app
from noisylabels.data.pair_sets import PAIR_SETS
from noisylabels.engines import ENGINES
from noisylabels.spec import TABLES, RunSpec
from noisylabels.tracking import tracker_named

COMMAND = re.compile(r"(?:# |\$ |! ?)?(?:[A-Z_]+=\S+ )*noisylabels (?P<words>.*)")
MENTION = re.compile(r"(?<!`)`(?:[A-Z_]+=\S+ )*noisylabels (?P<words>[^`]+)`(?!`)")
PLACEHOLDER = re.compile(r"<[^<>]+>|\b[A-Z][A-Z_]+\b")
"""What a reader puts something in the place of: ``<run id>``, ``STUDY``."""
STUDIES = {"compare": ("first", "second")}
"""Which arguments of a command name studies; of the others it is ``study``."""


@dataclass(frozen=True)
class Shown:
    """A command in a text.

    Attributes:
        where: file and line.
        text: what follows ``noisylabels``, on one line, without comment.
        to_type: it stands in a block, to be typed as it is; otherwise a sentence mentions it, perhaps not in full.
    """

    where: str
    text: str
    to_type: bool


def markdown_of(file: Path) -> str:
    """A page as it is; of a notebook its Markdown cells as they are, and its code cells as blocks."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    fences = {"markdown": ("", ""), "code": ("```\n", "\n```")}
    return "\n\n".join("".join(cell["source"]).join(fences[cell["cell_type"]]) for cell in cells)


def shown_in(markdown: str, where: str = "text") -> Iterator[Shown]:
    """The commands of one page, in its order: those of its blocks, line by line, then those of its sentences."""
    prose: list[str] = []
    lines = enumerate(markdown.split("\n"), start=1)
    fenced = False
    for number, line in lines:
        is_fence = line.lstrip().startswith("```")
        fenced ^= is_fence
        found = COMMAND.fullmatch(line.strip()) if fenced or line.startswith("    ") else None
        prose.append("" if fenced or found else line)
        if found is None:
            continue
        words = found["words"]
        while words.endswith("\\"):
            words = words[:-1] + next(lines)[1].strip()
        typed, _, comment = words.partition(" # ")
        yield Shown(f"{where}:{number}", _first_of(typed), to_type=True)
        if (other := re.search(r"noisylabels (.+)", comment)) is not None:
            yield Shown(f"{where}:{number}", _first_of(other[1]), to_type=False)
    for found in MENTION.finditer("\n".join(prose)):
        yield Shown(where, _first_of(" ".join(found["words"].split())), to_type=False)


def _first_of(text: str) -> str:
    """The command itself, of a line that pipes it on or goes on behind it."""
    return re.split(r" \| | > | && |; |(?: --\S+)? \.\.\.", text)[0].strip()


def objection(shown: Shown, known_studies: frozenset[str] = frozenset()) -> str:
    """What the command line has against it, in its own words; empty where it would start.

    Args:
        shown: nothing is run.
        known_studies: names that readers have made studies under, besides those that ship.
    """
    words = shlex.split(PLACEHOLDER.sub("PLACEHOLDER", shown.text))
    try:
        contexts = _contexts(words)
        for context in contexts:
            _check_plugins(context.info_name or "", context.params)
            _check_studies(context.info_name or "", context.params, known_studies)
    except UsageError as error:
        return str(error)
    except typer.Exit:
        return ""  # --version and --help answer while they are read
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        lacks = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        return "" if lacks and not shown.to_type else str(error.format_message())
    return ""


@functools.cache
def _root() -> Any:
    return typer.main.get_command(app)


def _contexts(words: list[str]) -> list[Any]:
    """Command and sub-commands with what they have read, by the command line's own parser; nothing is run."""
    command = _root()
    context = command.make_context("noisylabels", list(words))
    contexts = [context]
    while hasattr(command, "resolve_command") and (rest := [*context._protected_args, *context.args]):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        contexts.append(context)
    return contexts


def _check_plugins(command: str, values: dict[str, Any]) -> None:
    for field, table in TABLES.items():
        given = values.get(field) or ()
        for text in (
            [given] if isinstance(given, str) else [one for many in given for one in options.plugin_texts(many)]
        ):
            if command == "sweep" and field == "corruption" and "rate=" not in text:
                text += ",rate=0.2" if ":" in text else ":rate=0.2"  # crossed with --rate
            if "PLACEHOLDER" not in text:
                catalog.build(table, text, what=field)
    if values.get("engine"):
        catalog.build(ENGINES, values["engine"], what="engine")
    if values.get("track"):
        tracker_named(values["track"])
    if values.get("pairs"):
        catalog.build(PAIR_SETS, values["pairs"], what="pair set")
    if values.get("setting"):
        RunSpec.checked(options.apply_settings({"dataset": "digits"}, values["setting"]))
    if "family" in values:
        catalog.lookup(dict.fromkeys(listing.FAMILIES, object), values["family"], what="family")  # type: ignore[type-var]


def _check_studies(command: str, values: dict[str, Any], known: frozenset[str]) -> None:
    for name in STUDIES.get(command, ("study",)):
        study = values.get(name)
        if study is None or study in ("verify", "_train") or "PLACEHOLDER" in study:
            continue
        named = Path(study).parent.name if study.endswith(".toml") else study
        if named not in known and named.removesuffix("-tuned") not in studies.names():
            raise UsageError(catalog.unknown("study", named, [*studies.names(), *known]))


def studies_made(shown: list[Shown]) -> frozenset[str]:
    """Names that ``init`` and ``--name`` give to studies."""
    made = (re.search(r"^init (\S+)|--name (\S+)", one.text) for one in shown)
    return frozenset(found[1] or found[2] for found in made if found)

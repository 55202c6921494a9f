"""A user's search space: a TOML file of ranges that stand in for the table's.

[train]
learning_rate = { low = 0.01, high = 0.5, log = true }
weight_decay = false                                      # stays as the study has it
[head.arcface]
margin = { low = 0.1, high = 0.5 }
scale = { choices = [10, 20, 40] }
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from noisylabels import catalog
from noisylabels.axes import METHOD_FIELDS
from noisylabels.catalog import UsageError
from noisylabels.mistakes import MistakesError
from noisylabels.spec import TABLES, RunSpec
from noisylabels.tuning.dimensions import Choices, Dimension, Range
from noisylabels.tuning.space import Changes, changed, parameters_by_name


def read_space(path: Path, specs: Sequence[RunSpec]) -> Changes:
    """The file's ranges by parameter name.

    Args:
        path: a TOML file.
        specs: one run of each method, with the study's own values: a name must be one of theirs.

    Raises:
        UsageError: unreadable, or not TOML.
        MistakesError: what it says cannot be; all of them, each with its place.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read search space {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    mistakes: list[str] = []
    changes: dict[str, Dimension | None] = {}
    known = {name: value for spec in specs for name, value in parameters_by_name(spec).items()}
    for name, entry in _flat(values, mistakes):
        if (mistake := _unknown(name, known)) is not None:
            mistakes.append(mistake)
            continue
        try:
            changes[name] = _dimension(entry, whole=type(known[name]) is int)
            _check_ends(name, changes[name], specs)
        except UsageError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise MistakesError(mistakes, path)
    return changes


def _flat(values: Mapping[str, Any], mistakes: list[str]) -> Iterator[tuple[str, Any]]:
    """Every entry with its dotted name; what has no place is added to the mistakes."""
    for section, content in values.items():
        if section not in ("train", *METHOD_FIELDS):
            mistakes.append(catalog.unknown("section", section, ("train", *METHOD_FIELDS)))
        elif not isinstance(content, dict):
            mistakes.append(f"{section} must be a table; got {content!r}")
        elif section == "train":
            yield from ((f"train.{key}", entry) for key, entry in content.items())
        else:
            for kind, entries in content.items():
                if isinstance(entries, dict):
                    yield from ((f"{section}.{kind}.{key}", entry) for key, entry in entries.items())
                else:
                    mistakes.append(f"{section}.{kind} must be a table of parameters; got {entries!r}")


def _unknown(name: str, known: Mapping[str, Any]) -> str | None:
    """What is wrong with a name that no method of the study has; None where nothing is."""
    if name in known:
        return None
    owner, _, parameter = name.rpartition(".")
    owners = list(dict.fromkeys(other.rpartition(".")[0] for other in known))
    if owner in owners:
        own = [other.removeprefix(f"{owner}.") for other in known if other.startswith(f"{owner}.")]
        return catalog.unknown(f"parameter of {owner}", parameter, own)
    field, _, kind = owner.partition(".")
    if kind not in TABLES[field]:
        return catalog.unknown(field, kind, TABLES[field])
    others = [other.partition(".")[2] for other in owners if other.startswith(f"{field}.")]
    searchable = f"the study's are {', '.join(others)}" if others else f"no {field} of the study has parameters"
    return f"{name} has no effect: {searchable}"


def _dimension(entry: Any, *, whole: bool) -> Dimension | None:
    if entry is False:
        return None
    if not isinstance(entry, dict):
        raise UsageError(f"must be {{ low, high, log }}, {{ choices }} or false; got {entry!r}")
    if "choices" in entry:
        return Choices.checked(entry)
    return Range.checked({"whole": whole} | entry)


def _check_ends(name: str, dimension: Dimension | None, specs: Sequence[RunSpec]) -> None:
    """Refuse a range whose ends the plug-in itself refuses."""
    for spec in specs:
        if dimension is not None and name in parameters_by_name(spec):
            for value in dimension.ends():
                changed(spec, {name: value})

"""All mistakes of a value that came from outside, each one sentence that begins with its place."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from noisylabels.catalog import UsageError

Location = tuple[int | str, ...]

_LIST = "a list, in brackets"
_KINDS = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
    "model_attributes_type": "a table of keys and values",
}
"""pydantic's types of problem, in the words of a TOML file."""


class MistakesError(UsageError):
    """Several mistakes at once; as a text they are one line.

    Attributes:
        mistakes: one sentence each.
    """

    def __init__(self, mistakes: Sequence[str], file: Path | None = None) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(("" if file is None else f"{file}: ") + "; ".join(mistakes))


def sentences(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Every problem that pydantic found, in its order.

    Args:
        model: what was to be built.
        error: why it could not be.
    """
    return [_sentence(model, problem) for problem in error.errors(include_url=False)]


def place(location: Location) -> str:
    """Where in a file something stands.

    >>> place(("axes", "head", 2))
    'axes.head[2]'
    """
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: Any) -> str:
    """A value as it came, on one line of at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _sentence(model: type[BaseModel], problem: Any) -> str:
    location, where = problem["loc"], place(problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown_key(model, location)
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    if problem["type"] == "missing":
        return f"{where}: {problem['msg']}"
    kind = _KINDS.get(problem["type"])
    if kind == _LIST and isinstance(problem["input"], Mapping):
        kind = f"listed, each table under its own [[{where}]]"
    must = f"must be {kind}" if kind else problem["msg"].replace("Input should", "must")
    return f"{where}: {must}; got {shown(problem['input'])}"


def _unknown_key(model: type[BaseModel], location: Location) -> str:
    """An unknown key with the nearest one that could stand there, or the table that a key of that name belongs to."""
    where, name = place(location), location[-1]
    elsewhere = [path for path in _paths(model) if path[-1] == name]
    if elsewhere:
        right = place(elsewhere[0])
        top = ", which stands above the first [table]" if len(elsewhere[0]) == 1 else ""
        return f"unknown key {shown(where)}; did you mean {right!r}{top}?"
    table, known = place(location[:-1]), _keys(model, location[:-1])
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" did you mean {place((*location[:-1], near[0]))!r}?" if near else ""
    return f"unknown key {shown(where)};{hint} known{f' in {table}' if table else ''}: {', '.join(sorted(known))}"


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that a table has."""
    for part in location:
        if isinstance(part, str):
            inner = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _paths(model: type[BaseModel], above: Location = ()) -> Iterator[Location]:
    """All keys of a value and of the tables in it; those of listed tables have no place of their own."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _paths(field.annotation, (*above, name))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The table in ``Table``, ``tuple[Table, ...]`` or ``Table | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)

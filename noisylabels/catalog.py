"""Look up, parse and describe a plug-in by name: the one mini-language of command line, study files and records.

    symmetric:rate=0.4,inclusive=true
    asymmetric:rate=0.4,map=[[3,5],[5,3]]
    symmetric:rate=0.1 + identity_merge:rate=0.2
    clean_subset:of="symmetric:rate=0.4"

A plug-in is a frozen dataclass with a class variable ``kind`` (its printed name); its fields are its parameters, and a
field may be another plug-in of the same table. A table is a literal dict from name to class in the room's ``__init__``.
Values are JSON where they can be, ``@FILE`` for what a file holds, else plain text; commas and plus signs inside
brackets or quotes do not split. What can be added (``a + b``) is for the plug-ins to say.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import operator
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from noisylabels.value_file import ValueFileError, read_value

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError


class UsageError(ValueError):
    """What the user asked for cannot be: says what must hold, what came, and the nearest valid name."""

    exit_code: ClassVar[int] = 2


class MissingExtraError(Exception):
    """An optional package is not installed: says which, and how to get it."""

    exit_code: ClassVar[int] = 3


class Plugin(Protocol):
    """A frozen dataclass that knows its printed name."""

    kind: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


P = TypeVar("P")
F = TypeVar("F", bound=Callable[..., Any])

SUM = " + "
"""Between plug-ins that are added; a plus sign without spaces is part of a value."""

LATER: Mapping[str, bool] = MappingProxyType({"later": True})
"""Metadata of a parameter that a kind gained after runs with it were published: at its default it is not spelt out, so
that their identities stand (``field(default=1, metadata=LATER)``)."""

PLAIN = re.compile(r"[\w./~+-]+", re.ASCII)
"""Texts that stand without quotes."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One sentence about a name that is not known.

    >>> unknown("head", "archface", ["arcface", "softmax"])
    "unknown head 'archface'; did you mean 'arcface'? known: arcface, softmax"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r};{hint} known: {', '.join(sorted(names)) or 'none'}"


def split_top_level(text: str, separator: str = ",") -> list[str]:
    """Split at separators that stand outside brackets and double quotes; parts are stripped, empty parts dropped.

    >>> split_top_level('rate=0.4,map=[[3,5],[5,3]]')
    ['rate=0.4', 'map=[[3,5],[5,3]]']
    """
    parts, depth, quoted, escaped, start = [], 0, False, False, 0
    for position, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "[{(":
            depth += 1
        elif not quoted and char in "]})":
            depth -= 1
        elif not quoted and depth == 0 and text.startswith(separator, position):
            parts.append(text[start:position])
            start = position + len(separator)
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """``"kind:key=value,..."`` to its name and raw parameters.

    >>> parse('symmetric:rate=0.4,inclusive=true')
    ('symmetric', {'rate': 0.4, 'inclusive': True})

    Raises:
        UsageError: a part is not ``key=value`` or a key comes twice.
    """
    name, _, rest = text.strip().partition(":")
    parameters: dict[str, Any] = {}
    for part in split_top_level(rest):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key:
            raise UsageError(f"parameters must be key=value; got {part!r} (in {text!r})")
        if key in parameters:
            raise UsageError(f"parameter {key!r} is given twice (in {text!r})")
        parameters[key] = _value(value)
    return name.strip(), parameters


def _value(text: str) -> Any:
    if text.startswith("@"):
        try:
            return read_value(Path(text[1:]))
        except ValueFileError as error:
            raise UsageError(str(error)) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def lookup(table: Mapping[str, type[P]], name: str, *, what: str) -> type[P]:
    """The class behind a printed name.

    Raises:
        UsageError: no such name, with the nearest and all known ones.
    """
    if name not in table:
        raise UsageError(unknown(what, name, table))
    return table[name]


def build(table: Mapping[str, type[P]], text: str, *, what: str) -> P:
    """The plug-in a text names, every parameter checked against its field's type.

    Args:
        table: printed name to frozen dataclass.
        text: ``"kind:key=value,..."``, or several with `` + `` between them.
        what: the family's name for messages, such as ``"corruption"``.

    Raises:
        UsageError: unknown name, unknown or mistyped parameter (all of them in one message), a value the plug-in
            itself refuses, or plug-ins that cannot be added.
    """
    plugins = [_build_one(table, part, what=what) for part in split_top_level(text, SUM) or [text]]
    try:
        return functools.reduce(operator.add, plugins)
    except TypeError:
        raise UsageError(f"a {what} cannot be such a sum; got {text!r}") from None
    except ValueError as error:
        raise UsageError(f"{error} (in {text!r})") from error


def _build_one(table: Mapping[str, type[P]], text: str, *, what: str) -> P:
    name, parameters = parse(text)
    plugin_class = lookup(table, name, what=what)
    hints = _parameter_types(plugin_class)
    nested = [key for key, hint in hints.items() if key in parameters and _is_family(hint, table)]
    built = {key: build(table, str(parameters[key]), what=what) for key in nested}
    return build_from(plugin_class, parameters, context=text, built=built)


def _is_family(hint: Any, table: Mapping[str, type[Any]]) -> bool:
    """Whether a field's type is what the table's plug-ins have in common."""
    return isinstance(hint, type) and all(issubclass(plugin_class, hint) for plugin_class in table.values())


def build_from(
    plugin_class: type[P], parameters: Mapping[str, Any], *, context: str, built: Mapping[str, Any] | None = None
) -> P:
    """Build one class from raw parameters.

    Args:
        plugin_class: a frozen dataclass.
        parameters: raw values by field name.
        context: what the user wrote, for messages.
        built: those of the parameters that are plug-ins themselves, built already.
    """
    from pydantic import ValidationError

    fields = _parameter_types(plugin_class)
    problems, values = [], dict(built or {})
    for key, raw in parameters.items():
        if key not in fields:
            problems.append(unknown("parameter", key, fields))
        elif key not in values:
            try:
                values[key] = _parameter_check(plugin_class, key).validate_python(raw)
            except ValidationError as error:
                hint = " (a sum needs ' + ', with spaces)" if isinstance(raw, str) and "+" in raw else ""
                problems.append(f"{key} {_complaint(error)}; got {raw!r}{hint}")
    required = [f.name for f in dataclasses.fields(plugin_class) if _is_required(f)]  # type: ignore[arg-type]
    problems += [f"parameter {key!r} must be given" for key in required if key not in parameters]
    if problems:
        raise UsageError("; ".join(problems) + f" (in {context!r})")
    try:
        return plugin_class(**values)
    except ValueError as error:
        raise UsageError(f"{error} (in {context!r})") from error


def _remembered(function: F) -> F:
    """``functools.cache`` with the function's own signature: to the type checker no class is hashable."""
    return typing.cast(F, functools.cache(function))


@_remembered  # a class's annotations are fixed, and reading them costs far more than checking values by them
def _parameter_types(plugin_class: type[Any]) -> Mapping[str, Any]:
    hints = typing.get_type_hints(plugin_class)
    return MappingProxyType({field.name: hints[field.name] for field in dataclasses.fields(plugin_class) if field.init})


@_remembered
def _parameter_check(plugin_class: type[Any], key: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # not at the top: --help needs none of it

    return TypeAdapter(_parameter_types(plugin_class)[key])


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    return first["msg"].replace("Input should", "must").replace("must be a valid", "must be a")


def parameters_of(plugin: Any) -> dict[str, Any]:
    """A plug-in's parameters as plain JSON-able values, in field order; of those that came ``LATER`` the set ones."""
    values = {field: getattr(plugin, field.name) for field in dataclasses.fields(plugin) if field.init}
    return {f.name: _plain(v) for f, v in values.items() if not (f.metadata.get("later") and v == f.default)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return full_text(value) if dataclasses.is_dataclass(value) else value


def full_text(plugin: Any) -> str:
    """The canonical text with every parameter spelt out; what run identities hash and records store."""
    if steps := getattr(plugin, "steps", ()):
        return SUM.join(map(full_text, steps))
    return text_of(plugin.kind, parameters_of(plugin))


def short_text(plugin: Any) -> str:
    """The text people read: parameters that differ from their defaults only."""
    if steps := getattr(plugin, "steps", ()):
        return SUM.join(map(short_text, steps))
    defaults = {f.name: _plain(f.default) for f in dataclasses.fields(plugin) if f.default is not dataclasses.MISSING}
    values = parameters_of(plugin)
    values |= {k: short_text(v) for k in values if dataclasses.is_dataclass(v := getattr(plugin, k))}
    return text_of(plugin.kind, {k: v for k, v in values.items() if k not in defaults or v != defaults[k]})


def text_of(kind: str, parameters: Mapping[str, Any]) -> str:
    """The text of a kind and raw parameters; ``parse`` gives them back."""
    if not parameters:
        return kind
    return f"{kind}:" + ",".join(f"{key}={_value_text(value)}" for key, value in parameters.items())


def _value_text(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and _value(value) == value:
        return value
    return json.dumps(value, separators=(",", ":"))

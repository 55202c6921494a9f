"""A family of plug-ins as its source says it, without running it: to import some families takes seconds."""

from __future__ import annotations

import ast
import functools
import importlib.util
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUIRED, NO_PARAMETER = object(), object()
"""Default of a parameter that has none; and of a field that nobody can give."""


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class UnreadableError(Exception):
    """The source does something that only running it can tell; the importing way always can."""


@dataclass(frozen=True)
class Described:
    """A plug-in: its printed name, the first line of its documentation, its parameters with their defaults."""

    name: str
    summary: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class _Class:
    """A class in the module that defines it."""

    module: str
    node: ast.ClassDef


def read_table(package: str, table: str) -> list[Described]:
    """The entries of the dict literal ``table`` in ``package/__init__.py``, in its order.

    Raises:
        UnreadableError: table, class or default is not spelt out in the package's source.
    """
    tree = _tree(package)
    values = [node.value for node in tree.body if _target(node) == table and isinstance(node, ast.AnnAssign)]
    literal = values[0].args[0] if len(values) == 1 and isinstance(values[0], ast.Call) else next(iter(values), None)
    if not isinstance(literal, ast.Dict):
        raise UnreadableError(f"{package}.{table} is no dict literal, bare or in MappingProxyType(...)")
    entries = zip(literal.keys, literal.values, strict=True)
    return [_described(package, ast.literal_eval(_known(key)), value) for key, value in entries]


def _described(package: str, name: str, value: ast.expr) -> Described:
    if not isinstance(value, ast.Name):
        raise UnreadableError(f"{name!r} of {package} is not the name of a class")
    found = _class(package, value.id)
    parameters: dict[str, Any] = {}
    for parent in [*reversed(list(_bases(found))), found]:
        parameters |= _fields(parent)
    summary = (ast.get_docstring(found.node) or "").strip().splitlines()
    if not summary:
        raise UnreadableError(f"{value.id} has no documentation of its own")
    return Described(name, summary[0], {key: one for key, one in parameters.items() if one is not NO_PARAMETER})


def _fields(found: _Class) -> dict[str, Any]:
    """The parameters that a dataclass adds, by its annotations."""
    fields = {}
    for node in found.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            options = _field_options(node.value)
            value = options.get("default") if options else node.value
            if ast.unparse(node.annotation).startswith("ClassVar"):
                continue
            if "init" in options:
                fields[node.target.id] = NO_PARAMETER
            elif "default_factory" in options:
                fields[node.target.id] = _made(options["default_factory"])
            else:
                fields[node.target.id] = REQUIRED if value is None else _value(found.module, value)
    return fields


def _field_options(value: ast.expr | None) -> dict[str | None, ast.expr]:
    """What stands between the brackets of ``field(...)``."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("field", "dataclasses.field"):
        return {keyword.arg: keyword.value for keyword in value.keywords}
    return {}


def _made(factory: ast.expr) -> Any:
    made: dict[str, Any] = {"dict": {}, "list": [], "tuple": ()}
    name = ast.unparse(factory)
    if name not in made:
        raise UnreadableError(f"what {name} makes is no literal")
    return made[name]


def _value(module: str, node: ast.expr | None) -> Any:
    """A literal, pi, a fraction of such, or a constant of the module or of one that it imports from."""
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return ARITHMETIC[type(node.op)](_value(module, node.left), _value(module, node.right))
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "math.pi":
        return math.pi
    if isinstance(node, ast.Name):
        for statement in _tree(module).body:
            if _target(statement) == node.id:
                return _value(module, statement.value)  # type: ignore[attr-defined]
        return _value(*_imported(module, node.id))
    try:
        return ast.literal_eval(_known(node))
    except ValueError:
        raise UnreadableError(f"{ast.unparse(_known(node))} in {module} is no literal") from None


def _bases(found: _Class) -> Iterator[_Class]:
    """Its base classes within this distribution, nearest first."""
    for base in found.node.bases:
        name = ast.unparse(base).partition("[")[0]
        try:
            parent = _class(found.module, name)
        except UnreadableError:
            continue  # ABC, Protocol and the like have no parameters
        yield parent
        yield from _bases(parent)


def _class(module: str, name: str) -> _Class:
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(module, node)
    where, original = _imported(module, name)
    return _class(where, original.id)


def _imported(module: str, name: str) -> tuple[str, ast.Name]:
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name and node.module.split(".")[0] in ("noisylabels", "corruptions"):
                    return node.module, ast.Name(alias.name)
    raise UnreadableError(f"{module} does not say where {name} comes from")


def _target(node: ast.stmt) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _known(node: ast.expr | None) -> ast.expr:
    if node is None:
        raise UnreadableError("nothing is assigned")
    return node


@functools.cache  # one command reads a module many times, and no command outlives a change of it
def _tree(module: str) -> ast.Module:
    package, *others = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UnreadableError(f"{package} cannot be found")
    path = Path(spec.origin).parent.joinpath(*others)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError) as error:
        raise UnreadableError(f"{file} cannot be read ({error})") from None

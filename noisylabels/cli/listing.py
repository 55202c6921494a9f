"""``noisylabels list``: what there is, with parameters and defaults."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

from noisylabels import catalog
from noisylabels.cli import options
from noisylabels.cli.read_tables import REQUIRED, UnreadableError, read_table

FAMILIES = (
    "corruptions",
    "heads",
    "regularisers",
    "losses",
    "strategies",
    "models",
    "metrics",
    "datasets",
    "engines",
    "trackers",
    "detectors",
    "studies",
)
IMAGE_SIDES = (32, 112)
"""Of the images that models are measured for: CIFAR's, and the usual face crop's."""


def list_plugins(
    family: Annotated[str, typer.Argument(help=" | ".join(FAMILIES))],
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Of models: parameters and multiply-adds, counted now (some seconds).")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """List a family of plug-ins: name, parameters with their defaults, first line of the documentation."""
    if family not in FAMILIES:
        raise catalog.UsageError(catalog.unknown("family", family, FAMILIES))
    if sizes and family != "models":
        raise catalog.UsageError(f"--sizes is for models; got {family!r}")
    if sizes:
        rows = [_row(name, plugin) | _sizes(plugin()) for name, plugin in _table(family).items()]
    else:
        rows = _studies() if family == "studies" else _rows(family)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']:20} {row['summary']}")
        if row["parameters"]:
            typer.echo(f"{'':20}   {row['parameters']}")
        if sizes:
            typer.echo(f"{'':20}   {_sizes_in_words(row)}")


def _rows(family: str) -> list[dict[str, Any]]:
    """By the source, where that says all; else by importing the room, whose torch takes seconds."""
    try:
        return [
            {"name": found.name, "parameters": _parameters(found.parameters), "summary": found.summary}
            for found in read_table(_room(family), family.upper())
        ]
    except UnreadableError:
        return [_row(name, plugin) for name, plugin in _table(family).items()]


def _room(family: str) -> str:
    rooms = {"datasets": "data", "regularisers": "heads", "trackers": "tracking", "detectors": "audit"}
    room = rooms.get(family, family)
    return "corruptions" if family == "corruptions" else f"noisylabels.{room}"


def _table(family: str) -> dict[str, type[Any]]:
    """One family's table, importing that room only."""
    from importlib import import_module

    table: dict[str, type[Any]] = getattr(import_module(_room(family)), family.upper())
    return table


def _row(name: str, plugin: type[Any]) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(plugin) if field.init]
    defaults = {f.name: _default(f) for f in fields}
    summary = (plugin.__doc__ or "").strip().splitlines()[0]
    return {"name": name, "parameters": _parameters(defaults), "summary": summary}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def _parameters(defaults: dict[str, Any]) -> str:
    return ",".join(name if value is REQUIRED else f"{name}={_shown(value)}" for name, value in defaults.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _sizes(spec: Any) -> dict[str, Any]:
    """Embedding size of a model with default parameters, and what it counts for colour images of two sizes."""
    from noisylabels.models import model_size

    row: dict[str, Any] = {"embedding_dim": spec.embedding_dim, "sizes": [], "needs": ""}
    try:
        for side in IMAGE_SIDES:
            size = model_size(spec, 3, side)
            counts = {"parameters": size.parameters, "multiply_adds": size.multiply_adds}
            row["sizes"].append({"input": [3, side, side], **counts})
    except catalog.MissingExtraError as error:
        row["needs"] = str(error)
    return row


def _sizes_in_words(row: dict[str, Any]) -> str:
    """One line of what :func:`_sizes` found, in millions."""
    parts = [
        f"at {'x'.join(map(str, size['input']))} {size['parameters'] / 1e6:.2f} M parameters,"
        f" {size['multiply_adds'] / 1e6:,.1f} M multiply-adds"
        for size in row["sizes"]
    ]
    return "; ".join([f"{row['embedding_dim']}-d", *(parts or [row["needs"]])])


def _studies() -> list[dict[str, Any]]:
    import tomllib

    import studies

    rows = []
    for name in studies.names():
        question = tomllib.loads(studies.path(name).read_text(encoding="utf-8")).get("question", "")
        rows.append({"name": name, "parameters": "", "summary": question})
    return rows

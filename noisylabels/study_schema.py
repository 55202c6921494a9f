"""The JSON Schema of a study file, so that editors complete it and mark mistakes.

An editor's TOML plug-in reads it from a first line ``#:schema ./study.schema.json``. It knows keys, types, ranges and
the names of plug-ins; their parameters, and what cannot be combined, only ``noisylabels check`` knows.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from pydantic import BaseModel

from noisylabels.axes import Axes, Method
from noisylabels.metrics import METRICS
from noisylabels.spec import TABLES, RunSpec, TrainSpec
from noisylabels.study import Study

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TABLES_OF_A_STUDY: tuple[type[BaseModel], ...] = (Study, Axes, Method, RunSpec, TrainSpec)


def study_schema() -> dict[str, Any]:
    """The schema of what a study file may say, as JSON-able values; the same on every call."""
    schema = Study.model_json_schema()
    tables = {"Study": schema} | schema["$defs"]
    for model in TABLES_OF_A_STUDY:
        _describe(tables[model.__name__], model)
    for name in ("Axes", "Method", "RunSpec"):
        for field in TABLES:
            if field in tables[name]["properties"]:
                _name_plugin(tables[name]["properties"][field], field)
    for field in ("seed", "noise_seed"):  # a base run has none: they are the study's
        del tables["RunSpec"]["properties"][field]
    fields = {key: {k: v for k, v in field.items() if k != "default"} for key, field in _fields(tables["TrainSpec"])}
    tables["Method"]["properties"]["train"] |= {"properties": fields, "additionalProperties": False}
    schema["properties"]["primary"]["enum"] = list(METRICS)
    del schema["required"], tables["RunSpec"]["required"]  # a folder's name stands in, and an axis of data sets
    schema["anyOf"] = [
        {"required": [table], "properties": {table: {"required": ["dataset"]}}} for table in ("base", "axes")
    ]
    schema["$defs"] |= {field: _plugin_text(field) for field in TABLES}
    return {"$schema": DIALECT, "title": "noisylabels study"} | {k: v for k, v in schema.items() if k != "title"}


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(study_schema(), indent=1) + "\n"


def _fields(table: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(table["properties"].items())


def _describe(table: dict[str, Any], model: type[BaseModel]) -> None:
    """Put what the class's documentation says of itself and of its fields into its schema."""
    said, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")
    table["description"] = _plain(said)
    for names, text in re.findall(r"^    (\w[\w, ]*): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
        for name in names.split(", "):
            if name in table["properties"]:
                table["properties"][name]["description"] = _plain(text)


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "'").split())


def _name_plugin(field: dict[str, Any], kind: str) -> None:
    """Where a field, or each of its items, is a plug-in's text, refer to what such a text is."""
    reference = {"$ref": f"#/$defs/{kind}"}
    if field.get("type") == "array":
        field["items"] = reference
        return
    for key in ("type", "anyOf"):
        field.pop(key, None)
    if field.get("default", "") is None:
        field.pop("default")  # TOML has no null
    field |= reference


def _plugin_text(kind: str) -> dict[str, Any]:
    """The names as they stand, to be completed, or with parameters or sums behind them."""
    names = list(TABLES[kind])
    pattern = rf"^\s*({'|'.join(map(re.escape, names))})\s*(:.*| \+ .*)?$"
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": pattern}], "title": f"a {kind}'s text"}

"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from noisylabels.catalog import UsageError, split_top_level

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder with data sets. Default: $NOISYLABELS_DATA, else data/.")
]
RunsFolder = Annotated[
    Path | None, typer.Option("--runs", help="Folder where runs are kept. Default: $NOISYLABELS_RUNS, else runs/.")
]
Download = Annotated[bool, typer.Option("--download", help="Fetch a public data set that is missing.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other field of a run, e.g. train.epochs=4. Repeatable."),
]


def data_folder(given: Path | None) -> Path:
    """``--data``, else ``$NOISYLABELS_DATA``, else ``data``.

    An explicit folder is put into this process's environment: data sets named by a relative path and the worker
    processes then mean the same place.
    """
    if given:
        os.environ["NOISYLABELS_DATA"] = str(given.absolute())
    return Path(os.environ.get("NOISYLABELS_DATA") or "data")


def runs_folder(given: Path | None) -> Path:
    """``--runs``, else ``$NOISYLABELS_RUNS``, else ``runs``."""
    return given or Path(os.environ.get("NOISYLABELS_RUNS") or "runs")


def plugin_texts(text: str) -> list[str]:
    """Several plug-ins in one option: a part without a colon before its ``=`` is a parameter of the one before.

    >>> plugin_texts('softmax,arcface:margin=0.2,scale=30,cam_softmax')
    ['softmax', 'arcface:margin=0.2,scale=30', 'cam_softmax']
    """
    texts: list[str] = []
    for part in split_top_level(text):
        is_parameter = "=" in part and ":" not in part.partition("=")[0]
        if is_parameter and texts:
            texts[-1] += ("," if ":" in texts[-1] else ":") + part
        else:
            texts.append(part)
    return texts


def numbers(text: str, what: str) -> list[float]:
    """Comma-separated numbers.

    Raises:
        UsageError: a part is not a number.
    """
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"{what} must be numbers separated by commas, such as 0,0.2,0.4; got {text!r}") from None


def apply_settings(values: dict[str, Any], settings: list[str] | None) -> dict[str, Any]:
    """A copy of a run's raw values with every ``a.b=value`` put in; values are JSON where they can be.

    Raises:
        UsageError: a setting is not ``key=value``.
    """
    changed: dict[str, Any] = json.loads(json.dumps(values))
    for setting in settings or []:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set takes key=value, such as train.epochs=4; got {setting!r}")
        *path, last = key.strip().split(".")
        inner = changed
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--set {key}: {part!r} has no fields")
        try:
            inner[last] = json.loads(text)
        except json.JSONDecodeError:
            inner[last] = text
    return changed

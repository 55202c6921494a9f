"""``noisylabels index``: bring a study's index up to date, or build it anew from the run folders."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from noisylabels.cli import options


def index(
    study: Annotated[str, typer.Argument(help="A study that was run here, or a study.toml.")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Read every run's folder, whatever the index says.")
    ] = False,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Bring study.sqlite up to date with the run folders, which are the truth."""
    from noisylabels.cli.planned import indexed

    kept, found, _ = indexed(study, options.runs_folder(runs), rebuild=rebuild)
    if found.notice:
        typer.echo(f"noisylabels: {found.notice}", err=True)
    if as_json:
        typer.echo(json.dumps({"index": str(kept.path), "runs": len(found.rows), "read": found.read}))
    else:
        typer.echo(f"{kept.path}: {len(found.rows)} runs, {found.read} of them read from their folders")

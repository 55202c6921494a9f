"""``noisylabels report``: a study's report, again, from what its runs left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from noisylabels.cli import options


def report(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: the study's runs folder.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for every figure as an SVG file of its own.")] = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Write report.md, report.html and records.jsonl from stored results; missing and broken runs are named.

    Where a study was never run here, its published records (records.jsonl beside its study.toml) are read.
    """
    from noisylabels.cli.stored import known_results, stored_study
    from noisylabels.records import write_records
    from noisylabels.report import write_figures, write_report

    asked, folder = stored_study(study, options.runs_folder(runs))
    results = known_results(study, asked, folder)
    where = out or folder.path
    files = write_report(asked, results, where)
    write_records(where / "records.jsonl", results)
    drawn = [str(file) for file in write_figures(asked, results, figures)] if figures else []
    found, planned = len(results), len(asked.plan())
    if as_json:
        answer: dict[str, Any] = {"html": str(files.html), "markdown": str(files.markdown), "figures": drawn}
        answer |= {"results": found, "planned": planned}
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"report over {found} of {planned} runs: {files.html}\n{files.markdown}")
        if figures:
            typer.echo(f"{len(drawn)} figures: {figures}")

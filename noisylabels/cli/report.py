"""``noisylabels report``: a study's report, again, from what its runs left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from noisylabels.cli import options


def report(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: the study's runs folder.")] = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Write report.md and report.html from the stored results; missing and broken runs are named in it."""
    from noisylabels.cli.stored import stored_study
    from noisylabels.report import write_report

    asked, folder = stored_study(study, options.runs_folder(runs))
    plan = asked.plan()
    results = folder.results(plan)
    done = {result.run_id for result in results}
    failures = [failure for failure in folder.failures(plan) if failure.run_id not in done]
    files = write_report(asked, results + failures, out or folder.path)
    if as_json:
        typer.echo(json.dumps({"html": str(files.html), "markdown": str(files.markdown), "runs": len(results)}))
    else:
        typer.echo(f"report over {len(results)} of {len(plan)} runs: {files.html}\n{files.markdown}")

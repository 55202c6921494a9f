"""``noisylabels status``: how a study stands."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from noisylabels.cli import options
from noisylabels.uncollected import uncollected

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on looking until the study is done.")]
Every = Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks of --watch.")]


def status(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    watch: Watch = False,
    every: Every = 2.0,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """How many runs are done, which are under way, which broke and why, and how long the rest may take."""
    from noisylabels.cli.planned import indexed
    from noisylabels.cli.standing import look
    from noisylabels.cli.standing_text import summary_json, text

    with uncollected():
        index, found, plan = indexed(study, options.runs_folder(runs))
        standing = None if watch else look(index.folder, plan, found.rows)
    if found.notice:
        typer.echo(f"noisylabels: {found.notice}", err=True)
    if standing is None:
        from noisylabels.cli.watching import watch_study

        watch_study(index.folder, plan, found.rows, every=every, as_json=as_json)
        return
    if not as_json:
        typer.echo(text(standing))
        return
    every_run = [
        {"run_id": run.run_id, "state": state, "run": run.label, "reason": row.reason if row else ""}
        for run, state, row in zip(plan, standing.states, (found.rows.get(run.run_id) for run in plan), strict=True)
    ]
    typer.echo(json.dumps(summary_json(standing) | {"runs": every_run}))

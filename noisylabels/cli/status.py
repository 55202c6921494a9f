"""``noisylabels status``: how a study stands."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.cli import options

if TYPE_CHECKING:
    from noisylabels.spec import RunSpec
    from noisylabels.store import RunFolder


def status(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """How many runs are done, which are under way, which broke and why."""
    from noisylabels.cli.stored import stored_study

    asked, folder = stored_study(study, options.runs_folder(runs))
    rows = [_row(folder.run(spec.run_id), spec) for spec in asked.plan()]
    if as_json:
        typer.echo(json.dumps({"study": asked.name, "running": folder.is_locked(), "runs": rows}))
        return
    for row in rows:
        if row["state"] not in ("ok", "waiting"):
            typer.echo("  ".join(row[key] for key in ("run_id", "state", "run", "reason") if row[key]))
    counts = Counter(row["state"].split(",")[0] for row in rows)
    counted = ", ".join(f"{count} {state}" for state, count in counts.items())
    typer.echo(f"{asked.name}: {len(rows)} runs, {counted}; {'running now' if folder.is_locked() else 'not running'}")


def _row(run: RunFolder, spec: RunSpec) -> dict[str, str]:
    from noisylabels.cli.progress import label

    result = run.result() or run.failure()
    epochs = len(run.events())
    begun = f"begun, {epochs} of {spec.train.epochs} epochs" if epochs else "waiting"
    state = str(result.status) if result else begun
    return {"run_id": spec.run_id, "state": state, "run": label(spec), "reason": result.reason if result else ""}

"""``noisylabels sync``: tell a tracker of a study from its folder, at any time, and nothing twice."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options
from noisylabels.cli.interrupted import interruptible
from noisylabels.cli.tracked import Track


def sync(
    study: Annotated[str, typer.Argument(help="A study that was run here, or _train for single runs.")],
    track: Track = "wandb:online",
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Play a study's folder back to a tracker: all runs, and the study as a whole. The folder is the truth.

    Doing it twice does it once; after an outage, or a sweep that was not tracked, it tells of what is missing.
    """
    from noisylabels.cli.tracked import Teller, order, tracker_asked_for
    from noisylabels.tracking.mirror import run_folders

    tracker = tracker_asked_for(track)
    if tracker is None:
        raise UsageError("sync needs somebody to tell: --track wandb:online, wandb or tensorboard; got 'none'")
    folder = options.runs_folder(runs) / study
    if "/" in study or not run_folders(folder):
        raise UsageError(f"{study!r} must be a study that was run here; there is no run in {folder / 'runs'}")
    teller = Teller(order(tracker, folder, options.data_folder(data), is_live=False))
    with interruptible("the same command tells of what is missing"):
        try:
            teller.start()
            came = teller.answer(None)
        finally:
            teller.kill()
    if as_json:
        counts = {"told": came.told, "told_before": came.already}
        counts |= {"unreadable": came.unreadable, "refused": came.refused}
        typer.echo(json.dumps({"study": study, "tracker": tracker.kind, **counts, "problem": came.problem}))
    else:
        typer.echo(f"{study}: {came.told} told to {tracker.kind}, {came.already} told before")
    if came.problem:
        typer.echo(f"noisylabels: {tracker.kind}: {came.problem}; the same command tells of what is missing", err=True)
    if came.left_out:
        log = folder / "tracking" / "log.txt"
        left_out = f"{came.unreadable} runs cannot be read, {came.refused} were not taken"
        typer.echo(f"noisylabels: {left_out}: {log}", err=True)
    if came.problem or came.left_out:
        raise typer.Exit(1)

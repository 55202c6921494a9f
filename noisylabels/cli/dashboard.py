"""``noisylabels dashboard``: a study's Workspace and Report on W&B, or their JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.cli import options

if TYPE_CHECKING:
    from noisylabels.tracking.dashboard import Dashboard


def dashboard(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    noise: Annotated[list[str] | None, typer.Option(help="Show these kinds of noise only. Repeatable.")] = None,
    project: Annotated[str, typer.Option(help="W&B project. Default: the study's family.")] = "",
    entity: Annotated[str, typer.Option(help="W&B user or team. Default: the key's own.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the JSON of both; ask nobody.")] = False,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a Workspace and a Report: degradation, memorisation, compactness, verification, detection, failures.

    Runs are grouped by head and filtered by kind of noise; the horizontal axis is the share of labels really wrong.
    """
    from noisylabels.cli.tracked import tracker_asked_for

    asked = _asked(study, noise, project, entity, runs)
    if dry_run:
        typer.echo(json.dumps(asked.to_json(), indent=None if as_json else 1))
        return
    tracker_asked_for("wandb:online")  # says what is missing
    workspace, report = asked.save()
    if as_json:
        typer.echo(json.dumps({"study": asked.study, "workspace": workspace, "report": report}))
    else:
        typer.echo(f"workspace: {workspace}\nreport:    {report}")


def _asked(name: str, noise: list[str] | None, project: str, entity: str, runs: options.RunsFolder) -> Dashboard:
    """The dashboard of what was measured; of everything, where nothing has been yet."""
    from noisylabels.catalog import UsageError, unknown
    from noisylabels.cli.stored import known_results, stored_study
    from noisylabels.metrics import METRICS
    from noisylabels.tracking.dashboard import Dashboard
    from noisylabels.tracking.describing import noise_kind

    study, folder = stored_study(name, options.runs_folder(runs))
    kinds = list(dict.fromkeys(noise_kind(spec) for spec in study.plan()))
    kinds = [kind for kind in kinds if kind != "clean"] or kinds
    for kind in noise or ():
        if kind not in kinds:
            raise UsageError(unknown("kind of noise", kind, kinds))
    results = known_results(name, study, folder)
    measured = {one.name for result in results for one in result.measurements if one.value is not None}
    chosen = tuple(kind for kind in kinds if not noise or kind in noise)
    return Dashboard(study.name, study.question, chosen, measured or set(METRICS), project, entity)

"""``noisylabels check``: whether a study file is right, and what it plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options


def check(
    study: Annotated[str | None, typer.Argument(help="A study that ships (list studies), or a study.toml.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of study files and stop.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time. Default: one a core.")] = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Read a study file: all its mistakes at once, or what it plans, with an estimate. Nothing is run or loaded."""
    if schema:
        from noisylabels.study_schema import schema_text

        typer.echo(schema_text(), nl=False)
        return
    if study is None:
        raise UsageError("name a study (noisylabels list studies), or give the path of a study.toml")
    from noisylabels.study import Study

    try:
        _say_plan(study, options.runs_folder(runs), workers, as_json)
    except UsageError as error:
        if not Study.file(study).exists():
            raise
        _say_mistakes(Study.file(study), error, as_json)
        raise typer.Exit(UsageError.exit_code) from None


def _say_plan(name: str, runs: Path, workers: int | None, as_json: bool) -> None:
    from noisylabels.engines.local import cores
    from noisylabels.plan_summary import summarise
    from noisylabels.store import StudyFolder
    from noisylabels.study import Study

    asked = Study.find(name)
    summary = summarise(asked, StudyFolder(runs / asked.name))
    at_a_time = workers or cores()
    if as_json:
        typer.echo(json.dumps({"file": str(Study.file(name)), "mistakes": [], **summary.to_json(at_a_time)}))
    else:
        typer.echo(f"{Study.file(name)}: no mistakes\n{summary.text(at_a_time)}")


def _say_mistakes(file: Path, error: UsageError, as_json: bool) -> None:
    """The answer, on stdout: a sentence a line."""
    mistakes = list(getattr(error, "mistakes", [str(error)]))
    if as_json:
        typer.echo(json.dumps({"file": str(file), "mistakes": mistakes}))
        return
    noun = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    typer.echo("\n".join([f"{file}: {noun}", *(f"  {' '.join(text.split())}" for text in mistakes)]))

"""``noisylabels study``: what is done with a study's plan rather than with its runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.cli import options
from noisylabels.cli.examples import examples

if TYPE_CHECKING:
    from noisylabels.frozen_plan import Freeze
    from noisylabels.result import RunResult
    from noisylabels.study import Study

app = typer.Typer(
    help="Freeze a study's plan before it is run, and list what was done otherwise.",
    no_args_is_help=True,
    epilog=examples("study"),
)

StudyName = Annotated[str, typer.Argument(help="A study that ships (list studies), or a study.toml.")]


@app.command(epilog=examples("study freeze"))
def freeze(
    study: StudyName,
    again: Annotated[
        str | None, typer.Option("--again", metavar="REASON", help="Freeze a changed plan once more, and say why.")
    ] = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the plan and its hash to study.frozen.json beside the study's file. Tell somebody the hash: that binds."""
    from noisylabels.frozen_plan import NAME, frozen_again, read_frozen, write_frozen
    from noisylabels.report.verdicts import LEVEL
    from noisylabels.study import Study

    asked = Study.find(study)
    file = Study.file(study).with_name(NAME)
    before = read_frozen(file)
    done = sum(result.status != "failed" for result in _results(study, asked, options.runs_folder(runs)))
    now = datetime.now(UTC)
    frozen = frozen_again(asked, before, level=LEVEL, date=now, reason=again or "", already_done=done)
    if frozen is not before:
        write_frozen(file, frozen)
    if as_json:
        summary = frozen.current.model_dump(mode="json", exclude={"plan"})
        typer.echo(json.dumps({"file": str(file), "is_new": frozen is not before, **summary}))
        return
    typer.echo(_said(asked, frozen.current, file, is_new=frozen is not before))


def _said(study: Study, current: Freeze, file: Path, *, is_new: bool) -> str:
    state = "frozen" if is_new else f"frozen already, on {current.date:%Y-%m-%d}"
    lines = [f"{study.name}: {current.runs} runs, {state}", f"SHA-256 {current.sha256}", f"in {file}"]
    if current.already_done:
        lines.append(
            f"note: {current.already_done} of these runs had results before the freeze; the report will say so"
        )
    return "\n".join(lines)


@app.command(epilog=examples("study deviations"))
def deviations(study: StudyName, runs: options.RunsFolder = None, as_json: options.AsJson = False) -> None:
    """List everything that differs from the frozen plan: fields, runs, seeds, dates. An answer, not a verdict."""
    from noisylabels.cli.stored import stored_study
    from noisylabels.deviations import deviations as compared
    from noisylabels.frozen_plan import frozen_beside
    from noisylabels.report.verdicts import LEVEL
    from noisylabels.study import Study

    root = options.runs_folder(runs)
    asked, folder = stored_study(study, root)
    frozen = frozen_beside(Study.file(study), folder.path)
    if frozen is None:
        typer.echo(json.dumps({"study": asked.name, "frozen": None}) if as_json else f"{asked.name}: not frozen")
        return
    found = compared(asked, frozen, _results(study, asked, root), level=LEVEL)
    if as_json:
        listed = [{"what": one.what, "planned": one.planned, "found": one.found} for one in found.listed]
        now = {"date": frozen.current.date.isoformat(), "sha256": frozen.current.sha256}
        typer.echo(
            json.dumps({"study": asked.name, "frozen": now, "deviations": listed, "cannot_tell": found.cannot_tell})
        )
        return
    lines = [one.text() for one in found.listed] or ["none"]
    typer.echo("\n".join([*lines, *(f"cannot be told: {unknown}" for unknown in found.cannot_tell)]))


def _results(name: str, study: Study, runs: Path) -> list[RunResult]:
    """What was run here of this study, planned or not; else what is published of it."""
    from noisylabels.cli.stored import known_results
    from noisylabels.store import StudyFolder

    folder = StudyFolder(runs / study.name)
    stored = (folder.run(path.parent.name).result() for path in sorted(folder.path.glob("runs/*/result.json")))
    return [result for result in stored if result is not None] or known_results(name, study, folder)

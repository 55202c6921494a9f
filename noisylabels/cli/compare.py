"""``noisylabels compare``: two studies, cell by cell."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from noisylabels.cli import options


def compare(
    first: Annotated[str, typer.Argument(metavar="STUDY_A", help="A study that ships or was run here, or a file.")],
    second: Annotated[str, typer.Argument(metavar="STUDY_B", help="Another one.")],
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Put the cells that two studies share side by side, and say what differs in their plans and in equal runs."""
    from noisylabels.cli.stored import known_results, stored_study
    from noisylabels.report.compared import compare_studies
    from noisylabels.report.markdown import table_lines

    root = options.runs_folder(runs)
    (a, a_folder), (b, b_folder) = stored_study(first, root), stored_study(second, root)
    found = compare_studies(a, known_results(first, a, a_folder), b, known_results(second, b, b_folder))
    if as_json:
        rows = [[{"main": entry.main, "details": entry.details} for entry in row] for row in found.table.rows]
        answer = {"columns": found.table.columns, "rows": rows, "same_runs": found.same_runs}
        answer |= {"differing": found.differing, "changed": found.changed}
        typer.echo(json.dumps(answer | {"only_first": found.only_first, "only_second": found.only_second}))
        return
    for key, (old, new) in found.changed.items():
        typer.echo(f"{key}: {a.name} {old[:200]} | {b.name} {new[:200]}")
    typer.echo(
        f"cells in both: {len(found.table.rows)}; in {a.name} only: {found.only_first}, "
        f"in {b.name} only: {found.only_second}"
    )
    typer.echo(f"runs with one id in both: {found.same_runs}, with other numbers: {len(found.differing)}")
    for run_id in found.differing:
        typer.echo(f"  {run_id}")
    typer.echo("\n" + "\n".join(table_lines(found.table)))

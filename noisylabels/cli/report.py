"""``noisylabels report``: a study's report, again, from what its runs left; and whether a report still says so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.cli import options

if TYPE_CHECKING:
    from noisylabels.result import RunResult
    from noisylabels.store import StudyFolder
    from noisylabels.study import Study

VERIFY = "verify"


def report(
    study: Annotated[
        str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here; or 'verify'.")
    ],
    written: Annotated[
        Path | None, typer.Argument(metavar="[REPORT]", help="After 'verify': report.md, report.html or their folder.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Of html, md, json, pdf, tex (tables), csv, parquet (all measurements).")
    ] = "html,md",
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: the study's runs folder.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for every figure as a file of its own.")] = None,
    figure_formats: Annotated[
        str, typer.Option("--figure-format", help="Of svg, png, pdf, vl.json (Vega-Lite).")
    ] = "svg",
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing: is every byte there what would be written? Exit code 1 if not."),
    ] = False,
    examples: Annotated[
        bool, typer.Option("--examples", help="Show images with wrong labels, too: kept as examples.json beside it.")
    ] = False,
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the report and records.jsonl from stored results; missing and broken runs are named.

    Where a study was never run here, its published records (records.jsonl beside its study.toml) are read.
    --check compares with what lies in their folder (or in --out), and names each file that differs with its first line.
    report verify REPORT computes a written report again from the records beside it and names every line that differs.
    """
    if check and (figures or examples or study == VERIFY):
        raise UsageError("--check is about a study's report and records: leave out --figures, --examples and 'verify'")
    if study == VERIFY:
        _verify(written, as_json=as_json)
        return
    if written is not None:
        raise UsageError(f"one study at a time; got {str(written)!r} too (report verify REPORT checks a written one)")
    from noisylabels.cli.stored import known_results, stored_study
    from noisylabels.records import write_records
    from noisylabels.report import FIGURE_FORMATS, FORMATS, Context, write_figures, write_formats
    from noisylabels.study import Study

    kinds, figure_kinds = _chosen(formats, FORMATS, "format"), _chosen(figure_formats, FIGURE_FORMATS, "figure format")
    asked, folder = stored_study(study, options.runs_folder(runs))
    if check:
        _check(study, asked, folder, kinds, out, as_json=as_json)
        return
    results = known_results(study, asked, folder)
    where = out or folder.path
    context = Context.beside(Study.file(study), folder.path)
    if examples:
        context = dataclasses.replace(context, examples=_examples(asked, options.data_folder(data), where))
    files = write_formats(asked, results, where, kinds, context)
    write_records(where / "records.jsonl", results)
    drawn = [str(file) for file in write_figures(asked, results, figures, figure_kinds)] if figures else []
    found, planned = len(results), len(asked.plan())
    if as_json:
        answer: dict[str, Any] = {"files": {kind: str(file) for kind, file in files.items()}, "figures": drawn}
        answer |= {"html": str(files.get("html", "")), "markdown": str(files.get("md", ""))}
        typer.echo(json.dumps(answer | {"results": found, "planned": planned}))
        return
    typer.echo(f"report over {found} of {planned} runs: " + "\n".join(str(file) for file in files.values()))
    if figures:
        typer.echo(f"{len(drawn)} figures: {figures}")


def _check(
    name: str, study: Study, folder: StudyFolder, formats: list[Any], out: Path | None, *, as_json: bool
) -> None:
    from noisylabels.cli.stored import results_at_home
    from noisylabels.report import Context
    from noisylabels.report.checking import CHECKED, RECORDS, check_report, compared_files
    from noisylabels.study import Study

    for kind in formats:
        if kind not in CHECKED:
            raise UsageError(f"--check compares {', '.join(CHECKED)}, which hang on the results alone; got {kind!r}")
    results, home = results_at_home(name, study, folder)
    if not results:
        raise UsageError(
            f"{study.name} has no results to make its report from (looked for runs in {folder.path / 'runs'} and for "
            f"{Study.file(name).with_name(RECORDS)})"
        )
    where = out or home
    are_read_there = home != folder.path and where.is_dir() and where.samefile(home)
    names = compared_files(where, formats, records=not are_read_there)
    found = check_report(study, results, where, names, Context.beside(Study.file(name), folder.path))
    if as_json:
        changed = [{"file": str(one.file), "line": one.line, "text": one.text} for one in found]
        answer = {"study": study.name, "folder": str(where), "files": names, "runs": len(results)}
        typer.echo(json.dumps(answer | {"same": not found, "differences": changed}))
    elif found:
        typer.echo("\n".join(map(str, found)))
    else:
        typer.echo(f"{where}: {', '.join(names)} are, byte for byte, what {len(results)} stored runs give")
    if found:
        raise typer.Exit(1)


def _examples(study: Study, root: Path, folder: Path) -> tuple[Any, ...]:
    from noisylabels.atomic import write_atomically
    from noisylabels.report.noise_examples import FILE, draw_examples, to_file

    drawn = draw_examples(study.plan(), root)
    write_atomically(folder / FILE, to_file(drawn))
    return drawn


def _chosen(text: str, known: tuple[Any, ...], what: str) -> list[Any]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(catalog.unknown(what, name, known))
    if not names:
        raise UsageError(f"give a {what} at least, of {', '.join(known)}")
    return list(dict.fromkeys(names))


def _verify(written: Path | None, *, as_json: bool) -> None:
    if written is None:
        raise UsageError("report verify needs a report: a report.md, a report.html, or the folder of both")
    from noisylabels.report import Context
    from noisylabels.report.verification import verify_report

    files = [written] if written.is_file() else [written / name for name in ("report.md", "report.html")]
    files = [file for file in files if file.is_file()]
    if not files:
        raise UsageError(f"no report at {written} (looked for report.md and report.html)")
    folder = files[0].parent
    study, results = _beside(folder)
    context = Context.beside(folder / "study.toml", folder)
    found = {str(file): verify_report(study, results, file, context) for file in files}
    if as_json:
        typer.echo(json.dumps({"verified": not any(found.values()), "runs": len(results), "differences": found}))
    else:
        for name, differences in found.items():
            said = "\n".join(differences) or f"every line is what {len(results)} stored runs say"
            typer.echo(f"{name}: {said}")
    if any(found.values()):
        raise typer.Exit(1)


def _beside(folder: Path) -> tuple[Study, list[RunResult]]:
    """The study and the results that lie in a report's folder."""
    from noisylabels.records import read_records
    from noisylabels.store import StudyFolder
    from noisylabels.study import Study

    stored, published = folder / "study.json", folder / "study.toml"
    if stored.is_file():
        study = Study.model_validate_json(stored.read_bytes())
    elif published.is_file():
        study = Study.from_toml(published)
    else:
        raise UsageError(
            f"no study beside the report in {folder} (looked for study.json and study.toml); of a study that ships, "
            "noisylabels report STUDY --check answers the same"
        )
    if (folder / "runs").is_dir():
        return study, StudyFolder(folder).known(study.plan())
    if not (folder / "records.jsonl").is_file():
        raise UsageError(f"no results beside the report in {folder} (looked for runs/ and records.jsonl)")
    return study, read_records(folder / "records.jsonl")

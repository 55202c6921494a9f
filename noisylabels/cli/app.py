"""The Typer app and its door: errors become one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from noisylabels.cli import (
    audit,
    check,
    compare,
    corrupt,
    dashboard,
    data,
    doctor,
    export_sweep,
    index,
    init,
    listing,
    power,
    report,
    reproduce,
    status,
    study,
    sweep,
    sync,
    train,
    tune,
    verify,
)
from noisylabels.cli.examples import examples
from noisylabels.system_error import system_error

EXAMPLES = """\
How much does a representation learner lose when its training labels are wrong?

[bold]Examples[/bold]

  noisylabels sweep quickstart            a study: plan, run, resume, report
  noisylabels sweep --dataset digits --rate 0,0.4 --head softmax,cam_softmax
  noisylabels train --dataset digits --corruption symmetric:rate=0.4
  noisylabels corrupt --dataset digits --corruption symmetric:rate=0.2 --out x
  noisylabels list heads

[bold]Exit codes[/bold]  0 done, 1 some runs failed, 2 usage or bad study, 3 missing data or extra,
4 study locked by another process, 5 store corrupt, 130 interrupted.
"""

app = typer.Typer(
    name="noisylabels",
    help=EXAMPLES,
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("sweep", epilog=examples("sweep"))(sweep.sweep)
app.command("train", epilog=examples("train"))(train.train)
app.add_typer(corrupt.app, name="corrupt")
app.add_typer(data.app, name="data")
app.add_typer(audit.app, name="audit")
app.command("report", epilog=examples("report"))(report.report)
app.command("compare", epilog=examples("compare"))(compare.compare)
app.command("status", epilog=examples("status"))(status.status)
app.command("verify", epilog=examples("verify"))(verify.verify)
app.command("init", epilog=examples("init"))(init.init)
app.command("check", epilog=examples("check"))(check.check)
app.command("tune", epilog=examples("tune"))(tune.tune)
app.command("reproduce", epilog=examples("reproduce"))(reproduce.reproduce)
app.command("index", epilog=examples("index"))(index.index)
app.command("sync", epilog=examples("sync"))(sync.sync)
app.command("dashboard", epilog=examples("dashboard"))(dashboard.dashboard)
app.command("export-sweep", epilog=examples("export-sweep"))(export_sweep.export_sweep)
study.app.command("power", epilog=examples("study power"))(power.power)
app.add_typer(study.app, name="study")
app.command("list", epilog=examples("list"))(listing.list_plugins)
app.command("doctor", epilog=examples("doctor"))(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"noisylabels {version('noisylabels')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks instead of one-line errors.")] = False,
) -> None:
    """Label-noise robustness studies."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; every error is one line on stderr and an exit code, unless ``--debug`` asks for more."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another in its place
    try:
        code = app(standalone_mode=False)
        _flush()
    except SystemExit:
        code = 0  # Typer's only exit in this mode: the reader of stdout (head, less) has left. Nothing is wrong.
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        sentence, code = _complaint(error)
        sys.stderr.write(f"noisylabels: {' '.join(sentence.split())}\n")
    _give_up_what_cannot_be_written()
    sys.exit(code if isinstance(code, int) else 0)


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _give_up_what_cannot_be_written() -> None:
    """Python would try it again on its way out, and complain a second time."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _complaint(error: Exception) -> tuple[str, int]:
    """An error in one sentence, and its exit code."""
    if hasattr(error, "exit_code"):
        usage = getattr(error, "format_message", None)  # Typer's own errors: options, arguments, commands
        if usage is None:
            return str(error), int(error.exit_code)
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "noisylabels"
        return f"{usage()} ({where} --help tells more)", int(error.exit_code)
    if isinstance(error, OSError):
        return system_error(error), 1
    return f"internal error, please report it (noisylabels --debug ... shows where): {type(error).__name__}: {error}", 1

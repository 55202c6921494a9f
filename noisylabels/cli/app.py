"""The Typer app and its door: errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from noisylabels.cli import corrupt, doctor, listing, report, status, sweep, train

EXAMPLES = """\
How much does a representation learner lose when its training labels are wrong?

[bold]Examples[/bold]

  noisylabels sweep quickstart                         a study by name: plan, run, resume, report
  noisylabels sweep --dataset cifar10:per_class=500 --corruption symmetric --rate 0,0.2,0.4 --head softmax,cam_softmax
  noisylabels train --dataset digits --corruption symmetric:rate=0.4 --head cam_softmax
  noisylabels corrupt --dataset digits --corruption identity_merge:rate=0.2 --out merged
  noisylabels list heads

[bold]Exit codes[/bold]  0 done, 1 some runs failed, 2 usage or bad study, 3 missing data or extra,
4 study locked by another process, 5 store corrupt, 130 interrupted.
"""

app = typer.Typer(
    name="noisylabels",
    help=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("sweep")(sweep.sweep)
app.command("train")(train.train)
app.command("corrupt")(corrupt.corrupt)
app.command("report")(report.report)
app.command("status")(status.status)
app.command("list")(listing.list_plugins)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"noisylabels {version('noisylabels')}")
        raise typer.Exit


@app.callback()
def root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks instead of one-line errors.")] = False,
) -> None:
    """Label-noise robustness studies."""


def main() -> None:
    """Run the command line; every error is one line on stderr and an exit code, unless ``--debug`` asks for more."""
    try:
        app()
    except BrokenPipeError:
        # The reader (head, less) has left; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        code = getattr(error, "exit_code", None)
        name = "" if code else f"internal error, please report it (--debug shows where): {type(error).__name__}: "
        sys.stderr.write(f"noisylabels: {name}{' '.join(str(error).split())}\n")
        sys.exit(code or 1)

"""``status --watch``: a live table on a terminal, a line a change elsewhere, until the study is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from noisylabels.cli.interrupted import interruptible
from noisylabels.cli.standing import BROKEN, Listed, Standing, SteadyClock, look
from noisylabels.cli.standing_text import duration, printable, run_lines, summary, summary_json, text
from noisylabels.index import Planned, current_rows
from noisylabels.run_row import Row


def watch_study(folder: Path, plan: Sequence[Planned], rows: Mapping[str, Row], *, every: float, as_json: bool) -> None:
    """Look again and again, and say what is new; returns when no run is left.

    Args:
        folder: the study's.
        plan: its runs.
        rows: what their folders said at the first look.
        every: seconds between two looks.
        as_json: one JSON object a change.

    Raises:
        InterruptedByUserError: Ctrl-C; the study goes on.
    """
    console = Console()
    standings = _standings(folder, plan, rows, every)
    with interruptible("only the watching ends here, the study does not"):
        if as_json or not console.is_terminal or console.is_dumb_terminal:
            _print_changes(standings, (lambda now: json.dumps(summary_json(now))) if as_json else summary)
        else:
            _draw(standings, console)


def _standings(folder: Path, plan: Sequence[Planned], rows: Mapping[str, Row], every: float) -> Iterator[Standing]:
    """How the study stands, look by look; the last one is of a study that is done.

    Each look reads the times of all run folders, and those runs only that changed or are under way; the index is
    not asked again.
    """
    clock = SteadyClock.now()
    while True:
        standing = look(folder, plan, rows, elapsed=clock.since)
        yield standing
        if not standing.left:
            return
        time.sleep(every)
        rows, _ = current_rows(folder, rows)


def _print_changes(standings: Iterator[Standing], line: Callable[[Standing], str]) -> None:
    before: tuple[object, ...] = ()
    for standing in standings:
        now = (list(standing.states), standing.is_supervised, [run.epochs for run in standing.listed])
        if now != before:
            typer.echo(line(standing))
        before = now


def _draw(standings: Iterator[Standing], console: Console) -> None:
    last = None
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for last in standings:
            live.update(_page(last, console.height), refresh=True)
    if last is not None:
        console.print(Text(text(last)), soft_wrap=True)


def _page(standing: Standing, height: int) -> Group:
    """What fits on a screen: the whole in a line, what is under way, what broke last."""
    under_way = [run for run in standing.listed if run.state not in BROKEN]
    broken = [run for run in standing.listed if run.state in BROKEN]
    room = max(1, height // 2 - 4)
    parts: list[Text | Table] = [Text(summary(standing)), _table(under_way[:room])]
    if len(under_way) > room:
        parts.append(Text(f"... and {len(under_way) - room} more"))
    lines = [line for run in broken for line in run_lines(run)]
    return Group(*parts, Text("\n".join(lines[:room]), no_wrap=True, overflow="ellipsis"))


def _table(under_way: Sequence[Listed]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    for column in ("epoch", "sign of life"):
        table.add_column(column, justify="right")
    for run in under_way:
        sign = f"{duration(run.silent_seconds)} ago" if run.state == "running" else "dead"
        table.add_row(Text(printable(run.run.label)), f"{run.epochs}/{run.run.epochs}", sign)
    return table

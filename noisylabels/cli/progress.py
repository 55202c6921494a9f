"""A sweep's progress on stderr: a live table on a terminal, a line a run elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from noisylabels.engines.local import Progress
from noisylabels.spec import RunSpec


class SweepProgress:
    """Shows how a sweep stands each time ``update`` is called.

    Args:
        planned: runs in the study, done ones included.
        todo: those this sweep will do.
        quiet: show nothing.
    """

    def __init__(self, planned: int, todo: Sequence[RunSpec], *, quiet: bool) -> None:
        self.planned, self.todo, self.quiet = planned, len(todo), quiet
        self.ended = 0
        self.started = time.monotonic()
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, transient=True) if self.console.is_terminal and not quiet else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def update(self, progress: Progress) -> None:
        """Redraw, or write a line for each run that ended."""
        self.ended += len(progress.ended)
        if self.live:
            self.live.update(self._table(progress))
        elif not self.quiet:
            for spec in progress.ended:
                sys.stderr.write(f"[{self.ended}/{self.todo}] {label(spec)} ended\n")
                sys.stderr.flush()

    def _table(self, progress: Progress) -> Table:
        elapsed = time.monotonic() - self.started
        table = Table(
            title=f"{self.planned - self.todo + self.ended} of {self.planned} runs done", title_justify="left"
        )
        for column in ("running", "epoch"):
            table.add_column(column)
        for spec, epochs in progress.running:
            table.add_row(label(spec), f"{epochs}/{spec.train.epochs}")
        left = "" if not self.ended else f", about {elapsed / self.ended * (self.todo - self.ended) / 60:.1f} min left"
        table.caption = f"{progress.waiting} waiting; {elapsed / 60:.1f} min{left}"
        return table


def label(spec: RunSpec) -> str:
    """A run in a line."""
    return f"{spec.short('dataset')} {spec.method} {spec.short('corruption')} seed {spec.seed}"

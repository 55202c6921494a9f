"""A sweep's progress on stderr: a live table on a terminal, a line a run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from noisylabels.engines.engine import Progress
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder


class SweepProgress:
    """Shows how a sweep stands each time ``update`` is called.

    Args:
        planned: runs in the study, done ones included.
        todo: those this sweep will do.
        folder: where their results appear.
        quiet: show nothing.
    """

    def __init__(self, planned: int, todo: Sequence[RunSpec], folder: StudyFolder, *, quiet: bool) -> None:
        self.planned, self.todo, self.folder, self.quiet = planned, len(todo), folder, quiet
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
        """Redraw; write a line for each run that ended, on a terminal only for those that did not end well."""
        for spec in progress.ended:
            self.ended += 1
            how = self._how(spec)
            if self.live is None or how != "ok":
                self._say(f"[{self.ended}/{self.todo}] {label(spec)}: {how}")
        for spec, reason in progress.retried:
            self._say(f"again: {label(spec)}: {reason}")
        if self.live:
            self.live.update(self._table(progress))

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.console.print(line, markup=False, soft_wrap=True)

    def _how(self, spec: RunSpec) -> str:
        run = self.folder.run(spec.run_id)
        result = run.result() or run.failure()
        if result is None or result.status == "ok":
            return "ok" if result else "no result"
        log = f" (see {run.path / 'log.txt'})" if result.status == "failed" else ""
        return f"{result.status}: {result.reason}{log}"

    def _table(self, progress: Progress) -> Table:
        elapsed = time.monotonic() - self.started
        table = Table(
            title=f"{self.planned - self.todo + self.ended} of {self.planned} runs done", title_justify="left"
        )
        for column in ("running", "epoch"):
            table.add_column(column)
        for spec in progress.running:
            epochs = self.folder.run(spec.run_id).epochs_logged()
            table.add_row(Text(label(spec)), f"{epochs}/{spec.train.epochs}")
        left = "" if not self.ended else f", about {elapsed / self.ended * (self.todo - self.ended) / 60:.1f} min left"
        table.caption = f"{progress.waiting} waiting; {elapsed / 60:.1f} min{left}"
        return table


def label(spec: RunSpec) -> str:
    """A run in a line."""
    return f"{spec.short('dataset')} {spec.method} {spec.short('corruption')} {seeds(spec)}"


def seeds(spec: RunSpec) -> str:
    """A run's seed, and that of its labels where it is another one."""
    return f"seed {spec.seed}" if spec.seed == spec.noise_seed else f"seed {spec.seed}, labels {spec.noise_seed}"

"""Progress of something that is counted, on stderr: a bar on a terminal, a line at every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def counted(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A function to be told how many are done, and of how many.

    Args:
        what: is counted.
        quiet: show nothing.
    """
    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        yield _Lines(console, what).update
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what)
        yield lambda done, count: progress.update(task, completed=done, total=count)


class _Lines:
    def __init__(self, console: Console, what: str) -> None:
        self.console, self.what, self.tenth = console, what, 0

    def update(self, done: int, count: int) -> None:
        tenth = 10 * done // max(count, 1)
        if tenth > self.tenth:
            self.tenth = tenth
            self.console.print(f"{done:,} of {count:,} {self.what}", markup=False, highlight=False)

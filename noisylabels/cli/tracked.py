"""Beside a command, a process that tells a tracker what the study's folder says; the command does not depend on it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

Track = Annotated[
    str,
    typer.Option(
        "--track",
        metavar="NAME[:KEY=VALUE...]",
        help="Show runs in a tracker as they go on: none, wandb, wandb:online, tensorboard.",
    ),
]
END_SECONDS = 30.0
"""How long a command waits at its end for the tracker to have been told everything."""

INTERRUPTED_SECONDS = 5.0
"""The same after Ctrl-C."""

if TYPE_CHECKING:
    from noisylabels.spec import RunSpec
    from noisylabels.store import StudyFolder
    from noisylabels.tracking import Tracker
    from noisylabels.tracking.child import Order
    from noisylabels.tracking.following import Came


def tracker_asked_for(text: str) -> Tracker | None:
    """The tracker, or None for ``none``; what it lacks is said before anything runs.

    Raises:
        UsageError: no such tracker.
        MissingExtraError: its client, or a key, is not there.
    """
    if text == "none":
        return None
    from noisylabels.tracking import NoTracker, tracker_named

    tracker = tracker_named(text)
    if isinstance(tracker, NoTracker):
        return None
    tracker.check()
    return tracker


def order(tracker: Tracker, folder: Path, data: Path, *, is_live: bool, only: tuple[str, ...] = ()) -> Order:
    """What the other process is to do.

    Args:
        tracker: whom to tell.
        folder: the study's; its name is the study's name.
        data: the data folder.
        is_live: whether to go on until it is told to end.
        only: ids of the runs to tell of; empty for all.
    """
    from noisylabels.cli.tracked_study import study_view
    from noisylabels.tracking.child import Order
    from noisylabels.tracking.following import ended_attempts

    folder.mkdir(parents=True, exist_ok=True)
    place = folder.absolute()
    before = ended_attempts(place, only) if is_live else {}
    return Order(place, place.name, tracker, data.absolute(), study_view, is_live, only, before)


def order_for(
    tracker: Tracker | None, folder: StudyFolder, specs: Sequence[RunSpec], data: Path, *, only: bool, quiet: bool
) -> Order | None:
    """What is to be told while those runs go on; None where there is nobody to tell, or nothing to do.

    Args:
        tracker: whom to tell.
        folder: the study's.
        specs: the runs the command is about.
        data: the data folder.
        only: whether there may be others that it is not about.
        quiet: do not say that there is nothing.
    """
    if tracker is None:
        return None
    if all(folder.run(spec.run_id).has_result() for spec in specs):
        if not quiet:
            _say(f"nothing to track: all is done; noisylabels sync {folder.path.name} --track ... tells of it")
        return None
    ids = tuple(spec.run_id for spec in specs) if only else ()
    return order(tracker, folder.path, data, is_live=True, only=ids)


@contextlib.contextmanager
def telling(asked: Order | None, *, quiet: bool) -> Iterator[None]:
    """Let the other process tell while the body runs, and a moment longer; whatever becomes of it, only a line is said.

    Args:
        asked: None for nobody.
        quiet: say nothing where all went well.
    """
    if asked is None:
        yield
        return
    teller = Teller(asked)
    try:
        teller.start()
    except OSError as error:
        _say(f"not tracked: {error.strerror or error}; noisylabels sync {asked.study} does it later")
        yield
        return
    try:
        yield
    except BaseException:
        _report(asked, teller.end(INTERRUPTED_SECONDS), quiet=quiet)
        raise
    _report(asked, teller.end(END_SECONDS), quiet=quiet)


def _report(asked: Order, came: Came, *, quiet: bool) -> None:
    kind = asked.tracker.kind
    if came.problem:
        _say(
            f"tracking by {kind} stopped: {came.problem}; no run is the worse for it, and "
            f"noisylabels sync {asked.study}{'' if kind == 'wandb' else f' --track {kind}'} tells of what is missing"
        )
    elif came.left_out:
        _say(f"{came.left_out} runs were not told to {kind}: see {asked.folder / 'tracking' / 'log.txt'}")
    elif not quiet:
        sys.stderr.write(f"tracked by {kind}: {came.told} {'run' if came.told == 1 else 'runs'}\n")


def _say(line: str) -> None:
    sys.stderr.write(f"noisylabels: {line}\n")


class Teller:
    """The other process, seen from this one.

    Args:
        asked: what it is to do.
    """

    def __init__(self, asked: Order) -> None:
        self.asked = asked
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Begin.

        Raises:
            OSError: the system gives no further process.
        """
        from noisylabels.engines.supervised import main_module_left_alone, worker_context
        from noisylabels.tracking.child import telling_process

        context = worker_context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=telling_process, args=(self.asked, theirs), name="tracking")  # type: ignore[attr-defined]
        with theirs, main_module_left_alone():
            try:
                self._process.start()
            except EOFError:  # the fork server could not fork
                raise OSError(errno.EAGAIN, "no further process could be started") from None

    def end(self, seconds: float | None) -> Came:
        """Ask it to come to an end, and kill it if it does not; a KeyboardInterrupt kills it at once.

        Args:
            seconds: how long to wait; None for as long as it takes.
        """
        try:
            with contextlib.suppress(OSError):
                self._pipe.send("end")
            return self.answer(seconds)
        finally:
            self.kill()

    def answer(self, seconds: float | None) -> Came:
        """What it came to, once it says so."""
        from noisylabels.tracking.following import Came

        try:
            if not self._pipe.poll(seconds):
                return Came(problem=f"it did not come to an end within {seconds:g} s")
            came: Came = self._pipe.recv()
        except (EOFError, OSError):
            return Came(problem="its process died")
        return came

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.pid is not None:
            if self._process.is_alive() and self._process.exitcode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()

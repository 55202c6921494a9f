"""The process that tells a tracker of a study: forked off, out of everybody's way, gone with whoever started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from noisylabels.ownership import claimed
from noisylabels.tracking.following import HERE, Came, follow, play_back
from noisylabels.tracking.ledger import Told
from noisylabels.tracking.mirror import Telling
from noisylabels.tracking.shareable import without_places
from noisylabels.tracking.study_view import StudyView
from noisylabels.tracking.tracker import Tracker
from noisylabels.tracking.training_images import TrainingImages

ORPHAN_SECONDS = 10.0
"""How long it may go on after its parent is gone: enough to close what is open."""

NICE = 5
"""Runs come first; but a machine whose every core has a run would leave a process of the lowest priority nothing."""

LOG = Path("tracking") / "log.txt"


@dataclass(frozen=True)
class Order:
    """What is to be told.

    Attributes:
        folder: the study's, absolute.
        study: its name.
        tracker: to whom.
        data: the data folder, absolute.
        view: makes the study as a whole from its folder; a function of a module, for it is carried by name.
        is_live: whether to go on until told to end.
        only: ids of the runs to tell; empty for all.
        before: attempts that had ended when the order was given, which are left alone.
    """

    folder: Path
    study: str
    tracker: Tracker
    data: Path
    view: Callable[[Path], StudyView | None]
    is_live: bool
    only: tuple[str, ...] = ()
    before: Mapping[str, int] = field(default_factory=dict)


def telling_process(order: Order, pipe: Connection) -> None:
    """Tell, and send what it came to through the pipe; whatever comes through it, or its end, means: come to an end."""
    _step_aside()
    _settle_in(order)
    over = threading.Event()
    threading.Thread(target=_leave_with_parent, args=(pipe, over), daemon=True).start()
    came = _told(order, over)
    _say(
        came.problem or f"{came.told} told, {came.already} before, {came.unreadable} unreadable, {came.refused} refused"
    )
    with contextlib.suppress(OSError):
        pipe.send(came)
    # The client's own exit handlers would try once more, and for as long as they like, what has failed.
    os._exit(0)


def _told(order: Order, over: threading.Event) -> Came:
    lock = LOG.parent / (order.only[0] if order.only else "")
    try:
        with claimed(lock) as is_ours:
            if not is_ours:
                return Came(problem="another process tells of this study already")
            told = Told(HERE, order.tracker.destination())
            telling = Telling(order.tracker, order.study, told, TrainingImages(order.data), order.is_live)

            def view() -> StudyView | None:
                return order.view(HERE) if not order.only else None

            if order.is_live:
                return follow(telling, over.wait, view, _say, only=order.only, before=order.before)
            return play_back(telling, view, _say, only=order.only)
    except BaseException as error:
        return Came(problem=without_places(f"{type(error).__name__}: {error}".splitlines()[0]))


def _step_aside() -> None:
    """No share of a Ctrl-C, of a terminal that closes, or of a processor that a run could use."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICE)


def _settle_in(order: Order) -> None:
    """Into the study's folder, with its output in a file there and nothing to read from."""
    os.chdir(order.folder)
    os.environ.update(order.tracker.environment())
    os.environ["NOISYLABELS_DATA"] = str(order.data)
    LOG.parent.mkdir(exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with LOG.open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _leave_with_parent(pipe: Connection, over: threading.Event) -> None:
    """Wait for a word or for the pipe's end; an orphan has a moment to close what is open."""
    try:
        pipe.recv()
        over.set()
    except (EOFError, OSError):
        over.set()
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)


def _say(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sys.stderr.write(f"{now} {line}\n")
    sys.stderr.flush()

"""The body of a local worker: a process for one attempt, that dies with its supervisor and stops when told to."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection, wait

from noisylabels.attempts import Ledger
from noisylabels.engines.heartbeat import Heartbeat
from noisylabels.engines.worker import Place, attempt
from noisylabels.store import RunFolder

NOTHING_TO_DO = 75
"""Exit code of a worker that found the run done, or another process at it."""

SHOW_STACKS = signal.SIGUSR1
"""Upon it, a worker writes where all its threads are into its log; one that hangs is asked before it is killed."""


def worker_process(folder: RunFolder, place: Place, pipe: Connection) -> None:
    """One attempt; what came of it is in the run's folder.

    SIGTERM asks it to stop at the end of its epoch. Ctrl-C and a terminal that closes are the supervisor's business.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    faulthandler.enable(file=2)
    faulthandler.register(SHOW_STACKS, file=2, all_threads=True)
    ledger = Ledger(folder.path, engine="local")
    _die_with_parent(folder, ledger)
    ended = attempt(folder, place, ledger, beat=Heartbeat(pipe).beat, stop=stop)
    sys.exit(NOTHING_TO_DO if ended is None else 0 if ended.outcome == "done" else 1)


def _die_with_parent(folder: RunFolder, ledger: Ledger) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        try:
            ledger.end(*(("done", "") if folder.has_result() else ("killed", "its supervisor died")))
        finally:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

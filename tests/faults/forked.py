"""The command line in a process that can be killed, without importing torch anew: a fork of the tests' own."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from noisylabels.cli import main, sweeping
from noisylabels.engines.supervised import worker_context
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.faults.haunted import HauntedStudy

PATIENCE_SECONDS = 150.0
"""Processor time may be scarce where tests run; nothing waits so long where it is not."""


@dataclass(frozen=True)
class Command:
    """A command under way.

    Attributes:
        pid: also its process group.
        errors: where its stderr goes.
    """

    pid: int
    errors: Path

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def exit_code(self) -> int:
        """Waits for it; negative for a signal."""
        ended: list[int] = []

        def has_ended() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            ended.extend([os.waitstatus_to_exitcode(status)] if pid else [])
            return bool(pid)

        wait_for(has_ended)
        return ended[0]

    def is_running(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def command(errors: Path, *arguments: object, ignored: Sequence[signal.Signals] = (), reports: bool = False) -> Command:
    """Start ``noisylabels ARGUMENTS``, on a haunted store; it uses the tests' server of worker processes.

    Args:
        errors: file for stdout and stderr.
        arguments: of the command line.
        ignored: signals that it ignores from the beginning, as under ``nohup``.
        reports: whether the report is a real one, which takes seconds; else it says how many results it is of.
    """
    worker_context()
    multiprocessing.forkserver.ensure_running()
    with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns of forks beside threads: these do not compute
        pid = os.fork()
    if pid:
        return Command(pid, errors)
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        _own_the_fork_server()
        sweeping.study_folder = lambda study, runs: HauntedStudy(runs / study.name)  # type: ignore[assignment]
        if not reports:
            sweeping.write_current = _count_results
        sys.argv = ["noisylabels", *map(str, arguments)]
        main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    finally:
        os._exit(99)


def _count_results(study: Study, plan: Sequence[RunSpec], folder: StudyFolder, results: Sequence[RunResult]) -> None:
    (folder.path / "report.md").write_text(f"of {len(results)} results")


def _own_the_fork_server() -> None:
    """The server is the parent's child, and Python asks whether it lives by waiting for it: wait for a stand-in.

    It ends with this process.
    """
    reader, writer = os.pipe()
    stand_in = os.fork()
    if stand_in == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    multiprocessing.forkserver._forkserver._forkserver_pid = stand_in  # type: ignore[attr-defined]


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Processes whose parent that is, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found

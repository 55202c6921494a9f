"""The local engine: one fresh process a run, as many at a time as asked; a dead worker costs its run only."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from noisylabels.engines.worker import Place, worker_process
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands.

    Attributes:
        waiting: how many runs have not begun.
        running: those under way, with the number of finished epochs.
        ended: those that ended since the last look.
    """

    waiting: int
    running: tuple[tuple[RunSpec, int], ...]
    ended: tuple[RunSpec, ...]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_locally(
    specs: Sequence[RunSpec],
    folder: StudyFolder,
    place: Place,
    *,
    workers: int,
    observe: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Run all specs, ``workers`` at a time; what came of each is in the store.

    A KeyboardInterrupt ends all workers and is passed on; finished runs stay finished.
    """
    waiting = list(specs)
    running: dict[BaseProcess, RunSpec] = {}
    context = _context()
    with _ended_on_the_way_out(running):
        while waiting or running:
            while waiting and len(running) < workers:
                spec = waiting.pop(0)
                running[_start(context, spec, folder.run(spec.run_id), place)] = spec
            wait([process.sentinel for process in running], timeout=POLL_SECONDS)
            ended = [process for process in running if not process.is_alive()]
            finished = tuple(_bury(process, running.pop(process), folder) for process in ended)
            under_way = tuple((spec, len(folder.run(spec.run_id).events())) for spec in running.values())
            observe(Progress(len(waiting), under_way, finished))


def _context() -> multiprocessing.context.BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server imports torch once, touches no device and starts no thread; a run's process is a fork of it.
    context.set_forkserver_preload(["noisylabels.engines.preload"])
    return context


def _start(context: multiprocessing.context.BaseContext, spec: RunSpec, folder: RunFolder, place: Place) -> BaseProcess:
    folder.begin(spec)
    process: BaseProcess = context.Process(target=worker_process, args=(folder, place), name=spec.run_id)  # type: ignore[attr-defined]
    process.start()
    return process


def _bury(process: BaseProcess, spec: RunSpec, folder: StudyFolder) -> RunSpec:
    process.join()
    run = folder.run(spec.run_id)
    if run.result() is None and run.failure() is None:
        run.fail(_cause_of_death(process.exitcode or 0))
    return spec


def _cause_of_death(exit_code: int) -> str:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{hint}"
    return f"the worker exited with code {exit_code} and left no result"


@contextmanager
def _ended_on_the_way_out(running: dict[BaseProcess, RunSpec]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join(5)
            if process.is_alive():
                process.kill()

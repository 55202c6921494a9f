"""Many command lines in odd surroundings for the price of one start: run as a program, it forks one process for each.

    python forked_commands.py WORK      # reads WORK/cases.json, leaves NAME.out and NAME.err there, prints exit codes

It imports what runs will import first, as the fork server does, and answers for that import too: under the name
``server``, which threads there are and whether a device was touched.
"""

from __future__ import annotations

import json
import os
import pwd
import resource
import signal
import sys
import traceback
from pathlib import Path


def main(work: Path) -> None:
    from importlib import import_module

    import_module("noisylabels.engines.preload")
    threads = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    answers: dict[str, object] = {"server": [threads, sys.modules["torch"].cuda.is_initialized()]}
    for module in ("noisylabels.cli", "noisylabels.cli.sweeping", "noisylabels.report"):
        import_module(module)
    cases = json.loads((work / "cases.json").read_text())
    for name, case in cases.items():
        child = os.fork()
        if not child:
            os._exit(in_surroundings(case["command"], case["surroundings"], work / name))
        answers[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(answers))


def in_surroundings(command: list[str], surroundings: list[str], where: Path) -> int:
    """Run one command; its exit code, with what Python says on its way out."""
    signal.alarm(200)
    sys.argv = ["noisylabels", *command]
    for number, ending in ((1, ".out"), (2, ".err")):
        redirect(where.with_suffix(ending), number)
    for name in surroundings:
        SURROUNDINGS[name]()
    if sys.stdout is not None:  # as a start of its own would open it: it knows what kind of file it writes to
        sys.stdout = open(1, "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    try:
        sys.modules["noisylabels.cli"].main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 70
    return code if flushed() else 120


def flushed() -> bool:
    """As the interpreter does at its end, whose exit code is 120 where that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        sys.stderr.write("Exception ignored in: <stdout>\n")
        return False
    return True


def redirect(file: Path | str, number: int) -> None:
    opened = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(opened, number)
    os.close(opened)


def reader_gone() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    os.dup2(theirs, 1)


def stdin_closed() -> None:
    os.close(0)
    sys.stdin = None


def stdout_closed() -> None:
    os.close(1)
    sys.stdout = None


def no_more_files() -> None:
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))


def nobody_known() -> None:
    """A user that the machine has no entry for, as in a container."""

    def unknown(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    pwd.getpwuid = unknown  # type: ignore[assignment]


def no_device_may_be_touched() -> None:
    def touched() -> None:
        raise AssertionError("a device was touched")

    sys.modules["torch"].cuda._lazy_init = touched


SURROUNDINGS = {
    "reader gone": reader_gone,
    "stdin closed": stdin_closed,
    "stdout closed": stdout_closed,
    "stdout full": lambda: redirect("/dev/full", 1),
    "no more files": no_more_files,
    "nobody known": nobody_known,
    "no device": no_device_may_be_touched,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What a process died of that left no word, as far as the system tells; and which errors mean: out of memory."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import torch

from noisylabels.attempts import Outcome

COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Where the kernel counts whom it killed for want of memory (``oom_kill N``): in this container, on this machine."""

ALLOCATION = ("can't allocate memory", "not enough memory")
"""How torch's CPU allocator words it in a RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATION)
    )


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory so far; None where it does not say."""
    for counter in COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            for line in counter.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return None


def cause_of_death(exit_code: int, kills_before: int | None) -> tuple[Outcome, str]:
    """Outcome and reason of a worker that left neither a result nor an error.

    Args:
        exit_code: negative for a signal, as ``multiprocessing`` has it.
        kills_before: ``oom_kills()`` when it began.
    """
    if exit_code >= 0:
        return "killed", f"the worker exited with code {exit_code} and left no result"
    name = signal.Signals(-exit_code).name
    if name != "SIGKILL":
        return "killed", f"the worker was killed by {name}"
    kills = oom_kills()
    if kills is None or kills_before is None:
        return "killed", "the worker was killed by SIGKILL (out of memory?)"
    if kills > kills_before:
        return (
            "oom",
            "out of memory: the worker was killed by SIGKILL, and the kernel says that it killed for want of it",
        )
    return "killed", "the worker was killed by SIGKILL, by whoever it was, not by the kernel for want of memory"

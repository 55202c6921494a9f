"""How many workers the limit on open files allows."""

from __future__ import annotations

import resource

from noisylabels.catalog import UsageError

FILES = 32
"""What a supervisor has open by itself, generously."""

FILES_A_WORKER = 6
"""Pipes and sockets of one worker, generously; measured: 4."""


def refuse_too_many_workers(workers: int) -> None:
    """Refuse workers that would run out of open files midway.

    Raises:
        UsageError: the limit is too low for so many.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES + FILES_A_WORKER * workers
    if limit == resource.RLIM_INFINITY or needed <= limit:
        return
    possible = (limit - FILES) // FILES_A_WORKER
    fewer = f", or --workers {possible}" if possible > 0 else ""
    raise UsageError(
        f"{workers} workers need up to {needed} open files; the limit is {limit}: ulimit -n {needed}{fewer}"
    )

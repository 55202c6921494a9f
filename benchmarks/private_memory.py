"""How much memory is a process's own, seen from within; Linux tells.

``RssAnon`` is private memory. Resident sizes also count the pages of mapped files that happen to be in the page cache,
which the kernel may take back at any time.
"""

from __future__ import annotations

import threading
from pathlib import Path


class PrivateMemory:
    """The largest private resident memory of this process while the block runs, in MiB."""

    def __enter__(self) -> PrivateMemory:
        self.peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, status("RssAnon"))


def status(field: str) -> float:
    """A field of this process's status in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {field} in /proc/self/status: this benchmark needs Linux")

"""Checkpoints of an unfinished run: one file of tensors, and the pointer that says which one and what its hash is.

<run folder>/checkpoint-<SHA-256>.pt   what the run needs to go on, as ``torch.save`` writes it
             checkpoint.json           names it, written after it: whatever dies in between, the old one stands

A file that is torn, altered, of another run or of another layout is not used: the run then begins anew, which costs
time and changes nothing, and a warning says why. Loading executes nothing (``weights_only``).
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from noisylabels.atomic import drop_unfinished, write_atomically
from noisylabels.spec import SCHEMA_VERSION

LAYOUT = 1
"""Raised whenever a stored training would mean something else."""

LOG = logging.getLogger(__name__)

POINTER = "checkpoint.json"
NAME = re.compile(r"checkpoint-[0-9a-f]{64}\.pt")


@dataclass
class StoredCheckpoints:
    """A run's checkpoints in its folder.

    Attributes:
        folder: the run's.
        run_id: whose training is kept.
        every_seconds: at least this long between two; 0 keeps every one.
    """

    folder: Path
    run_id: str
    every_seconds: float
    _last: float = field(default_factory=time.monotonic)

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        """Keep what ``content`` gives in place of what was kept before, unless that was a moment ago.

        Raises:
            OSError: it cannot be written; what was kept before still stands.
        """
        if time.monotonic() - self._last < self.every_seconds:
            return
        buffer = io.BytesIO()
        torch.save(content(), buffer)  # into memory: on a full disk torch would raise a RuntimeError
        digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
        name = f"checkpoint-{digest}.pt"
        write_atomically(self.folder / name, buffer.getvalue())
        pointer = self._mine() | {"file": name, "sha256": digest}
        write_atomically(self.folder / POINTER, json.dumps(pointer).encode())
        self._drop_all_but(name)
        self._last = time.monotonic()

    def latest(self) -> dict[str, Any] | None:
        """What was kept last; None where there is nothing, or nothing that can be trusted: a warning then says why."""
        if not (self.folder / POINTER).exists():
            return None
        try:
            return self._trusted()
        except Exception as error:  # whatever a damaged or foreign file makes of its readers, the run can begin anew
            reason = str(error).partition("\n")[0]
            LOG.warning("%s is not used, the run begins anew: %s", self.folder / POINTER, reason)
            return None

    def _trusted(self) -> dict[str, Any]:
        pointer = json.loads((self.folder / POINTER).read_bytes())
        for key, expected in self._mine().items():
            if pointer[key] != expected:
                raise ValueError(f"its {key} must be {expected!r}; got {pointer[key]!r}")
        if not NAME.fullmatch(pointer["file"]):
            raise ValueError(f"it must name a file checkpoint-<SHA-256>.pt beside it; got {pointer['file']!r}")
        stored = (self.folder / pointer["file"]).read_bytes()
        if hashlib.sha256(stored).hexdigest() != pointer["sha256"]:
            raise ValueError(f"{pointer['file']} is torn or altered: its SHA-256 is another")
        with warnings.catch_warnings(action="ignore"):  # torch remarks on files that are not its own
            content: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True)
        return content

    def _mine(self) -> dict[str, int | str]:
        """What a pointer must say for its checkpoint to be one of this run, by this version of the program."""
        return {"layout": LAYOUT, "schema": SCHEMA_VERSION, "run_id": self.run_id}

    def clear(self) -> None:
        """Drop everything kept, and what a kill left half-written."""
        (self.folder / POINTER).unlink(missing_ok=True)
        self._drop_all_but("")
        drop_unfinished(self.folder)

    def _drop_all_but(self, name: str) -> None:
        for path in self.folder.glob("checkpoint-*.pt"):
            if path.name != name and NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)

"""Checkpoints of an unfinished run: one file of tensors, and the pointer that says which one and what its hash is.

<run folder>/checkpoint-<SHA-256>.pt   what the run needs to go on, as ``torch.save`` writes it
             checkpoint.json           names it, written after it: whatever dies in between, the old one stands

A file that is torn, altered, of another run or of another layout is not used: the run then begins anew, which costs
time and changes nothing. Loading executes nothing (``weights_only``).
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle  # noqa: TID251 - only its error is named; torch.load is told to execute nothing
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from noisylabels.atomic import write_atomically
from noisylabels.spec import SCHEMA_VERSION

LAYOUT = 1
"""Raised whenever a stored training would mean something else."""

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
        pointer = {"layout": LAYOUT, "schema": SCHEMA_VERSION, "run_id": self.run_id, "file": name, "sha256": digest}
        write_atomically(self.folder / POINTER, json.dumps(pointer).encode())
        self._drop_all_but(name)
        self._last = time.monotonic()

    def latest(self) -> dict[str, Any] | None:
        """What was kept last; None where there is nothing, or nothing that can be trusted."""
        try:
            pointer = json.loads((self.folder / POINTER).read_bytes())
            expected = {"layout": LAYOUT, "schema": SCHEMA_VERSION, "run_id": self.run_id}
            if {key: pointer[key] for key in expected} != expected or not NAME.fullmatch(pointer["file"]):
                return None
            stored = (self.folder / pointer["file"]).read_bytes()
            if hashlib.sha256(stored).hexdigest() != pointer["sha256"]:
                return None
            with warnings.catch_warnings(action="ignore"):  # torch remarks on files that are not its own
                content: dict[str, Any] = torch.load(io.BytesIO(stored), weights_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError):
            return None
        return content

    def clear(self) -> None:
        """Drop everything kept."""
        (self.folder / POINTER).unlink(missing_ok=True)
        self._drop_all_but("")

    def _drop_all_but(self, name: str) -> None:
        for path in self.folder.glob("checkpoint-*.pt"):
            if path.name != name and NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)

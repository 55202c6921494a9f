"""Signs of life, through a pipe from the worker to its supervisor, which tells by them who works and who hangs.

They come from the work itself, each optimiser step and each layer's forward pass, never from a thread of their own,
which would go on beating while the training hangs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

BEAT_SECONDS = 1.0


@dataclass
class Heartbeat:
    """The worker's end; ``beat`` costs a look at the clock, and a byte at most once in ``BEAT_SECONDS``."""

    pipe: Connection
    _last: float = float("-inf")

    def beat(self) -> None:
        """The work goes on."""
        now = time.monotonic()
        if now - self._last >= BEAT_SECONDS:
            self._last = now
            os.set_blocking(self.pipe.fileno(), False)
            with contextlib.suppress(OSError):  # nobody listens any more, or not for so long that the pipe is full
                os.write(self.pipe.fileno(), b".")


@contextlib.contextmanager
def beating_with_torch(beat: Callable[[], None]) -> Iterator[None]:
    """Beat whenever this process computes: it is the worker's own, and a hook changes no number."""

    def beat_after(*_: Any) -> None:
        beat()

    handles = register_optimizer_step_post_hook(beat_after), register_module_forward_hook(beat_after)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class Pulse:
    """The supervisor's end: how long it has listened in vain.

    Silence is counted in the supervisor's own waking time, look by look: a supervisor that was stopped (Ctrl-Z), or
    whose machine slept, does not find all its workers dead. The clock is monotonic.

    Attributes:
        silent_seconds: since the last sign of life, or since the beginning.
    """

    pipe: Connection
    longest_look: float
    silent_seconds: float = 0.0
    _looked: float = field(default_factory=lambda: time.monotonic())

    def listen(self) -> None:
        """Take up what came since the last look."""
        now = time.monotonic()
        self.silent_seconds += min(now - self._looked, self.longest_look)
        self._looked = now
        os.set_blocking(self.pipe.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            if os.read(self.pipe.fileno(), 65536):
                self.silent_seconds = 0.0

"""Ctrl-C as an answer: a line that says how to go on, and exit code 130."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NoReturn


class InterruptedByUserError(Exception):
    """Ctrl-C, with what to type to go on."""

    exit_code: ClassVar[int] = 130


@contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP alike into a one-line error that ends in ``hint``."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedByUserError(f"interrupted; what is finished is kept: {hint}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt

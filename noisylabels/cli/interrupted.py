"""Ctrl-C as an answer: a line that says how to go on, and exit code 130."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedByUserError(Exception):
    """Ctrl-C, with what to type to go on."""

    exit_code: ClassVar[int] = 130


@contextmanager
def interruptible(hint: str, *, at_first: str = "") -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP alike into a one-line error that ends in ``hint``.

    Those that are ignored, as ``nohup`` does, stay so.

    Args:
        hint: how to go on.
        at_first: what to say when the first of them comes, where it takes a moment to stop.
    """
    said = False

    def interrupt(number: int, frame: object) -> NoReturn:
        nonlocal said
        if at_first and not said:
            os.write(2, f"\nnoisylabels: {at_first}\n".encode())  # a handler may come in the middle of any print
        said = True
        raise KeyboardInterrupt

    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedByUserError(f"interrupted; what is finished is kept: {hint}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

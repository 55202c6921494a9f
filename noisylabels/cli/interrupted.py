"""Ctrl-C as an answer: a line that says how to go on, and exit code 130."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class InterruptedByUserError(Exception):
    """Ctrl-C, with what to type to go on."""

    exit_code: ClassVar[int] = 130


@contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """Turn a KeyboardInterrupt into a one-line error that ends in ``hint``."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedByUserError(f"interrupted; what is finished is kept: {hint}") from None

"""The two ways in which data can let a run down."""

from __future__ import annotations

from typing import ClassVar

from noisylabels.catalog import UsageError


class MissingDataError(Exception):
    """The data is not on this machine: says what was looked for, where, and what to do."""

    exit_code: ClassVar[int] = 3


class DataError(UsageError):
    """The data is there but cannot be used as asked: says what must hold and what came."""


def and_more(count: int) -> str:
    """The tail of a message that names the first of several offenders.

    >>> and_more(3), and_more(0)
    (' (and 3 more)', '')
    """
    return f" (and {count} more)" if count else ""

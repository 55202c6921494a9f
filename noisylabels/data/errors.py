"""The two ways in which data can let a run down."""

from __future__ import annotations

from noisylabels.catalog import UsageError


class MissingDataError(Exception):
    """The data is not on this machine: says what was looked for, where, and what to do. Exit code 3."""


class DataError(UsageError):
    """The data is there but cannot be used as asked: says what must hold and what came. Exit code 2."""


def and_more(count: int, what: str = "") -> str:
    """The tail of a message that names the first of several offenders.

    >>> and_more(3, "files"), and_more(0)
    (' (and 3 more files)', '')
    """
    return f" (and {count} more{' ' if what else ''}{what})" if count else ""

"""Who carries which given label, and sums over the classes of embeddings of any number, read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats, Labels

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

Reader = Callable[[slice], Floats]
"""Gives the points of a run of examples, ``(B, D)``."""

BLOCK = 4096
"""Examples read at a time."""


@dataclass(frozen=True, eq=False)
class GivenClasses:
    """N examples under C given labels; a label that nobody carries does not appear.

    Attributes:
        labels: int64 ``(C,)``, ascending.
        member: int64 ``(N,)`` in [0, C), the place of each example's label among ``labels``.
        counts: int64 ``(C,)``, examples of each, at least 1.
        order: int64 ``(N,)``, the examples class by class, in their own order within a class.
    """

    labels: Rows
    member: Rows
    counts: Rows
    order: Rows

    @classmethod
    def of(cls, given: Labels) -> GivenClasses:
        """The classes of given labels ``(N,)``.

        Raises:
            ValueError: they are not integers ``(N,)`` of at least 0, or fewer than two labels are carried.
        """
        if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or (given < 0).any():
            raise ValueError(f"given labels must be integers (N,) of at least 0; got {given.dtype}{given.shape}")
        labels, member, counts = np.unique(given, return_inverse=True, return_counts=True)
        if len(labels) < 2:
            raise ValueError(f"an audit needs at least two given labels; got {len(labels)}")
        order = np.argsort(member, kind="stable")
        return cls(labels.astype(np.int64), member.astype(np.int64), counts.astype(np.int64), order.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, place: int) -> Rows:
        """The examples of the class at a place in ``labels``, ascending."""
        start = int(self.starts[place])
        return self.order[start : start + int(self.counts[place])]

    @cached_property
    def starts(self) -> Rows:
        """Where each class begins in ``order``, int64 ``(C,)``."""
        return np.asarray(np.cumsum(self.counts) - self.counts)

    def sums(self, read: Reader, dim: int, kept: Flags) -> tuple[Float64, Rows]:
        """Sum and number of the kept points of each class, ``(C, dim)`` and ``(C,)``; zero where none is kept."""
        sums = np.zeros((len(self), dim))
        for rows in blocks(len(self.member)):
            chosen = kept[rows]
            _add(sums, read(rows).astype(np.float64)[chosen], self.member[rows][chosen])
        return sums, np.bincount(self.member[kept], minlength=len(self))


def blocks(count: int, size: int | None = None) -> Iterator[slice]:
    """Slices of [0, count), in order, of ``size`` or else ``BLOCK``."""
    step = BLOCK if size is None else size
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _add(sums: Float64, points: Float64, member: Rows) -> None:
    """Add points ``(B, D)`` to the rows of ``sums`` ``(C, D)`` that they belong to."""
    if not len(points):
        return
    order = np.argsort(member, kind="stable")
    places, first = np.unique(member[order], return_index=True)
    sums[places] += np.add.reduceat(points[order], first, axis=0)

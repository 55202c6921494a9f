"""A histogram over [-1, 1] of one number an example, over the last mini-batches."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 200
"""Bins of width 0.01; the last one holds 1 itself."""


def bins_of(values: Tensor) -> Tensor:
    """Bin of every value, int64 on the CPU, ``floor(100 (x + 1))`` kept in [0, 199]; what is not a number is in bin 0.

    >>> bins_of(torch.tensor([-1.0, -0.995, 0.005, 1.0])).tolist()
    [0, 0, 100, 199]
    """
    share = (values.detach().cpu().double() + 1) / 2
    return (BINS * share.nan_to_num(0.0)).clamp(0, BINS - 1).long()


def slid(window: Tensor | None, bins: Tensor, batches: int) -> Tensor:
    """The window, int16 ``(batches so far, B)``, with this batch's bins and without what is older than ``batches``."""
    latest = bins.to(torch.int16).unsqueeze(0)
    return latest if window is None else torch.cat([window, latest])[-batches:]


def counts_of(window: Tensor) -> Tensor:
    """How many of the window's examples are in each bin, float64 ``(200,)``."""
    return torch.bincount(window.flatten().long(), minlength=BINS).double()


def cumulative(counts: Tensor) -> Tensor:
    """Share of all counts that is in a bin or left of it, float64 ``(200,)``, in [0, 1]."""
    sums = counts.cumsum(0)
    return sums / sums[-1]


def lower_edge(number: int) -> float:
    """The smallest value of a bin.

    >>> [lower_edge(number) for number in (0, 50, 150)]
    [-1.0, -0.5, 0.5]
    """
    return 2 * number / BINS - 1

"""When a loss that waits begins."""

from __future__ import annotations

import math


def first_epoch_after(share: float, epochs: int) -> int:
    """The epoch, from 1, that begins when ``share`` of all epochs is done (rounded down): 1 at 0, never at 1.

    >>> [first_epoch_after(share, 120) for share in (0, 1 / 3, 0.999, 1)]
    [1, 41, 120, 121]
    """
    return math.floor(share * epochs + 1e-9) + 1  # 0.29 * 100 is 28.999...

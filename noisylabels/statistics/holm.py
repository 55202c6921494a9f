"""Holm's correction for many comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm_adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step-down adjusted p-values: rejecting those <= alpha makes any false rejection at most alpha likely.

        p~_(j) = max_{k <= j} min(1, (m - k + 1) p_(k))

    with p_(1) <= ... <= p_(m). Valid under any dependence of the tests, and never above Bonferroni's m p. Only tests
    that were *looked at* belong in the family, but all of those.

    Args:
        p_values: one a test, in [0, 1]; none is fine.

    Returns:
        The adjusted values in the order given, in [0, 1].

    Raises:
        ValueError: a value outside [0, 1].

    Reference: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6,
    1979.

    >>> holm_adjusted([0.25, 0.0625, 0.125])
    (0.25, 0.1875, 0.25)
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must be in [0, 1]; got {p.tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(np.arange(p.size, 0, -1) * p[order], 1.0))
    return tuple(adjusted.tolist())

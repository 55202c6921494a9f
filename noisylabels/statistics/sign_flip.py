"""The exact test that a difference has no preferred sign."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MAX_PAIRS = 40
"""Half of the pairs has 2^20 sign patterns: 8 MB, some tenths of a second."""


def sign_flip_p(differences: Iterable[float]) -> float:
    """Two-sided exact p-value of paired differences under flips of their signs.

        p = #{ s in {-1, 1}^n : |sum_i s_i d_i| >= |sum_i d_i| } / 2^n

    Under the null hypothesis each difference d_i is distributed symmetrically around 0, so that all 2^n signs were
    equally likely; neither normality nor equal variances are assumed. The value cannot be below :func:`smallest_p`.

    All patterns are counted, none sampled: the sums over either half of the pairs are enumerated, one half is sorted,
    and for each sum of the other a binary search counts its partners. O(n 2^(n/2)) instead of O(2^n).

    Args:
        differences: d, one a pair, at most 40.

    Returns:
        p in [2^(1 - n), 1].

    Raises:
        ValueError: no difference, more than 40, or one that is not finite.

    Reference: R. A. Fisher, The Design of Experiments, 1935, section 21.

    >>> sign_flip_p([0.3, 0.1, 0.2])
    0.25
    """
    d = np.fromiter(differences, dtype=np.float64)
    if not 1 <= d.size <= MAX_PAIRS:
        raise ValueError(f"the exact test takes 1 to {MAX_PAIRS} pairs; got {d.size}")
    if not np.isfinite(d).all():
        raise ValueError(f"differences must be finite; got {d.tolist()}")
    observed = abs(float(d.sum())) - 1e-12 * float(np.abs(d).sum())  # sums that tie must count as ties
    if observed <= 0:
        return 1.0
    left, right = _signed_sums(d[: d.size // 2]), np.sort(_signed_sums(d[d.size // 2 :]))
    at_least = right.size - np.searchsorted(right, observed - left, side="left")
    return 2.0 ** (1 - d.size) * int(at_least.sum())  # the sums are symmetric around 0


def smallest_p(n: int) -> float:
    """The least p-value that :func:`sign_flip_p` can return for n pairs, ``2^(1 - n)``, n >= 1.

    >>> smallest_p(3), smallest_p(5), smallest_p(6)
    (0.25, 0.0625, 0.03125)
    """
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    return 2.0 ** (1 - n)


def _signed_sums(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sum_i s_i d_i`` for all sign patterns s, ``(2^n,)``."""
    sums = np.zeros(1)
    for difference in d:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums

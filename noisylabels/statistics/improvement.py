"""How likely a run of one method is to beat a run of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noisylabels.statistics.strata import Samples


def probability_of_improvement(
    first: Samples, second: Samples, *, higher_is_better: bool = True
) -> NDArray[np.float64]:
    """Probability that a run of the first method is better than one of the second, averaged over strata.

        P = 1 / S  sum_s  1 / (n_s m_s)  sum_i sum_j  [x_si > y_sj] + 1/2 [x_si = y_sj]

    over the S strata, all pairs of runs within one, ties halved; ``<`` for ``>`` where lower is better. In [0, 1], 0.5
    is no preference, higher speaks for the first method. It says how often, not by how much. Within a stratum it is
    the Mann-Whitney U over ``n m``.

    Args:
        first, second: arrays ``(..., n_s)`` and ``(..., m_s)``, one a stratum, as many of either.
        higher_is_better: direction of the metric.

    Returns:
        ``(...)``.

    Raises:
        ValueError: no stratum, or numbers of strata that differ.

    Reference: Agarwal et al., NeurIPS 2021 (rliable), section 4.3; Mann and Whitney, Annals of Mathematical Statistics
    18, 1947.

    >>> float(probability_of_improvement((np.array([0.5, 0.7]),), (np.array([0.5, 0.6]),)))
    0.625
    """
    if not first or len(first) != len(second):
        raise ValueError(f"needs as many strata of either method, at least one; got {len(first)} and {len(second)}")
    shares = [_share(x, y) if higher_is_better else _share(y, x) for x, y in zip(first, second, strict=True)]
    probability: NDArray[np.float64] = np.mean(shares, axis=0)
    return probability


def _share(better: NDArray[np.float64], worse: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = np.asarray(better)[..., :, None], np.asarray(worse)[..., None, :]
    share: NDArray[np.float64] = ((x > y) + 0.5 * (x == y)).mean(axis=(-2, -1))
    return share

"""How much a method loses to label noise, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisylabels.statistics.paired import BySeed, paired_differences


def drops(clean: BySeed, noisy: BySeed, *, higher_is_better: bool) -> dict[int, float]:
    """What each seed lost against its clean twin, in the unit of the metric.

        d_s = clean_s - noisy_s    where higher is better,    noisy_s - clean_s    where lower is

    for the seeds s that have both; positive is worse, whatever the metric's direction.

    >>> drops({0: 0.75}, {0: 0.5, 1: 0.25}, higher_is_better=True)
    {0: 0.25}
    >>> drops({0: 30.0}, {0: 42.5}, higher_is_better=False)
    {0: 12.5}
    """
    return paired_differences(clean, noisy) if higher_is_better else paired_differences(noisy, clean)


def area_under_drops(rates: Sequence[float], drops: Sequence[float]) -> float:
    """Normalised area under one seed's degradation curve: its mean drop over the range of rates.

        A = 1 / (r_m - r_1)  sum_{j=1}^{m-1} (r_{j+1} - r_j) (d_j + d_{j+1}) / 2

    the trapezoid rule over realised rates r_j with drops d_j; the clean run is (0, 0). In the unit of the metric;
    positive is worse, 0 is no loss anywhere, and a straight line down to a drop of d has d / 2. Comparable only
    between curves over the same rates.

    Args:
        rates: r, strictly ascending, m >= 2 of them, in [0, 1].
        drops: d, as many.

    Raises:
        ValueError: fewer than two points, lengths that differ, or rates that do not ascend.

    >>> area_under_drops([0.0, 0.25, 0.5], [0.0, 0.125, 0.5])
    0.1875
    """
    r, d = np.asarray(rates, dtype=np.float64), np.asarray(drops, dtype=np.float64)
    if r.size != d.size or r.size < 2 or (np.diff(r) <= 0).any():
        raise ValueError(f"needs ascending rates, two or more, a drop each; got {r.tolist()} and {d.tolist()}")
    return float(np.trapezoid(d, r) / (r[-1] - r[0]))

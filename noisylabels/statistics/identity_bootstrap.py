"""Intervals for numbers measured on pairs, by drawing the people again and not the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least
from noisylabels.statistics.interval import ROUNDING, Interval

Identities = NDArray[np.integer[Any]]
Weights = NDArray[np.int64]


def identity_bootstrap(
    statistic: Callable[[Weights], float],
    first: Identities,
    second: Identities,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic of weighted pairs under resampling of identities.

        [q_{(1 - level) / 2}, q_{(1 + level) / 2}]  of  statistic(w*),    w* as :func:`resampled_weights` draws them

    Pairs that share a person are not independent: whoever is hard to recognise is so in all pairs that show them. An
    interval from resampled *pairs* leaves that out and is too short. Thresholds chosen beforehand stand still: the
    interval covers who was photographed, and neither the choice of a threshold nor the training of the model.

    A difference between two systems is paired by being one statistic of one draw:
    ``lambda w: np.average(correct_a, weights=w) - np.average(correct_b, weights=w)``. Weights are whole numbers, so
    any unweighted statistic will do: ``lambda w: area_under_curve(np.repeat(scores, w), np.repeat(is_same, w))``.

    Args:
        statistic: of weights ``int64 (P,)``, at least one of which is not 0.
        first, second: the identities in each pair, integers ``(P,)``; equal in a pair of one person.
        seed: of the draws; the same seed draws the same people.
        resamples: how many draws; a draw that leaves no pair at all is drawn again.
        level: in (0, 1).

    Returns:
        The statistic of the pairs as they are, with the interval; n counts identities, the method is ``"identity
        bootstrap"``. Ends are None where the statistic never changes: that shows no spread, not certainty.

    Raises:
        ValueError: arrays that do not fit, fewer than two identities, no resample, or a level outside (0, 1).

    Reference: A. B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007, for pairs of different
    people; Bolle et al., Computer Vision and Image Understanding 93, 2004 (the subsets bootstrap), for why. Tag: our
    own combination.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    check_at_least(1, resamples=resamples)
    draws = resampled_weights(first, second, seed=seed)
    values = np.array([statistic(next(draws)) for _ in range(resamples)])
    observed = float(statistic(np.ones(len(first), dtype=np.int64)))
    count = len(np.unique(np.concatenate([first, second])))
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        return Interval(observed, None, None, count, level, "identity bootstrap")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(observed, float(low), float(high), count, level, "identity bootstrap")


def resampled_weights(first: Identities, second: Identities, *, seed: int) -> Iterator[Weights]:
    """Weights of pairs under endless draws of I identities with replacement, int64 ``(P,)`` each.

        w_p = m_i m_j  for a pair of two people i and j,     w_p = m_i  for a pair of one

    m_i is how often identity i was drawn, mean 1. A pair of two exists once for every copy of the one and of the
    other. A pair of one person comes along once with each copy of them: m_i^2 would weigh such pairs by
    E[m^2] = 2 - 1/I and so tell of a protocol with twice as many of them, while m_i keeps the shares of both kinds
    (E[m_i m_j] = 1 - 1/I).

    Args:
        first, second: integers ``(P,)``.
        seed: of the draws.

    Raises:
        ValueError: arrays that do not fit, or fewer than two identities.
    """
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(f"first and second must have one shape (P,), P > 0; got {first.shape} and {second.shape}")
    names, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"a bootstrap over identities needs at least two; got {len(names)}")
    return _draw(len(names), places[: len(first)], places[len(first) :], np.random.default_rng(seed))


def _draw(count: int, i: Identities, j: Identities, generator: np.random.Generator) -> Iterator[Weights]:
    one_person = i == j
    while True:
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        weights = np.where(one_person, times[i], times[i] * times[j])
        if weights.any():
            yield weights

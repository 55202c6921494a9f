"""All that is said about one method under one kind of noise, from its values by rate and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from noisylabels.statistics.accuracy_loss import equalised_loss_of_accuracy, relative_loss_of_accuracy
from noisylabels.statistics.curve_shape import Breakdown, breakdown_point, slope_at_zero
from noisylabels.statistics.degradation import area_under_drops, drops
from noisylabels.statistics.interval import Interval, t_interval
from noisylabels.statistics.paired import BySeed

Curve = Mapping[float, BySeed]
"""One method under one kind of noise: for each asked rate one value a seed; clean runs at rate 0."""

Line = tuple[list[float], list[float]]
"""One seed's rates, ascending from 0, and its drops."""


@dataclass(frozen=True)
class DegradationSummary:
    """One method's degradation under one kind of noise. Drops are paired with the clean run; positive is worse.

    Attributes:
        rates: the asked rates above 0, ascending.
        drops: for each its mean drop over the seeds that have both runs; None without one.
        seeds: those that have every rate and so a whole curve, ascending; all below rests on them.
        area: normalised area under the drops.
        slope: at zero.
        breakdown: of the mean curve over ``seeds``; None without one.
        relative_loss, equalised_loss: of accuracy, at the largest rate; None for another metric, and over the seeds
            with a clean accuracy above 0.
    """

    rates: tuple[float, ...]
    drops: tuple[Interval | None, ...]
    seeds: tuple[int, ...]
    area: Interval | None
    slope: Interval | None
    breakdown: Breakdown | None
    relative_loss: Interval | None
    equalised_loss: Interval | None


def summarise_degradation(
    curve: Curve,
    *,
    higher_is_better: bool,
    delta: float,
    realised: Curve | None = None,
    is_accuracy: bool = False,
    level: float = 0.95,
) -> DegradationSummary:
    """Drops, area, slope, breakdown point and losses of accuracy of one curve.

    Area, slope and breakdown point are taken along the realised rates, each seed along its own where they are given;
    a seed whose realised rates do not ascend has no curve. See :func:`area_under_drops`, :func:`slope_at_zero`,
    :func:`breakdown_point`, :func:`relative_loss_of_accuracy` and :func:`equalised_loss_of_accuracy` for formulas.

    Args:
        curve: values by asked rate and seed, in any order; runs that failed are simply absent.
        higher_is_better: direction of the metric.
        delta: the drop that counts as broken, above 0, in the unit of the metric.
        realised: share of labels that are wrong, by asked rate and seed; by default the asked rate.
        is_accuracy: whether values are accuracies as shares, which the losses of accuracy need.
        level: of the t intervals over seeds, in (0, 1).

    Raises:
        ValueError: no rate 0, no rate above 0, or what the parts raise.
    """
    rates = sorted(curve)
    if len(rates) < 2 or rates[0] != 0:
        raise ValueError(f"a degradation needs clean runs at rate 0 and one noisy rate at least; got rates {rates}")
    lost = {rate: drops(curve[0], curve[rate], higher_is_better=higher_is_better) for rate in rates}
    lines = _lines(lost, _asked(curve) if realised is None else realised)
    losses = _losses_of_accuracy(curve[0], curve[rates[-1]], level) if is_accuracy else (None, None)
    return DegradationSummary(
        rates=tuple(rates[1:]),
        drops=tuple(_mean(lost[rate].values(), level) for rate in rates[1:]),
        seeds=tuple(lines),
        area=_mean((area_under_drops(*line) for line in lines.values()), level),
        slope=_mean((slope_at_zero(*line) for line in lines.values()), level),
        breakdown=_breakdown(list(lines.values()), delta),
        relative_loss=losses[0],
        equalised_loss=losses[1],
    )


def _asked(curve: Curve) -> Curve:
    return {rate: dict.fromkeys(by_seed, rate) for rate, by_seed in curve.items()}


def _lines(lost: Curve, realised: Curve) -> dict[int, Line]:
    """Every seed's line that is whole and whose rates ascend."""
    asked = sorted(lost)
    axes = {rate: realised.get(rate, {}) for rate in asked} | {0: dict.fromkeys(lost[0], 0.0)}
    whole = set.intersection(*(set(lost[rate]) & set(axes[rate]) for rate in asked))
    lines = {s: ([axes[rate][s] for rate in asked], [lost[rate][s] for rate in asked]) for s in sorted(whole)}
    return {s: line for s, line in lines.items() if all(low < high for low, high in pairwise(line[0]))}


def _breakdown(lines: Sequence[Line], delta: float) -> Breakdown | None:
    if not lines:
        return None
    rates, lost = np.mean(lines, axis=0)
    return breakdown_point(rates.tolist(), lost.tolist(), delta)


def _losses_of_accuracy(clean: BySeed, noisy: BySeed, level: float) -> tuple[Interval | None, Interval | None]:
    pairs = [(clean[seed], noisy[seed]) for seed in sorted(clean.keys() & noisy.keys()) if clean[seed] > 0]
    formulas = (relative_loss_of_accuracy, equalised_loss_of_accuracy)
    relative, equalised = (_mean((formula(*pair) for pair in pairs), level) for formula in formulas)
    return relative, equalised


def _mean(values: Iterable[float], level: float) -> Interval | None:
    found = list(values)
    return t_interval(found, level) if found else None

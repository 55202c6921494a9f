"""What each method lost to a corruption, at its highest rate and along the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, percent
from noisylabels.statistics import Interval, area_under_drops, drops, t_interval


@dataclass(frozen=True)
class Loss:
    """One method between its clean runs and one corruption's highest asked rate.

    Attributes:
        clean, noisy: the cells compared; ``clean`` is None in a study without clean runs.
        by_seed: the drop of each seed that has both runs, in the metric's good direction; positive is worse.
        drop: their mean and interval; None without a pair.
        area: mean drop over all rates (normalised area under the drops), over the seeds that have every rate; None
            with fewer than two noisy rates, where it would only repeat the drop.
        areas: the same of each seed.
    """

    method: str
    clean: Cell | None
    noisy: Cell
    by_seed: Mapping[int, float]
    drop: Interval | None
    area: Interval | None
    areas: Mapping[int, float]

    @property
    def curve_by_seed(self) -> Mapping[int, float]:
        """What each seed lost over the whole curve: its area, or the drop where there is one noisy rate only."""
        return self.areas or self.by_seed

    @property
    def left_out(self) -> str:
        """Runs without a number at either end, such as ``1 collapsed at 40 %``; empty when there is none."""
        cells = [cell for cell in (self.clean, self.noisy) if cell is not None and cell.left_out()]
        return "; ".join(f"{cell.left_out()} at {percent(cell.rate)}" for cell in cells)


def losses(setting: Setting, corruption: str, shown: Quantity) -> tuple[Loss, ...]:
    """Every method's loss, in the order of the plan."""
    curves = {method: setting.curve(method, corruption) for method in setting.methods}
    return tuple(
        _loss(method, setting.clean(method, corruption), curve, shown) for method, curve in curves.items() if curve
    )


def _loss(method: str, clean: Cell | None, curve: Sequence[Cell], shown: Quantity) -> Loss:
    noisy = curve[-1]
    by_seed = _drops(clean, noisy, shown) if clean is not None and noisy.rate > 0 else {}
    drop = t_interval(by_seed.values()) if by_seed else None
    areas = _areas(curve, shown)
    return Loss(method, clean, noisy, by_seed, drop, t_interval(areas.values()) if areas else None, areas)


def _drops(clean: Cell, noisy: Cell, shown: Quantity) -> dict[int, float]:
    return drops(clean.values(shown), noisy.values(shown), higher_is_better=shown.higher_is_better)


def _areas(curve: Sequence[Cell], shown: Quantity) -> dict[int, float]:
    if len(curve) < 3 or curve[0].rate > 0:
        return {}
    lost = [_drops(curve[0], cell, shown) for cell in curve]
    rates = [cell.realised_rates for cell in curve]
    areas = {}
    for seed in sorted(set.intersection(*(set(by_seed) for by_seed in (*lost, *rates)))):
        realised = [by_seed[seed] for by_seed in rates]
        if all(low < high for low, high in pairwise(realised)):
            areas[seed] = area_under_drops(realised, [by_seed[seed] for by_seed in lost])
    return areas

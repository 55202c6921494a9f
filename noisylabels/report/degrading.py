"""Degradation in numbers: slope, breakdown point, relative and equalised loss, error relative to softmax."""

from __future__ import annotations

from statistics import fmean

from noisylabels.report.comparison import reference_method
from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, decimal, percent
from noisylabels.statistics import (
    Breakdown,
    DegradationSummary,
    Interval,
    corruption_error,
    summarise_degradation,
)

DELTA = 0.05
"""The drop that counts as broken, of a share or probability; 5 of any other unit."""

TEXT = (
    "Along the realised rates, each seed along its own, over the seeds that finished every rate. Slope: what one point "
    "of wrong labels costs at the beginning of the curve. Breakdown: the largest rate with a mean loss below {delta}. "
    "Relative loss: share of the clean accuracy that is gone at the highest rate. Equalised loss: error at that rate "
    "over clean accuracy, small only for who was good before and stayed so. Relative error: errors over all noisy "
    "rates summed, divided by those of {reference}; below 1 is better than it."
)


def degrading_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """A table for each corruption with clean runs and a noisy rate; None without one."""
    tables = tuple(table for kind in setting.corruptions if (table := _table(setting, kind, shown)) is not None)
    if not tables:
        return None
    delta = f"{shown.difference(_delta(shown)).lstrip('+')} {shown.difference_unit}"
    text = TEXT.format(delta=delta, reference=_reference(setting))
    return Section(anchor, setting.heading("Degradation in numbers"), (text,), (Block(tables=tables),))


def _delta(shown: Quantity) -> float:
    return DELTA if shown.unit in ("%", "probability") else 100 * DELTA


def _reference(setting: Setting) -> str:
    """Whom errors are relative to: plain softmax, or the method the study is about."""
    return "softmax" if "softmax" in setting.methods else reference_method(setting)


def _table(setting: Setting, corruption: str, shown: Quantity) -> Table | None:
    rows = []
    for method in setting.methods:
        curve = setting.curve(method, corruption)
        if len(curve) < 2 or curve[0].rate > 0 or not curve[0].values(shown):
            continue
        rows.append(_row(setting, corruption, method, curve, shown))
    if not rows:
        return None
    return Table(
        f"Degradation of {shown.words}; {corruption}, {setting.label}. Mean [95 % interval] n.",
        (
            "method",
            f"slope at 0 ({shown.difference_unit} a point)",
            "breakdown (realised rate)",
            f"mean loss ({shown.difference_unit})",
            "relative loss (%)",
            "equalised loss (%)",
            f"error relative to {_reference(setting)}",
        ),
        tuple(rows),
    )


def _row(setting: Setting, corruption: str, method: str, curve: tuple[Cell, ...], shown: Quantity) -> tuple[Entry, ...]:
    summary = summary_of(curve, shown)
    return (
        Entry(method),
        _interval(summary.slope, shown.factor / 100),
        Entry(_breakdown(summary.breakdown)),
        _interval(summary.area, shown.factor),
        _interval(summary.relative_loss, 100),
        _interval(summary.equalised_loss, 100),
        Entry(_relative(setting, corruption, curve, shown)),
    )


def summary_of(curve: tuple[Cell, ...], shown: Quantity) -> DegradationSummary:
    """All degradation statistics of one method under one corruption."""
    return summarise_degradation(
        {cell.rate: cell.values(shown) for cell in curve},
        higher_is_better=shown.higher_is_better,
        delta=_delta(shown),
        realised={cell.rate: cell.realised_rates for cell in curve},
        is_accuracy=shown.unit == "%" and shown.higher_is_better,
    )


def _interval(interval: Interval | None, factor: float) -> Entry:
    if interval is None:
        return Entry("–")
    if interval.low is None or interval.high is None:
        return Entry(decimal(interval.mean * factor, "+.3g"), (f"n = {interval.n}",))
    ends = ", ".join(decimal(end * factor, "+.3g") for end in (interval.low, interval.high))
    return Entry(decimal(interval.mean * factor, "+.3g"), (f"[{ends}] n = {interval.n}",))


def _breakdown(found: Breakdown | None) -> str:
    """The rate in per cent, or the bound that the measured rates give."""
    if found is None:
        return "–"
    if found.high is None:
        return f"above {percent(found.low or 0)}"
    if found.low is None or found.rate is None:
        return f"at or below {percent(found.high)}"
    return percent(found.rate) + (", less again later" if found.recovers else "")


def _relative(setting: Setting, corruption: str, curve: tuple[Cell, ...], shown: Quantity) -> str:
    """Errors summed over the noisy rates over the reference's, of the seeds that both have at every rate."""
    if shown.unit not in ("%", "probability") or not shown.higher_is_better:
        return "–"
    reference = setting.curve(_reference(setting), corruption)
    if [cell.rate for cell in reference] != [cell.rate for cell in curve]:
        return "–"
    by_rate = [(cell.values(shown), other.values(shown)) for cell, other in zip(curve, reference, strict=True)]
    seeds = set.intersection(*(set(own) & set(theirs) for own, theirs in by_rate))
    if not seeds:
        return "–"
    errors = [
        {cell.rate: fmean(1 - values[seed] for seed in seeds) for cell, values in zip(curve, side, strict=True)}
        for side in zip(*by_rate, strict=True)
    ]
    ratio = corruption_error(errors[0], errors[1])
    return "–" if ratio is None else decimal(ratio, ".3f")

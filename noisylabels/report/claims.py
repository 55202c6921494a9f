"""Sentences about losses, each printed only when the numbers earned it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from noisylabels.report.levels import level_claims
from noisylabels.report.losses import Loss
from noisylabels.report.wording import Quantity, percent
from noisylabels.statistics import Interval, compare, smallest_p

LEVEL = 0.05
"""An exact p-value above this confirms nothing, by convention."""

_VERDICTS = (
    (
        "{ours} lost less than {rivals}: the interval of the paired difference excludes 0, and p is at most 0.05.",
        "less",
    ),
    (
        "{ours} lost more than {rivals}: the interval of the paired difference excludes 0, and p is at most 0.05.",
        "more",
    ),
    ("No claim between {ours} and {rivals}: the interval includes 0, or p is above 0.05.", "open"),
)


def claims(losses: Sequence[Loss], ours: str, shown: Quantity) -> tuple[str, ...]:
    """What may be said about one corruption, in the order in which a reader wants it.

    Args:
        losses: of all methods.
        ours: the method that the study is about.
        shown: how the metric is printed.
    """
    ranked = sorted((loss for loss in losses if loss.drop is not None), key=_mean_drop)
    if not ranked:
        levels = level_claims(losses, ours, shown) if all(loss.clean is None for loss in losses) else ()
        seeds = max((len(loss.noisy.values(shown)) for loss in losses), default=0)
        return (_why_no_drop(losses), *levels, *([_what_seeds_can_show(seeds)] if levels and seeds else []))
    said = [_least(ranked, shown), _highest(ranked, shown), *_about(ours, ranked, shown)]
    unranked = [loss for loss in losses if loss.drop is None]
    if unranked:
        said.append("Not ranked, for want of a number: " + "; ".join(map(_absent, unranked)) + ".")
    thinned = [loss for loss in ranked if loss.left_out]
    if thinned:
        said.append("Over surviving runs only, which may flatter: " + "; ".join(map(_absent, thinned)) + ".")
    return (*said, _what_seeds_can_show(max(len(loss.by_seed) for loss in ranked)))


def _mean_drop(loss: Loss) -> float:
    return math.inf if loss.drop is None else loss.drop.mean


def _least(ranked: Sequence[Loss], shown: Quantity) -> str:
    best, others = ranked[0], ranked[1:]
    lost = "lost least on average:" if others else "lost"
    order = f" Then, in order: {', '.join(loss.method for loss in others)}." if others else ""
    return f"{best.method} {lost} {_difference(best.drop, shown)}.{order}"


def _highest(ranked: Sequence[Loss], shown: Quantity) -> str:
    """Who ended best: a method that is weak without noise has little to lose."""
    levels = [(loss, interval) for loss in ranked if (interval := loss.noisy.interval(shown)) is not None]
    sign = 1 if shown.higher_is_better else -1
    best, level = max(levels, key=lambda pair: sign * pair[1].mean)
    value = f"{shown.value(level.mean)} {shown.unit} {shown.ends(level)}, n = {level.n}"
    return f"Best {shown.words} at {percent(best.noisy.rate)}: {best.method}, {value}."


def _about(ours: str, ranked: Sequence[Loss], shown: Quantity) -> list[str]:
    """Our method against its rivals: its place, and who lost more by the paired interval."""
    mine = next((loss for loss in ranked if loss.method == ours), None)
    rivals = [loss for loss in ranked if loss.method != ours]
    if mine is None or not rivals:
        return []
    place = ranked.index(mine) + 1
    said = [] if place == 1 else [f"{ours} did not lose least: its loss is number {place} of {len(ranked)}."]
    verdicts: dict[str, list[str]] = {}
    for rival in rivals:
        verdict, evidence = _verdict(mine, rival, shown)
        verdicts.setdefault(verdict, []).append(f"{rival.method} ({evidence})")
    for sentence, verdict in _VERDICTS:
        if verdict in verdicts:
            said.append(sentence.format(ours=ours, rivals=", ".join(verdicts[verdict])))
    return said


def _verdict(mine: Loss, rival: Loss, shown: Quantity) -> tuple[str, str]:
    """``less``, ``more`` or ``open``, and the paired difference of the two losses that says so."""
    found = compare(mine.by_seed, rival.by_seed)
    if found is None:
        return "open", "no common seed"
    difference = found.difference
    verdict = "open" if not found.is_confirmed(LEVEL) else "less" if difference.mean < 0 else "more"
    p = "" if found.p_value is None else f", p = {found.p_value:.3g}"
    return verdict, _difference(difference, shown) + p


def _what_seeds_can_show(pairs: int) -> str:
    if pairs == 1:
        return "There is one seed: no interval, and no claim about any other draw of labels or weights."
    if smallest_p(pairs) > LEVEL:
        return (
            f"With {pairs} paired seeds the exact sign-flip test cannot go below p = {smallest_p(pairs):.3g}: it "
            "confirms nothing here, and every interval leans on the assumption of normal differences."
        )
    return "Intervals and p-values are not corrected for the number of comparisons."


def _why_no_drop(losses: Sequence[Loss]) -> str:
    if all(loss.noisy.rate == 0 for loss in losses):
        return "The study asks for no noise, so nothing can have been lost to it."
    if all(loss.clean is None for loss in losses):
        return "The study asks for no clean runs, so there is nothing to measure a loss against."
    return "No seed finished both its clean and its noisy run: there is no loss to report yet."


def _absent(loss: Loss) -> str:
    return f"{loss.method} ({loss.left_out or 'undefined'})"


def _difference(interval: Interval | None, shown: Quantity) -> str:
    if interval is None:
        return "no number"
    mean, ends = shown.difference(interval.mean), shown.difference_ends(interval)
    return f"{mean} {shown.difference_unit} {ends}, n = {interval.n}"

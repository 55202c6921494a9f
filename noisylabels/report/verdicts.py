"""The study's own claims, judged: supported, refuted or no claim, and what it would take to know."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from noisylabels.claims import Claim, method_of
from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import Setting
from noisylabels.report.losses import losses
from noisylabels.report.wording import Quantity, quantity
from noisylabels.statistics import Comparison, Interval, compare, holm_adjusted, paired_differences, smallest_p
from noisylabels.statistics.power import t_test_pairs

Verdict = Literal["supported", "refuted", "no claim"]

LEVEL = 0.05

TEXT = (
    "Each was written into the study file. A claim is supported, or refuted, only if the exact two-sided sign-flip "
    "test over paired seeds, corrected by Holm for all claims of the study, gives p below 0.05; everything else is no "
    "claim. Effects are in the claim's favour where positive. The last column is what a paired t-test of such an "
    "effect and spread would need at the corrected level for a power of 80 %; a pilot's effect is seldom the true one."
)


@dataclass(frozen=True)
class Judged:
    """A claim in one setting.

    Attributes:
        comparison: of rival's loss minus ours, or of levels in the good direction: positive is in the claim's favour.
        by_seed: those differences.
        reason: why there is no comparison; empty where there is one.
        shown: how the metric is printed.
    """

    claim: Claim
    setting: str
    comparison: Comparison | None
    by_seed: tuple[float, ...]
    reason: str
    shown: Quantity

    def verdict(self, p_holm: float | None) -> Verdict:
        """By the corrected p-value and the sign of the effect."""
        if self.comparison is None or p_holm is None or p_holm >= LEVEL:
            return "no claim"
        return "supported" if self.comparison.difference.mean > 0 else "refuted"


def verdicts_section(settings: Sequence[Setting], claims: Sequence[str]) -> Section | None:
    """A row for each claim and setting; None where the study makes no claim."""
    judged = [judge(Claim.parse(text), setting) for text in claims for setting in settings]
    if not judged:
        return None
    p_values = [one.comparison.p_value for one in judged if one.comparison and one.comparison.p_value is not None]
    corrected = iter(holm_adjusted(p_values))
    rows = []
    for one in judged:
        has_p = one.comparison is not None and one.comparison.p_value is not None
        rows.append(_row(one, next(corrected) if has_p else None, len(p_values)))
    columns = ("claim", "verdict", "effect", "pairs", "p", "p, Holm", "pairs needed")
    table = Table("Claims of the study.", columns, tuple(rows))
    return Section("claims", "Claims", (TEXT,), (Block(tables=(table,)),), "answer")


def judge(claim: Claim, setting: Setting) -> Judged:
    """Compare the two methods as the claim says."""
    shown = quantity(claim.metric)

    def without(reason: str) -> Judged:
        return Judged(claim, setting.label, None, (), reason, shown)

    ours, rival = (method_of(name, setting.methods) for name in (claim.ours, claim.rival))
    for name, method in ((claim.ours, ours), (claim.rival, rival)):
        if method is None:
            return without(f"no method of this study is {name!r}, or several are")
    if claim.corruption not in setting.corruptions:
        return without(f"the study has no {claim.corruption!r}")
    found = {loss.method: loss for loss in losses(setting, claim.corruption, shown)}
    first, second = found[str(ours)], found[str(rival)]
    if claim.kind == "degrades less":
        better: Mapping[int, float] = dict(second.curve_by_seed)
        worse: Mapping[int, float] = dict(first.curve_by_seed)  # the rival's loss minus ours
    else:
        better, worse = first.noisy.values(shown), second.noisy.values(shown)
        if not shown.higher_is_better:
            better, worse = worse, better
    compared = compare(better, worse)
    if compared is None:
        return without("no seed has finished in both methods")
    by_seed = tuple(paired_differences(better, worse).values())
    return Judged(claim, setting.label, compared, by_seed, "", shown)


def _row(one: Judged, p_holm: float | None, tests: int) -> tuple[Entry, ...]:
    claim = Entry(one.claim.text, (one.setting,))
    if one.comparison is None:
        return (claim, Entry("no claim", (one.reason,)), *(Entry("–") for _ in range(5)))
    difference, p = one.comparison.difference, one.comparison.p_value
    return (
        claim,
        Entry(one.verdict(p_holm), _why(one, p_holm, tests)),
        Entry(f"{one.shown.difference(difference.mean)} {one.shown.difference_unit}", (_ends(one.shown, difference),)),
        Entry(str(difference.n)),
        Entry("–" if p is None else f"{p:.3g}"),
        Entry("–" if p_holm is None else f"{p_holm:.3g}"),
        Entry(_needed(one, tests)),
    )


def _ends(shown: Quantity, interval: Interval) -> str:
    return shown.difference_ends(interval)


def _why(one: Judged, p_holm: float | None, tests: int) -> tuple[str, ...]:
    """What the test could not have shown whatever the numbers."""
    assert one.comparison is not None
    pairs = one.comparison.difference.n
    lowest = smallest_p(pairs)
    if one.verdict(p_holm) == "no claim" and lowest * tests >= LEVEL:
        least = f"{pairs} pairs cannot go below p = {lowest:.3g}"
        return (f"{least}, {lowest * tests:.3g} after Holm for {tests}" if tests > 1 else least,)
    return ()


def _needed(one: Judged, tests: int) -> str:
    """Pairs for the effect that was seen, at the level of the first of so many tests."""
    if len(one.by_seed) < 2:
        return "–"
    mean, sd = statistics.fmean(one.by_seed), statistics.stdev(one.by_seed)
    if sd == 0 or mean == 0:
        return "–"
    effect = abs(mean) / sd
    return str(t_test_pairs(effect, level=LEVEL / max(tests, 1))) if effect > 0.02 else "more than 10,000"

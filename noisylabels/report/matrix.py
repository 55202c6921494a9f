"""Every method against every other within one corruption, and their mean ranks over its rates."""

from __future__ import annotations

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import Setting
from noisylabels.report.wording import Quantity, decimal, percent
from noisylabels.statistics import ByStratum, Pairing, comparison_matrix

MOST_METHODS = 10
"""Of more, the pairs would fill pages; those with the reference method stand in the section before."""

TEXT = (
    "Levels over the noisy rates of one corruption, each rate weighing the same and a seed one draw for all of them; "
    "kinds of noise are not pooled. Advantage: how much better the first method is, in the metric's good direction. "
    "Wins, ties and losses count rates. p: exact two-sided sign-flip test over seeds, a seed flipped as a whole; Holm: "
    "corrected for all pairs of the table."
)


def matrix_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """A table for each corruption; None with fewer than three methods, whose one pair stands elsewhere."""
    if not 3 <= len(setting.methods) <= MOST_METHODS:
        return None
    tables = tuple(table for kind in setting.corruptions if (table := _table(setting, kind, shown)) is not None)
    return Section(anchor, setting.heading("All pairs"), (TEXT,), (Block(tables=tables),)) if tables else None


def _table(setting: Setting, corruption: str, shown: Quantity) -> Table | None:
    methods: dict[str, ByStratum] = {
        method: {percent(cell.rate): cell.values(shown) for cell in setting.curve(method, corruption) if cell.rate > 0}
        for method in setting.methods
    }
    strata = [percent(rate) for rate in setting.rates(corruption) if rate > 0]
    whole = {method: values for method, values in methods.items() if set(strata) <= values.keys()}
    if not strata or len(whole) < 2:
        return None
    pairs = comparison_matrix(whole, strata, higher_is_better=shown.higher_is_better)
    rows = tuple(_row(pair, shown) for pair in pairs)
    return Table(
        f"All pairs by {shown.words} over {', '.join(strata)}; {corruption}, {setting.label}.",
        ("first", "second", f"advantage of the first ({shown.difference_unit})", "wins, ties, losses", "p", "p, Holm"),
        rows,
        headers=2,
    )


def _row(pair: Pairing, shown: Quantity) -> tuple[Entry, ...]:
    names = (Entry(pair.first), Entry(pair.second))
    if pair.advantage is None:
        return (*names, Entry("no common seed"), *(Entry("–") for _ in range(3)))
    advantage = Entry(
        shown.difference(pair.advantage.mean), (f"{shown.difference_ends(pair.advantage)} n = {pair.advantage.n}",)
    )
    p_values = (Entry("–" if p is None else decimal(p, ".3g")) for p in (pair.p_value, pair.p_holm))
    return (*names, advantage, Entry(f"{pair.wins}, {pair.ties}, {pair.losses}"), *p_values)

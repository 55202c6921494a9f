"""One method against each rival, seed by seed."""

from __future__ import annotations

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import Setting
from noisylabels.report.wording import Quantity, percent
from noisylabels.statistics import Comparison, compare, smallest_p


def reference_method(setting: Setting) -> str:
    """The method the others are rivals of: the first whose head is cam-softmax, else the first."""
    return next((method for method in setting.methods if method.startswith("cam_softmax")), setting.methods[0])


def comparison_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """The reference method minus each rival at every corruption and rate; None without a rival."""
    ours = reference_method(setting)
    rivals = [method for method in setting.methods if method != ours]
    if not rivals:
        return None
    tables = tuple(_table(setting, shown, kind, ours, rivals) for kind in setting.corruptions)
    paragraphs = (
        f"Differences of {shown.words} between runs with the same seed, hence the same wrong labels. "
        f"{'Positive' if shown.higher_is_better else 'Negative'} is in favour of {ours}.",
        "p is the exact two-sided sign-flip test's, not corrected for the number of comparisons. It cannot be below "
        f"2 / 2ⁿ for n pairs: {smallest_p(3):g} for 3, {smallest_p(5):g} for 5, {smallest_p(6):.3g} for 6. The "
        "interval is narrower than that test would allow because it assumes normal differences.",
    )
    return Section(anchor, setting.heading("Pair by pair"), paragraphs, (Block(tables=tables),))


def _table(setting: Setting, shown: Quantity, corruption: str, ours: str, rivals: list[str]) -> Table:
    rows = []
    for rival in rivals:
        theirs = {cell.rate: cell for cell in setting.curve(rival, corruption)}
        for cell in setting.curve(ours, corruption):
            found = None
            if cell.rate in theirs:
                found = compare(cell.values(shown), theirs[cell.rate].values(shown))
            rows.append((Entry(f"minus {rival}"), Entry(percent(cell.rate)), *_entries(found, shown)))
    return Table(
        caption=f"{ours} minus each rival, {shown.words} ({shown.difference_unit}); {corruption}, {setting.label}.",
        columns=("rival", "asked rate", f"mean difference ({shown.difference_unit})", "95 % interval", "pairs", "p"),
        rows=tuple(rows),
        headers=2,
    )


def _entries(found: Comparison | None, shown: Quantity) -> tuple[Entry, ...]:
    if found is None:
        return (Entry("no pair"), Entry("–"), Entry("0"), Entry("–"))
    difference, p = found.difference, found.p_value
    return (
        Entry(shown.difference(difference.mean)),
        Entry(shown.difference_ends(difference)),
        Entry(str(difference.n)),
        Entry("–" if p is None else f"{p:.3g}"),
    )

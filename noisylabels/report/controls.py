"""What wrong labels cost beyond the images that they spoil: corrupted runs beside their controls."""

from __future__ import annotations

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.entries import difference_entry, value_entry
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, percent
from noisylabels.statistics import drops, t_interval

TEXT = (
    "Noise takes right labels away and puts wrong ones in their place. A control only takes away: clean_subset leaves "
    "out exactly the images whose label the corruption makes wrong, drop_identities those of the people it merges. "
    "Without noise minus control is what fewer images cost; control minus noise is what the wrong labels cost beyond "
    "that, and what a method could win by finding and leaving out all of them. Negative: wrong labels are better than "
    "none."
)


def controls_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """A table for each control; None where the study has none."""
    tables = tuple(_table(setting, control, of, shown) for control, of in setting.controls.items())
    return Section(anchor, setting.heading("Controls"), (TEXT,), (Block(tables=tables),)) if tables else None


def _table(setting: Setting, control: str, of: str, shown: Quantity) -> Table:
    cells = [cell for (_, kind, rate), cell in setting.cells.items() if kind == control and rate > 0]
    return Table(
        caption=f"{shown.words} ({shown.unit}), {shown.direction}, of {of} and of its control {control}; losses "
        f"({shown.difference_unit}), ↓ lower is better; {setting.label}. Mean [95 % interval] n.",
        columns=(
            "method",
            "asked rate",
            "without noise",
            "control",
            "noise",
            f"lost with the images ({shown.difference_unit})",
            f"lost to wrong labels beyond that ({shown.difference_unit})",
        ),
        rows=tuple(_row(setting, cell, of, shown) for cell in cells),
        headers=2,
    )


def _row(setting: Setting, control: Cell, of: str, shown: Quantity) -> tuple[Entry, ...]:
    clean, noisy = setting.clean(control.method, of), setting.cells.get((control.method, of, control.rate))
    return (
        Entry(control.method),
        Entry(percent(control.rate)),
        *(value_entry(cell, shown, None if cell is None else cell.interval(shown)) for cell in (clean, control, noisy)),
        _lost(clean, control, shown),
        _lost(control, noisy, shown),
    )


def _lost(before: Cell | None, after: Cell | None, shown: Quantity) -> Entry:
    """By how much the latter is worse, seed by seed."""
    if before is None or after is None:
        return difference_entry(None, shown)
    lost = drops(before.values(shown), after.values(shown), higher_is_better=shown.higher_is_better)
    return difference_entry(t_interval(lost.values()) if lost else None, shown)

"""The same runs under every rule for choosing the epoch, the oracle among them, by its name."""

from __future__ import annotations

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.entries import difference_entry, value_entry
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import percent, quantity
from noisylabels.result import RunResult
from noisylabels.spec import SELECTIONS
from noisylabels.statistics import t_interval

_HEADINGS = {
    "last_epoch": "last epoch (%)",
    "noisy_val": "best by noisy validation (%)",
    "clean_val_oracle": "ORACLE: best by true validation labels (%)",
}

TEXT = (
    "The last epoch needs no labels to be chosen. Noisy validation chooses by held-out labels with the same noise. The "
    "oracle chooses by the true labels of those held-out images: whoever had them would not need the noisy ones, so it "
    "is an upper bound and not a result. The forgetting gap, the best test accuracy of any epoch minus the last one's, "
    "looks at the test labels and is an oracle's number too."
)


def selection_section(setting: Setting, anchor: str) -> Section:
    """Accuracy under the three rules, and what training on after the best epoch cost."""
    return Section(
        anchor,
        setting.heading("Choosing the epoch"),
        (TEXT,),
        (Block(tables=tuple(_table(setting, kind) for kind in setting.corruptions)),),
    )


def _table(setting: Setting, corruption: str) -> Table:
    rows = []
    for method in setting.methods:
        for cell in setting.curve(method, corruption):
            rows.append((Entry(method), Entry(percent(cell.rate)), *_entries(cell)))
    return Table(
        caption=f"Clean-test accuracy by selection rule, ↑ higher is better; {corruption}, {setting.label}. "
        "Mean [95 % interval] n.",
        columns=(
            "method",
            "asked rate",
            *(_HEADINGS[rule] for rule in SELECTIONS),
            "forgetting gap (points), ↓",
        ),
        rows=tuple(rows),
        headers=2,
    )


def _entries(cell: Cell) -> list[Entry]:
    readings = [quantity("accuracy", rule) for rule in SELECTIONS]
    entries = [value_entry(cell, accuracy, cell.interval(accuracy)) for accuracy in readings]
    gaps = [gap for result in cell.finished if (gap := forgetting_gap(result)) is not None]
    return [*entries, difference_entry(t_interval(gaps) if gaps else None, readings[0])]


def forgetting_gap(result: RunResult) -> float | None:
    """``max_e a_e - a_last`` over the epochs' clean-test accuracies a: what was known and lost again.

    A share in [0, 1], lower is better; None without a history. An oracle's number: it looks at test labels.

    Reference: "best" against "last" accuracy, as the label-noise literature has reported since Han et al.,
    Co-teaching, NeurIPS 2018.
    """
    accuracies = [epoch.test_accuracy for epoch in result.history]
    return max(accuracies) - accuracies[-1] if accuracies else None

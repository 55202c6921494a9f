"""The answer, first: for each corruption the sentences that hold, and the numbers they rest on."""

from __future__ import annotations

from collections.abc import Sequence

from noisylabels.report.claims import claims
from noisylabels.report.comparison import reference_method
from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.entries import difference_entry, value_entry
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.losses import Loss, losses
from noisylabels.report.wording import Quantity, percent

_NOTE = (
    "Loss: clean minus noisy run of the same seed, in the metric's good direction; positive is worse. Mean loss: "
    "normalised area under the losses over realised rates. A method that is weak without noise has little to lose: "
    "read the loss beside the level."
)

_MERGED = (
    "Images of an absorbed identity count as wrong here, and no label named their class any more: most of this loss is "
    "common to all methods. Read it beside the accuracy with credit for merged identities."
)


def answer_section(settings: Sequence[Setting], shown: Quantity) -> Section:
    """A block for each setting and corruption; a plain statement where nothing has finished."""
    if not any(cell.values(shown) for setting in settings for cell in setting.cells.values()):
        return Section("answer", "Answer", ("No run has finished with a value: there is no answer yet.",), (), "answer")
    blocks = tuple(_block(setting, corruption, shown) for setting in settings for corruption in setting.corruptions)
    return Section("answer", "Answer", (), blocks, "answer")


def _block(setting: Setting, corruption: str, shown: Quantity) -> Block:
    found = losses(setting, corruption, shown)
    return Block(
        title=setting.heading(_title(corruption, found)),
        paragraphs=(*claims(found, reference_method(setting), shown), *_ceiling(corruption, shown)),
        tables=(_table(found, shown, setting, corruption),),
    )


def _ceiling(corruption: str, shown: Quantity) -> tuple[str, ...]:
    """What no method could have avoided."""
    merges = corruption.partition(":")[0] == "identity_merge"
    return (_MERGED,) if merges and shown.name == "accuracy" else ()


def _title(corruption: str, found: Sequence[Loss]) -> str:
    rate = max(loss.noisy.rate for loss in found)
    realised = next((r for loss in found if (r := loss.noisy.realised_rate) is not None), None)
    if rate == 0:
        return corruption
    return f"{corruption} at {percent(rate)}" + (
        "" if realised is None else f": {100 * realised:.1f} % of the training labels are wrong"
    )


def _table(found: Sequence[Loss], shown: Quantity, setting: Setting, corruption: str) -> Table:
    top = percent(max(loss.noisy.rate for loss in found))
    return Table(
        caption=f"{shown.words} ({shown.unit}), {shown.direction}; loss ({shown.difference_unit}), ↓ lower is better; "
        f"{corruption}, {setting.label}. Mean [95 % interval] n.",
        columns=("method", "level at 0 %", f"level at {top}", f"loss at {top}", "mean loss over rates", "left out"),
        rows=tuple(_row(loss, shown) for loss in found),
        notes=(_NOTE,),
    )


def _row(loss: Loss, shown: Quantity) -> tuple[Entry, ...]:
    return (
        Entry(loss.method),
        _level(loss.clean, shown),
        _level(loss.noisy, shown),
        difference_entry(loss.drop, shown),
        difference_entry(loss.area, shown),
        Entry(loss.left_out or "0"),
    )


def _level(cell: Cell | None, shown: Quantity) -> Entry:
    return value_entry(cell, shown, None if cell is None else cell.interval(shown))

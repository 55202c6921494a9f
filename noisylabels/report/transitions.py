"""Who is mistaken for whom: in the labels that were given, and in what each method has made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.report.document import Block, Chart, Entry, HeatMap, Section, Table
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import decimal, percent
from noisylabels.result import RunResult

TEXT = (
    "Training images at each corruption's highest rate, means over seeds: of each true class, the share that was to be "
    "given each label (where the corruption's parameters say so), the share that was given it, and the share that each "
    "method predicts as it at the end. A method that has learnt the noise by heart "
    "looks like the labels; one that has seen through it is dark on the diagonal only."
)

Shares = NDArray[np.float64]


def transitions_section(setting: Setting, anchor: str) -> Section | None:
    """Heat maps of labels and predictions; None where runs have kept no counts, as with more than 20 classes."""
    blocks = [block for kind in setting.corruptions if (block := _block(setting, kind)) is not None]
    return Section(anchor, setting.heading("Who is taken for whom"), (TEXT,), tuple(blocks)) if blocks else None


def _block(setting: Setting, corruption: str) -> Block | None:
    tops = [curve[-1] for method in setting.methods if (curve := setting.curve(method, corruption))]
    cells = [cell for cell in tops if cell.rate > 0 and any(result.array("learned") for result in cell.finished)]
    if not cells:
        return None
    names = _names(cells)
    given = _mean([_given(result, len(names)) for cell in cells[:1] for result in cell.finished])
    maps = [*_asked(cells[0], names)]
    maps += [_map(f"given labels ({corruption}, asked {percent(cells[0].rate)})", "given label", given, names)]
    learned = [_mean([_learned(result) for result in cell.finished]) for cell in cells]
    maps += [
        _map(f"learned by {cell.method}", "predicted label", shares, names)
        for cell, shares in zip(cells, learned, strict=True)
    ]
    title = f"{corruption}, asked {percent(cells[0].rate)}"
    chart = Chart(setting.heading(title), _describe(cells, given, learned), tuple(maps), 3)
    return Block(chart, (_table(cells, given, learned, title),), folded=True, title=title)


def _asked(cell: Cell, names: Sequence[str]) -> list[HeatMap]:
    """What the corruption's parameters ask for, where they alone say it."""
    asked = cell.runs[0].spec.plugin("corruption").asked_matrix(len(names))
    return [] if asked is None else [_map(f"asked ({cell.corruption})", "given label", asked, names)]


def _map(title: str, across: str, shares: Shares, names: Sequence[str]) -> HeatMap:
    return HeatMap(title, "true class", across, tuple(names), tuple(map(tuple, (100 * shares).tolist())))


def _names(cells: Sequence[Cell]) -> list[str]:
    """Class names where the runs recorded them, else numbers."""
    result = next(result for cell in cells for result in cell.finished if result.array("learned"))
    found: Any = result.array("learned")
    names = result.provenance.get("class_names")
    count = found.shape[0]
    return list(map(str, names)) if isinstance(names, list) and len(names) == count else list(map(str, range(count)))


def _given(result: RunResult, classes: int) -> Shares:
    """``P(given j | true i)`` from the noise record: its wrong labels by cell, the rest on the diagonal."""
    counts = np.zeros((classes, classes))
    kept = np.array(result.noise.get("count_by_class", [])) - np.array(result.noise.get("dropped_by_class", [0]))
    cells = result.noise.get("transitions")
    if kept.shape != (classes,) or not isinstance(cells, dict):
        return np.full((classes, classes), np.nan)
    for true, given, count in zip(cells["true"], cells["given"], cells["count"], strict=True):
        counts[true, given] = count
    counts[np.arange(classes), np.arange(classes)] = kept - counts.sum(axis=1)
    return _rows_to_one(counts)


def _learned(result: RunResult) -> Shares:
    found = result.array("learned")
    if found is None:
        return np.full((1, 1), np.nan)
    return _rows_to_one(np.array(found.values).reshape(found.shape))


def _rows_to_one(counts: Shares) -> Shares:
    totals = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0))


def _mean(matrices: Sequence[Shares]) -> Shares:
    known = [matrix for matrix in matrices if np.isfinite(matrix).all()]
    largest = max((matrix.shape for matrix in matrices), default=(1, 1))
    alike = [matrix for matrix in known if matrix.shape == largest]
    return np.asarray(np.mean(alike or [np.zeros(largest)], axis=0))


def _table(cells: Sequence[Cell], given: Shares, learned: Sequence[Shares], title: str) -> Table:
    rows = [("given labels", given), *((cell.method, shares) for cell, shares in zip(cells, learned, strict=True))]
    return Table(
        f"Shares of training images, mean over true classes (%); {title}.",
        ("labels", "own class", "most frequent other class", "all other classes"),
        tuple((Entry(name), *map(Entry, _summary(shares))) for name, shares in rows),
    )


def _summary(shares: Shares) -> tuple[str, str, str]:
    own = np.diag(shares)
    others = shares - np.diag(own)
    highest = others.max(axis=1)
    return tuple(decimal(100 * float(value.mean()), ".1f") for value in (own, highest, others.sum(axis=1)))  # type: ignore[return-value]


def _describe(cells: Sequence[Cell], given: Shares, learned: Sequence[Shares]) -> str:
    said = [f"given labels: {_summary(given)[0]} % of a class keep its own label in the mean"]
    said += [
        f"{cell.method} predicts {_summary(shares)[0]} % as their own class"
        for cell, shares in zip(cells, learned, strict=True)
    ]
    return "; ".join(said) + "."

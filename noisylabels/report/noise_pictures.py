"""Two pictures of a corruption: who is mistaken for whom, and how much of each class is wrong."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from corruptions import CorruptedLabels
from noisylabels.report.contact_sheet import kind_text, short_name

NAMED_CLASSES = 30
"""Classes whose names fit beside the picture."""

SHOWN_CLASSES = 120
"""Classes that a heat map shows; of more, the ones with the most wrong labels."""

WRONG, LEFT_OUT = "#c4442c", "#8c6bb1"


def transition_heat_map(labels: CorruptedLabels, class_names: Sequence[str]) -> bytes:
    """PNG of the realised ``T[i, j] = P(given j | true i)``, true classes down, given labels across.

    Up to 120 classes all are shown; of more, the 120 with the most wrong labels, said in the title. Up to 12 classes
    the cells have their per cent printed. A label beyond the K true ones (a split identity's part) is not shown.
    """
    shown = _most_wrong(labels, SHOWN_CLASSES)
    share = 100 * _block(labels, shown)
    n = len(shown)
    side = 3.2 + 0.32 * min(n, 24)
    figure = Figure(figsize=(side + 1.0, side), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # A square-root scale, and white for none: under symmetric noise every wrong cell has a few per cent only.
    shade = PowerNorm(0.5, vmin=0, vmax=100)
    image = axes.imshow(np.ma.masked_equal(share, 0), cmap="magma_r", norm=shade, interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class (%)")
    if n <= 12:
        for (i, j), value in np.ndenumerate(share):
            if value > 0:
                text, colour = f"{value:.1f}" if value < 99.95 else "100", "white" if value > 25 else "black"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    part = "" if n == labels.num_classes else f", the {n} of {labels.num_classes} classes with the most wrong labels"
    axes.set_title(f"{_headline(labels)}{part}", fontsize=9, parse_math=False)
    axes.set_xlabel("given label")
    axes.set_ylabel("true class")
    if n <= NAMED_CLASSES:
        names = [short_name(class_names[k]) for k in shown.tolist()]
        axes.set_xticks(range(n), names, rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(range(n), names, fontsize=7, parse_math=False)
    elif n < labels.num_classes:
        axes.set_xticks([])
        axes.set_yticks([])
    return _png(figure)


def class_bars(labels: CorruptedLabels, class_names: Sequence[str]) -> bytes:
    """PNG: for each true class, the share of its examples that are wrong and that are left out.

    Up to 30 classes one named bar each; of more, a profile over the classes in order of their share, and no names.
    """
    sizes = np.array(labels.record.count_by_class)
    present = np.flatnonzero(sizes > 0)
    wrong = 100 * np.array(labels.record.flipped_by_class)[present] / sizes[present]
    dropped = 100 * np.array(labels.record.dropped_by_class)[present] / sizes[present]
    named = len(present) <= NAMED_CLASSES
    order = np.arange(len(present)) if named else np.lexsort((-dropped, -wrong))
    figure = Figure(figsize=(8, 3.4 if not named else 2.0 + 0.22 * len(present)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if named:
        rows = np.arange(len(present))
        axes.barh(rows, wrong[order], color=WRONG, label="wrong label")
        if dropped.any():
            axes.barh(rows, dropped[order], left=wrong[order], color=LEFT_OUT, label="left out")
        names = [f"{short_name(class_names[k])} ({sizes[k]})" for k in present.tolist()]
        axes.set_yticks(rows, names, fontsize=8, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of the true class (%)")
    else:
        place = np.arange(len(present))
        axes.fill_between(place, wrong[order], step="mid", color=WRONG, label="wrong label")
        if dropped.any():
            top = wrong[order] + dropped[order]
            axes.fill_between(place, wrong[order], top, step="mid", color=LEFT_OUT, label="left out")
        axes.set_xlim(0, max(len(present) - 1, 1))
        axes.set_ylim(0, 100)
        axes.set_ylabel("share of the true class (%)")
        axes.set_xlabel(f"{len(present)} true classes with examples, most wrong first")
    axes.set_title(_headline(labels), fontsize=9, parse_math=False)
    axes.legend(fontsize=8, frameon=False, loc="best")
    return _png(figure)


def _headline(labels: CorruptedLabels) -> str:
    record = labels.record
    kind = kind_text(record)
    left_out = f", {record.num_dropped} left out" if record.num_dropped else ""
    kept = record.num_examples - record.num_dropped
    return f"{kind}: {record.num_flipped} of {kept} labels wrong ({record.realised_rate:.2%}){left_out}"


def _most_wrong(labels: CorruptedLabels, limit: int) -> NDArray[np.int64]:
    """Up to ``limit`` classes, ascending: all, or those with the most wrong labels as true or as given class."""
    K = labels.num_classes
    if limit >= K:
        return np.arange(K)
    cells = labels.transitions()
    inside = cells.given < K
    touched = np.bincount(cells.true, cells.count, K) + np.bincount(cells.given[inside], cells.count[inside], K)
    return np.sort(np.argsort(-touched, kind="stable")[:limit])


def _block(labels: CorruptedLabels, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows and columns ``shown`` of the realised transition matrix; never all K x K."""
    cells = labels.transitions()
    inside = np.isin(cells.true, shown) & np.isin(cells.given, shown)
    true, given = (np.searchsorted(shown, part[inside]) for part in (cells.true, cells.given))
    record = labels.record
    kept = (np.array(record.count_by_class) - np.array(record.dropped_by_class))[shown]
    right = kept - np.array(record.flipped_by_class)[shown]
    block = np.diag(np.where(kept == 0, 1.0, right))
    block[true, given] = cells.count[inside]
    share: NDArray[np.float64] = block / np.maximum(kept, 1)[:, None]
    return share


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

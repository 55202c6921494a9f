"""A picture of wrong labels: what the images are, and what the data set now says they are."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from corruptions import CorruptedLabels
from noisylabels.data import ImageSet

COLUMNS = 10


def contact_sheet(images: ImageSet, labels: CorruptedLabels, *, rows: int = 6) -> bytes:
    """PNG of up to ``10 * rows`` examples with wrong labels, spread evenly over the true classes, ``true > given``.

    Args:
        images: the N images.
        labels: their labels, in the same order.
        rows: of the picture.
    """
    wrong = _spread(labels, COLUMNS * rows)
    lines = max(1, -(-len(wrong) // COLUMNS))
    figure = Figure(figsize=(COLUMNS * 1.05, lines * 1.4 + 0.4), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    record = labels.record
    figure.suptitle(
        f"{len(wrong)} of {record.num_flipped} wrong labels ({record.kind}, {record.realised_rate:.1%} of "
        f"{record.num_examples} examples): true > given",
        fontsize=10,
        parse_math=False,
    )
    for place, row in enumerate(wrong):
        axes = figure.add_subplot(lines, COLUMNS, place + 1)
        pixels = np.moveaxis(images.images[row], 0, -1)
        axes.imshow(pixels.squeeze(), cmap="gray" if pixels.shape[-1] == 1 else None, vmin=0, vmax=255)
        names = (_name(images, label) for label in (labels.true[row], labels.given[row]))
        axes.set_title("\n> ".join(short_name(name) for name in names), fontsize=7, parse_math=False)
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _spread(labels: CorruptedLabels, count: int) -> list[int]:
    """Rows of wrong examples, one class after the other in turn, so that every corrupted class is seen."""
    rows = np.flatnonzero(labels.is_flipped)
    by_class = [list(rows[labels.true[rows] == k]) for k in np.unique(labels.true[rows])]
    turns = max((len(members) for members in by_class), default=0)
    in_turn = [int(members[turn]) for turn in range(turns) for members in by_class if turn < len(members)]
    return sorted(in_turn[:count], key=lambda row: (labels.true[row], row))


def _name(images: ImageSet, label: int) -> str:
    """A class's name; a label beyond the classes is a part of a split identity."""
    return images.class_names[label] if label < images.num_classes else f"new {label}"


def short_name(name: str, length: int = 14) -> str:
    """A class name that fits beside a picture."""
    return name if len(name) <= length else name[: length - 1] + "…"

"""A picture of wrong labels: what the images are, and what the data set now says they are."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from corruptions import CorruptedLabels, NoiseRecord
from noisylabels.data import ImageSet

COLUMNS = 10
CELL_WIDTH, CELL_HEIGHT, HEADLINE = 1.05, 1.4, 0.45  # inches


def contact_sheet(images: ImageSet, labels: CorruptedLabels, *, rows: int = 6) -> bytes:
    """PNG of up to ``10 * rows`` examples with wrong labels, spread evenly over the true classes, ``true > given``.

    Args:
        images: the N images.
        labels: their labels, in the same order.
        rows: of the picture.
    """
    wrong = _spread(labels, COLUMNS * rows)
    lines = max(1, -(-len(wrong) // COLUMNS))
    width, height = COLUMNS * CELL_WIDTH, lines * CELL_HEIGHT
    figure = Figure(figsize=(width, height + HEADLINE), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    record = labels.record
    figure.text(
        0.5,
        1 - 0.25 / (height + HEADLINE),
        f"{len(wrong)} of {record.num_flipped} wrong labels ({kind_text(record)}, {record.realised_rate:.1%} of "
        f"{record.num_examples - record.num_dropped} examples): true > given",
        fontsize=10,
        ha="center",
        va="center",
        parse_math=False,
    )
    # One set of axes in inches for all pictures: sixty sets with their own layout take seconds.
    axes = figure.add_axes((0.0, 0.0, 1.0, height / (height + HEADLINE)))
    for place, row in enumerate(wrong):
        line, column = divmod(place, COLUMNS)
        left, bottom = column * CELL_WIDTH + 0.03, (lines - 1 - line) * CELL_HEIGHT + 0.03
        pixels = np.moveaxis(images.images[row], 0, -1)
        extent = (left, left + CELL_WIDTH - 0.06, bottom, bottom + CELL_WIDTH - 0.06)
        axes.imshow(pixels.squeeze(), cmap="gray" if pixels.shape[-1] == 1 else None, vmin=0, vmax=255, extent=extent)
        names = (_name(images, label) for label in (labels.true[row], labels.given[row]))
        text = "\n> ".join(short_name(name) for name in names)
        middle = left + CELL_WIDTH / 2 - 0.03
        axes.text(middle, extent[3] + 0.04, text, fontsize=7, ha="center", va="bottom", parse_math=False)
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
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


def kind_text(record: NoiseRecord) -> str:
    """The corruption's kind; of a sum, the steps'."""
    return " + ".join(step.kind for step in record.steps) or record.kind


def short_name(name: str, length: int = 14) -> str:
    """A class name that fits beside a picture."""
    return name if len(name) <= length else name[: length - 1] + "…"

"""A run's wrong labels, to be looked at: a table of some, a picture of fewer, the whole record as a bundle."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from corruptions import CorruptedLabels
from corruptions.files import JSON_NAME, NPZ_NAME, RecordFileError, read_noise
from noisylabels.spec import RunSpec
from noisylabels.tracking.items import Bundle, Item, Picture, Table

MOST_ROWS = 2_000
"""Of the table: all of them are in the bundle, and W&B silently cuts a table at 200,000."""

MOST_IMAGES = 40
COLUMNS, CELL, TEXT = 10, 64, 26  # pixels

Images = Callable[[RunSpec, NDArray[np.int64]], tuple[NDArray[np.uint8], tuple[str, ...]] | None]
"""Images ``(n, C, H, W)`` of training examples by their ids, and class names; None where they cannot be had."""


def no_images(spec: RunSpec, ids: NDArray[np.int64]) -> None:
    """Where there is no data folder to look into."""
    return


@dataclass(frozen=True)
class Flips:
    """What a run's folder says about its labels."""

    labels: CorruptedLabels
    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Flips | None:
        """None where there is no record, or none that holds together."""
        try:
            return cls(read_noise(folder / JSON_NAME), folder)
        except RecordFileError:
            return None

    def bundle(self, spec: RunSpec) -> Bundle:
        """The whole record; runs that were told the same labels share it."""
        record = self.labels.record
        digest = record.given_sha256[:8] + record.ids_sha256[:8]
        return Bundle(
            name=f"noise-{record.kind.replace('+', 'sum')}-{spec.noise_seed}-{digest}",
            kind="noise-record",
            files={name: self.folder / name for name in (JSON_NAME, NPZ_NAME)},
            facts={
                "kind": record.kind,
                "requested_rate": record.rate,
                "realised_rate": record.realised_rate,
                "seed": record.seed,
                "num_examples": record.num_examples,
                "num_flipped": record.num_flipped,
                "true_sha256": record.true_sha256,
                "given_sha256": record.given_sha256,
                "ids_sha256": record.ids_sha256,
            },
        )

    def items(self, spec: RunSpec, images: Images) -> dict[str, Item]:
        """A table and, where images can be had, a picture; nothing where no label is wrong."""
        wrong = np.flatnonzero(self.labels.is_flipped)
        if not len(wrong):
            return {}
        seen = evenly(self.labels.true[wrong], MOST_IMAGES)
        found = images(spec, self.labels.ids[wrong[seen]])
        names = found[1] if found else ()
        items: dict[str, Item] = {"noise/flips": self._table(wrong[evenly(self.labels.true[wrong], MOST_ROWS)], names)}
        if found:
            texts = [self._text(row, names) for row in wrong[seen]]
            caption = f"{len(seen)} of {len(wrong)} wrong labels: true > given"
            items["noise/pictures"] = Picture(image_grid(found[0], texts), caption)
        return items

    def _table(self, rows: NDArray[np.int64], names: Sequence[str]) -> Table:
        labels = self.labels
        return Table(
            ("id", "true_label", "given_label", "true_class", "given_class"),
            tuple(
                (int(i), int(t), int(g), _name(names, t), _name(names, g))
                for i, t, g in zip(labels.ids[rows], labels.true[rows], labels.given[rows], strict=True)
            ),
        )

    def _text(self, row: int, names: Sequence[str]) -> str:
        true, given = (_name(names, labels[row])[:9] for labels in (self.labels.true, self.labels.given))
        return f"{true}\n> {given}"


def _name(names: Sequence[str], label: int) -> str:
    return str(names[label]) if label < len(names) else str(label)


def evenly(true: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Places of up to so many examples, one of each class in turn, in ascending order.

    >>> evenly(np.array([0, 0, 0, 1, 2]), 4).tolist()
    [0, 1, 3, 4]
    """
    by_class = np.argsort(true, kind="stable")
    sizes = np.unique(true, return_counts=True)[1]
    turn = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else np.array([], dtype=np.int64)
    return np.sort(by_class[np.argsort(turn, kind="stable")][:most])


def image_grid(images: NDArray[np.uint8], texts: Sequence[str]) -> bytes:
    """PNG of small pictures with two lines of text under each.

    Args:
        images: ``(n, C, H, W)``, uint8; one channel is grey.
        texts: as many.
    """
    lines = max(1, -(-len(images) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * CELL, lines * (CELL + TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (pixels, text) in enumerate(zip(images, texts, strict=True)):
        line, column = divmod(place, COLUMNS)
        left, top = column * CELL, line * (CELL + TEXT)
        channels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels[:3]
        small = Image.fromarray(np.ascontiguousarray(np.moveaxis(channels, 0, -1)))
        sheet.paste(small.resize((CELL - 4, CELL - 4), Image.Resampling.NEAREST), (left + 2, top + 2))
        draw.multiline_text((left + 3, top + CELL - 1), text, fill="black", spacing=1, font_size=10)
    buffer = io.BytesIO()
    sheet.save(buffer, format="png")
    return buffer.getvalue()

"""TensorBoard: an event file a run under ``<study>/tensorboard``, written anew by whoever tells the run again."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from noisylabels.catalog import MissingExtraError
from noisylabels.tracking.items import REALISED_RATE, Bundle, Matrix, Picture, Points, Row, Scalar, Table, TrackedRun
from noisylabels.tracking.pictures import matrix_picture, points_picture
from noisylabels.tracking.tracker import Recording, Tracker

FOLDER = Path("tensorboard")
MOST_ROWS = 200
"""Of a table: TensorBoard shows it as text."""


@dataclass(frozen=True)
class TensorBoard(Tracker):
    """TensorBoard's event files: ``tensorboard --logdir runs/<study>/tensorboard``.

    Its horizontal axis has whole numbers only: what is measured along the realised rate stands at per mille.
    """

    kind: ClassVar[str] = "tensorboard"

    def check(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("tracking by tensorboard needs it: pip install 'noisylabels[tensorboard]'")

    def environment(self) -> Mapping[str, str]:
        return {}

    def destination(self) -> str:
        return "tensorboard"

    def open(self, run: TrackedRun) -> Recording:
        folder = FOLDER / f"{_file_name(run.name)}_{run.run_id}"
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard's own writer puts the host's name into the file's.
        events = _EventFile((folder / "events.out.tfevents.0000000001.noisylabels").open("wb"))
        config = "\n".join(f"| {name} | {_cell(value)} |" for name, value in sorted(run.config.items()))
        events.add_text("config", f"| {run.name} | |\n| --- | --- |\n{config}", step=0)
        return _Open(events)


class _Open(Recording):
    def __init__(self, events: _EventFile) -> None:
        self.events = events

    def log(self, row: Row) -> None:
        rate = row.figures.get(REALISED_RATE)
        step = row.step if rate is None else round(1000 * rate)
        for name, value in row.figures.items():
            self.events.add_scalar(name, value, step)
        for name, item in row.items.items():
            if isinstance(item, Table):
                self.events.add_text(name, _markdown(item), step)
            else:
                self.events.add_png(name, _png(item), step)
        self.events.flush()

    def keep(self, bundle: Bundle) -> None:
        """Named, not copied: the files are in the study."""
        facts = "\n".join(f"| {name} | {_cell(value)} |" for name, value in bundle.facts.items())
        files = "\n".join(f"| file | {path.as_posix()} |" for path in bundle.files.values())
        self.events.add_text(bundle.kind, f"| {bundle.name} | |\n| --- | --- |\n{facts}\n{files}", step=0)

    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        said = "\n".join(f"| {name} | {_cell(value)} |" for name, value in summary.items())
        self.events.add_text("summary", f"| ended | {'failed' if failed else 'finished'} |\n| --- | --- |\n{said}", 0)
        self.events.close()


class _EventFile:
    """Events in TensorBoard's record format."""

    def __init__(self, file: BinaryIO) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._writer = RecordWriter(file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._add(step, tag=tag, simple_value=value)

    def add_text(self, tag: str, text: str, step: int) -> None:
        from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
        shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING, string_val=[text.encode("utf-8", "replace")], tensor_shape=shape
        )
        self._add(step, tag=tag, tensor=tensor, metadata=summary_pb2.SummaryMetadata(plugin_data=plugin))

    def add_png(self, tag: str, picture: Picture, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        width, height = (int.from_bytes(picture.png[at : at + 4], "big") for at in (16, 20))  # PNG's first chunk
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=picture.png)
        self._add(step, tag=tag, image=image)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, **value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[Summary.Value(**value)])))

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())


def _file_name(text: str) -> str:
    """What a run's folder is called, for TensorBoard shows runs by their folders."""
    return re.sub(r"[^\w.=+-]+", "_", text)[:100].strip("_.")


def _png(item: Matrix | Points | Picture) -> Picture:
    if isinstance(item, Matrix):
        return matrix_picture(item)
    return points_picture(item) if isinstance(item, Points) else item


def _markdown(table: Table) -> str:
    lines = [table.columns, ("---",) * len(table.columns), *table.rows[:MOST_ROWS]]
    if len(table.rows) > MOST_ROWS:
        lines.append((f"... and {len(table.rows) - MOST_ROWS} more", *("",) * (len(table.columns) - 1)))
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
    return " ".join(text.replace("|", "\\|").split())

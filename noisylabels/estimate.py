"""What a study will cost before it is run: time judged by its own finished runs, disk by them or by known sizes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from noisylabels.catalog import MissingExtraError
from noisylabels.data import Dataset
from noisylabels.models import model_size
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

SAMPLE = 5
"""So many finished runs of one kind are looked at, whatever their number."""


class Source(NamedTuple):
    """How large a public data set is: classes, images to train and validate on, channels and side of an image."""

    classes: int
    images: int
    channels: int
    side: int


SOURCES = {
    "digits": Source(10, 1_198, 1, 8),
    "cifar10": Source(10, 50_000, 3, 32),
    "cifar100": Source(100, 50_000, 3, 32),
}

RUN_BYTES, EPOCH_BYTES, LABEL_BYTES = 24_000, 350, 8
"""Disk that a finished run takes at most: whatever it was, for each epoch, for each image (measured: 4 to 8)."""


@dataclass(frozen=True)
class Estimate:
    """What is still to be done.

    Attributes:
        planned, todo: numbers of runs.
        seconds: of the runs to do, one after the other, without those that nothing tells about; None where nothing
            tells about any.
        untimed: how many these are.
        is_scaled: whether some were judged by runs of another number of epochs or another strategy.
        kept_bytes: what the finished runs will take on disk; None where nothing tells.
        is_guessed: whether some of that is from known sizes, for want of finished runs on the same data.
        checkpoint_bytes: what a run takes besides while it is under way, at most, without what its strategy remembers;
            None where the images' shape is not known before they are read.
    """

    planned: int
    todo: int
    seconds: float | None
    untimed: int
    is_scaled: bool
    kept_bytes: int | None
    is_guessed: bool
    checkpoint_bytes: int | None

    def time(self, workers: int) -> str:
        """In words, for so many runs at a time."""
        if not self.todo:
            return "none: all runs are done"
        if self.seconds is None:
            return "unknown until a first run is done"
        least = "at least" if self.untimed else "about"
        text = f"{least} {_duration(self.seconds / workers)}, {workers} at a time, judged by finished runs"
        text += " of other epochs or strategies too" if self.is_scaled else ""
        return text + (f"; nothing tells about {self.untimed} of {self.todo} runs" if self.untimed else "")

    def disk(self, workers: int) -> str:
        """In words, for so many runs at a time."""
        if not self.todo:
            return "none: all runs are done"
        if self.kept_bytes is None:
            return "unknown until a first run is done"
        how = "a guess from known sizes" if self.is_guessed else "judged by finished runs"
        extra = ""
        if self.checkpoint_bytes is not None:
            extra = f", and up to {_size(self.checkpoint_bytes * workers)} more while runs are under way"
        return f"about {_size(self.kept_bytes)}{extra}; {how}"

    def to_json(self, workers: int) -> dict[str, Any]:
        """For programs; ``seconds`` by the clock."""
        return {
            "planned": self.planned,
            "todo": self.todo,
            "workers": workers,
            "seconds": None if self.seconds is None else self.seconds / workers,
            "untimed_runs": self.untimed,
            "kept_bytes": self.kept_bytes,
            "kept_bytes_are_guessed": self.is_guessed,
            "checkpoint_bytes": None if self.checkpoint_bytes is None else self.checkpoint_bytes * workers,
        }


class _Kind(NamedTuple):
    """What decides how long a run takes and how much it leaves behind."""

    dataset: str
    model: str
    epochs: int
    strategy: str
    optimizer: str


class _Finished(NamedTuple):
    kind: _Kind
    seconds: float
    kept: int


def estimate(plan: Sequence[RunSpec], folder: StudyFolder) -> Estimate:
    """Judge a plan by what of it is done, and by known sizes; nothing is run and no data is read.

    Args:
        plan: all runs of the study.
        folder: where its runs are kept; it need not be there.

    Raises:
        StoreError: a result that is looked at is none.
    """
    done = _done(plan, folder)
    todo = Counter(_kind(spec) for spec in plan if spec.run_id not in done)
    finished = _finished((spec for spec in plan if spec.run_id in done), folder)
    examples = {_kind(spec): spec for spec in plan if spec.run_id not in done}
    times = {kind: _seconds(kind, finished) for kind in todo}
    kept = {kind: _kept(kind, examples[kind], finished) for kind in todo}
    known = [seconds * todo[kind] for kind, (seconds, _) in times.items() if seconds is not None]
    sizes = [size for size in map(_checkpoint, examples.values()) if size is not None]
    return Estimate(
        planned=len(plan),
        todo=sum(todo.values()),
        seconds=sum(known) if known else None,
        untimed=sum(todo[kind] for kind, (seconds, _) in times.items() if seconds is None),
        is_scaled=any(scaled for _, scaled in times.values()),
        kept_bytes=_total([(size, todo[kind]) for kind, size in kept.items()]),
        is_guessed=bool({kind.dataset for kind in todo} - {run.kind.dataset for run in finished}),
        checkpoint_bytes=max(sizes) if sizes else None,
    )


def _kind(spec: RunSpec) -> _Kind:
    return _Kind(spec.dataset, spec.model, spec.train.epochs, spec.strategy, spec.train.optimizer)


def _done(plan: Sequence[RunSpec], folder: StudyFolder) -> set[str]:
    """Runs of the plan with a result: one look at the folder first, for most studies are new."""
    runs = folder.path / "runs"
    there = {path.name for path in runs.iterdir()} if runs.is_dir() else set()
    return {spec.run_id for spec in plan if spec.run_id in there and (runs / spec.run_id / "result.json").is_file()}


def _finished(done: Iterable[RunSpec], folder: StudyFolder) -> list[_Finished]:
    """A few of each kind, with what they took."""
    seen: Counter[_Kind] = Counter()
    found = []
    for spec in done:
        kind = _kind(spec)
        seen[kind] += 1
        result = folder.run(spec.run_id).result() if seen[kind] <= SAMPLE else None
        seconds = result.provenance.get("seconds") if result is not None else None
        if isinstance(seconds, int | float):
            kept = sum(file.stat().st_size for file in folder.run(spec.run_id).path.iterdir() if file.is_file())
            found.append(_Finished(kind, float(seconds), kept))
    return found


def _seconds(kind: _Kind, finished: Sequence[_Finished]) -> tuple[float | None, bool]:
    """Seconds of one run, by those that are most like it, and whether they were of another kind."""
    alike = [run for run in finished if run.kind[:2] == kind[:2]]
    same = [run.seconds for run in alike if run.kind[:4] == kind[:4]]
    if same or not alike:
        return (statistics.median(same) if same else None), False
    return statistics.median(run.seconds / run.kind.epochs for run in alike) * kind.epochs, True


def _kept(kind: _Kind, spec: RunSpec, finished: Sequence[_Finished]) -> int | None:
    same = [run.kept for run in finished if run.kind.dataset == kind.dataset]
    if same:
        return int(statistics.median(same))
    images = _images(spec.plugin("dataset"))
    return None if images is None else RUN_BYTES + EPOCH_BYTES * kind.epochs + LABEL_BYTES * images


def _images(dataset: Dataset) -> int | None:
    """How many images a run is trained on, at most, where that is known without a look at them."""
    source = SOURCES.get(dataset.kind)
    if source is None:
        return None
    return source.images if dataset.per_class is None else min(source.images, source.classes * dataset.per_class)


def _checkpoint(spec: RunSpec) -> int | None:
    """Bytes of two checkpoints (one is dropped when the next is there): float32 weights and the optimiser's state."""
    source = SOURCES.get(spec.plugin("dataset").kind)
    if source is None:
        return None
    try:
        size = model_size(spec.plugin("model"), source.channels, source.side)
    except (MissingExtraError, ValueError, RuntimeError):  # the run itself will say so
        return None
    parameters = size.parameters + source.classes * size.embedding_dim
    copies = {"sgd": 2, "adamw": 3}[spec.train.optimizer]
    return int(2 * 4 * parameters * copies * spec.plugin("strategy").networks)


def _total(sizes: Sequence[tuple[int | None, int]]) -> int | None:
    known = [size * runs for size, runs in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _duration(seconds: float) -> str:
    """
    >>> _duration(40), _duration(4000), _duration(400_000)
    ('40 s', '67 minutes', '111 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 3 * 3600 else f"{seconds / 3600:.0f} hours"


def _size(count: int) -> str:
    """
    >>> _size(50_000), _size(5_200_000_000)
    ('50 kB', '5.2 GB')
    """
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1000:.0f} kB"

"""What a tracker is told: plain frozen values, the same whether a run is watched or played back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REALISED_RATE = "realised_rate"
"""Share of training labels that are really wrong, in [0, 1]: the axis of everything measured at the end of a run."""

Scalar = str | int | float | bool
Entry = Scalar | None


@dataclass(frozen=True)
class Axis:
    """Which figures are drawn along which other one.

    Attributes:
        metrics: a name, or all that begin so where it ends in ``/*``.
        along: the figure on the horizontal axis.
    """

    metrics: str
    along: str


@dataclass(frozen=True)
class TrackedRun:
    """One entry of a dashboard, before it has any figures.

    Attributes:
        run_id: unique in its project; the same for the same attempt whenever it is told.
        name: for people.
        project: the study's family.
        group: the study.
        job_type: the head, or ``study`` for the study as a whole.
        tags: kind of noise and data set.
        config: flat and typed: dashboards group and filter by these.
        axes: of its figures.
        is_live: whether it goes on at this moment, on this machine.
    """

    run_id: str
    name: str
    project: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Scalar]
    axes: tuple[Axis, ...]
    is_live: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under columns; a column has numbers or texts, not both."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]

    def __post_init__(self) -> None:
        if ragged := [len(row) for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"every row must have {len(self.columns)} entries; got {ragged[0]}")


@dataclass(frozen=True)
class Matrix:
    """Counts of true class (rows) by label (columns).

    Attributes:
        title: what is counted.
        labels: what the columns are: given labels, predictions.
        names: of classes, as many as rows and columns.
        counts: ``(K, K)``, read only.
    """

    title: str
    labels: str
    names: tuple[str, ...]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.names), len(self.names)):
            raise ValueError(f"{self.title} must be {len(self.names)} x {len(self.names)}; got {self.counts.shape}")


@dataclass(frozen=True)
class Points:
    """Places in a plane, each of a class: ``rows`` are (x, y, class name)."""

    title: str
    rows: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows in words."""

    png: bytes
    caption: str


Item = Table | Matrix | Points | Picture


@dataclass(frozen=True)
class Row:
    """What was known at one step: figures by name, and what is too much for a figure.

    Attributes:
        step: rises within a run; a row of a step that was told before says the same again.
        figures: finite numbers, the axis among them.
    """

    step: int
    figures: Mapping[str, float]
    items: Mapping[str, Item] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """Files that are kept under a name and told apart by their content.

    Attributes:
        name, kind: such as ``noise-symmetric-0-1f2e``, ``noise-record``.
        files: name to path, relative to the study's folder; not edited while they are passed on.
        facts: about them.
    """

    name: str
    kind: str
    files: Mapping[str, Path]
    facts: Mapping[str, Scalar]

"""What a study's dashboard shows, before it is W&B's: sections of panels, by the question they answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from noisylabels.tracking.families import FAMILIES, named
from noisylabels.tracking.items import REALISED_RATE

EPOCH = "epoch"


@dataclass(frozen=True)
class Curve:
    """Lines of some figures along an axis, one line a group of runs: mean and range."""

    title: str
    along: str
    figures: tuple[str, ...]
    along_title: str


@dataclass(frozen=True)
class Shown:
    """A table, a picture or a chart that runs log under that name."""

    name: str
    is_table: bool


@dataclass(frozen=True)
class Note:
    """A sentence or two, in Markdown."""

    text: str


@dataclass(frozen=True)
class Differences:
    """What runs differ in, side by side: configuration, status, reason."""


Panel = Curve | Shown | Note | Differences


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    name: str
    panels: tuple[Panel, ...]


def sections(measured: Collection[str]) -> tuple[Section, ...]:
    """The sections of a dashboard, failures last; those without a metric that was measured are left out.

    Args:
        measured: names of metrics that have a value in some run.
    """
    found = []
    for name, metrics in FAMILIES.items():
        curves = tuple(_along_rate(metric) for metric in metrics if metric in measured)
        if curves:
            found.append(Section(name, curves + MORE.get(name, ())))
    return (*found, FAILURES)


def _along_rate(metric: str) -> Curve:
    words = metric.removesuffix("_deg").replace("_", " ")
    return Curve(words, REALISED_RATE, (named(metric),), "wrong training labels, realised share")


MORE: dict[str, tuple[Panel, ...]] = {
    "degradation": (
        Curve("clean test accuracy by epoch", EPOCH, ("test/accuracy",), "epoch"),
        Shown("robustness", is_table=True),
        Shown("claims", is_table=True),
    ),
    "memorisation": (
        Curve("training images predicted as labelled, by epoch", EPOCH, ("train/given_accuracy",), "epoch"),
        Shown("predictions/confusion", is_table=False),
        Shown("noise/transitions", is_table=False),
        Shown("noise/pictures", is_table=False),
        Shown("noise/flips", is_table=True),
    ),
    "compactness": (Shown("embeddings/plane", is_table=False),),
}
"""Beside a section's curves."""

FAILURES = Section(
    "failures",
    (
        Note("Runs whose summary says a `status` other than `ok` have no figures at the end; `reason` says why."),
        Differences(),
        Curve("training loss by epoch", EPOCH, ("train/loss",), "epoch"),
    ),
)

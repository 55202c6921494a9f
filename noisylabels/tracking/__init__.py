"""Trackers: where figures are shown. A study's folder is the truth; a process apart tells trackers of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from noisylabels.catalog import build
from noisylabels.tracking.no_tracker import NoTracker
from noisylabels.tracking.tensorboard_tracker import TensorBoard
from noisylabels.tracking.tracker import Recording, Tracker, TrackingError
from noisylabels.tracking.wandb_tracker import Wandb

TRACKERS: Mapping[str, type[Tracker]] = MappingProxyType(
    {"none": NoTracker, "wandb": Wandb, "tensorboard": TensorBoard}
)
"""Printed name to frozen dataclass; a tracker imports its client (wandb, tensorboard) when it opens a run."""

SHORT = re.compile(r"(\w+):(\w+)")


def tracker_named(text: str) -> Tracker:
    """The tracker that a text names: ``wandb:mode=online``, or ``wandb:online`` for short.

    Raises:
        UsageError: no such tracker, or not so.
    """
    short = SHORT.fullmatch(text.strip())
    return build(TRACKERS, f"{short[1]}:mode={short[2]}" if short else text, what="tracker")


__all__ = ["TRACKERS", "NoTracker", "Recording", "TensorBoard", "Tracker", "TrackingError", "Wandb", "tracker_named"]

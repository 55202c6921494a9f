"""What a trial is judged by: held-out labels that are as noisy as the training's. Nothing else is looked at."""

from __future__ import annotations

from typing import Literal

from noisylabels.catalog import UsageError
from noisylabels.result import RunResult
from noisylabels.spec import Selection

Criterion = Literal["last_epoch", "noisy_val"]

WORST = 0.0
"""The score of a trial that diverged or broke: no accuracy is lower."""


def criterion_of(selection: Selection) -> Criterion:
    """The rule for choosing the epoch that a study's trials are judged at: its own, but never an oracle's."""
    return "noisy_val" if selection == "noisy_val" else "last_epoch"


def score(result: RunResult, criterion: Criterion) -> float:
    """Share of the held-out noisy validation labels predicted as they are given, in [0, 1]; higher is better.

    At the last epoch, or under ``noisy_val`` at the best by these very labels; 0 for a run that diverged or broke. A
    run that is called collapsed has what it scored, about chance: that word is spoken by the true labels of the test
    set, and may not decide here.

    Raises:
        UsageError: the run held no labels out.
    """
    if result.status in ("diverged", "failed"):
        return WORST
    seen = [epoch.validation_given_accuracy for epoch in result.history]
    found = [accuracy for accuracy in seen if accuracy is not None]
    if not seen or len(found) < len(seen):
        raise UsageError("tuning judges by noisy validation labels: the data set must hold some out (validation=0.1)")
    return max(found) if criterion == "noisy_val" else found[-1]

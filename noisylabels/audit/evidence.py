"""One detector's opinion on every example, and the opinion of several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COMBINED = "combined"
NO_SUGGESTION = -1


@dataclass(frozen=True, eq=False)
class Evidence:
    """How suspicious each of N labels is to one detector; arrays are read-only.

    Attributes:
        name: the detector's, such as ``self_confidence``.
        scores: float64 ``(N,)``, finite, higher is more suspicious; ties are allowed.
        in_sample: True where the model was trained on these very labels and may have memorised the wrong ones; it is
            called so wherever the evidence is printed.
        suggested: int64 ``(N,)``, the class each example would rather have, -1 where none; None where the detector has
            no opinion on that.

    Raises:
        ValueError: scores that are not float64 ``(N,)`` or not finite, suggestions of another shape or below -1.
    """

    name: str
    scores: NDArray[np.float64]
    in_sample: bool
    suggested: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores).view()
        if scores.dtype != np.float64 or scores.ndim != 1 or not np.isfinite(scores).all():
            raise ValueError(f"scores of {self.name} must be finite float64 (N,); got {scores.dtype}{scores.shape}")
        scores.flags.writeable = False
        object.__setattr__(self, "scores", scores)
        if self.suggested is None:
            return
        suggested = np.asarray(self.suggested).view()
        if suggested.dtype != np.int64 or suggested.shape != scores.shape or (suggested < NO_SUGGESTION).any():
            raise ValueError(f"suggestions of {self.name} must be int64 ({len(scores)},) of at least -1; got others")
        suggested.flags.writeable = False
        object.__setattr__(self, "suggested", suggested)

    def __len__(self) -> int:
        return len(self.scores)


def normalised_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each score from 0 (lowest) to 1 (highest), ``(N,)``; equal scores share their mean rank.

    >>> normalised_ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [0.75, 0.0, 0.75]
    """
    _, level, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties + 1) / 2
    return np.asarray(ranks[level] / max(len(scores) - 1, 1), dtype=np.float64)


def combined(evidences: Sequence[Evidence]) -> Evidence:
    """Mean of the detectors' normalised ranks: no detector's units count, and none is trusted more than another.

    The suggestion is the one most detectors make; among equally many, the one of the detectors that stand first.
    It is in sample as soon as one of them is.

    Args:
        evidences: at least one, of the same N examples.

    Raises:
        ValueError: none at all, or of different numbers of examples.

    Reference: Borda's mean rank; robust to a detector in other units. Tag: our own choice among standard rules.
    """
    if not evidences or len({len(evidence) for evidence in evidences}) != 1:
        sizes = [len(evidence) for evidence in evidences]
        raise ValueError(f"combined needs evidence of the same examples, at least one; got sizes {sizes}")
    ranks = np.mean([normalised_ranks(evidence.scores) for evidence in evidences], axis=0)
    votes = [evidence.suggested for evidence in evidences if evidence.suggested is not None]
    in_sample = any(evidence.in_sample for evidence in evidences)
    return Evidence(COMBINED, ranks, in_sample, _most_voted(votes) if votes else None)


def _most_voted(votes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The class most votes name for each example, the first to be named among equals; -1 where nobody names one."""
    ballots = np.stack(votes)
    named = ballots != NO_SUGGESTION
    counts = np.where(named, (ballots[:, None] == ballots[None, :]).sum(axis=1), -1)
    return np.asarray(ballots[counts.argmax(axis=0), np.arange(ballots.shape[1])], dtype=np.int64)

"""A world that is easy to audit, drawn without any model: what held-out and trained models would say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit import Dynamics, Observed

EXAMPLES, CLASSES, EPOCHS, TRAININGS = 400, 5, 6, 3


@dataclass(frozen=True, eq=False)
class World:
    """What is so, and what detectors are shown of it."""

    true: NDArray[np.int64]
    observed: Observed

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return np.asarray(self.observed.given != self.true)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def world(seed: int = 0, rate: float = 0.15) -> World:
    """Models that mostly know the truth, learn it first, and the wrong labels towards the end of training."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, CLASSES, EXAMPLES)
    given = true.copy()
    flipped = draw.permutation(EXAMPLES)[: round(rate * EXAMPLES)]
    given[flipped] = (true[flipped] + draw.integers(1, CLASSES, len(flipped))) % CLASSES
    held_out = 4 * np.eye(CLASSES)[true] + draw.normal(size=(EXAMPLES, CLASSES))
    shape = (TRAININGS, EPOCHS, EXAMPLES, CLASSES)
    learnt = np.linspace(1.5, 4.0, EPOCHS)[:, None, None] * np.eye(CLASSES)[true]
    by_heart = np.linspace(0.0, 4.5, EPOCHS)[:, None, None] * np.eye(CLASSES)[given]
    logits = learnt + by_heart + 0.7 * draw.normal(size=shape)
    fold = draw.integers(0, TRAININGS, EXAMPLES)
    unseen = (np.arange(TRAININGS)[:, None, None] == fold) | (draw.random((TRAININGS, EPOCHS, EXAMPLES)) < 0.05)
    return World(true, Observed(given, CLASSES, softmax(held_out), False, dynamics_of(logits, given, unseen)))


def dynamics_of(logits: NDArray[np.float64], given: NDArray[np.int64], unseen: NDArray[np.bool_]) -> Dynamics:
    """Dynamics of logits ``(R, E, N, K)``."""
    target = np.take_along_axis(logits, np.broadcast_to(given, logits.shape[:3])[..., None], axis=-1)[..., 0]
    others = np.where(np.eye(logits.shape[-1], dtype=np.bool_)[given], -np.inf, logits).max(axis=-1)
    losses = np.log(np.exp(logits).sum(axis=-1)) - target
    return Dynamics(
        np.where(unseen, np.nan, target - others).astype(np.float32),
        np.where(unseen, np.nan, losses).astype(np.float32),
        np.where(unseen, -1, logits.argmax(axis=-1)),
    )


def reordered(observed: Observed, order: NDArray[np.int64]) -> Observed:
    """The same examples in another order."""
    assert observed.probabilities is not None
    assert observed.dynamics is not None
    seen = observed.dynamics
    dynamics = Dynamics(seen.margins[..., order], seen.losses[..., order], seen.predicted[..., order])
    return Observed(
        observed.given[order], observed.num_classes, observed.probabilities[order], observed.in_sample, dynamics
    )


def renamed(observed: Observed, names: NDArray[np.int64]) -> Observed:
    """Class k is called ``names[k]`` now."""
    assert observed.probabilities is not None
    assert observed.dynamics is not None
    seen = observed.dynamics
    predicted = np.where(seen.predicted < 0, -1, names[seen.predicted])
    columns = np.empty_like(observed.probabilities)
    columns[:, names] = observed.probabilities
    dynamics = Dynamics(seen.margins, seen.losses, predicted)
    return Observed(names[observed.given], observed.num_classes, columns, observed.in_sample, dynamics)

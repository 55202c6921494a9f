"""Every example judged by a model that never saw its label: k trainings of the toolkit's own, each without a fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from noisylabels.audit.dynamics import Dynamics, Journal
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.fitting import fitted
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.spec import RunSpec
from noisylabels.training.device import pick_device
from noisylabels.training.images import ImageBatches

Geometry = Callable[[NDArray[np.float32], NDArray[np.int64]], Sequence[Evidence]]
"""Embeddings ``(N, D)`` and given labels ``(N,)`` to evidence about all N."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What k trainings say of N examples.

    Attributes:
        probabilities: float64 ``(N, K)``, of the one model that was not trained on the example.
        fold: int64 ``(N,)`` in [0, k), the training that left the example out.
        dynamics: of all k trainings; each example was in k - 1 of them, under its given label.
        geometry: evidence of embeddings, each example's by the model that was not trained on it.
    """

    probabilities: NDArray[np.float64]
    fold: NDArray[np.int64]
    dynamics: Dynamics
    geometry: tuple[Evidence, ...] = ()


def folds(given: NDArray[np.int64], ids: NDArray[np.int64], count: int, *, seed: int) -> NDArray[np.int64]:
    """Fold of each example, int64 ``(N,)`` in [0, count): every label's examples are dealt out by their draws.

    Two folds' shares of a label differ by one example at most. An example's draw hangs on its id alone.

    Raises:
        UsageError: fewer than two folds, or more than examples.
    """
    if not 2 <= count <= len(given):
        raise UsageError(f"folds must be in [2, {len(given)}], the number of examples; got {count}")
    draws = example_draws(seed, "audit/fold", ids)
    order = np.lexsort((draws, given))
    starts = np.flatnonzero(np.diff(given[order], prepend=-1))
    place = np.arange(len(given)) - np.repeat(starts, np.diff(np.append(starts, len(given))))
    dealt = np.empty(len(given), dtype=np.int64)
    dealt[order] = (place + given[order]) % count  # rare labels do not all begin with fold 0
    return dealt


def out_of_fold(
    spec: RunSpec,
    images: ImageSet,
    *,
    count: int = 5,
    device: str = "auto",
    geometry: Geometry = lambda embeddings, given: (),
    on_fold: Callable[[int, int], None] = lambda done, count: None,
) -> OutOfFold:
    """Train ``count`` models, each on all folds but one, and ask each about the fold it did not see.

    Args:
        spec: model, head, loss, strategy, training and seed; its data set and corruption play no part.
        images: the N images with their **given** labels.
        count: k.
        device: see ``pick_device``.
        geometry: what to make of each model's embeddings of all images.
        on_fold: told of every finished training.

    Raises:
        UsageError: the folds or the training cannot be had as asked, or a training diverged.
    """
    fold = folds(images.labels, images.ids, count, seed=spec.seed)
    probabilities = np.zeros((len(images), images.num_classes))
    journals, views = [], []
    for number in range(count):
        held_out, rows = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        journal = Journal(spec.train.epochs, len(images), rows)
        model, batches = fitted(spec, images.take(rows), pick_device(device), journal)
        probabilities[held_out] = model.probabilities(_like(batches, images.take(held_out))).numpy()
        found = geometry(model.embeddings(_like(batches, images)).numpy(), images.labels)
        views.append((held_out, found))
        journals.append(journal)
        on_fold(number + 1, count)
    return OutOfFold(probabilities, fold, Dynamics.stacked(journals), _merged(views, len(images)))


def _like(trained_on: ImageBatches, images: ImageSet) -> ImageBatches:
    """Images standardised as those a model was trained on."""
    mean, std = trained_on.mean.flatten(), trained_on.std.flatten()
    return ImageBatches(images.images, mean, std, device=trained_on.device)


def _merged(views: list[tuple[NDArray[np.int64], Sequence[Evidence]]], examples: int) -> tuple[Evidence, ...]:
    """Of each kind of evidence, every example's by the fold that held it out."""
    merged = []
    for number, first in enumerate(views[0][1]):
        scores = np.zeros(examples)
        suggested = None if first.suggested is None else np.full(examples, -1)
        for held_out, found in views:
            scores[held_out] = found[number].scores[held_out]
            if suggested is not None and (theirs := found[number].suggested) is not None:
                suggested[held_out] = theirs[held_out]
        merged.append(Evidence(first.name, scores, False, suggested))
    return tuple(merged)

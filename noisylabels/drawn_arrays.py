"""Small arrays of a finished run that a report draws: too much for a table of metrics, too little to need a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics import Evaluation, Undefined
from noisylabels.metrics.by_class import as_directions
from noisylabels.metrics.calibration import reliability
from noisylabels.result import Array

MAX_CLASSES = 1000
MAX_MATRIX = 20
PLANE_CLASSES = 10
PLANE_EXAMPLES = 200


def drawn_arrays(evaluation: Evaluation) -> tuple[Array, ...]:
    """What there is to draw of

    - ``class_accuracy`` (2, K): clean test images of each true class, and how many of them are predicted as it; for
      1,000 classes at most;
    - ``reliability`` (3, 15): clean test images in each bin of confidence, their mean confidence, the share that is
      right (``metrics.calibration.reliability``);
    - ``learned`` (K, K): training images of true class i that are predicted as label j; for 20 classes at most, all of
      whose labels are classes;
    - ``plane`` (n, 3): x, y and true class of at most 200 clean test embeddings of at most ten classes: directions,
      centred, on their two principal axes, lengths kept, so that all runs can be drawn on the same axes;
    - ``plane_variance`` (2,): share of the variance of those directions on either axis.

    Arrays that cannot be had (embeddings without direction, no test image) are left out.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        found["reliability"] = _reliability(evaluation)
        found |= _class_accuracy(evaluation) | _learned(evaluation)
        found |= _plane(evaluation)
    except Undefined:
        pass
    return tuple(
        Array(name=name, shape=array.shape, values=tuple(np.round(array.ravel().astype(np.float64), 4).tolist()))
        for name, array in found.items()
    )


def _reliability(evaluation: Evaluation) -> NDArray[np.float64]:
    bins = reliability(evaluation.test_probabilities, evaluation.test_true)
    return np.stack([bins.counts, bins.confidence, bins.accuracy])


def _class_accuracy(evaluation: Evaluation) -> dict[str, NDArray[np.int64]]:
    if evaluation.num_classes > MAX_CLASSES:
        return {}
    true = evaluation.test_true
    right = true[evaluation.test_probabilities.argmax(axis=1) == true]
    counts = [np.bincount(labels, minlength=evaluation.num_classes) for labels in (true, right)]
    return {"class_accuracy": np.stack(counts)}


def _learned(evaluation: Evaluation) -> dict[str, NDArray[np.int64]]:
    classes = evaluation.num_classes
    if classes > MAX_MATRIX or evaluation.validation_probabilities.shape[1] > classes:
        return {}
    cell = evaluation.train_true * classes + evaluation.train_predicted
    return {"learned": np.bincount(cell, minlength=classes**2).reshape(classes, classes)}


def _plane(evaluation: Evaluation) -> dict[str, NDArray[np.float64]]:
    """Principal axes by a singular value decomposition, each turned so that its largest weight is positive."""
    rows = _shown(evaluation.test_true)
    directions = as_directions(evaluation.test_embeddings[rows])
    if min(directions.shape) < 2:
        return {}
    centred = directions - directions.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    largest = axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)]
    points = centred @ (axes[:2] * np.sign(largest)[:, None]).T
    total = float((singular**2).sum())
    plane = np.column_stack([points, evaluation.test_true[rows]])
    return {"plane": plane, "plane_variance": singular[:2] ** 2 / total if total > 0 else np.zeros(2)}


def _shown(true: NDArray[Any]) -> NDArray[np.int64]:
    """The first images of the first classes that have any, as many of each."""
    classes = np.unique(true)[:PLANE_CLASSES]
    each = PLANE_EXAMPLES // max(len(classes), 1)
    return np.sort(np.concatenate([np.flatnonzero(true == label)[:each] for label in classes]))

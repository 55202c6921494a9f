"""Epochs and measurements as rows of figures, and a result as the tables and matrices that belong to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisylabels.result import Epoch, RunResult
from noisylabels.tracking.families import figure_name
from noisylabels.tracking.items import REALISED_RATE, Item, Matrix, Points, Row, Scalar, Table
from noisylabels.tracking.shareable import without_places


def epoch_row(epoch: Epoch) -> Row:
    """One line of the history, along ``epoch``; what is not finite is left out."""
    figures = {
        "train/loss": epoch.train_loss,
        "train/given_accuracy": epoch.train_given_accuracy,
        "validation/given_accuracy": epoch.validation_given_accuracy,
        "validation/true_accuracy": epoch.validation_true_accuracy,
        "test/accuracy": epoch.test_accuracy,
        **{f"head/{name}": value for name, value in epoch.head.items()},
    }
    return Row(epoch.epoch, {"epoch": epoch.epoch, **_finite(figures)})


def final_row(result: RunResult, step: int, flips: Mapping[str, Item]) -> Row:
    """What was measured at the end, along the realised rate, with its tables.

    Args:
        result: a run that has one.
        step: after that of its last epoch.
        flips: what there is to show of its wrong labels.
    """
    figures = _finite({figure_name(measured): measured.value for measured in result.measurements})
    return Row(step, _finite({REALISED_RATE: result.realised_rate}) | figures, {**result_items(result), **flips})


def summary(result: RunResult) -> dict[str, Scalar]:
    """What a list of runs shows beside the figures of the last row."""
    seconds = result.provenance.get("seconds")
    said: dict[str, Scalar] = {"status": result.status, "reason": without_places(result.reason)}
    return said | ({"seconds": seconds} if isinstance(seconds, int | float) else {})


def result_items(result: RunResult) -> dict[str, Item]:
    """Measurements with unit, direction, n and interval; who is taken for whom; the plane of test embeddings."""
    items: dict[str, Item] = {"measurements": _measurements(result)} if result.measurements else {}
    given = _given(result)
    if given is not None:
        items["noise/transitions"] = given
    learned = _array(result, "learned")
    if learned is not None:
        counts = np.asarray(np.rint(learned), dtype=np.int64)
        names = _class_names(result, len(counts))
        items["predictions/confusion"] = Matrix("training images, true and predicted class", "predicted", names, counts)
        items["predictions/by_class"] = _by_class(result, names, counts)
    plane = _array(result, "plane")
    if plane is not None:
        classes = _class_names(result, int(plane[:, 2].max()) + 1)
        rows = tuple((float(x), float(y), classes[int(label)]) for x, y, label in plane)
        items["embeddings/plane"] = Points("test embeddings on their two principal axes", rows)
    return items


def _measurements(result: RunResult) -> Table:
    rows = []
    for one in result.measurements:
        low, high = one.interval or (None, None)
        direction = "higher is better" if one.higher_is_better else "lower is better"
        rows.append((one.name, one.selection, one.value, one.unit, direction, one.n, low, high, one.note))
    return Table(("metric", "selection", "value", "unit", "direction", "n", "low", "high", "note"), tuple(rows))


def _by_class(result: RunResult, names: tuple[str, ...], counts: Any) -> Table:
    """Each true class's training images by what they are predicted as, and its clean test images."""
    tested = _array(result, "class_accuracy")
    rows = []
    for label, name in enumerate(names):
        others = counts[label].copy()
        others[label] = 0
        test_images, right = (int(part[label]) for part in tested) if tested is not None else (None, None)
        mistaken = names[int(others.argmax())] if others.any() else None
        rows.append(
            (name, int(counts[label].sum()), int(counts[label, label]), mistaken, int(others.max()), test_images, right)
        )
    columns = ("true_class", "train_images", "predicted_as_it", "most_often_as", "how_often", "test_images", "right")
    return Table(columns, tuple(rows))


def _given(result: RunResult) -> Matrix | None:
    """True class by given label, kept examples, from the noise record; None above its 100 classes, or with new ones."""
    cells, kept = result.noise.get("transitions"), np.array(result.noise.get("count_by_class", []), dtype=np.int64)
    if not isinstance(cells, dict) or result.noise.get("num_given_classes") != len(kept):
        return None
    kept = kept - np.array(result.noise.get("dropped_by_class", [0]), dtype=np.int64)
    counts = np.zeros((len(kept), len(kept)), dtype=np.int64)
    for true, given, count in zip(cells["true"], cells["given"], cells["count"], strict=True):
        counts[true, given] = count
    counts[np.arange(len(kept)), np.arange(len(kept))] = kept - counts.sum(axis=1)
    return Matrix("training images, true class and given label", "given", _class_names(result, len(kept)), counts)


def _array(result: RunResult, name: str) -> Any:
    found = result.array(name)
    return None if found is None else np.array(found.values).reshape(found.shape)


def _class_names(result: RunResult, count: int) -> tuple[str, ...]:
    """As the run recorded them, else numbers."""
    names = result.provenance.get("class_names")
    known = names if isinstance(names, list) else []
    return tuple(str(known[label]) if label < len(known) else str(label) for label in range(count))


def _finite(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}

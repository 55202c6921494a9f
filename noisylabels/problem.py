"""A run's problem, posed: images, true labels, and the labels that training will be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels, Corruption
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet, Splits
from noisylabels.spec import RunSpec, TrainSpec


@dataclass(frozen=True)
class Problem:
    """What a run is about, once the data are there: images, and both labels of each.

    Attributes:
        splits: images and true labels.
        noisy_train: the training labels, corrupted.
        validation_given: the validation labels, int64 ``(V,)``, corrupted in the same way; V may be 0.
    """

    splits: Splits
    noisy_train: CorruptedLabels
    validation_given: NDArray[np.int64]

    @property
    def num_classes(self) -> int:
        """K."""
        return self.splits.train.num_classes


def pose(spec: RunSpec, root: Path, *, download: bool = False) -> Problem:
    """Load the data and corrupt the labels of training and validation split.

    Raises:
        MissingDataError: the data set is not under ``root``.
        UsageError: the data set or the corruption cannot be had as asked.
    """
    return _corrupted(spec, spec.plugin("dataset").prepare(root, download=download))


def check(specs: Sequence[RunSpec], root: Path, *, download: bool = False) -> None:
    """Pose every different problem among the specs and drop it again: what cannot be is said before anything runs.

    Raises:
        MissingDataError, UsageError: as ``pose``.
    """
    by_dataset: dict[str, dict[str, RunSpec]] = {}
    for spec in specs:
        by_dataset.setdefault(spec.dataset, {})[spec.corruption] = spec
    for asked in by_dataset.values():
        splits = next(iter(asked.values())).plugin("dataset").prepare(root, download=download)
        for spec in asked.values():
            _corrupted(spec, splits)
            check_padding(spec.train, splits.train.images.shape[-1])


def check_padding(train: TrainSpec, side: int) -> None:
    """Refuse a crop that a mirrored border cannot serve.

    Raises:
        UsageError: the padding is not below the image side.
    """
    if train.augment != "none" and train.crop_padding >= side:
        raise UsageError(f"crop_padding must be below the image side {side}; got {train.crop_padding}")


def _corrupted(spec: RunSpec, splits: Splits) -> Problem:
    """The splits are corrupted one by one, so that each realises the asked rate exactly."""
    corruption: Corruption = spec.plugin("corruption")

    def corrupted(images: ImageSet) -> CorruptedLabels:
        return corruption.apply(images.labels, images.num_classes, seed=spec.noise_seed, example_ids=images.ids)

    try:
        held_out = corrupted(splits.validation).given if len(splits.validation) else splits.validation.labels
        return Problem(splits, corrupted(splits.train), held_out)
    except ValueError as error:
        raise UsageError(f"{error} (in {spec.short('corruption')!r} on {spec.short('dataset')!r})") from error


def carrying_class(labels: CorruptedLabels) -> NDArray[np.int64]:
    """For each true class, the class whose label its images carry by design, int64 ``(K,)``.

    Another class only where whole identities were merged; scattered flips leave a class carrying its own name.
    """
    carrying = np.arange(labels.record.num_classes)
    for absorbed, absorber in labels.record.details.get("absorbed_into", []):
        carrying[absorbed] = absorber
    return carrying

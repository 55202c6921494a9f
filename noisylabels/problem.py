"""A run's problem, posed: images, true labels, and the labels that training will be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels, Corruption, Examples
from noisylabels.catalog import UsageError
from noisylabels.data import Dataset, ImageSet, Splits, VerificationSet
from noisylabels.data.held_out_overlap import HeldOutOverlap, held_out_overlap
from noisylabels.spec import RunSpec, TrainSpec


@dataclass(frozen=True)
class Problem:
    """What a run is about, once the data are there: images, and both labels of each.

    Attributes:
        splits: images and true labels, as they came.
        noisy_train: the training labels, corrupted.
        noisy_validation: the validation labels, corrupted in the same way; None where there are none.
        verification: images and pairs of people who are in no split, where the data set has some.
    """

    splits: Splits
    noisy_train: CorruptedLabels
    noisy_validation: CorruptedLabels | None
    verification: VerificationSet | None = None

    @property
    def num_classes(self) -> int:
        """K, true classes."""
        return self.splits.train.num_classes

    @property
    def num_given_classes(self) -> int:
        """K' >= K, the labels a model chooses among; more than K where identities were split."""
        return self.noisy_train.record.num_given_classes

    @cached_property
    def train(self) -> ImageSet:
        """The training images that the corruption left in."""
        return _kept(self.splits.train, self.noisy_train)

    @cached_property
    def train_given(self) -> NDArray[np.int64]:
        """The labels they are trained with, int64 ``(N,)``, in [0, K')."""
        return self.noisy_train.given[self.noisy_train.is_kept]

    @cached_property
    def validation(self) -> ImageSet:
        """The validation images that the corruption left in; there may be none."""
        return _kept(self.splits.validation, self.noisy_validation)

    @cached_property
    def validation_given(self) -> NDArray[np.int64]:
        """Their labels, corrupted in the same way as the training labels, int64 ``(V,)``."""
        noisy = self.noisy_validation
        return self.splits.validation.labels if noisy is None else noisy.given[noisy.is_kept]

    @cached_property
    def carrying_class(self) -> NDArray[np.int64]:
        """For each true class, the label its images mostly carry by design, int64 ``(K,)``; -1 where none is theirs.

        Another class only where identities were merged, whole or by more than half of their images; scattered flips
        leave a class carrying its own name.
        """
        details = self.noisy_train.record.details
        carrying = np.arange(self.num_classes)
        in_part = set(details.get("absorbed_in_part", []))
        for absorbed, absorber in details.get("absorbed_into", []):
            given = self.noisy_train.given[self.noisy_train.true == absorbed] if absorbed in in_part else None
            if given is None or 2 * np.count_nonzero(given == absorber) > len(given):
                carrying[absorbed] = absorber
        carrying[np.array(details.get("absent", []), dtype=np.int64)] = -1
        return carrying

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """For each label, the true class it is of, int64 ``(K',)``: the parts of a split identity are of that one."""
        owner = np.arange(self.num_given_classes)
        for label, identity in self.noisy_train.record.details.get("split_from", []):
            owner[label] = identity
        return owner


def pose(spec: RunSpec, root: Path, *, download: bool = False) -> Problem:
    """Load the data and corrupt the labels of training and validation split.

    Raises:
        MissingDataError: the data set, or a file of labels that the corruption needs, is not under ``root``.
        UsageError: the data set or the corruption cannot be had as asked.
    """
    dataset: Dataset = spec.plugin("dataset")
    problem = _corrupted(spec, dataset.prepare(root, download=download), root)
    return replace(problem, verification=dataset.verification(root))


def check(specs: Sequence[RunSpec], root: Path, *, download: bool = False) -> dict[str, HeldOutOverlap]:
    """Pose every different problem among the specs and drop it again: what cannot be is said before anything runs.

    Returns:
        Of each data set that has people held out to verify: what they share with those trained on.

    Raises:
        MissingDataError, UsageError: as ``pose``.
    """
    overlaps: dict[str, HeldOutOverlap] = {}
    by_dataset: dict[str, dict[str, RunSpec]] = {}
    for spec in specs:
        by_dataset.setdefault(spec.dataset, {})[spec.corruption] = spec
    for asked in by_dataset.values():
        data: Dataset = next(iter(asked.values())).plugin("dataset")
        splits = data.prepare(root, download=download)
        held_out = data.verification(root)
        for spec in asked.values():
            _corrupted(spec, splits, root)
            check_padding(spec.train, splits.train.images.shape[-1])
        if held_out is not None:
            overlaps[next(iter(asked.values())).short("dataset")] = held_out_overlap(splits.train, held_out)
    return overlaps


def check_padding(train: TrainSpec, side: int) -> None:
    """Refuse a crop that a mirrored border cannot serve.

    Raises:
        UsageError: the padding is not below the image side.
    """
    if train.augment != "none" and train.crop_padding >= side:
        raise UsageError(f"crop_padding must be below the image side {side}; got {train.crop_padding}")


def examples_of(images: ImageSet, corruption: Corruption, dataset: Dataset, root: Path) -> Examples:
    """What a corruption may look at of some images: pixels as features and published labels only where it needs them.

    Raises:
        MissingDataError, UsageError: it needs published labels and they are not there, or the data set has none.
    """
    needs = corruption.needs()
    return Examples.of(
        images.labels,
        images.num_classes,
        example_ids=images.ids,
        features=images.images if "features" in needs else None,
        annotations=dataset.annotations(root) if "annotations" in needs else None,
    )


def _corrupted(spec: RunSpec, splits: Splits, root: Path) -> Problem:
    """The splits are corrupted one by one, so that each realises the asked rate exactly.

    What a kind learns from data (class sizes, class centres, cells) it learns from the training split, for both.
    """
    corruption: Corruption = spec.plugin("corruption")
    dataset: Dataset = spec.plugin("dataset")
    try:
        basis = examples_of(splits.train, corruption, dataset, root)
        train = corruption.apply_to(basis, seed=spec.noise_seed)
        validation = None
        if len(splits.validation):
            held_out = examples_of(splits.validation, corruption, dataset, root)
            validation = corruption.apply_to(held_out, seed=spec.noise_seed, basis=basis)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{error} (in {spec.short('corruption')!r} on {spec.short('dataset')!r})") from error
    if spec.plugin("loss").needs_transition and train.record.num_given_classes != train.num_classes:
        raise UsageError(
            f"{spec.short('loss')!r} needs one label a class; {spec.short('corruption')!r} splits identities"
        )
    if not train.is_kept.any():
        raise UsageError(f"{spec.short('corruption')!r} leaves no training image of {spec.short('dataset')!r}")
    return Problem(splits, train, validation)


def _kept(images: ImageSet, noisy: CorruptedLabels | None) -> ImageSet:
    return images if noisy is None or noisy.is_kept.all() else images.take(noisy.is_kept)

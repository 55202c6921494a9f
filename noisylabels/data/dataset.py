"""What a data set is: a training pool and a test set, cut into three splits the same way for every source."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError, parameters_of
from noisylabels.data.errors import DataError, and_more
from noisylabels.data.images import ImageSet
from noisylabels.data.selection import balanced, share_of, smallest_draws
from noisylabels.data.verification import VerificationSet

TEST_SEED = 0
"""Seed of every choice of test images: no parameter moves it, so runs that differ in training share their test set."""


def data_root() -> Path:
    """Where data lies: ``$NOISYLABELS_DATA``, else ``data``."""
    return Path(os.environ.get("NOISYLABELS_DATA") or "data")


@dataclass(frozen=True)
class Splits:
    """Three image sets that share classes and image shape, and share no image.

    Attributes:
        train: what a model is fitted to, once its labels have been corrupted.
        validation: held out from the training pool; its labels are corrupted like the training labels, so choosing an
            epoch by it peeks at nothing. May be empty.
        test: true labels; only ever measured on.

    Raises:
        DataError: two splits share an id, or differ in class names or image shape.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        ids = np.concatenate([part.ids for part in parts.values()])
        values, counts = np.unique(ids, return_counts=True)
        if (shared := values[counts > 1]).size:
            where = [name for name, part in parts.items() if shared[0] in part.ids]
            more = and_more(shared.size - 1)
            raise DataError(f"splits must share no image; id {shared[0]} is in {' and '.join(where)}{more}")
        if len({part.class_names for part in parts.values()}) > 1:
            raise DataError("splits must have the same class names")
        if len({part.images.shape[1:] for part in parts.values()}) > 1:
            shapes = ", ".join(f"{name} {part.images.shape[1:]}" for name, part in parts.items())
            raise DataError(f"splits must have the same image shape; got {shapes}")


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """A source of labelled images; its fields define exactly which images a run sees.

    A subclass sets ``kind`` and implements ``_load``; the first line of its docstring is what ``list datasets`` prints.

    Attributes:
        per_class: images of every class in the training pool, before validation is held out; ``None`` for all. The
            subset with fewer is part of the subset with more.
        test_per_class: images of every class in the test set; ``None`` for all.
        validation: share of the training pool held out, class by class: floor(validation * n + 1/2) of n images, but
            always leaving one to train on. In [0, 0.5].
        subset_seed: seed of the two choices above (streams ``subset`` and ``split``); it does not move the test set.

    Raises:
        UsageError: a parameter is out of its range.
    """

    kind: ClassVar[str]

    per_class: int | None = None
    test_per_class: int | None = None
    validation: float = 0.1
    subset_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("per_class", "test_per_class"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1; got {value}")
        if not 0 <= self.validation <= 0.5:
            raise UsageError(f"validation must be in [0, 0.5]; got {self.validation}")
        if self.subset_seed < 0:
            raise UsageError(f"subset_seed must be at least 0; got {self.subset_seed}")

    @abstractmethod
    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        """The whole training pool and the whole test set, which share no id.

        Args:
            root: the data folder, of which a source may use a part or nothing.
            download: whether the network may be used for files that are missing.

        Raises:
            MissingDataError: the files are not there.
            DataError: the files are not what they should be.
        """

    @final
    def prepare(self, root: Path, *, download: bool = False) -> Splits:
        """Load the images and cut them into training, validation and test split.

        The result depends on the fields and the source's files only; no random state is read or moved.

        Args:
            root: the data folder, usually ``data_root()``.
            download: whether missing files may be fetched; without it the network is never used.

        Raises:
            MissingDataError: the files are not there.
            DataError: they are not what they should be, or a class has fewer images than asked for.
        """
        pool, test = self._load(Path(root), download=download)
        seed = self.subset_seed
        pool = balanced(pool, self.per_class, parameter="per_class", seed=seed, purpose="subset")
        test = balanced(test, self.test_per_class, parameter="test_per_class", seed=TEST_SEED, purpose="test")
        _require_every_class(pool)
        counts = share_of(pool.class_sizes(), self.validation)
        held_out = smallest_draws(pool.labels, pool.ids, counts, seed=seed, purpose="split")
        return Splits(train=pool.take(~held_out), validation=pool.take(held_out), test=test)

    def annotations(self, root: Path) -> dict[str, NDArray[np.int64]]:
        """Published label sets of this data set by name, indexed by image id.

        Raises:
            UsageError: nobody has published any that are known here.
            MissingDataError: the file is not under ``root``.
            DataError: the file is not what it should be.
        """
        raise UsageError(f"{self.kind} has no published human labels; cifar10 and cifar100 have")

    def verification(self, root: Path) -> VerificationSet | None:
        """Images of people who are in none of the splits, and pairs of them; None where a source has no such thing.

        The images have the shape of the training images, and no label of theirs is ever corrupted or trained with.

        Args:
            root: the data folder.

        Raises:
            MissingDataError: the files are not there.
            DataError: they are not what they should be.
        """
        return None

    def pinned(self) -> Self:
        """This data set with its content named, for sources that are a place on a disk; itself for all others."""
        return self

    def identity(self) -> dict[str, Any]:
        """What defines the images, JSON-able, for run ids: the kind and the parameters, but never a path."""
        return {"kind": self.kind, **parameters_of(self)}


def _require_every_class(pool: ImageSet) -> None:
    empty = np.flatnonzero(pool.class_sizes() == 0)
    if empty.size:
        more = and_more(empty.size - 1)
        raise DataError(f"every class must have a training image; class {pool.class_names[empty[0]]!r} has none{more}")

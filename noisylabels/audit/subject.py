"""What is audited: images with the labels they are given, and the truth where it is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels import catalog
from noisylabels.audit.cleaning import read_label_sets
from noisylabels.catalog import UsageError
from noisylabels.data import DATASETS, Folder, ImageSet
from noisylabels.data.compared import compared
from noisylabels.problem import Problem, pose
from noisylabels.spec import RunSpec

Split = Literal["pool", "test"]


@dataclass(frozen=True, eq=False)
class Subject:
    """N images under audit, by ascending id.

    Attributes:
        text: what the user calls them.
        images: with their given labels.
        true: int64 ``(N,)``, what each should be labelled; None where nobody says.
        changed_by: for each kind of injected noise, bool ``(N,)``: the labels it decided; empty without truth.
        test: other images of the same classes, to measure on; None where there are none.
        image_names: N, as the source calls its images; empty where it does not.
    """

    text: str
    images: ImageSet
    true: NDArray[np.int64] | None = None
    changed_by: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    test: ImageSet | None = None
    image_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def given(self) -> NDArray[np.int64]:
        """int64 ``(N,)``."""
        return self.images.labels


def subject(
    spec: RunSpec,
    root: Path,
    *,
    split: Split = "pool",
    labels: tuple[Path, str] | None = None,
    download: bool = False,
) -> Subject:
    """The images that a run's data set and corruption name.

    Args:
        spec: of which data set and corruption count; a corruption makes the data set's own labels the truth.
        root: the data folder.
        split: ``pool``, all images but those of the test split; or ``test``.
        labels: a file and the label set in it that gives the labels instead, indexed by image id.
        download: whether missing files may be fetched.

    Raises:
        MissingDataError, UsageError: the data or labels cannot be had, or do not go together.
    """
    clean = spec.plugin("corruption").is_clean
    if not clean and (split == "test" or labels is not None):
        raise UsageError("a corruption is injected into the pool's own labels: leave out --split test and --labels")
    whole = dataclasses.replace(spec.plugin("dataset"), validation=0.0)  # nothing is held out from the audit
    text = spec.short("dataset") + (" (test split)" if split == "test" else "")
    spec = spec.model_copy(update={"dataset": catalog.full_text(whole)})
    problem = pose(spec, root, download=download)
    names = problem.splits.train.class_names
    extra = tuple(f"part {number}" for number in range(len(names), problem.num_given_classes))
    source = problem.splits.test if split == "test" else problem.train
    given = source.labels if split == "test" else problem.train_given
    if labels is not None:
        given = _from_file(labels, source)
    images = ImageSet(source.images, given, source.ids, names + extra)
    true = None if clean else _truth(problem)
    found = Subject(
        text=text,
        images=images,
        true=true,
        changed_by={} if true is None else _changed_by(spec, problem, root),
        test=None if split == "test" or extra else problem.splits.test,
        image_names=_image_names(spec, root, images.ids),
    )
    if (np.diff(images.ids) < 0).any():
        raise UsageError(f"{found.text} must have its images by ascending id; it has not")
    return found


def _from_file(labels: tuple[Path, str], images: ImageSet) -> NDArray[np.int64]:
    path, name = labels
    found = read_label_sets(path, (name,))[name]
    if len(found) <= images.ids.max():
        raise UsageError(f"{path} must have a label for every image id up to {images.ids.max()}; got {len(found)}")
    given = found[images.ids]
    if given.min() < 0 or given.max() >= images.num_classes:
        wrong = int(given[(given < 0) | (given >= images.num_classes)][0])
        raise UsageError(f"labels must be in [0, {images.num_classes}); got {wrong} in {name!r} of {path}")
    return given


def _truth(problem: Problem) -> NDArray[np.int64]:
    """What each image should be labelled: a label of a part of its own identity is right, else its true class."""
    owned = problem.owner[problem.train_given] == problem.train.labels
    return np.where(owned, problem.train_given, problem.train.labels)


def _changed_by(spec: RunSpec, problem: Problem, root: Path) -> dict[str, NDArray[np.bool_]]:
    """Which labels each step of a sum decided: every step decides as it would alone, and the later one wins."""
    steps = getattr(spec.plugin("corruption"), "steps", ())
    changed = {}
    for step in steps:
        alone = pose(spec.model_copy(update={"corruption": catalog.full_text(step)}), root)
        whole = problem.noisy_train
        decided = (alone.noisy_train.given == whole.given) & (whole.given != whole.true)
        changed[step.kind] = decided[whole.is_kept]
    return changed


def _image_names(spec: RunSpec, root: Path, ids: NDArray[np.int64]) -> tuple[str, ...]:
    if not isinstance(spec.plugin("dataset"), Folder):
        return ()
    names = compared(spec.dataset, root, dict(DATASETS)).image_names
    return tuple(names[one] for one in ids.tolist())

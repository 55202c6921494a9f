"""Cases of the corruptions that look at features, or deal out one overall rate over the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.clustered import Clustered
from corruptions.confusion import Confusion
from corruptions.instance import Instance
from tests.laws.corruption_cases import others, skewed_labels
from tests.laws.corruption_laws import Case, share_of_examples_flipped

Labels = NDArray[np.int64]


def blobs(num_classes: int, columns: int) -> Callable[[Labels], NDArray[np.float32]]:
    """Overlapping clouds, one per class, in columns of very different scales and offsets; the same at every call."""
    centres = np.random.default_rng(4).normal(size=(num_classes, columns))
    scale = 10.0 ** np.random.default_rng(6).integers(-3, 4, columns)

    def features(labels: Labels) -> NDArray[np.float32]:
        cloud = np.random.default_rng(5).normal(size=(len(labels), columns))
        return ((centres[labels] + cloud) * scale + 3 * scale).astype(np.float32)

    return features


def small_images(labels: Labels) -> NDArray[np.uint8]:
    """Bytes, (N, 3, 5, 5): bright where the class says, noise elsewhere, one corner black throughout."""
    images = np.random.default_rng(7).integers(0, 160, (len(labels), 3, 5, 5))
    images[np.arange(len(labels)), :, 1 + labels % 4] += 90
    images[:, :, 0, 0] = 0
    return images.astype(np.uint8)


CONFUSED = {0: {1, 2}, 1: {3}, 2: {0, 3}, 3: {2}}
CONFUSION_CELLS = ((0, 0, 0.7), (0, 1, 0.2), (0, 2, 0.1), (1, 1, 0.5), (1, 3, 0.5), (2, 0, 0.4), (2, 3, 0.6))
CONFUSION_CELLS += ((3, 3, 0.95), (3, 2, 0.05))


def case_of(name: str, make: Callable[[float], Any], rates: str, num_classes: int, size: int, **more: Any) -> Case:
    more.setdefault("may_become", lambda i: others(num_classes) - {i})
    return Case(
        name=name,
        make=make,
        rates=tuple(rates.split()),
        num_classes=num_classes,
        labels=skewed_labels(num_classes, size),
        check_rate=share_of_examples_flipped,
        **more,
    )


INSTANCE = case_of("instance", Instance, "0.1 0.145 0.35 0.8 1", 10, 300, features=blobs(10, 12))
INSTANCE_IMAGES = case_of(
    "instance of images", lambda rate: Instance(rate, temperature=0.25), "0.1 0.4", 4, 120, features=small_images
)
INSTANCE_TWO_CLASSES = case_of("instance of two classes", Instance, "0.05 0.5", 2, 50, features=blobs(2, 3))
CLUSTERED = case_of(
    "clustered", lambda rate: Clustered(rate, cell_size=10), "0.1 0.145 0.3 0.5", 6, 240, features=blobs(6, 5)
)
CLUSTERED_IMAGES = case_of(
    "clustered images", lambda rate: Clustered(rate, cell_size=20), "0.1 0.5", 4, 160, features=small_images
)
CONFUSION = case_of(
    "confusion",
    lambda rate: Confusion(rate, matrix=CONFUSION_CELLS),
    "0.1 0.145 0.35 0.8 1",
    4,
    250,
    may_become=lambda i: CONFUSED[i],
)
CONFUSION_LOOK_ALIKES = case_of(
    "confusion of look-alikes",
    lambda rate: Confusion(rate, neighbours=2),
    "0.1 0.35 1",
    8,
    200,
    features=blobs(8, 6),
)

CASES: dict[str, tuple[Case, ...]] = {
    "clustered": (CLUSTERED, CLUSTERED_IMAGES),
    "confusion": (CONFUSION, CONFUSION_LOOK_ALIKES),
    "instance": (INSTANCE, INSTANCE_IMAGES, INSTANCE_TWO_CLASSES),
}

NEEDS_TWO_CLASSES_PRESENT = (CONFUSION_LOOK_ALIKES.name,)
"""Refused where all labels are of one class: no other class has examples, so nothing looks alike."""

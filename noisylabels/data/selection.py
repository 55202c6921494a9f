"""Choose examples class by class by their smallest draws: the one rule behind every subset and split.

An example's draw depends on (seed, purpose, key) and on nothing else, so a choice is independent of the order of rows
and of what else is in the set, and a smaller choice is part of every larger one.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from corruptions.quota import quota, smallest_per_group
from noisylabels.data.errors import DataError
from noisylabels.data.images import ImageSet


def smallest_draws(
    labels: NDArray[np.int64], keys: NDArray[np.int64], counts: NDArray[np.int64], *, seed: int, purpose: str
) -> NDArray[np.bool_]:
    """Mark the ``counts[k]`` examples of each class k with the smallest draws.

    Args:
        labels: int64[N] in [0, K).
        keys: int64[N], distinct; what an example's draw is made from, usually its id.
        counts: int64[K]; a class with fewer examples is marked whole.
        seed: the draws' seed.
        purpose: the draws' stream, such as ``"split"``; different purposes draw independently.

    Returns:
        bool[N].
    """
    marked = np.zeros(labels.size, dtype=np.bool_)
    marked[smallest_per_group(example_draws(seed, purpose, keys), labels, counts)] = True
    return marked


def share_of(sizes: NDArray[np.int64], share: float | Fraction) -> NDArray[np.int64]:
    """floor(share * n + 1/2) of each class size n, but always leaving one example.

    >>> share_of(np.array([100, 5, 1, 0]), 0.5).tolist()
    [50, 3, 0, 0]
    """
    return np.array([max(min(quota(share, n), n - 1), 0) for n in sizes.tolist()], dtype=np.int64)


def balanced(images: ImageSet, per_class: int | None, *, parameter: str, seed: int, purpose: str) -> ImageSet:
    """The same number of images of every class, in the order they had; everything for ``None``.

    Args:
        images: where to choose from.
        per_class: how many of each class.
        parameter: what the user calls ``per_class`` here, for the message.
        seed: the draws' seed.
        purpose: the draws' stream.

    Raises:
        DataError: a class has fewer images.
    """
    if per_class is None:
        return images
    sizes = images.class_sizes()
    smallest = int(sizes.argmin())
    if sizes[smallest] < per_class:
        name = images.class_names[smallest]
        raise DataError(f"{parameter} must be at most {sizes[smallest]}, all of class {name!r}; got {per_class}")
    counts = np.full(images.num_classes, per_class)
    return images.take(smallest_draws(images.labels, images.ids, counts, seed=seed, purpose=purpose))

"""One photograph under two labels, as far as embeddings can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noisylabels.audit.given_classes import GivenClasses
from noisylabels.audit.neighbours import NearestImages
from noisylabels.metrics.evaluation import Floats
from noisylabels.metrics.search import exact_cosines

MEMORY_BYTES = 64 << 20

NEARNESS = 0.05
"""Two photographs of one person are hardly ever nearer than this share of their usual distance."""


@dataclass(frozen=True)
class NearCopy:
    """Two images under different labels that lie nearer than different photographs do.

    Attributes:
        first, second: positions, ascending.
        distance: ``1 - cos`` of their embeddings, in [0, 2].
        usual: the median of that to the nearest image of the same label, over all images that have one near.
    """

    first: int
    second: int
    distance: float
    usual: float


def near_copies(
    embeddings: Floats, nearest: NearestImages, classes: GivenClasses, *, nearness: float = NEARNESS
) -> list[NearCopy]:
    """Pairs under different labels, at most ``nearness`` times as far apart as nearest images of one label usually are.

    Only the nearest images of each are compared: in a data set where k images of one label are copies of a photograph
    under another, the first of them are found. Copies within a label are no label errors. What a re-encoded or cropped
    copy does to an embedding depends on the model; ``noisylabels data overlap`` compares pixels.

    Args:
        embeddings: ``(N, D)``.
        nearest: of :func:`noisylabels.audit.neighbours.nearest_images`.
        classes: given labels.
        nearness: in [0, 1).

    Returns:
        The nearest pair first. Nothing where no image has a neighbour under its own label, as nothing is usual then.

    Reference: our own. Tag: our own.
    """
    near = nearest.rows
    same = (near >= 0) & (classes.member[near] == classes.member[:, None])
    with_mate = np.flatnonzero(same.any(axis=1))
    if not len(with_mate):
        return []
    closest = same[with_mate].argmax(axis=1)
    distances = 1 - exact_cosines(embeddings, embeddings, near[with_mate, closest], with_mate, MEMORY_BYTES)
    usual = float(np.median(distances))
    # Whatever lies no nearer than usual in the space of the search is no copy; most pairs fall away here.
    rough = np.median(nearest.cosines[with_mate, closest])
    first, place = np.nonzero((near >= 0) & ~same & (nearest.cosines >= rough))
    second = near[first, place]
    pairs = np.unique(np.minimum(first, second) * len(near) + np.maximum(first, second))
    low, high = np.divmod(pairs, len(near))
    distance = 1 - exact_cosines(embeddings, embeddings, low, high, MEMORY_BYTES)
    found = np.flatnonzero(distance <= nearness * usual)
    found = found[np.argsort(distance[found], kind="stable")]
    return [NearCopy(int(low[i]), int(high[i]), float(distance[i]), usual) for i in found]

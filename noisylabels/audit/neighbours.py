"""The nearest images to each image, and whether they agree on its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.class_search import MEMORY_BYTES
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.given_classes import GivenClasses, Rows, blocks

Float32 = NDArray[np.float32]

NEIGHBOURS = 20

VOTERS = 256
"""Images whose neighbours vote at a time, each neighbour for all others of its label."""

GALLERY = 512
"""Images that all others are compared with at a time."""


@dataclass(frozen=True, eq=False)
class NearestImages:
    """The k nearest images to each of N, itself left out, best first.

    Attributes:
        rows: int64 ``(N, k)``; -1 where there are fewer than k candidates.
        cosines: float32 ``(N, k)``; -inf there.
    """

    rows: Rows
    cosines: Float32


def nearest_images(
    directions: Float32,
    classes: GivenClasses,
    candidates: Rows | None,
    *,
    k: int = NEIGHBOURS,
    memory_bytes: int = MEMORY_BYTES,
) -> NearestImages:
    """The k images with the highest cosine to each image, among those of its own class and of its candidate classes.

    Exact within these; without candidates, exact among all. Images that name a class are compared with it class by
    class: O(N m n d) time for m candidates and n images in a class, against O(N^2 d) for all pairs. Memory near
    ``memory_bytes`` beside the answer.

    Args:
        directions: unit vectors, float32 ``(N, d)``.
        classes: given labels.
        candidates: places of classes other than the own one, ``(N, m)``, all different in a row; None for all classes.
        k: at least 1.
        memory_bytes: of working memory.
    """
    found = NearestImages(
        np.full((len(directions), k), -1, dtype=np.int64), np.full((len(directions), k), -np.inf, dtype=np.float32)
    )
    for askers, gallery in _everybody(classes) if candidates is None else _by_class(classes, candidates):
        step = max(1, memory_bytes // (32 * (len(gallery) + k)))
        for first in range(0, len(askers), step):
            _look(found, directions, askers[first : first + step], gallery)
    order = np.lexsort((found.rows, -found.cosines), axis=1)
    return NearestImages(
        np.take_along_axis(found.rows, order, axis=1), np.take_along_axis(found.cosines, order, axis=1)
    )


def _everybody(classes: GivenClasses) -> Iterator[tuple[Rows, Rows]]:
    """Every image, and a run of others to compare it with."""
    everybody = np.arange(len(classes.member))
    for start in range(0, len(everybody), GALLERY):
        yield everybody, everybody[start : start + GALLERY]


def _by_class(classes: GivenClasses, candidates: Rows) -> Iterator[tuple[Rows, Rows]]:
    """The images that name a class or are of it, and its images, class after class."""
    named = np.concatenate([classes.member[:, None], candidates], axis=1)
    askers = np.argsort(named, axis=None, kind="stable") // named.shape[1]
    ends = np.cumsum(np.bincount(named.ravel(), minlength=len(classes)))
    for place, end in enumerate(ends.tolist()):
        yield askers[ends[place - 1] if place else 0 : end], classes.rows(place)


def neighbour_evidence(nearest: NearestImages, classes: GivenClasses, *, in_sample: bool) -> Evidence:
    """Share of the nearest images that carry another label, weighted by their cosines where these are positive.

        1 - sum_{j in near_i, y_j = y_i} w_ij / sum_{j in near_i} w_ij,    w_ij = max(cos_ij, 0)

    near_i are the ``min(k, n - 1)`` nearest, n the images of i's class: a class of five can offer four neighbours, and
    must not look suspicious for that. In [0, 1]; 0.5 for an image without a neighbour, as one alone in its class. The
    suggestion is the label with the largest weight, where that is not the given one.

    Args:
        nearest: of :func:`nearest_images`.
        classes: given labels.
        in_sample: whether the embeddings were trained on these labels.

    Reference: k-nearest-neighbour editing, Wilson, IEEE Trans. SMC 2, 1972; weighting by similarity after Dudani, SMC
    6, 1976; the cut to n - 1 is our own. Tag: our own.
    """
    scores, suggested = np.empty(len(classes.member)), np.empty(len(classes.member), dtype=np.int64)
    k = nearest.rows.shape[1]
    for rows in blocks(len(scores), VOTERS):
        own = classes.member[rows]
        within = np.arange(k) < np.minimum(k, classes.counts[own] - 1)[:, None]
        near = nearest.rows[rows]
        weights = np.where(within & (near >= 0), np.maximum(nearest.cosines[rows], 0), 0).astype(np.float64)
        theirs = classes.member[near]
        same = (weights * (theirs == own[:, None])).sum(axis=1)
        total = weights.sum(axis=1)
        scores[rows] = np.where(total > 0, 1 - same / np.where(total > 0, total, 1), 0.5)
        votes = (weights[:, None, :] * (theirs[:, :, None] == theirs[:, None, :])).sum(axis=2)
        best = np.lexsort((theirs, -votes), axis=1)[:, 0]
        named = theirs[np.arange(len(own)), best]
        suggested[rows] = np.where((total > 0) & (named != own), classes.labels[named], -1)
    return Evidence("neighbour_disagreement", np.clip(scores, 0, 1), in_sample, suggested)


def _look(found: NearestImages, directions: Float32, askers: Rows, gallery: Rows) -> None:
    """Compare some images with all of a class, and put what is nearer than what was found before."""
    cosines = directions[askers] @ directions[gallery].T
    cosines[askers[:, None] == gallery] = -np.inf
    k = found.rows.shape[1]
    all_cosines = np.concatenate([found.cosines[askers], cosines], axis=1)
    all_rows = np.concatenate([found.rows[askers], np.broadcast_to(gallery, cosines.shape)], axis=1)
    best = np.argpartition(-all_cosines, k - 1, axis=1)[:, :k]
    found.cosines[askers] = np.take_along_axis(all_cosines, best, axis=1)
    found.rows[askers] = np.where(np.isneginf(found.cosines[askers]), -1, np.take_along_axis(all_rows, best, axis=1))

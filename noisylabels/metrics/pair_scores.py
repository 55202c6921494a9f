"""Scores of pairs of images: cosines, higher where both are likelier to show the same person."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from noisylabels.catalog import unknown
from noisylabels.metrics.by_class import Float64, as_directions
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined

BLOCK = 16384  # pairs whose embeddings are gathered at once

Joining = Literal["sum", "concatenation"]


def original_and_mirrored(embeddings: Floats, mirrored: Floats, how: Joining = "sum") -> Float64:
    """One unit vector an image, from the embeddings of the image and of its mirror image.

        sum:            (x + x') / |x + x'|,    (N, D)
        concatenation:  [x, x'] / |[x, x']|,    (N, 2 D)

    with x the embedding as the network leaves it and x' that of the image mirrored left to right. The sum forgives a
    network that sees mirror images differently; the concatenation compares like with like.

    Args:
        embeddings: x, ``(N, D)``.
        mirrored: x', ``(N, D)``, in the same order.
        how: ``"sum"`` or ``"concatenation"``.

    Raises:
        ValueError: shapes that differ, or another ``how``.
        Undefined: an embedding, or a sum, of length zero or not finite.

    Reference: sum: insightface, ``recognition/arcface_torch/eval/verification.py``; concatenation: SphereFace,
    ``test/code/evaluation.m``, which subtracts a mean before it normalises (:func:`mean_subtracted_cosines`).

    >>> original_and_mirrored(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]))
    array([[0.6, 0.8]])
    >>> original_and_mirrored(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]), how="concatenation")
    array([[0.6, 0. , 0. , 0.8]])
    """
    return as_directions(joined(embeddings, mirrored, how))


def joined(embeddings: Floats, mirrored: Floats, how: Joining) -> Float64:
    """As :func:`original_and_mirrored`, before it is scaled to length one."""
    if how not in get_args(Joining):
        raise ValueError(unknown("way to join mirror images", how, get_args(Joining)))
    if embeddings.shape != mirrored.shape or embeddings.ndim != 2:
        raise ValueError(f"both embeddings must have one shape (N, D); got {embeddings.shape} and {mirrored.shape}")
    x, y = embeddings.astype(np.float64), mirrored.astype(np.float64)
    return x + y if how == "sum" else np.concatenate([x, y], axis=1)


def pair_cosines(embeddings: Floats, first: Labels, second: Labels) -> Float64:
    """Cosine between the embeddings of the two images of every pair.

        s_p = x_a . x_b / (|x_a| |x_b|),   a = first_p, b = second_p

    Args:
        embeddings: ``(N, D)``; only those that a pair names are looked at.
        first, second: rows of ``embeddings``, integers ``(P,)``.

    Returns:
        ``(P,)`` in [-1, 1]; higher is likelier the same person.

    Raises:
        ValueError: the pairs are not rows of the embeddings.
        Undefined: there is no pair, or an embedding of length zero or not finite.

    >>> pair_cosines(np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([0]), np.array([1]))
    array([0.6])
    """
    rows, ends = _named(len(embeddings), first, second)
    return cosines(as_directions(embeddings[rows]), *ends)


def mean_subtracted_cosines(embeddings: Floats, first: Labels, second: Labels, fold: Labels) -> Float64:
    """Cosines after the mean embedding of all folds but one is subtracted, once for each fold that may be held out.

        s_kp = cos(x_a - m_k, x_b - m_k),   m_k = mean of x_a and x_b over the pairs p of all folds but k

    An image counts as often as the pairs name it. The held-out fold must not lend its mean to itself, so there is a
    score for each fold and pair.

    Args:
        embeddings: ``(N, D)``, not normalised, as SphereFace takes them.
        first, second: as in :func:`pair_cosines`.
        fold: ``(P,)``, the fold of each pair.

    Returns:
        ``(F, P)``, a row for each fold in ascending order, as ``view2`` takes them.

    Raises:
        ValueError, Undefined: as :func:`pair_cosines`; fewer than two folds.

    Reference: SphereFace, ``test/code/evaluation.m``. Tag: exact.
    """
    rows, (a, b) = _named(len(embeddings), first, second)
    used = np.asarray(embeddings[rows], dtype=np.float64)
    folds, member = np.unique(fold, return_inverse=True)
    if len(member) != len(first):
        raise ValueError(f"fold must have {len(first)} entries, one a pair; got {len(member)}")
    if len(folds) < 2:
        raise Undefined(f"needs pairs in at least two folds; got {len(folds)}")
    scores = np.empty((len(folds), len(first)))
    for number in range(len(folds)):
        others = member != number
        named = np.bincount(np.concatenate([a[others], b[others]]), minlength=len(used))
        scores[number] = cosines(as_directions(used - named @ used / named.sum()), a, b)
    return scores


def cosines(directions: Float64, first: Labels, second: Labels) -> Float64:
    """Dot products of the named rows of unit vectors, a block of pairs at a time, ``(P,)``."""
    blocks = [slice(start, start + BLOCK) for start in range(0, len(first), BLOCK)]
    products = [np.sum(directions[first[block]] * directions[second[block]], axis=1) for block in blocks]
    return np.asarray(np.clip(np.concatenate(products), -1, 1))


def check_pairs(count: int, first: Labels, second: Labels) -> None:
    """Hold pairs to ``count`` rows.

    Raises:
        ValueError: lengths that differ, numbers that are no integers, or a row that does not exist.
        Undefined: there is no pair.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"first and second must have one shape (P,); got {first.shape} and {second.shape}")
    if not first.size:
        raise Undefined("there are no pairs")
    for name, rows in (("first", first), ("second", second)):
        if not np.issubdtype(rows.dtype, np.integer):
            raise ValueError(f"{name} must hold integers; got {rows.dtype}")
        if rows.min() < 0 or rows.max() >= count:
            raise ValueError(f"{name} must lie in [0, {count - 1}]; got {rows.min()} to {rows.max()}")


def _named(count: int, first: Labels, second: Labels) -> tuple[Labels, tuple[Labels, Labels]]:
    """The rows that pairs name, each once, and the pairs as places among them."""
    check_pairs(count, first, second)
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    return rows, (places[: len(first)], places[len(first) :])

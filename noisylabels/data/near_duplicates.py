"""Near duplicates: the same picture re-encoded, brighter, scaled, or cut a little; exact search, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError

Float32 = NDArray[np.float32]
Box = tuple[float, float, float]
"""Left, top and side of a square, as shares of the picture's side."""

SIDE = 16
"""Of the thumbnails that are compared, pixels."""

DETAIL_SIDE = 64
"""Of those that cuts are made from."""

WHOLE: Box = (0.0, 0.0, 1.0)
CUTS: tuple[Box, ...] = tuple(
    (left * cut / 2, top * cut / 2, 1 - cut) for cut in (0.03, 0.06, 0.09) for top in range(3) for left in range(3)
)
"""Squares of 97, 94 and 91 % of the side, in the corners, at the edges and in the middle."""

_ROWS, _COLUMNS = 2048, 4096
_SMOOTHINGS = 4


@dataclass(frozen=True, eq=False)
class BestMatches:
    """For each of N pictures the most similar of M others.

    Attributes:
        rows: int64[N]; -1 where none is similar enough.
        scores: float32[N], their similarity; meaningless where there is none.
    """

    rows: NDArray[np.int64]
    scores: Float32


def best_matches(
    first: NDArray[np.uint8], second: NDArray[np.uint8], *, threshold: float, cuts: bool = False
) -> BestMatches:
    """The most similar picture of ``second`` for each of ``first``, where the similarity reaches the threshold.

    Similarity is the cosine of what is left of 16 x 16 grey thumbnails when a smoothed copy is taken away (four times
    the binomial (1, 2, 1) / 4 along both axes, the edge repeated), in [-1, 1]: it does not see brightness or contrast,
    and hardly compression. Every pair is compared. With ``cuts`` the
    27 squares ``CUTS`` of each picture are compared with the whole of the others, in both directions, and the best
    counts; O(N M) either way, 55 times as much with cuts.

    A picture of one colour is similar to none.

    Args:
        first, second: uint8 (N, s, s) and (M, s, s) grey thumbnails, s = 16, or 64 where there are cuts.
        threshold: in (0, 1].
        cuts: whether pictures may be cut-outs of one another.

    Raises:
        UsageError: the threshold is out of its range.

    Source: our own; the cosine of a difference of Gaussians at one scale.
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"the similarity of near duplicates must be in (0, 1]; got {threshold}")
    found = BestMatches(np.full(len(first), -1, dtype=np.int64), np.full(len(first), threshold, dtype=np.float32))
    boxes = ((WHOLE, WHOLE), *((box, WHOLE) for box in CUTS), *((WHOLE, box) for box in CUTS))
    for own, other in boxes if cuts else boxes[:1]:
        vectors = detail_vectors(first, own)
        for start, block in _blocks(second, other):
            _keep_better(found, vectors, block, start)
    return found


def detail_vectors(thumbnails: NDArray[np.uint8], box: Box = WHOLE) -> Float32:
    """What is compared: float32 (n, 256), of length one, or of length zero for a picture without detail.

    Args:
        thumbnails: uint8 (n, s, s).
        box: the part of each that is looked at.
    """
    left, top, side = box
    count, size = thumbnails.shape[:2]
    across, down = _area_weights(left, side, size), _area_weights(top, side, size)
    small = down @ thumbnails.astype(np.float32) @ across.T
    smooth = small
    for _ in range(_SMOOTHINGS):
        smooth = _smoothed(_smoothed(smooth, 1), 2)
    detail = (small - smooth).reshape(count, -1)
    lengths = np.linalg.norm(detail, axis=1, keepdims=True)
    vectors: Float32 = np.where(lengths > 1.0, detail / np.maximum(lengths, 1.0), 0.0).astype(np.float32)
    return vectors


def _area_weights(start: float, length: float, size: int) -> Float32:
    """float32 (16, size): each thumbnail pixel is the mean over the pixels it covers, by area."""
    edges = (start + length * np.arange(SIDE + 1) / SIDE) * size
    low, high = np.maximum(edges[:-1, None], np.arange(size)), np.minimum(edges[1:, None], np.arange(1, size + 1))
    covered = np.maximum(high - low, 0)
    weights: Float32 = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def _smoothed(pictures: Float32, axis: int) -> Float32:
    """Each pixel with half of itself and a quarter of each neighbour; the edge is its own neighbour."""
    first, last = pictures.take([0], axis), pictures.take([-1], axis)
    padded = np.concatenate([first, pictures, last], axis)
    middle, count = np.arange(1, padded.shape[axis] - 1), pictures.dtype.type
    before, after = padded.take(middle - 1, axis), padded.take(middle + 1, axis)
    smoothed: Float32 = pictures * count(0.5) + (before + after) * count(0.25)
    return smoothed


def _blocks(thumbnails: NDArray[np.uint8], box: Box) -> Iterator[tuple[int, Float32]]:
    for start in range(0, len(thumbnails), _COLUMNS):
        yield start, detail_vectors(thumbnails[start : start + _COLUMNS], box)


def _keep_better(found: BestMatches, vectors: Float32, block: Float32, start: int) -> None:
    """Put in what this block has that is better than what was found before; of equals, the earlier stays."""
    for first in range(0, len(vectors), _ROWS):
        scores = vectors[first : first + _ROWS] @ block.T
        best = scores.argmax(axis=1)
        score = scores[np.arange(len(best)), best]
        part = slice(first, first + len(best))
        better = (score >= found.scores[part]) & ((found.rows[part] < 0) | (score > found.scores[part]))
        found.rows[part][better] = best[better] + start
        found.scores[part][better] = score[better]

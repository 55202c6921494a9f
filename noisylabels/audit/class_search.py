"""The classes that suit an example best, without a score for every example and class in memory at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.given_classes import Rows

Float32 = NDArray[np.float32]

MEMORY_BYTES = 256 << 20


def best_other_classes(
    factors: Callable[[slice], Float32],
    class_factors: Float32,
    offsets: Float32,
    own: Rows,
    count: int,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> Rows:
    """The ``count`` classes with the highest ``f_i . g_c + o_c`` for each example, its own class left out.

    A float32 product, block by block; the scores it rounds are thrown away, so whoever needs the very best asks for a
    few more than one and compares them in float64. O(N C P) time; memory near ``memory_bytes`` beside the answer.

    Args:
        factors: gives f of a run of examples, float32 ``(B, P)``.
        class_factors: g, float32 ``(C, P)``.
        offsets: o, float32 ``(C,)``.
        own: ``(N,)`` in [0, C).
        count: at most C - 1.
        memory_bytes: of working memory.

    Returns:
        int64 ``(N, count)``, the best first by the rounded scores.
    """
    num_classes, width = class_factors.shape
    height = max(1, memory_bytes // (8 * (num_classes + 2 * width)))
    found = np.empty((len(own), count), dtype=np.int64)
    for start in range(0, len(own), height):
        rows = slice(start, min(start + height, len(own)))
        scores = factors(rows) @ class_factors.T
        scores += offsets
        each = np.arange(len(scores))
        scores[each, own[rows]] = -np.inf
        for place in range(count):
            best = scores.argmax(axis=1)
            found[rows, place] = best
            scores[each, best] = -np.inf
    return found

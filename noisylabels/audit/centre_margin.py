"""The nearest class centre: the plainest question that an embedding answers about a label."""

from __future__ import annotations

import numpy as np

from noisylabels.audit.class_search import MEMORY_BYTES, best_other_classes
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.given_classes import Flags, GivenClasses, blocks
from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats
from noisylabels.metrics.search import unit_rows

CANDIDATES = 4


def centre_margin(
    embeddings: Floats, classes: GivenClasses, kept: Flags, *, in_sample: bool, memory_bytes: int = MEMORY_BYTES
) -> Evidence:
    """How much nearer the best other class centre is than the own one, the image itself left out of it.

        max_{c != y_i} cos(x_i, S_c) - cos(x_i, S_{y_i} - x_i),   S_c = the sum of the kept unit vectors of class c

    in [-2, 2]; positive where another centre is nearer. An image alone in its class has no own centre and a cosine of
    0 to it. The best centre is searched in float32 among all and decided in float64 among the four best; its class is
    the suggestion where the margin is positive. Memory near ``memory_bytes`` and C D; O(N C D) time.

    Args:
        embeddings: ``(N, D)``, may be memory-mapped.
        classes: given labels.
        kept: ``(N,)``, the images that make up the centres; the others are scored all the same.
        in_sample: whether the embeddings were trained on these labels.
        memory_bytes: of working memory.

    Raises:
        Undefined: an embedding of length zero or not finite.

    Reference: the nearest-centroid rule, each image left out of its own centroid. Tag: our own.
    """
    sums, counts = classes.sums(lambda rows: unit_rows(embeddings[rows]), embeddings.shape[1], kept)
    centres = _scaled(sums)
    rivals = best_other_classes(
        lambda rows: unit_rows(embeddings[rows]),
        centres.astype(np.float32),
        np.zeros(len(classes), dtype=np.float32),
        classes.member,
        min(CANDIDATES, len(classes) - 1),
        memory_bytes=memory_bytes,
    )
    scores, suggested = np.empty(len(embeddings)), np.empty(len(embeddings), dtype=np.int64)
    for rows in blocks(len(embeddings)):
        x, member = unit_rows(embeddings[rows]).astype(np.float64), classes.member[rows]
        rest = sums[member] - x * kept[rows, None]
        rest[counts[member] == kept[rows]] = 0  # nobody else is kept: what is left is rounding
        own = (x * _scaled(rest)).sum(axis=1)
        cosines = np.stack([(x * centres[rivals[rows, place]]).sum(axis=1) for place in range(rivals.shape[1])], axis=1)
        best = np.lexsort((rivals[rows], -cosines), axis=1)[:, 0]
        each = np.arange(len(x))
        scores[rows] = cosines[each, best] - own
        suggested[rows] = classes.labels[rivals[rows][each, best]]
    return Evidence("centre_margin", scores, in_sample, np.where(scores > 0, suggested, -1))


def _scaled(vectors: Float64) -> Float64:
    """Rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))

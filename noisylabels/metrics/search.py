"""Exact nearest neighbours in a gallery of any size, by blocks of matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least
from noisylabels.metrics.by_class import Float64, as_directions
from noisylabels.metrics.evaluation import Floats
from noisylabels.metrics.metric import Undefined

Float32 = NDArray[np.float32]
Rows = NDArray[np.int64]

MEMORY_BYTES = 256 << 20
SLACK = 4  # candidates kept beyond k, so that a near tie seldom needs a second pass


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest gallery rows of Q probes, best first.

    Attributes:
        rows: ``int64 (Q, k)``.
        scores: ``float64 (Q, k)``, their cosines.
    """

    rows: Rows
    scores: Float64


def nearest_in_gallery(gallery: Floats, probes: Floats, k: int = 1, *, memory_bytes: int = MEMORY_BYTES) -> Neighbours:
    """The k gallery rows with the highest cosine to each probe; of equal cosines the lower row comes first.

    A blocked float32 product finds candidates and their float64 cosines decide. The product errs by at most
    b = :func:`product_error`, so whatever lies more than 2 b below the k-th best found cannot belong to the k best.
    Where candidates beyond the k + 4 kept come as near as that, all that do are compared in float64 in a second pass.
    So rows and scores depend neither on the block size nor on the matrix library nor on its threads.

    The Q x G scores are never held at once: the gallery, which may be memory-mapped, is read once (twice where
    cosines crowd) in blocks, and working memory stays near ``memory_bytes``, beside the probes in float32 and the
    answer. O(Q G D) time. A gallery of near copies makes the second pass long, as it compares nearly everything.

    Args:
        gallery: ``(G, D)``, any lengths but zero.
        probes: ``(Q, D)``, likewise.
        k: 1 to G.
        memory_bytes: of working memory, at least 1 MiB.

    Raises:
        ValueError: shapes that do not fit, or a number out of range.
        Undefined: no gallery, no probe, or an embedding of length zero or not finite.
    """
    check_search(gallery, probes, memory_bytes)
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k must be in [1, {len(gallery)}], the rows of the gallery; got {k}")
    rows, rough = _candidates(gallery, probes, min(k + SLACK, len(gallery)), memory_bytes)
    probe = np.repeat(np.arange(len(probes)), rows.shape[1])
    cosines = exact_cosines(gallery, probes, rows.ravel(), probe, memory_bytes)
    best = best_of_each(probe, rows.ravel(), cosines, k)
    found = Neighbours(rows.ravel()[best].reshape(-1, k), cosines[best].reshape(-1, k))
    rough.sort(axis=1)
    least = rough[:, -k].astype(np.float64) - 2 * product_error(gallery.shape[1])
    crowded = np.flatnonzero(rough[:, 0] >= least) if rows.shape[1] < len(gallery) else np.empty(0, np.int64)
    if crowded.size:
        again = _compare_all_above(gallery, probes[crowded], least[crowded], k, memory_bytes)
        found.rows[crowded], found.scores[crowded] = again.rows, again.scores
    return found


def product_error(dim: int) -> float:
    """By how much a float32 product of float32-rounded unit vectors of this dimension can miss their cosine.

        b = 1.05 (D + 8) 2^-24

    D rounding errors of the sum in whatever order, two of the rounded factors, and room for second-order terms.

    Reference: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
    """
    return 1.05 * (dim + 8) * 2.0**-24


@dataclass(frozen=True, eq=False)
class ScoreBlock:
    """Rough cosines of a run of probes with a run of gallery rows; valid until the next block is asked for."""

    probes: slice
    gallery: slice
    scores: Float32

    def parts(self, rows: Rows, memory_bytes: int) -> Iterator[Rows]:
        """The given probes of this block, so many at a time that a sort of their scores stays in memory."""
        step = max(1, memory_bytes // (64 * self.scores.shape[1]))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def score_blocks(
    gallery: Floats, probes: Floats, memory_bytes: int, bounds: Rows | None = None
) -> Iterator[ScoreBlock]:
    """Every probe against every gallery row, block after block; probes change fastest.

    Args:
        gallery: ``(G, D)``.
        probes: ``(Q, D)``.
        memory_bytes: about half of it goes into a block.
        bounds: where gallery blocks may begin, ascending from 0 to G; anywhere if None.
    """
    dim = gallery.shape[1]
    height = max(1, min(len(gallery), memory_bytes // (32 * dim), 4096))
    edges = _edges(np.arange(len(gallery) + 1) if bounds is None else bounds, height)
    tallest = int(np.diff(edges).max())
    width = max(1, min(len(probes), memory_bytes // (8 * tallest)))
    units = unit_rows(probes)
    buffer = np.empty(width * tallest, dtype=np.float32)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        block = unit_rows(gallery[start:stop])
        for first in range(0, len(probes), width):
            chosen = slice(first, min(first + width, len(probes)))
            shape = (chosen.stop - first, stop - start)
            out = buffer[: shape[0] * shape[1]].reshape(shape)
            yield ScoreBlock(chosen, slice(start, stop), np.matmul(units[chosen], block.T, out=out))


def unit_rows(embeddings: Floats) -> Float32:
    """Rows scaled to length one, in float32; unlike ``as_directions`` without a copy in float64.

    Raises:
        Undefined: a row of length zero or not finite.
    """
    squares = np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64)
    if not (np.isfinite(squares) & (squares > 0)).all():
        return as_directions(embeddings).astype(np.float32)  # says what is wrong with which
    out = np.empty(embeddings.shape, dtype=np.float32)
    np.divide(embeddings, np.sqrt(squares)[:, None], out=out, casting="same_kind")
    return out


def exact_cosines(gallery: Floats, probes: Floats, rows: Rows, probe: Rows, memory_bytes: int) -> Float64:
    """Cosines of pairs of a gallery row and a probe in float64, ``(P,)``.

    Products are summed pairwise along each row by itself, so that equal vectors have equal cosines wherever they lie.
    """
    step = max(1, memory_bytes // (64 * gallery.shape[1]))
    out = np.empty(len(rows))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        products = as_directions(gallery[rows[part]]) * as_directions(probes[probe[part]])
        out[part] = products.sum(axis=1)
    return out


def best_of_each(probe: Rows, rows: Rows, cosines: Float64, k: int) -> Rows:
    """Places of the k best pairs of each probe that has any, by cosine and then by lower row; probes ascend."""
    order = np.lexsort((rows, -cosines, probe))
    sorted_probe = probe[order]
    first = np.searchsorted(sorted_probe, sorted_probe)
    return order[np.arange(len(order)) - first < k]


def _candidates(gallery: Floats, probes: Floats, kept: int, memory_bytes: int) -> tuple[Rows, Float32]:
    """Rows and rough scores of the ``kept`` best of each probe, in no order, ``(Q, kept)``."""
    rows = np.full((len(probes), kept), -1, dtype=np.int64)
    rough = np.full((len(probes), kept), -np.inf, dtype=np.float32)
    for block in score_blocks(gallery, probes, memory_bytes):
        better = block.scores.max(axis=1) > rough[block.probes].min(axis=1)
        for part in block.parts(np.flatnonzero(better), memory_bytes):
            scores = block.scores[part]
            top = np.argpartition(scores, -min(kept, scores.shape[1]), axis=1)[:, -kept:]
            there = part + block.probes.start
            all_rows = np.concatenate([rows[there], top + block.gallery.start], axis=1)
            all_rough = np.concatenate([rough[there], np.take_along_axis(scores, top, axis=1)], axis=1)
            best = np.argpartition(all_rough, -kept, axis=1)[:, -kept:]
            rows[there] = np.take_along_axis(all_rows, best, axis=1)
            rough[there] = np.take_along_axis(all_rough, best, axis=1)
    return rows, rough


def _compare_all_above(gallery: Floats, probes: Floats, least: Float64, k: int, memory_bytes: int) -> Neighbours:
    """The k best of every probe among all rows whose rough score is at least ``least``, ``(Q,)``."""
    floor = np.nextafter(least.astype(np.float32), np.float32(-np.inf))
    best = Neighbours(np.full((len(probes), k), -1, dtype=np.int64), np.full((len(probes), k), -np.inf))
    for block in score_blocks(gallery, probes, memory_bytes):
        above = floor[block.probes]
        for part in block.parts(np.flatnonzero(block.scores.max(axis=1) >= above), memory_bytes):
            place, column = np.nonzero(block.scores[part] >= above[part, None])
            probe, rows = part[place] + block.probes.start, column + block.gallery.start
            cosines = exact_cosines(gallery, probes, rows, probe, memory_bytes)
            there = part + block.probes.start
            all_probe = np.concatenate([np.repeat(there, k), probe])
            all_rows = np.concatenate([best.rows[there].ravel(), rows])
            all_cosines = np.concatenate([best.scores[there].ravel(), cosines])
            chosen = best_of_each(all_probe, all_rows, all_cosines, k)
            best.rows[there], best.scores[there] = all_rows[chosen].reshape(-1, k), all_cosines[chosen].reshape(-1, k)
    return best


def _edges(bounds: Rows, height: int) -> Rows:
    """Some of the bounds, first and last among them, at most ``height`` apart where bounds allow."""
    edges = [0]
    while edges[-1] < bounds[-1]:
        reach = int(np.searchsorted(bounds, edges[-1] + height, side="right")) - 1
        nearest = int(np.searchsorted(bounds, edges[-1], side="right"))
        edges.append(int(bounds[max(reach, nearest)]))
    return np.array(edges)


def check_search(gallery: Floats, probes: Floats, memory_bytes: int) -> None:
    """Hold a gallery and its probes to one dimension.

    Raises:
        ValueError: shapes that do not fit, or less than 1 MiB to work in.
        Undefined: no gallery or no probe.
    """
    check_at_least(1 << 20, memory_bytes=memory_bytes)
    if gallery.ndim != 2 or probes.ndim != 2 or gallery.shape[1] != probes.shape[1]:
        raise ValueError(f"gallery and probes must be (G, D) and (Q, D); got {gallery.shape} and {probes.shape}")
    for name, embeddings in (("gallery", gallery), ("probe", probes)):
        if not embeddings.size:
            raise Undefined(f"there is no {name} embedding")

"""Whose face is it? Ranks in a closed gallery, and detection of who is not in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.roc import threshold_at_far
from noisylabels.metrics.search import (
    MEMORY_BYTES,
    Rows,
    ScoreBlock,
    best_of_each,
    check_search,
    exact_cosines,
    product_error,
    score_blocks,
)


@dataclass(frozen=True, eq=False)
class TrueMatches:
    """How the true identities of Q mated probes fare in a gallery.

    Attributes:
        scores: ``float64 (Q,)``, the best cosine to a gallery image of the probe's own identity.
        ranks: ``int64 (Q,)``, 1 where no other identity is better.
    """

    scores: Float64
    ranks: Rows


@dataclass(frozen=True)
class OpenSetPoint:
    """Open-set identification at one threshold.

    Attributes:
        detection_and_identification_rate: share of mated probes whose true identity is within the rank and scores at
            least the threshold, in [0, 1]; higher is better.
        false_accept_rate: share of non-mated probes whose best gallery score is at least the threshold: at most what
            was asked for.
        threshold: the lowest at which that holds.
    """

    detection_and_identification_rate: float
    false_accept_rate: float
    threshold: float


def match_true_identities(
    gallery: Floats,
    gallery_identity: Labels,
    probes: Floats,
    probe_identity: Labels,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> TrueMatches:
    """Score and rank of each mated probe's true identity.

        s_q(j) = max { cos(q, x) : x a gallery image of identity j },    rank = 1 + #{ j != y_q : j before y_q }

    An identity with several gallery images scores by the best of them. j is before y where s(j) > s(y), or where both
    are equal and the gallery row that j scores with is the lower: ranks then do not depend on luck, nor favour the true
    identity as ``s(j) > s(y)`` alone would.

    Exact in float64 and blocked, as ``nearest_in_gallery``: time, memory and errors likewise.

    Args:
        gallery: ``(G, D)``, may be memory-mapped; the rows of an identity stand together.
        gallery_identity: ``(G,)``, integers.
        probes: ``(Q, D)``.
        probe_identity: y, ``(Q,)``, each of them in the gallery.
        memory_bytes: of working memory; an identity with very many gallery images may need more.

    Raises:
        ValueError: shapes that do not fit, rows of an identity that do not stand together, or a probe without a mate.
        Undefined: no gallery, no probe, or an embedding of length zero or not finite.
    """
    check_search(gallery, probes, memory_bytes)
    starts = _starts(gallery, gallery_identity)
    rows, probe = _own_rows(gallery_identity, starts, probes, probe_identity)
    cosines = exact_cosines(gallery, probes, rows, probe, memory_bytes)
    best = best_of_each(probe, rows, cosines, 1)
    own_rows, scores = rows[best], cosines[best]
    slack = product_error(gallery.shape[1])
    # Rounded outwards: what float32 cannot tell from the true score must count as near it.
    low = np.nextafter((scores - slack).astype(np.float32), np.float32(-np.inf))
    high = np.nextafter((scores + slack).astype(np.float32), np.float32(np.inf))
    ranks = np.ones(len(probes), dtype=np.int64)
    for block in score_blocks(gallery, probes, memory_bytes, bounds=np.append(starts, len(gallery))):
        here = block.probes
        for part in block.parts(np.flatnonzero(block.scores.max(axis=1) >= low[here]), memory_bytes):
            there = part + here.start
            before = block.scores[part] > high[there, None]
            place, column = np.nonzero(~before & (block.scores[part] >= low[there, None]))
            near, row = there[place], column + block.gallery.start
            cosine = exact_cosines(gallery, probes, row, near, memory_bytes)
            before[place, column] = (cosine > scores[near]) | ((cosine == scores[near]) & (row < own_rows[near]))
            ranks[there] += _identities(before, starts, block)
    return TrueMatches(scores, ranks)


def cumulative_match(ranks: Rows, highest_rank: int) -> Float64:
    """The cumulative match characteristic: share of mated probes whose true identity is within rank 1, 2, ...

        CMC(r) = #{ q : rank_q <= r } / Q,   r = 1 .. R

    Args:
        ranks: ``(Q,)``, from :func:`match_true_identities`.
        highest_rank: R, at least 1.

    Returns:
        ``(R,)`` in [0, 1], never falling; higher is better. The first entry is the rank-1 identification rate.

    Raises:
        ValueError: R below 1.
        Undefined: there is no mated probe.

    Reference: Phillips et al., The FERET evaluation methodology, IEEE TPAMI 22, 2000.

    >>> cumulative_match(np.array([1, 3, 1, 7]), 3)
    array([0.5 , 0.5 , 0.75])
    """
    if highest_rank < 1:
        raise ValueError(f"highest_rank must be at least 1; got {highest_rank}")
    if not ranks.size:
        raise Undefined("there is no mated probe")
    return np.cumsum(np.bincount(ranks, minlength=highest_rank + 1)[1 : highest_rank + 1]) / ranks.size


def dir_at_far(matches: TrueMatches, non_mated: Float64, far: float, rank: int = 1) -> OpenSetPoint:
    """Detection and identification rate at the lowest threshold whose false accept rate does not exceed ``far``.

        DIR(t, r) = #{ mated q : rank_q <= r and s_q >= t } / #mated
        FAR(t)    = #{ non-mated q : max_j s_q(j) >= t } / #non-mated
        t         = min { t : FAR(t) <= far }

    The threshold comes from non-mated probes alone, and the rate counts mated probes alone.

    Args:
        matches: of the mated probes.
        non_mated: best gallery cosine of each probe that nobody in the gallery matches, ``(U,)``:
            ``nearest_in_gallery(gallery, probes).scores[:, 0]``.
        far: in (0, 1].
        rank: r, at least 1.

    Raises:
        ValueError: a number out of range, or scores that are not finite.
        Undefined: no mated probe, or fewer than 1 / far non-mated ones.

    Reference: Phillips, Grother & Micheals, Evaluation methods in face recognition, in Handbook of Face Recognition,
    2nd ed., 2011 (open-set identification). Tag: exact.
    """
    if rank < 1:
        raise ValueError(f"rank must be at least 1; got {rank}")
    if not np.isfinite(non_mated).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(non_mated))} of {non_mated.size} scores are not finite")
    if not matches.ranks.size:
        raise Undefined("there is no mated probe")
    threshold = threshold_at_far(non_mated.astype(np.float64), far, "non-mated probes")
    found = (matches.ranks <= rank) & (matches.scores >= threshold)
    return OpenSetPoint(float(np.mean(found)), float(np.mean(non_mated >= threshold)), threshold)


def _starts(gallery: Floats, identity: Labels) -> Rows:
    """First row of each identity, ascending."""
    if identity.shape != (len(gallery),) or not np.issubdtype(identity.dtype, np.integer):
        raise ValueError(f"gallery_identity must be {len(gallery)} integers; got {identity.dtype} {identity.shape}")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(identity)) + 1])
    if len(np.unique(identity)) != len(starts):
        raise ValueError("the gallery's rows of one identity must stand together; sort it by identity")
    return starts


def _own_rows(
    gallery_identity: Labels, starts: Rows, probes: Floats, probe_identity: Labels
) -> tuple[Rows, NDArray[np.int64]]:
    """Every pair of a gallery row and a probe of one identity: rows, probes."""
    if probe_identity.shape != (len(probes),) or not np.issubdtype(probe_identity.dtype, np.integer):
        raise ValueError(f"probe_identity must be {len(probes)} integers; got {probe_identity.dtype}")
    order = np.argsort(gallery_identity[starts])
    names = gallery_identity[starts][order]
    place = np.minimum(np.searchsorted(names, probe_identity), len(names) - 1)
    strangers = names[place] != probe_identity
    if strangers.any():
        raise ValueError(f"every mated probe needs its identity in the gallery; {strangers.sum()} have none")
    group = order[place]
    sizes = np.diff(np.append(starts, len(gallery_identity)))[group]
    probe = np.repeat(np.arange(len(probes)), sizes)
    within = np.arange(len(probe)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return starts[group][probe] + within, probe


def _identities(before: NDArray[np.bool_], starts: Rows, block: ScoreBlock) -> NDArray[np.int64]:
    """How many identities of a block have a row that is before the true one, ``(Q,)``."""
    own = starts[(starts >= block.gallery.start) & (starts < block.gallery.stop)] - block.gallery.start
    return np.asarray(np.logical_or.reduceat(before, own, axis=1).sum(axis=1))

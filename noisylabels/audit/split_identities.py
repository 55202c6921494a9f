"""One person under two labels: are two classes, or parts of classes, nearer than two persons ever are?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.class_search import MEMORY_BYTES
from noisylabels.audit.given_classes import Rows
from noisylabels.audit.identity_model import IdentityModel
from noisylabels.metrics.by_class import Float64
from noisylabels.metrics.search import nearest_in_gallery

CANDIDATES = 32
"""Nearest groups that a group is compared with."""

TYPICAL_IMAGES = 5.0
"""Images that the common spread counts for in the estimate of a group's own."""


IN_COMMON = 0.05
"""Share of the variance of images that is common to a label: chosen on LFW, see docs/audit_faces.md."""


@dataclass(frozen=True, eq=False)
class Group:
    """Images taken to show one person: a class without its strays, or one of the two identities of a merged class.

    Attributes:
        place: of the class among the given labels.
        rows: int64, its images, at least one.
        whole: whether it stands for its class, rather than for a part of it.
    """

    place: int
    rows: Rows
    whole: bool


@dataclass(frozen=True)
class OnePerson:
    """Two groups of different classes that look like one person.

    Attributes:
        first, second: numbers of the groups, the larger one first.
        evidence: log likelihood ratio of one person against two, in nats.
        halves_apart: distance of the two centres over the one that random halves of these groups, of the same sizes,
            would have; about 1 for a person cut in two.
    """

    first: int
    second: int
    evidence: float
    halves_apart: float


def one_person_pairs(
    model: IdentityModel,
    points: NDArray[np.float32],
    groups: Sequence[Group],
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> list[OnePerson]:
    """Pairs of groups of different classes that are each other's best match, the best pair first.

        L(a, b) = E(T_a + T_b, m_a + m_b) - E(T_a, m_a) - E(T_b, m_b)
        m_a = n_a / [s_a^2 (1 + r (n_a - 1))],   T_a = m_a S_a / n_a,   r = 0.05

    s_a^2 is the group's own spread in units of the common one, so that two persons whose photographs are all alike are
    not taken for one because their centres are as near as two halves of a varied person's. It is estimated from how
    far random halves of the group lie apart: averaged over all halvings, ``|m_1 - m_2|^2 / (1/n_1 + 1/n_2)`` is exactly
    the variance within, SS / (n - 1), and needs no drawing. With D directions,

        s_a^2 = (5 + SS_a / D) / (5 + n_a - 1)

    r is the share of that variance which all images of a label have in common: a network trained on the labels holds
    the two halves of a person apart, and a person has sessions. Without it large groups would be too sure of their
    centres, as n images that are alike by r count for n / (1 + r (n - 1)) (Kish's design effect).

    Each group is compared with the 32 nearest centres by cosine, found blocked and exactly; of these the best match is
    taken. No table of all pairs is made: O(G^2 d) time, O(G d) memory for G groups. Groups of one class are not
    compared.

    Args:
        model: of the embeddings.
        points: of the model, ``(N, d)``.
        groups: at least two.
        memory_bytes: of working memory of the search.

    Reference: two-covariance scoring of sets, Brümmer & de Villiers, Odyssey 2010; own spread and mutual match are our
    own. Kish, Survey Sampling, 1965, section 5.4. Tag: our own.
    """
    means, spread, counts = _centres(points, groups)
    precisions = counts / (spread * (1 + IN_COMMON * (counts - 1)))
    sums = means * precisions[:, None]
    weighted = means * np.sqrt(model.between / (1 + model.between))
    weighted[~weighted.any(axis=1)] = 1e-12  # a centre at the very mean has no direction, and no twin
    near = nearest_in_gallery(weighted, weighted, min(CANDIDATES + 1, len(groups)), memory_bytes=memory_bytes).rows
    places = np.array([group.place for group in groups])
    alone = model.log_evidence(sums, precisions)
    evidence = np.full(near.shape, -np.inf)
    for column, other in enumerate(near.T):
        together = model.log_evidence(sums + sums[other], precisions + precisions[other])
        evidence[:, column] = np.where(places[other] != places, together - alone - alone[other], -np.inf)
    ranked = np.lexsort((near, -evidence), axis=1)[:, 0]
    each = np.arange(len(groups))
    best, value = near[each, ranked], evidence[each, ranked]
    pairs = [
        _pair(int(a), int(b), float(value[a]), means, spread, counts)
        for a, b in zip(each, best, strict=True)
        if a < b and best[b] == a and np.isfinite(value[a])
    ]
    return sorted(pairs, key=lambda pair: (-pair.evidence, pair.first, pair.second))


def _centres(points: NDArray[np.float32], groups: Sequence[Group]) -> tuple[Float64, Float64, Float64]:
    """Mean ``(G, d)``, own spread ``(G,)`` and number of images ``(G,)`` of each group."""
    means, squares = np.empty((len(groups), points.shape[1])), np.empty(len(groups))
    for number, group in enumerate(groups):
        x = points[group.rows].astype(np.float64)
        means[number] = x.mean(axis=0)
        squares[number] = ((x - means[number]) ** 2).sum() / points.shape[1]
    counts = np.array([len(group.rows) for group in groups], dtype=np.float64)
    return means, (TYPICAL_IMAGES + squares) / (TYPICAL_IMAGES + counts - 1), counts


def _pair(a: int, b: int, evidence: float, means: Float64, spread: Float64, counts: Float64) -> OnePerson:
    first, second = (a, b) if counts[a] >= counts[b] else (b, a)
    halves = means.shape[1] * (spread[a] / counts[a] + spread[b] / counts[b])
    apart = float(np.sqrt(((means[a] - means[b]) ** 2).sum() / halves))
    return OnePerson(first, second, evidence, apart)

"""Two persons under one label: is a class better explained by two identities than by one?"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.given_classes import GivenClasses, Rows
from noisylabels.audit.identity_model import IdentityModel
from noisylabels.metrics.by_class import Float64

FEWEST = 4
"""Images of a class that can be two identities: two of each."""

STARTS = 3
MOST_STEPS = 100

PRIOR = {1: (6.0, 0.6), 2: (3.0, 3.0, 0.6)}
"""Dirichlet weights of the identities of a class and, last, of its strays: one image in eleven is expected to be one.
Two weights of 3 add up to the one of 6, so that the models with one and with two identities agree on the strays."""


@dataclass(frozen=True, eq=False)
class ClassIdentities:
    """How a class falls apart.

    Attributes:
        place: of the class among the given labels.
        gain: log evidence of two identities and strays minus that of one and strays, each at its best assignment, in
            nats; positive for two. -inf for a class of fewer than four images, which says nothing.
        single: int64, the images of the one identity, strays left out.
        first, second: int64, those of the two, the larger first; empty where the class says nothing.
    """

    place: int
    gain: float
    single: Rows
    first: Rows
    second: Rows


def class_identities(
    model: IdentityModel, points: NDArray[np.float32], classes: GivenClasses, place: int
) -> ClassIdentities:
    """One identity or two in a class, by the evidence of the two-covariance model.

        J(z) = sum_k E(S_k, n_k) + sum_{i stray} E(x_i, 1) + log P(n_1, .., n_stray),    gain = max J_2 - max J_1

    z assigns each image to an identity or makes it a stray, a person of its own: so single wrong labels do not count
    as a second identity. P is the Dirichlet-multinomial of the assignment with the weights ``PRIOR``. With E the
    *marginal* likelihood, a second identity pays for its free centre by ``1/2 log(1 + n b)`` a direction: that is the
    correction for small samples. Assignments are sought from the signs of the leading
    directions of the class, by moves that raise J; a local optimum, as any clustering. The order of images decides
    nothing but ties.

    Args:
        model: of the embeddings.
        points: of the model, ``(N, d)``.
        classes: given labels.
        place: of the class.

    Reference: speaker partitioning by two-covariance likelihoods, Brümmer & de Villiers, Odyssey 2010; strays, prior
    and search are our own. Tag: our own.
    """
    rows = classes.rows(place)
    x = points[rows].astype(np.float64)
    everybody = np.zeros(len(x), dtype=np.int64)
    if len(rows) < FEWEST:
        return ClassIdentities(place, -np.inf, rows[_refined(model, x, everybody, 1)[0] == 0], rows[:0], rows[:0])
    both, of_two = _best(model, x, _starts(model, x), 2)
    # One identity may be either of the two, with all others strays.
    single, of_one = _best(model, x, [everybody, *((both != mode).astype(np.int64) for mode in (0, 1))], 1)
    # Of halves of one size the one that is more like one person comes first: the order of images must not say which.
    parts = [(np.count_nonzero(both == mode), _evidence(model, x[both == mode]), mode) for mode in (0, 1)]
    first, second = (rows[both == mode] for _, _, mode in sorted(parts, reverse=True))
    return ClassIdentities(place, of_two - of_one, rows[single == 0], first, second)


def _evidence(model: IdentityModel, x: Float64) -> float:
    return float(model.log_evidence(x.sum(axis=0), len(x)))


def _best(model: IdentityModel, x: Float64, starts: list[Rows], modes: int) -> tuple[Rows, float]:
    """The best assignment that any of the starts leads to, and its J."""
    return max((_refined(model, x, start, modes) for start in starts), key=lambda run: run[1])


def _starts(model: IdentityModel, x: Float64) -> list[Rows]:
    """Cuts of the class along its leading directions, in the metric in which identities differ most.

    At zero, or at the median where that leaves a side with fewer than two images.
    """
    weighted = x * np.sqrt(model.between / (1 + model.between))
    sides = np.linalg.svd(weighted - weighted.mean(axis=0), full_matrices=False)[0].T[:STARTS]
    halves = np.argsort(np.argsort(sides, axis=1, kind="stable"), axis=1) >= len(x) // 2
    signs = sides > 0
    uneven = np.abs(2 * signs.sum(axis=1) - len(x)) > len(x) - 4
    return list(np.where(uneven[:, None], halves, signs).astype(np.int64))


def _refined(model: IdentityModel, x: Float64, start: Rows, modes: int) -> tuple[Rows, float]:
    """The assignment that moves from ``start`` lead to, and its J: all moves at once where that pays, else the best."""
    alone = model.log_evidence(x, 1)
    assigned, value = start.copy(), _objective(model, x, alone, start, modes)
    for _ in range(MOST_STEPS):
        gains = _gains(model, x, alone, assigned, modes)
        target, gain = gains.argmax(axis=1), gains.max(axis=1)
        if gain.max() <= 1e-9:
            break
        together = np.where(gain > 0, target, assigned)
        at_once = _objective(model, x, alone, together, modes)
        if at_once > value + gain.max():
            assigned, value = together, at_once
            continue
        mover = int(gain.argmax())
        assigned = assigned.copy()
        assigned[mover] = target[mover]
        value += float(gain[mover])
    return assigned, value


def _objective(model: IdentityModel, x: Float64, alone: Float64, assigned: Rows, modes: int) -> float:
    """J; -inf where an identity has too few images."""
    counts = np.bincount(assigned, minlength=modes + 1)
    if counts[:modes].min() < modes:
        return -np.inf
    sums = np.stack([x[assigned == mode].sum(axis=0) for mode in range(modes)])
    evidence = model.log_evidence(sums, counts[:modes]).sum() + alone[assigned == modes].sum()
    return float(evidence) + _log_prior(counts, modes)


def _gains(model: IdentityModel, x: Float64, alone: Float64, assigned: Rows, modes: int) -> Float64:
    """What J gains by moving one image to each identity or to the strays, ``(n, modes + 1)``; 0 where it is already."""
    counts, weights = np.bincount(assigned, minlength=modes + 1), np.array(PRIOR[modes])
    joins, leaves = np.tile(alone[:, None], modes + 1), np.empty(len(x))
    leaves[assigned == modes] = -alone[assigned == modes]
    for mode in range(modes):
        inside = assigned == mode
        total = x[inside].sum(axis=0)
        here = model.log_evidence(total, counts[mode])
        joins[:, mode] = model.log_evidence(total + x, counts[mode] + 1) - here
        if counts[mode] > modes:
            leaves[inside] = model.log_evidence(total - x[inside], counts[mode] - 1) - here
        else:
            leaves[inside] = -np.inf
    # One image less here and one more there multiplies the prior by (n_there + a_there) / (n_here - 1 + a_here).
    gains: Float64 = leaves[:, None] + joins + np.log(counts + weights)
    gains -= np.log(np.maximum(counts - 1 + weights, weights))[assigned][:, None]
    gains[np.arange(len(x)), assigned] = 0
    return gains


def _log_prior(counts: Rows, modes: int) -> float:
    """Log probability of one assignment with these counts under the Dirichlet-multinomial of ``PRIOR``."""
    weights = PRIOR[modes]
    whole = sum(weights)
    each = sum(lgamma(int(n) + weight) - lgamma(weight) for n, weight in zip(counts, weights, strict=True))
    return lgamma(whole) - lgamma(whole + int(counts.sum())) + each

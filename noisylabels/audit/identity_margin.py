"""Does an image show the person it is filed under, another one of the data set, or a stranger?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.class_search import MEMORY_BYTES, best_other_classes
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.given_classes import Flags, GivenClasses, Rows, blocks
from noisylabels.audit.identity_model import IdentityModel
from noisylabels.metrics.by_class import Float64

Float32 = NDArray[np.float32]

SLACK = 3
"""Classes looked at in float64 beyond those asked for: the float32 search may confuse neighbours in the order."""

TRIMMED = 1 / 6
"""The largest share of a class that is left out of its own centre."""

WRONG = 0.1
"""Share of wrong labels that is expected before anything is seen; half of them are of strangers."""


@dataclass(frozen=True, eq=False)
class IdentityMargins:
    """How well each of N images suits its given class and the best other ones: log likelihood ratios, in nats.

    Attributes:
        own: float64 ``(N,)``, that it shows the person of the other images of its given class rather than a stranger;
            0 for an image alone in its class.
        others: float64 ``(N, m)``, the same of the m best other classes, best first.
        rivals: int64 ``(N, m)``, their places among the labels.
    """

    own: Float64
    others: Float64
    rivals: Rows

    @property
    def margin(self) -> Float64:
        """Best other class minus the own one, ``(N,)``; positive where the image suits the other better."""
        return np.asarray(self.others[:, 0] - self.own)


def identity_margins(
    model: IdentityModel,
    points: Float32,
    classes: GivenClasses,
    kept: Flags,
    *,
    count: int = 1,
    memory_bytes: int = MEMORY_BYTES,
) -> IdentityMargins:
    """Score every image against its own class, itself left out, and against the best others.

        r_i(c) = E(S_c + x_i, n_c + 1) - E(S_c, n_c) - E(x_i, 1)

    with E of :meth:`IdentityModel.log_evidence` over the kept images of class c, x_i not among them. An image must not
    speak for itself: in a class of five it is a fifth of the centre. The best classes are searched in float32 and
    compared in float64; memory near ``memory_bytes`` beside points and answer, O(N C d) time.

    Args:
        points: of the model, ``(N, d)``.
        classes: their given labels.
        kept: ``(N,)``, the images that make up the centres; the others are scored all the same.
        count: m, cut down to C - 1.
        memory_bytes: of working memory.
    """
    sums, counts = classes.sums(lambda rows: points[rows], points.shape[1], kept)
    centres = _Centres(model, sums, counts, model.log_evidence(sums, counts))
    wanted = min(count + SLACK, len(classes) - 1)
    left, offsets = centres.factors()
    rivals = best_other_classes(
        lambda rows: np.concatenate([points[rows] ** 2, points[rows]], axis=1),
        left,
        offsets,
        classes.member,
        wanted,
        memory_bytes=memory_bytes,
    )
    own, others = np.empty(len(points)), np.empty(rivals.shape)
    for rows in blocks(len(points)):
        x = points[rows].astype(np.float64)
        own[rows] = centres.own(x, classes.member[rows], kept[rows])
        alone = model.log_evidence(x, 1)
        for place in range(wanted):
            others[rows, place] = centres.joining(x, rivals[rows, place]) - alone
    ranked = np.lexsort((rivals, -others), axis=1)[:, : min(count, wanted)]
    return IdentityMargins(own, np.take_along_axis(others, ranked, axis=1), np.take_along_axis(rivals, ranked, axis=1))


def untrimmed(margin: Float64, classes: GivenClasses, *, share: float = TRIMMED) -> Flags:
    """Which images make up the centres: all but the worst ``floor(share n)`` of each class that suit another better.

    Of equal margins the later image goes. A class of five loses nobody; the smaller half of a merged class stays.

    Args:
        margin: ``(N,)``, higher is worse.
        classes: given labels.
        share: in [0, 1).
    """
    kept = np.ones(len(margin), dtype=np.bool_)
    in_class = classes.order[np.lexsort((-classes.order, -margin[classes.order], classes.member[classes.order]))]
    place = np.arange(len(in_class)) - np.repeat(classes.starts, classes.counts)
    worst = place < np.floor(share * np.repeat(classes.counts, classes.counts))
    kept[in_class[worst & (margin[in_class] > 0)]] = False
    return kept


def identity_evidence(margins: IdentityMargins, classes: GivenClasses, *, in_sample: bool) -> Evidence:
    """Log odds that the label is wrong, in nats, and the class the image would rather have.

        log [ e/2 exp(r_i(best)) / (C - 1) + e/2 ] - log (1 - e) - r_i(own),   e = 0.1

    the two terms being another person of the data set and a stranger. The suggestion is the best other class where the
    first term is the larger and the odds are for wrong; -1 elsewhere.

    Reference: two-covariance likelihoods (see ``identity_model``) under a prior that is our own. Tag: our own.
    """
    other = np.log(WRONG / 2 / (len(classes) - 1)) + margins.others[:, 0]
    stranger = np.log(WRONG / 2)
    odds = np.logaddexp(other, stranger) - np.log(1 - WRONG) - margins.own
    suggested = np.where((odds > 0) & (other > stranger), classes.labels[margins.rivals[:, 0]], -1)
    return Evidence("identity_odds", odds, in_sample, suggested)


@dataclass(frozen=True, eq=False)
class _Centres:
    """Classes as sums and numbers of kept points, and the evidence of each."""

    model: IdentityModel
    sums: Float64
    counts: Rows
    evidence: Float64

    def factors(self) -> tuple[Float32, Float32]:
        """What turns r_i(c) + E(x_i, 1) into one product of [x^2, x] with a row for each class, and an offset."""
        share = (self.counts[:, None] + 1) * self.model.between
        weights = self.model.between / (1 + share)
        offsets = 0.5 * (weights * self.sums**2 - np.log1p(share)).sum(axis=1) - self.evidence
        products = np.concatenate([0.5 * weights, weights * self.sums], axis=1)
        return products.astype(np.float32), offsets.astype(np.float32)

    def joining(self, x: Float64, places: Rows) -> Float64:
        """r + E(x, 1) of images ``(B, d)`` that are not among the kept ones of the classes at these places."""
        joined = self.model.log_evidence(self.sums[places] + x, self.counts[places] + 1)
        return np.asarray(joined - self.evidence[places])

    def own(self, x: Float64, places: Rows, kept: Flags) -> Float64:
        """r of images in the class they are filed under, themselves left out of it, ``(B,)``."""
        rest, count = self.sums[places] - x * kept[:, None], self.counts[places] - kept
        rest[count == 0] = 0  # what rounding leaves of a sum without its only member
        together = self.model.log_evidence(rest + x, count + 1)
        return np.asarray(together - self.model.log_evidence(rest, count) - self.model.log_evidence(x, 1))

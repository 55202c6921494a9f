"""Class-dependent noise at an overall rate: a matrix says who is mistaken for whom, the rate how many in all."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions.asymmetric import Asymmetric
from corruptions.checks import checked_labels, class_id
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.look_alike import look_alikes
from corruptions.quota import quota, rank_in_group, smallest
from corruptions.sparse_confusion import RESOLUTION, SparseConfusion


@dataclass(frozen=True)
class Confusion(Corruption):
    """Exactly ``n = floor(rate * N + 1/2)`` wrong labels over *all* examples, dealt out by a row-stochastic matrix M.

    Class i with n_i examples gets its part of the n in proportion to ``n_i w_i``, ``w_i = 1 - M_ii``: its own rate is
    ``t w_i``, to within one example, with the same t for every class until a class is used up. Its targets are drawn
    with probability ``M_ij / w_i``. (``asymmetric`` takes the rate per source class: there t is the rate.)

    One order of all examples, independent of the rate, decides: the example with the r-th smallest draw of its class
    (from 0) has the key ``(2 r + 1) / (2 n_i w_i)``; the n smallest keys are wrong, ties by draw.

    Attributes:
        rate: share of all examples with a wrong label, in [0, 1]; at most the share of examples in classes with
            ``w_i > 0``.
        matrix: the non-zero cells (true class, given class, probability) of M; rows that are absent are untouched.
            ``from_matrix`` takes an array, ``estimated`` counts somebody's mistakes.
        neighbours: instead of a matrix: each class is mistaken for its that many look-alikes in the basis, equally
            often, for all of them where there are fewer (``M_ij = 1 / k``, see ``look_alikes``). Needs features.

    Record details: ``num_source_classes``, ``num_source_examples``; with neighbours ``num_classes_without_look_alike``.

    Raises:
        ValueError: not exactly one of matrix and neighbours, cells that are not row-stochastic; in ``apply``, a class
            id outside [0, K), no features for neighbours, or more than can be had.

    Reference: transition matrices as in Patrini et al., CVPR 2017; from observed confusions as in Northcutt et al.,
    Confident learning, JAIR 2021; the exact dealing out is our own.

    >>> noise = Confusion(rate=0.25, matrix=((0, 0, 0.5), (0, 1, 0.5), (1, 2, 1.0)))
    >>> noise = noise.apply([0, 0, 0, 0, 1, 1, 2, 2], 3, seed=7)
    >>> noise.record.num_flipped, noise.record.flipped_by_class
    (2, (1, 1, 0))
    """

    kind: ClassVar[str] = "confusion"
    matrix: tuple[tuple[int, int, float], ...] = ()
    neighbours: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.neighbours, bool) or operator.index(self.neighbours) < 0:
            raise ValueError(f"neighbours must be a whole number of at least 1; got {self.neighbours}")
        if bool(len(self.matrix)) == bool(self.neighbours):
            got = "both" if self.neighbours else "neither"
            raise ValueError(f"confusion needs a matrix or a number of neighbours; got {got}")
        cells = tuple((class_id(i), class_id(j), float(p)) for i, j, p in self.matrix)
        object.__setattr__(self, "matrix", cells)
        SparseConfusion.from_cells(cells)

    @classmethod
    def from_matrix(cls, matrix: Any, rate: float) -> Self:
        """M from a dense (K, K) array, a sparse matrix (anything with ``tocoo()``), or a sequence of (i, j, p) triples.

        Raises:
            ValueError: not square, or as for the class.

        >>> Confusion.from_matrix(np.array([[0.7, 0.3], [0.0, 1.0]]), rate=0.1).matrix
        ((0, 0, 0.7), (0, 1, 0.3), (1, 1, 1.0))
        """
        return cls(rate=rate, matrix=Asymmetric.from_matrix(matrix, 0.0).matrix)

    @classmethod
    def estimated(cls, true_labels: ArrayLike, predicted_labels: ArrayLike, num_classes: int, rate: float) -> Self:
        """M from the mistakes of a model or of people: ``M_ij`` is the share of class i that was taken for j.

        Args:
            true_labels: integers in [0, K), shape (N,).
            predicted_labels: likewise; several judgements of one example are several entries.
            num_classes: K.
            rate: that of the corruption, which need not be theirs.

        Raises:
            ValueError: labels are not as above or not as many, or nothing was mistaken.

        >>> Confusion.estimated([0, 0, 0, 0, 1], [0, 0, 1, 0, 1], 2, rate=0.1).matrix
        ((0, 0, 0.75), (0, 1, 0.25), (1, 1, 1.0))
        """
        true, predicted = checked_labels(true_labels, num_classes), checked_labels(predicted_labels, num_classes)
        if len(true) != len(predicted):
            raise ValueError(f"there must be one prediction per true label; got {len(predicted)} for {len(true)}")
        if (true == predicted).all():
            raise ValueError(f"a confusion needs mistakes to be estimated from; got none among {len(true)}")
        keys, counts = np.unique(true * num_classes + predicted, return_counts=True)
        rows, columns = np.divmod(keys, num_classes)
        shares = counts / np.bincount(true, minlength=num_classes)[rows]
        return cls(rate=rate, matrix=tuple(zip(rows.tolist(), columns.tolist(), shares.tolist(), strict=True)))

    def needs(self) -> frozenset[str]:
        return frozenset({"features"}) if self.neighbours else frozenset()

    def confusion(self, basis: Examples) -> SparseConfusion:
        """M for the classes of the basis.

        Raises:
            ValueError: a class id outside [0, K), or no features for neighbours.
        """
        if self.neighbours:
            return _equally_often(look_alikes(basis, min(self.neighbours, basis.num_classes - 1)))
        confusion = SparseConfusion.from_cells(self.matrix)
        confusion.check_fits(basis.num_classes)
        return confusion

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        confusion = self.confusion(basis)
        source = confusion.source_of(examples.true, examples.num_classes)
        leaves = np.array([share > 0 for share in confusion.leaving] + [False])  # the last is that of source -1
        members = np.flatnonzero(leaves[source])
        num_asked = quota(self.rate, len(examples))
        draws = example_draws(seed, "confusion/which", examples.ids[members])
        first = _first(draws, source[members], confusion.leaving, min(num_asked, len(members)))
        chosen = members[first]
        given = examples.true.copy()
        given[chosen] = confusion.draw(source[chosen], example_draws(seed, "confusion/target", examples.ids[chosen]))
        details = {"num_source_classes": len(confusion.sources), "num_source_examples": len(members)}
        if self.neighbours:
            details["num_classes_without_look_alike"] = examples.num_classes - len(confusion.sources)
        return Decision(given, details, num_asked=num_asked)


def _first(
    draws: NDArray[np.uint64], source: NDArray[np.int64], leaving: tuple[Fraction, ...], count: int
) -> NDArray[np.int64]:
    """Rows of the ``count`` smallest keys ``(2 r + 1) / (2 n_i w_i)``, ties by draw, ascending."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    sizes = np.bincount(source, minlength=len(leaving)).tolist()
    spacing = np.array([float(2 * size * share) for size, share in zip(sizes, leaving, strict=True)])
    keys = (2 * rank_in_group(draws, source) + 1) / spacing[source]  # both correctly rounded: alike everywhere
    last = np.partition(keys, count - 1)[count - 1]
    below, tied = np.flatnonzero(keys < last), np.flatnonzero(keys == last)
    return np.sort(np.concatenate([below, tied[smallest(draws[tied], count - len(below))]]))


def _equally_often(neighbours: NDArray[np.int64]) -> SparseConfusion:
    """M with ``M_ij = 1 / k`` over the k look-alikes of class i, built without a loop over 100,000 identities."""
    found = neighbours >= 0
    sources = np.flatnonzero(found[:, 0])
    found, neighbours = found[sources], neighbours[sources]
    upto = np.cumsum(found, axis=1) / np.maximum(found.sum(axis=1, keepdims=True), 1)
    thresholds = np.arange(len(sources))[:, None] * RESOLUTION + np.rint(upto * RESOLUTION).astype(np.int64)
    return SparseConfusion(sources, (Fraction(1),) * len(sources), neighbours[found], thresholds[found])

"""Asymmetric (class-conditional) noise: a source class is mistaken for particular others."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.checks import class_id
from corruptions.class_maps import CLASS_MAPS, Pairs
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.quota import exact, quota, smallest_per_group
from corruptions.sparse_confusion import Cells, SparseConfusion, dense_matrix


@dataclass(frozen=True)
class Asymmetric(Corruption):
    """``T(rate) = (1 - rate) I + rate M`` with a row-stochastic M, realised per source class to half an example.

    Of the n_i examples of class i, the ``floor(rate * (1 - M_ii) * n_i + 1/2)`` with the smallest draws get a wrong
    label j, drawn with probability ``M_ij / (1 - M_ii)``. Every decision is read from the true labels, so a cat that
    becomes a dog is not drawn again among the dogs. Only the class's total is rounded, never the count of a cell (true,
    given), whose targets are sampled. A class of fewer than ``1 / (2 rate (1 - M_ii))`` examples keeps all its labels.

    M comes from ``map`` (each source has one target) or from ``matrix``. Classes it does not mention keep their labels.

    Attributes:
        rate: share of each *source class* that follows M, in [0, 1]. Over all examples the share is smaller wherever
            some classes are no sources: 0.4 under ``cifar10`` is a realised rate of 0.2.
        map: "cifar10", "cifar100_superclass" or "pair" (see ``class_maps``), or (source, target) pairs.
        matrix: the non-zero cells (true class, given class, probability) of M; rows that are absent are untouched.

    Record details: ``num_source_classes``, ``num_source_examples``, ``source_realised_rate`` (flipped of those).

    Raises:
        ValueError: not exactly one of map and matrix, an unknown name, a source mapped twice or to itself, cells that
            are not row-stochastic; in ``apply``, a class id outside [0, K) or a named map of another K.

    Reference: Patrini et al., Making deep neural networks robust to label noise, CVPR 2017 (flips per class in
    expectation there, exact here).

    >>> noise = Asymmetric(rate=0.5, map=((3, 5), (5, 3))).apply([3, 3, 3, 3, 5, 5, 0, 0], 6, seed=7)
    >>> noise.record.flipped_by_class, noise.record.realised_rate
    ((0, 0, 0, 2, 0, 1), 0.375)
    """

    kind: ClassVar[str] = "asymmetric"
    rate_of: ClassVar[str] = "examples of each source class"
    map: str | tuple[tuple[int, int], ...] = ()
    matrix: tuple[tuple[int, int, float], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.map) == bool(self.matrix):
            got = "both" if self.map else "neither"
            raise ValueError(f"asymmetric needs a map ({', '.join(CLASS_MAPS)}, or pairs) or a matrix; got {got}")
        if isinstance(self.map, str):
            if self.map and self.map not in CLASS_MAPS:
                raise ValueError(f"map must be one of {', '.join(CLASS_MAPS)}, or pairs; got {self.map!r}")
        else:
            object.__setattr__(self, "map", _checked_pairs(self.map))
        object.__setattr__(self, "matrix", tuple((class_id(i), class_id(j), float(p)) for i, j, p in self.matrix))
        SparseConfusion.from_cells(self.matrix)

    @classmethod
    def from_matrix(cls, matrix: Any, rate: float) -> Self:
        """M from a dense (K, K) array, a sparse matrix (anything with ``tocoo()``), or a sequence of (i, j, p) triples.

        Every row of a dense array must sum to one. Of the others, an absent row is an untouched class.

        Raises:
            ValueError: not square, or as for the class.

        >>> Asymmetric.from_matrix(np.array([[0.7, 0.3], [0.0, 1.0]]), rate=1.0).matrix
        ((0, 0, 0.7), (0, 1, 0.3), (1, 1, 1.0))
        """
        return cls(rate=rate, matrix=_cells_of(matrix))

    def confusion(self, num_classes: int) -> SparseConfusion:
        """M for K classes.

        Raises:
            ValueError: a class id outside [0, K) or a named map of another K.
        """
        confusion = SparseConfusion.from_cells(self._cells(num_classes))
        confusion.check_fits(num_classes)
        return confusion

    def _cells(self, num_classes: int) -> Cells:
        if self.matrix:
            return self.matrix
        pairs = CLASS_MAPS[self.map](num_classes) if isinstance(self.map, str) else self.map
        return tuple((source, target, 1.0) for source, target in pairs)

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64]:
        self.confusion(num_classes)
        return (1 - self.rate) * np.eye(num_classes) + self.rate * dense_matrix(self._cells(num_classes), num_classes)

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return per_class_flips(self, examples, self.confusion(examples.num_classes), seed)


def per_class_flips(kind: Corruption, examples: Examples, confusion: SparseConfusion, seed: int) -> Decision:
    """Wrong labels of the kind's rate in each source class, by draws of its own name; see ``Asymmetric``."""
    true, ids = examples.true, examples.ids
    source = confusion.source_of(true, examples.num_classes)
    members = np.flatnonzero(source >= 0)
    sizes = np.bincount(source[members], minlength=len(confusion.sources)).tolist()
    rate = exact(kind.rate)

    @functools.cache  # exact arithmetic is slow, and of 100,000 identities few differ in both numbers
    def asked(leaving: Fraction, size: int) -> int:
        return quota(rate * leaving, size)

    quotas = list(map(asked, confusion.leaving, sizes))
    draws = example_draws(seed, f"{kind.kind}/which", ids[members])
    chosen = members[smallest_per_group(draws, source[members], np.array(quotas, dtype=np.int64))]
    given = true.copy()
    given[chosen] = confusion.draw(source[chosen], example_draws(seed, f"{kind.kind}/target", ids[chosen]))
    details = {
        "num_source_classes": len(sizes),
        "num_source_examples": len(members),
        "source_realised_rate": len(chosen) / max(len(members), 1),
    }
    return Decision(given, details, num_asked=len(chosen))


def _checked_pairs(pairs: Pairs) -> Pairs:
    seen: set[int] = set()
    for source, target in pairs:
        if source == target:
            raise ValueError(f"a class must be mapped to another one; got ({source}, {target})")
        if source in seen:
            raise ValueError(f"a class must be mapped once; got class {source} again (several targets need a matrix)")
        seen.add(source)
    return tuple((class_id(source), class_id(target)) for source, target in pairs)


def _cells_of(matrix: Any) -> Cells:
    if not hasattr(matrix, "shape"):
        return tuple((i, j, p) for i, j, p in matrix)
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix must be square, (K, K); got shape {tuple(matrix.shape)}")
    if hasattr(matrix, "tocoo"):
        coo = matrix.tocoo()
        return tuple(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))
    dense = np.asarray(matrix, dtype=np.float64)
    rows, columns = np.nonzero(dense)
    empty = np.flatnonzero(~dense.any(axis=1))
    if empty.size:
        raise ValueError(f"rows must sum to 1; row {empty[0]} sums to 0")
    return tuple(zip(rows.tolist(), columns.tolist(), dense[rows, columns].tolist(), strict=True))

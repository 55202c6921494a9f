"""Sign-flip tests over several strata at once, where a seed's runs in all of them stand or fall together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least
from noisylabels.statistics.strata import ByStratum, StratumCount, align

MAX_EXACT_SEEDS = 20
"""2^20 patterns are counted in some tenths of a second; beyond, patterns are drawn."""

_BLOCK = 1 << 14
"""Patterns held at once: 2.6 MB of signs for 20 seeds."""

Signs = NDArray[np.float64]


@dataclass(frozen=True)
class StratumTest:
    """One stratum of a joint test.

    Attributes:
        stratum: its name.
        difference: mean of first minus second, in the unit of the values.
        p_value: two-sided, of this stratum alone.
        p_adjusted: max-T, valid for all strata looked at together; never below ``p_value``.
    """

    stratum: str
    difference: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class JointSignFlip:
    """Sign-flip tests of one comparison over several strata.

    Attributes:
        difference: mean over strata and seeds of first minus second, in the unit of the values.
        p_value: two-sided, of that mean.
        by_stratum: the strata apart, in the order asked.
        counts: seeds used and left out, for each stratum.
        n: seeds, the number of independent signs.
        patterns: how many sign patterns were compared.
        exact: whether those were all 2^n; else p-values are Monte Carlo estimates.
    """

    difference: float
    p_value: float
    by_stratum: tuple[StratumTest, ...]
    counts: tuple[StratumCount, ...]
    n: int
    patterns: int
    exact: bool


def joint_sign_flip(
    first: ByStratum, second: ByStratum, strata: Sequence[str], *, seed: int, draws: int = 100_000
) -> JointSignFlip | None:
    """Is the first method different from the second over these strata, and in which of them?

        d_si   = first_si - second_si,    strata s, seeds i
        T      = | sum_i e_i sum_s d_si |                                    for the mean over strata
        T_s    = | sum_i e_i d_si | / sqrt(sum_i d_si^2)                     for one stratum
        p      = #{ e in {-1, 1}^n : T(e) >= T(1) } / 2^n
        p_s~   = #{ e : max_s' T_s'(e) >= T_s(1) } / 2^n                     adjusted for all strata (max-T)

    Under the null hypothesis a seed's whole vector (d_1i, ..., d_Si) is distributed symmetrically around 0. *One* sign
    flips it: the entries share a draw of labels and weights, and flipping them one by one would count a seed as S
    pieces of evidence. T_s is a monotone function of |t|, so the largest of them is a fair contest between strata of
    unequal spread; the adjustment uses their dependence, which Holm's cannot, and can so be sharper. The smallest
    possible p-value is 2^(1 - n), however many strata there are.

    Args:
        first, second: values by stratum and seed.
        strata: the names to pool, each once; seeds that either method lacks in any of them are left out.
        seed: of the drawn patterns; without effect up to 20 seeds, where all 2^n are counted.
        draws: how many patterns B to draw beyond that; p-values are then (1 + #) / (1 + B), never 0.

    Returns:
        The tests; None where no seed is complete.

    Raises:
        ValueError: what :func:`align` refuses, or no draw.

    Reference: R. A. Fisher, The Design of Experiments, 1935, section 21; Westfall and Young, Resampling-Based Multiple
    Testing, 1993, for max-T (single step); Phipson and Smyth, Statistical Applications in Genetics and Molecular
    Biology 9, 2010, for (1 + #) / (1 + B).
    """
    check_at_least(1, draws=draws)
    aligned = align([first, second], strata)
    n = aligned.smallest
    if not n:
        return None
    d = np.array([x - y for x, y in zip(*aligned.samples, strict=True)])
    rows = _scaled(d)
    exact = n <= MAX_EXACT_SEEDS
    blocks = _all_signs(n) if exact else _drawn_signs(n, draws, np.random.default_rng(seed))
    hits, patterns = _count(rows, blocks)
    p = (hits / patterns if exact else (1 + hits) / (1 + patterns)).tolist()
    k = len(strata)
    tests = zip(strata, d.mean(axis=1).tolist(), p[1 : k + 1], p[k + 1 :], strict=True)
    return JointSignFlip(
        difference=float(d.mean()),
        p_value=p[0],
        by_stratum=tuple(StratumTest(*test) for test in tests),
        counts=aligned.counts,
        n=n,
        patterns=2 * patterns if exact else patterns,
        exact=exact,
    )


def _scaled(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows whose signed sums are T and T_s, ``(1 + S, n)``; a row of zeros stays one."""
    rows = np.vstack([d.sum(axis=0), d])
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return scaled


def _count(rows: NDArray[np.float64], blocks: Iterator[Signs]) -> tuple[NDArray[np.int64], int]:
    """For the mean, each stratum alone and each stratum against the largest: patterns that reach what was seen."""
    seen = np.abs(rows.sum(axis=1)) - 1e-12 * np.abs(rows).sum(axis=1)  # sums that tie must count as ties
    hits, patterns = np.zeros(2 * len(rows) - 1, dtype=np.int64), 0
    for signs in blocks:
        sums = np.abs(signs @ rows.T)
        largest = sums[:, 1:].max(axis=1, keepdims=True)
        hits += np.concatenate([(sums >= seen).sum(axis=0), (largest >= seen[1:]).sum(axis=0)])
        patterns += len(signs)
    return hits, patterns


def _all_signs(n: int) -> Iterator[Signs]:
    """Half of all patterns: the first sign stays +, as a pattern and its negative have equal sizes of sums."""
    count = 1 << (n - 1)
    for start in range(0, count, _BLOCK):
        codes = np.arange(start, min(start + _BLOCK, count))
        yield _as_signs((codes[:, None] >> np.arange(n)) & 1)


def _drawn_signs(n: int, draws: int, generator: np.random.Generator) -> Iterator[Signs]:
    for start in range(0, draws, _BLOCK):
        yield _as_signs(generator.integers(0, 2, (min(_BLOCK, draws - start), n)))


def _as_signs(bits: NDArray[np.int64]) -> Signs:
    return (1 - 2 * bits).astype(np.float64)

"""Arithmetic on features whose result is bit-identical on every machine, thread count, BLAS and row order.

Three facts carry it. IEEE 754 rounds ``+ - * /`` and ``sqrt`` correctly, element by element, and NumPy never fuses two
of its operations into one. Sums of whole numbers below 2^53 (2^24 in float32) are exact in any order, hence so is a
product of matrices of whole numbers, whatever the BLAS does. And integers are integers. What is left out on purpose:
``np.exp``, ``np.log`` and the like, whose last bit depends on the machine, and sums of floats that are not whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws

ONE_SIGMA = 128
"""Standardised features are whole numbers in units of 1/128 of a standard deviation."""

LARGEST = 8 * ONE_SIGMA
"""They are cut off at eight standard deviations, so that one outlier cannot swamp a sum."""

_QUANTISED_BITS = 24
_CHUNK = 1 << 20
_MOST_ROWS = 1 << 12  # rows summed at once: their squares stay below 2^62


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Mean and standard deviation of each column, learnt from some features and applied to any.

    A column is first made whole: its lowest value is taken off, what is left is multiplied by the power of two that
    brings the largest to about 2^24, and rounded. Bytes and 16-bit integers are whole already. The sums and sums of
    squares of whole numbers are exact, so neither the order of the rows nor the machine matters.

    Attributes:
        lowest: half of the lowest value of each column (0 where it is whole already), float64, shape (F,).
        factor: power of two of each column, float64, shape (F,).
        mean: in units of the whole numbers, float64, shape (F,).
        std: likewise, of the population; 0 where the column does not vary.
    """

    lowest: NDArray[np.float64]
    factor: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def learnt(cls, features: NDArray[Any]) -> Self:
        """From whole numbers or finite floats, shape (N, F), in chunks of rows."""
        count, (lowest, factor) = len(features), _lowest_and_factor(features)
        total = np.zeros(features.shape[1], dtype=np.int64)
        for rows in row_chunks(*features.shape):
            total += _whole(features[rows], lowest, factor).astype(np.int64).sum(axis=0)
        middle = np.rint(total / count).astype(np.int64)
        upper, lower = np.zeros_like(total), np.zeros_like(total)  # one sum of squares in two halves: it may pass 2^63
        for rows in row_chunks(*features.shape):
            deviation = _whole(features[rows], lowest, factor).astype(np.int64) - middle
            deviation *= deviation
            squares = deviation.sum(axis=0)
            upper += squares >> 32
            lower += squares & 0xFFFFFFFF
        off_middle = (total - count * middle) / count
        variance = (upper * 2.0**32 + lower) / count - off_middle * off_middle
        return cls(lowest, factor, total / count, np.sqrt(np.maximum(variance, 0.0)))

    def __call__(self, features: NDArray[Any]) -> NDArray[np.int16]:
        """``rint(128 (x - mean) / std)`` within +-1024, int16, shape (n, F); 0 in columns that do not vary."""
        out = np.empty(features.shape, dtype=np.int16)
        divisor = np.where(self.std > 0, self.std, np.inf)
        for rows in row_chunks(*features.shape):
            z = _whole(features[rows], self.lowest, self.factor)
            z -= self.mean
            z /= divisor
            z *= ONE_SIGMA
            out[rows] = np.clip(np.rint(z, out=z), -LARGEST, LARGEST, out=z)
        return out


def standardised(features: NDArray[Any], basis_features: NDArray[Any]) -> NDArray[np.int16]:
    """Features less the mean of the basis, over its standard deviation, as whole numbers of 1/128.

    >>> standardised(np.array([[0], [10], [255]], dtype=np.uint8), np.array([[0], [20]], dtype=np.uint8)).tolist()
    [[-128], [0], [1024]]
    """
    return Standardiser.learnt(basis_features)(features)


def exact_product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.floating]:
    """``a @ b`` of whole numbers, exact: shapes (n, F) and (F, m), result (n, m).

    Computed in float32 where no sum can reach 2^24 and in float64 where none can reach 2^53, so that every partial sum
    is a whole number that the type holds, in whatever order a BLAS adds.

    Raises:
        ValueError: a sum could reach 2^53.

    >>> exact_product(np.array([[1, 2]]), np.array([[3], [4]]))
    array([[11.]], dtype=float32)
    """
    bound = a.shape[1] * _magnitude(a) * _magnitude(b)
    if bound >= 2**53:
        raise ValueError(f"sums of the product must stay below 2^53 to be exact; they could reach {bound}")
    dtype: type[np.floating] = np.float32 if bound < 2**24 else np.float64
    product: NDArray[np.floating] = a.astype(dtype) @ b.astype(dtype)
    return product


def exp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``e^x`` from elementwise ``+ - *`` and powers of two only; relative error below 1e-14, x within +-700.

    ``x = n ln 2 + r`` with n whole and ``|r| <= ln(2) / 2``; the series of ``e^r`` to the thirteenth power, by Horner's
    rule. Beyond +-700 the value at +-700 is returned.

    >>> exp(np.array([0.0, 1.0])).tolist()
    [1.0, 2.7182818284590455]
    """
    x = np.clip(x, -700.0, 700.0)
    n = np.rint(x * _LOG2_E)
    r = (x - n * _LN2_UPPER) - n * _LN2_LOWER
    series = np.full_like(r, 1.0 / math.factorial(13))
    for power in range(12, -1, -1):
        series = series * r + 1.0 / math.factorial(power)
    power_of_two: NDArray[np.float64] = np.ldexp(series, n.astype(np.int32))
    return power_of_two


_LOG2_E = 1.4426950408889634
_LN2_UPPER = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits: its product with n is exact
_LN2_LOWER = float.fromhex("0x1.a39ef35793c76p-33")


def random_signs(seed: int, purpose: str, rows: int, columns: int) -> NDArray[np.int8]:
    """+1 and -1 by fair draws, int8, shape (rows, columns): 64 signs from one word of (seed, purpose, place)."""
    words_a_row = -(-columns // 64)
    words = example_draws(seed, purpose, np.arange(rows * words_a_row, dtype=np.int64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little").reshape(rows, -1)
    return 1 - 2 * bits[:, :columns].astype(np.int8)


def row_chunks(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Consecutive rows that hold about a million numbers together, at least one row and at most 4,096."""
    step = min(max(_CHUNK // max(num_columns, 1), 1), _MOST_ROWS)
    for start in range(0, num_rows, step):
        yield slice(start, start + step)


def _lowest_and_factor(features: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = features.shape[1]
    if np.issubdtype(features.dtype, np.integer) and features.dtype.itemsize <= 2:
        return np.zeros(columns), np.full(columns, 2.0)  # whole already: undo the halving
    lowest, highest = np.full(columns, np.inf), np.full(columns, -np.inf)
    for rows in row_chunks(*features.shape):
        halves = _halved(features[rows])
        np.minimum(lowest, halves.min(axis=0), out=lowest)
        np.maximum(highest, halves.max(axis=0), out=highest)
    _, exponent = np.frexp(highest - lowest)
    return lowest, np.ldexp(1.0, np.minimum(_QUANTISED_BITS - exponent, 1023))


def _halved(features: NDArray[Any]) -> NDArray[np.float64]:
    """In float64 and halved, so that no difference of two of them overflows."""
    values = features.astype(np.float64)
    values *= 0.5
    return values


def _whole(features: NDArray[Any], lowest: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole numbers in float64, within +-2^29: what lies beyond is cut off at eight standard deviations anyway."""
    values = _halved(features)
    values -= lowest
    with np.errstate(over="ignore"):
        values *= factor
    np.clip(values, -(2.0**29), 2.0**29, out=values)
    return np.rint(values, out=values)


def _magnitude(whole: NDArray[Any]) -> int:
    return max(int(whole.max(initial=0)), -int(whole.min(initial=0)))

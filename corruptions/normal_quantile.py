"""Logarithm, normal distribution and its quantiles, bit-identical on every machine (see ``portable``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.portable import exp

Array = NDArray[np.float64]

_LN2_UPPER = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits: its product with an exponent is exact
_LN2_LOWER = float.fromhex("0x1.a39ef35793c76p-33")
_SQRT_HALF = 0.7071067811865476
_SQRT_2_PI = 2.5066282746310002

# AS 241's rational functions, numerator and denominator, highest power first: near the middle, then two tails.
_MIDDLE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852545925,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.13692988092273580531,
        0.59983220655588793769,
        1.0,
    ),
)


def normal_quantile(p: Array) -> Array:
    """x with ``P(Z <= x) = p`` for standard normal Z, p in (0, 1); relative error below 1e-14.

    Reference: Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37 (3),
    1988, its routine PPND16.

    >>> normal_quantile(np.array([0.5, 0.975])).round(6).tolist()
    [0.0, 1.959964]
    """
    q = p - 0.5
    x = q * _ratio(_MIDDLE, 0.180625 - q * q)
    outside = np.flatnonzero(np.abs(q) > 0.425)
    lower = np.minimum(p[outside], 1.0 - p[outside])
    r = np.sqrt(-log(lower))
    tail = np.where(r <= 5.0, _ratio(_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
    x[outside] = np.where(q[outside] < 0, -tail, tail)
    return x


def normal_cdf(x: float) -> float:
    """``P(Z <= x)``, absolute error below 1e-14: the series ``1/2 + phi(x) (x + x^3/3 + x^5/(3 5) + ...)``.

    >>> round(normal_cdf(1.0), 12)
    0.841344746069
    """
    if abs(x) >= 9.0:
        return float(x > 0)
    term = total = x
    divisor = 1.0
    while total + term != total:
        divisor += 2.0
        term = term * x * x / divisor
        total += term
    return 0.5 + normal_density(x) * total


def normal_density(x: float) -> float:
    """``phi(x) = exp(-x^2 / 2) / sqrt(2 pi)``."""
    return float(exp(np.array([-x * x / 2.0]))[0]) / _SQRT_2_PI


def log(x: Array) -> Array:
    """``ln x`` of positive numbers from elementwise ``+ - * /`` only; absolute error below 1e-14 of its largest part.

    ``x = m 2^n`` with m in [sqrt(1/2), sqrt(2)); ``ln m = 2 (t + t^3/3 + t^5/5 + ...)``, ``t = (m - 1) / (m + 1)``.

    >>> log(np.array([1.0, 8.0])).round(9).tolist()
    [0.0, 2.079441542]
    """
    mantissa, exponent = np.frexp(x)
    is_low = mantissa < _SQRT_HALF
    m = np.where(is_low, mantissa * 2.0, mantissa)
    n = np.where(is_low, exponent - 1, exponent).astype(np.float64)
    t = (m - 1.0) / (m + 1.0)
    square = t * t
    series = np.full_like(t, 1.0 / 23.0)
    for odd in range(21, 0, -2):
        series = series * square + 1.0 / odd
    return n * _LN2_UPPER + (n * _LN2_LOWER + 2.0 * t * series)


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    numerator, denominator = (_horner(coefficients, x) for coefficients in polynomials)
    return numerator / denominator


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value

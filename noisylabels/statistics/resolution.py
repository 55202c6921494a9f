"""The smallest differences of accuracy that a test set can show at all."""

from __future__ import annotations

import math

from scipy.special import ndtri

from noisylabels.bounds import check_at_least, check_within


def resolution(count: int, accuracy: float, level: float = 0.95) -> float:
    """Half the width of the binomial interval around an accuracy.

        h = z / (1 + z^2/n)  sqrt( a (1 - a) / n + z^2 / (4 n^2) )

    Wilson's interval; z is the normal quantile of (1 + level) / 2. It stays above 0 where the accuracy is 0 or 1, and
    elsewhere differs little from z sqrt(a (1 - a) / n). It treats pairs as independent, which pairs that share people
    are not, so it is a lower bound of what can be told apart: see ``identity_bootstrap``.

    Args:
        count: n, pairs or images, at least 1.
        accuracy: a, in [0, 1].
        level: in (0, 1).

    Returns:
        In the unit of the accuracy, a share. 6,000 pairs at 99.3 % resolve 0.21 points:

    >>> round(100 * resolution(6000, 0.993), 2)
    0.21

    Raises:
        ValueError: a number out of range.

    Reference: E. B. Wilson, J. American Statistical Association 22, 1927.
    """
    check_at_least(1, count=count)
    check_within(0, 1, accuracy=accuracy)
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    z = float(ndtri((1 + level) / 2))
    return z / (1 + z * z / count) * math.sqrt(accuracy * (1 - accuracy) / count + (z / (2 * count)) ** 2)


def resolution_warning(difference: float, count: int, accuracy: float, level: float = 0.95) -> str | None:
    """A sentence where a difference of accuracies is smaller than :func:`resolution`; None where it is not.

    >>> print(resolution_warning(0.001, 6000, 0.993))
    a difference of 0.10 points is within the +-0.21 points that 6,000 pairs resolve at 99.3 % (95 % binomial interval)
    >>> resolution_warning(0.01, 6000, 0.993) is None
    True
    """
    half = resolution(count, accuracy, level)
    if abs(difference) >= half:
        return None
    return (
        f"a difference of {100 * abs(difference):.2f} points is within the +-{100 * half:.2f} points"
        f" that {count:,} pairs resolve at {100 * accuracy:.1f} % ({100 * level:g} % binomial interval)"
    )

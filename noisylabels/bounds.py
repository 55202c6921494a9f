"""One sentence for every number out of range: what must hold, and what came. Infinity and NaN are out of any range."""

from __future__ import annotations

import math


def check_above(low: float, **values: float) -> None:
    """Raise ``ValueError`` naming the first value that is not above ``low``."""
    for name, value in values.items():
        if not low < value < math.inf:
            raise ValueError(f"{name} must be above {low:g}; got {value}")


def check_at_least(low: float, **values: float) -> None:
    """Raise ``ValueError`` naming the first value below ``low``."""
    for name, value in values.items():
        if not low <= value < math.inf:
            raise ValueError(f"{name} must be at least {low:g}; got {value}")


def check_within(low: float, high: float, **values: float) -> None:
    """Raise ``ValueError`` naming the first value outside [low, high]."""
    for name, value in values.items():
        if not low <= value <= high:
            raise ValueError(f"{name} must be in [{low:g}, {high:g}]; got {value}")

"""What one searched parameter may be: a range of numbers, or one of some values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from noisylabels.spec import Frozen

Value = bool | int | float | str
SIGNIFICANT_DIGITS = 3
"""Of a suggested number. No training tells more of them apart, and a preset should be readable."""


class Range(Frozen):
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        log: drawn uniformly on a logarithmic scale; low must then be above 0.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be below high; got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 on a logarithmic scale; got {self.low:g}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low and high must be whole numbers; got {self.low:g} and {self.high:g}")
        return self

    def rounded(self, number: float) -> Value:
        """The number to three significant digits, but inside the range.

        >>> Range(low=0.01, high=1, log=True).rounded(0.0283474)
        0.0283
        """
        if self.whole:
            return int(number)
        return min(max(float(f"{number:.{SIGNIFICANT_DIGITS}g}"), self.low), self.high)

    def ends(self) -> tuple[Value, ...]:
        """Its extremes."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "") + (", whole" * self.whole)


class Choices(Frozen):
    """One of some values, all equally likely."""

    choices: tuple[Value, ...] = Field(min_length=2)

    def ends(self) -> tuple[Value, ...]:
        """All of them."""
        return self.choices

    def __str__(self) -> str:
        return " or ".join(map(str, self.choices))


Dimension = Range | Choices
Space = Mapping[str, Dimension]
"""What is searched of a method, by the parameters' names: ``train.learning_rate``, ``head.arcface.margin``."""

"""A metric's value as records keep it: never alone, and never a number that is not one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from noisylabels.metrics.evaluation import Evaluation
from noisylabels.metrics.metric import Metric, Undefined


@dataclass(frozen=True)
class Measured:
    """One value with all that is needed to print it.

    Attributes:
        name: the metric's printed name.
        value: finite, or None where the metric is undefined; then the note says why.
        unit: what the value counts.
        higher_is_better: the good direction.
        n: the examples (or classes) the value rests on.
        note: empty beside a value, else the reason there is none.
        interval: 95 % interval of what another draw of people would give, where the metric knows whom it rests on.
    """

    name: str
    value: float | None
    unit: str
    higher_is_better: bool
    n: int
    note: str = ""
    interval: tuple[float, float] | None = None


def measure(metric: Metric, evaluation: Evaluation) -> Measured:
    """Compute one metric; an undefined or non-finite value becomes None with its reason."""
    value: float | None
    try:
        value, note = float(metric.compute(evaluation)), ""
    except Undefined as reason:
        value, note = None, str(reason)
    if value is not None and not math.isfinite(value):
        value, note = None, f"the computed value is {value}"
    n = metric.count(evaluation)
    interval = None if value is None else metric.interval(evaluation)
    return Measured(metric.kind, value, metric.unit, metric.higher_is_better, n, note, interval)

"""How much of the spread between runs comes from the draw of wrong labels and how much from training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BySeeds = Mapping[tuple[int, int], float]
"""One value for each pair (noise seed, training seed)."""


@dataclass(frozen=True)
class VarianceComponents:
    """A grand mean and the variances behind it, in the squared unit of the values.

    Attributes:
        mean: over all runs, in the unit of the values.
        noise: variance between draws of wrong labels.
        training: variance between training seeds (initial weights, order, augmentation).
        residual: what neither explains alone: their interaction and what is not repeatable. One run a pair of seeds
            cannot tell these apart.
        truncated: which of ``noise`` and ``training`` came out below 0 and were set to 0: too small to be seen with
            this many seeds, not proven absent.
        noise_seeds, training_seeds: how many.
    """

    mean: float
    noise: float
    training: float
    residual: float
    truncated: tuple[str, ...]
    noise_seeds: int
    training_seeds: int

    @property
    def shares(self) -> tuple[float, float, float] | None:
        """Noise, training and residual as shares of one run's variance; None where nothing varies."""
        total = self.noise + self.training + self.residual
        return (self.noise / total, self.training / total, self.residual / total) if total > 0 else None

    @property
    def standard_error(self) -> float:
        """Of the grand mean, in the unit of the values: ``sqrt(noise / I + training / J + residual / (I J))``.

        The I J runs of a crossed design are not independent; s / sqrt(I J) would be too small.
        """
        i, j = self.noise_seeds, self.training_seeds
        return math.sqrt(self.noise / i + self.training / j + self.residual / (i * j))


def variance_components(values: BySeeds) -> VarianceComponents:
    """Two crossed random effects by the method of moments.

        y_ij = mu + a_i + b_j + e_ij,    a ~ (0, noise), b ~ (0, training), e ~ (0, residual)
        MS_a = J / (I - 1) sum_i (y_i. - y..)^2,    MS_b = I / (J - 1) sum_j (y_.j - y..)^2
        MS_e = 1 / ((I - 1)(J - 1)) sum_ij (y_ij - y_i. - y_.j + y..)^2
        residual = MS_e,    noise = (MS_a - MS_e) / J,    training = (MS_b - MS_e) / I

    Unbiased until estimates below 0 are set to 0, which is said in ``truncated``. With few seeds of a kind they are
    rough: of I seeds ``noise`` has I - 1 degrees of freedom.

    Args:
        values: one run for each of I noise seeds with each of J training seeds, both at least 2.

    Raises:
        ValueError: fewer than two seeds of either kind, a pair that is missing, or a value that is not finite.

    Reference: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (balanced data).

    >>> found = variance_components({(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): 4.0})
    >>> found.noise, found.training, found.residual
    (2.0, 0.5, 0.0)
    """
    y = _grid(values)
    i, j = y.shape
    mean, rows, columns = float(y.mean()), y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True)
    noise_square = j * float(((rows - mean) ** 2).sum()) / (i - 1)
    training_square = i * float(((columns - mean) ** 2).sum()) / (j - 1)
    residual = float(((y - rows - columns + mean) ** 2).sum()) / ((i - 1) * (j - 1))
    raw = {"noise": (noise_square - residual) / j, "training": (training_square - residual) / i}
    return VarianceComponents(
        mean=mean,
        noise=max(raw["noise"], 0.0),
        training=max(raw["training"], 0.0),
        residual=residual,
        truncated=tuple(name for name, value in raw.items() if value < 0),
        noise_seeds=i,
        training_seeds=j,
    )


def _grid(values: BySeeds) -> NDArray[np.float64]:
    noise, training = sorted({i for i, _ in values}), sorted({j for _, j in values})
    if len(noise) < 2 or len(training) < 2:
        raise ValueError(f"needs two noise seeds and two training seeds at least; got {noise} and {training}")
    missing = [(i, j) for i in noise for j in training if (i, j) not in values]
    if missing:
        raise ValueError(f"every noise seed must be run with every training seed; missing {missing[:5]}")
    grid = np.array([[values[i, j] for j in training] for i in noise], dtype=np.float64)
    if not np.isfinite(grid).all():
        raise ValueError(f"values must be finite; got {grid.tolist()}")
    return grid

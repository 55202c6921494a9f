"""NoiseFace: weights that follow the two peaks, of wrong and of right labels, in the distribution of target cosines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.strategies.sliding_histogram import BINS, bins_of, counts_of, cumulative, lower_edge, slid
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext

RADIUS = 2
"""Of the mean filter."""

TAIL = 0.005
"""Share of the distribution beyond each end point."""

RISES = (0.0, 0.0, 1.0, 2.0, 3.0)
"""How far a local peak stands above the bins at distances 1 to 5, in filtered counts; strictly from distance 2 on."""

NORMAL = 2.576
"""Half-width of a normal distribution's central 99 %, in standard deviations."""


@dataclass(frozen=True)
class NoiseFace(Strategy):
    """``objective = sum_i w(cos theta_{y_i}) L_i / B``: first all examples, then the sure, at last the semi-hard.

    cos theta_y is the cosine to the given label's class, without margin; its distribution over the last ``window``
    batches has 200 bins over [-1, 1] and a mean filter of radius 2. With x an example's bin, l and r the end points (at
    0.5 and 99.5 %), lt and rt the left and right peak:

        w1 = 1
        w2 = min(1, softplus(10 (x - lt) / (r - lt)) / softplus(10))
        w3 = exp(-(x - rt)^2 / (2 a^2)), a = (r - rt) / 2.576 right of rt, (rt - l) / 2.576 elsewhere
        alpha = max(0, cosine at r), beta = 2 - sigmoid(20 alpha - 5) - sigmoid(15 - 20 alpha)
        w = beta [alpha < 0.5] w1 + (1 - beta) w2 + beta [alpha > 0.5] w3

    The highest bin is lt where it is left of the middle of l and r, and then rt is the right-most local peak, but not
    left of the middle; else it is rt, and lt the left-most local peak, but not right of the middle. l, r, lt and rt
    move by at most one bin a step. Until the window is full every example counts alike. The share of wrong labels is
    estimated as 2 cdf(lt) where lt is left of the middle, else 0 (``noise_rate`` in the history; nothing uses it).

    A local peak is at least as high as its neighbours, higher than the bins at distance 2, and by more than 1, 2 and 3
    examples than those at distances 3, 4 and 5. These counts are the released code's, for windows of 64,000 examples;
    in much smaller ones, only the highest bin is a peak. As there, the bins within 2 of either end count as empty. The
    code puts the weight on the logits' gradient, which is the same as on the loss; where two of the four bins that move
    meet, divisors are at least one bin here.

    Args:
        window: mini-batches in the distribution, at least 1; 1,000 in the paper (of 200,000 in all). Trainings of
            fewer steps need less, or nothing happens.

    Reference: Hu et al., Noise-tolerant paradigm for training face recognition CNNs, CVPR 2019;
    huangyangyu/NoiseFace. Tag: exact.
    """

    kind: ClassVar[str] = "noiseface"
    needs_cosines: ClassVar[bool] = True
    window: int = 1_000

    def __post_init__(self) -> None:
        check_at_least(1, window=self.window)

    def begin(self, context: StrategyContext) -> Learning:
        return NoiseFaceLearning(self.window)


@dataclass(frozen=True)
class Shape:
    """Bins of a distribution of cosines: its end points, and its peaks between them."""

    left_end: int
    right_end: int
    left_peak: int
    right_peak: int

    def towards(self, other: Shape) -> Shape:
        """One bin nearer to another shape, each of the four."""
        pairs = zip(self.bins(), other.bins(), strict=True)
        return Shape(*(own + (there > own) - (there < own) for own, there in pairs))

    def bins(self) -> list[int]:
        return [self.left_end, self.right_end, self.left_peak, self.right_peak]


class NoiseFaceLearning(Learning):
    """Holds the window of bins, and the shape that follows its distribution."""

    remembers: ClassVar[tuple[str, ...]] = ("window", "shape_bins", "noise_rate")

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.window: Tensor | None = None
        self.shape_bins: list[int] | None = None
        self.noise_rate, self.mean_weight = 0.0, torch.ones(())

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        bins = bins_of(scored.cosines().gather(1, step.labels.unsqueeze(1)).squeeze(1))
        self.window = slid(self.window, bins, self.batches)
        weights = torch.ones_like(scored.losses)
        if len(self.window) == self.batches and self.followed(filtered(counts_of(self.window))):
            assert self.shape_bins is not None
            weights = example_weights(bins, Shape(*self.shape_bins)).to(scored.losses)
        self.mean_weight = weights.mean()
        objective = scored.penalised((weights * scored.losses).mean())
        return Outcome(objective, scored.losses.detach(), scored.logits)

    def followed(self, heights: Tensor) -> bool:
        """Move the shape and the estimate on; whether there is a distribution to follow."""
        now = shape_of(heights)
        if now is None:
            return False
        shape = now if self.shape_bins is None else Shape(*self.shape_bins).towards(now)
        self.shape_bins = shape.bins()
        below = float(cumulative(heights)[shape.left_peak])
        self.noise_rate = 2 * below if shape.left_peak < middle(now.left_end, now.right_end) else 0.0
        return True

    def state(self) -> dict[str, float]:
        return {"noise_rate": self.noise_rate, "mean_weight": float(self.mean_weight)}


def filtered(counts: Tensor) -> Tensor:
    """Mean of each bin and the two on either side, ``(200,)``; 0 in the two outermost bins of each end."""
    return F.pad(counts.unfold(0, 2 * RADIUS + 1, 1).mean(1), (RADIUS, RADIUS))


def middle(left: int, right: int) -> int:
    """The bin half-way between two, rounded down."""
    return (left + right) // 2


def shape_of(heights: Tensor) -> Shape | None:
    """End points and peaks of filtered counts ``(200,)``; None where fewer than two bins are between the end points."""
    if not heights.sum() > 0:
        return None
    cdf = cumulative(heights)
    left_end, right_end = int((cdf < TAIL).sum()), int((cdf <= 1 - TAIL).sum()) - 1
    if left_end >= right_end:
        return None
    half, values = middle(left_end, right_end), heights.tolist()
    highest = values.index(max(values))
    peaks = local_peaks(values, left_end, right_end) or [highest]
    if highest < half:
        return Shape(left_end, right_end, highest, max(peaks[-1], half))
    return Shape(left_end, right_end, min(peaks[0], half), highest)


def local_peaks(heights: list[float], left: int, right: int) -> list[int]:
    """Bins from left to right that are local peaks, each more than 5 bins from the one before."""
    reach, peaks = len(RISES), list[int]()
    for number in range(max(left, reach), min(right, BINS - 1 - reach) + 1):
        far_enough = not peaks or number > peaks[-1] + reach
        if far_enough and all(_rises(heights, number, number + side * d) for d in range(1, 6) for side in (-1, 1)):
            peaks.append(number)
    return peaks


def _rises(heights: list[float], peak: int, other: int) -> bool:
    distance = abs(peak - other)
    needed = heights[other] + RISES[distance - 1]
    return heights[peak] >= needed if distance == 1 else heights[peak] > needed


def example_weights(bins: Tensor, shape: Shape) -> Tensor:
    """w of every bin, float64, in [0, 1]; see ``NoiseFace``."""
    x = bins.double()
    rise = 10 * (x - shape.left_peak) / max(shape.right_end - shape.left_peak, 1)
    sure = (F.softplus(rise) / math.log1p(math.exp(10))).clamp(0, 1)
    right, left = (max(d, 1) / NORMAL for d in (shape.right_end - shape.right_peak, shape.right_peak - shape.left_end))
    width = torch.where(x > shape.right_peak, right, left)
    semi_hard = torch.exp(-(x - shape.right_peak).square() / (2 * width.square()))
    alpha = max(0.0, lower_edge(shape.right_end))
    beta = 2 - sigmoid(20 * alpha - 5) - sigmoid(15 - 20 * alpha)
    return beta * (alpha < 0.5) + (1 - beta) * sure + beta * (alpha > 0.5) * semi_hard


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))

"""P-DIFF: an example counts if its label is likelier than the strongest rival, compared with the latest batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_at_least, check_within
from noisylabels.strategies.co_teaching import believed_rate
from noisylabels.strategies.sliding_histogram import BINS, bins_of, counts_of, cumulative, lower_edge, slid
from noisylabels.strategies.strategy import Learning, Outcome, Step, Strategy, StrategyContext

MODES = ("known", "unknown")


@dataclass(frozen=True)
class PDiff(Strategy):
    """``delta = p_y - max_{j != y} p_j``; examples in the lowest share of a sliding histogram of delta are dropped.

    p is the softmax of the inference logits, y the given label, delta in [-1, 1]. The histogram holds the last
    ``window`` batches, this one included, in bins of width 0.01; cdf is its cumulative share, bin by bin, and t the
    first bin whose cdf exceeds R. Examples in bins below t do not count: ``objective = sum_{kept} L_i / number kept``
    (0 for a batch of which none is kept). Until the window is full every example counts.

    With a known rate, ``R = rate * min(1, done / ramp)``, done the share of training that is past. With an unknown one,
    R is looked for: while done is at most ``ramp``, or ``zeta = sum_bins |delta| pdf(delta)`` (of the bins' centres) is
    below ``saturation``, ``R = cdf(min(1, done / ramp) - 1)``, so that more and more of the examples whose label has a
    stronger rival are dropped; after that R stays as it is.

    What the network has not learnt yet has a low delta, too: where it starts slowly, ramp must wait for it, and while
    no example of the window has a delta above 0, an unknown rate drops them all. The released code divides by the size
    of the batch, which learns more slowly the more it drops; counts epochs where the share of training stands here; and
    leaves the mass at exactly 1 out of zeta. As here, it takes the rate up again whenever zeta falls back.

    Args:
        mode: ``known`` or ``unknown``.
        rate: tau of the known rate, in [0, 1); -1 asks for the true one. Must be -1 where it is unknown.
        ramp: share of training until all of the rate is dropped, in (0, 1]; 20 of 200 epochs in the paper. The digits
            need more, such as 0.3 of 20 epochs.
        window: mini-batches in the histogram, at least 1; 100 in the paper, about a quarter of an epoch of CIFAR-10. A
            long one lags behind the network: small data need about an epoch, such as 10 on the digits.
        saturation: zeta at which an unknown rate is settled, in [0, 1]; 0.9 in the paper.

    Reference: Hu et al., P-DIFF: learning classifier with noisy labels based on probability difference distributions,
    ICPR 2020; fistyee/P-DIFF. Tag: exact but for the division.
    """

    kind: ClassVar[str] = "p_diff"
    mode: str = "known"
    rate: float = -1.0
    ramp: float = 0.1
    window: int = 100
    saturation: float = 0.9

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be known or unknown; got {self.mode!r}")
        if self.rate != -1:
            check_within(0, 1 - 1e-9, rate=self.rate)
            if self.mode == "unknown":
                raise ValueError(f"rate is for mode=known; got rate={self.rate} with mode=unknown")
        check_within(1e-9, 1, ramp=self.ramp)
        check_at_least(1, window=self.window)
        check_within(0, 1, saturation=self.saturation)

    @property
    def oracle_knowledge(self) -> str:
        return "the true noise rate" if self.mode == "known" and self.rate == -1 else ""

    def begin(self, context: StrategyContext) -> Learning:
        return PDiffLearning(self, believed_rate(self.rate, context) if self.mode == "known" else None)


class PDiffLearning(Learning):
    """Holds the window of bins, and the share R that was dropped last."""

    remembers: ClassVar[tuple[str, ...]] = ("window", "dropping")

    def __init__(self, spec: PDiff, rate: float | None) -> None:
        self.spec, self.rate = spec, rate
        self.window: Tensor | None = None
        self.dropping = 0.0
        self.threshold, self.kept = -1.0, torch.ones(())

    def take(self, step: Step) -> Outcome:
        scored = step.scored()
        bins = bins_of(probability_difference(scored.plain().softmax(1), step.labels))
        self.window = slid(self.window, bins, self.spec.window)
        counts = torch.ones_like(scored.losses)
        if len(self.window) == self.spec.window:
            counts = self.chosen(bins, counts_of(self.window), step.progress).to(scored.losses)
        self.kept = counts.mean()
        objective = scored.penalised((counts * scored.losses).sum() / counts.sum().clamp_min(1))
        return Outcome(objective, scored.losses.detach(), scored.logits)

    def chosen(self, bins: Tensor, counts: Tensor, progress: float) -> Tensor:
        """Which examples count, bool ``(B,)``; moves R."""
        done, cdf = min(1.0, progress / self.spec.ramp), cumulative(counts)
        if self.rate is not None:
            self.dropping = self.rate * done
        elif progress <= self.spec.ramp or saturation(counts) < self.spec.saturation:
            self.dropping = float(cdf[int(bins_of(torch.tensor(done - 1.0)))])
        first = int((cdf <= self.dropping).sum())
        self.threshold = lower_edge(first)
        return bins >= first

    def state(self) -> dict[str, float]:
        return {"kept": float(self.kept), "dropping": self.dropping, "threshold": self.threshold}


def probability_difference(probabilities: Tensor, labels: Tensor) -> Tensor:
    """``p_y - max_{j != y} p_j``, ``(B,)``, in [-1, 1], of probabilities ``(B, K)`` and labels ``(B,)``."""
    own = labels.unsqueeze(1)
    rivals = probabilities.scatter(1, own, -1.0).amax(1)
    return probabilities.gather(1, own).squeeze(1) - rivals


def saturation(counts: Tensor) -> float:
    """``zeta = sum_bins |delta| pdf(delta)`` at the bins' centres, in [0, 1]: how decided the network is."""
    centres = (2 * torch.arange(BINS, dtype=torch.float64) + 1) / BINS - 1
    return float((centres.abs() * counts).sum() / counts.sum())

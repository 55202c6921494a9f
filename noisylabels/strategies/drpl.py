"""DRPL: soft relabelling, detection of wrong labels by their losses, then twice pseudo-labels in place of those."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.strategies.dividemix import given_losses
from noisylabels.strategies.mixture import fit_betas
from noisylabels.strategies.mixup import beta_draw
from noisylabels.strategies.soft_targets import mean_entropy, one_hot, soft_cross_entropy, uniform_cross_entropy
from noisylabels.strategies.strategy import Learning, Look, Outcome, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class Drpl(Strategy):
    """Three stages in one training, each ``CE + spread R + sharpness H``, with other labels.

    ``R = -mean_k log(mean_b p_bk)`` spreads a batch's predictions over the classes, H is their mean entropy.

    1. Relabelling. CE is the method's loss of the given labels, and from ``relabel`` on the cross-entropy to the mean
       softmax with which the example was seen before, newer visits counting more: weights ``exp(-age / memory)``.
    2. From ``detect`` on. ``-log p_y`` of all training examples, against the *given* labels, clipped to its 5th and
       95th percentile and scaled to [0, 1], is parted by a mixture of two Betas; labelled are those with a posterior of
       the larger mean of at most ``threshold``. They keep their given labels; the others get the softmax of their last
       visit, a share ``uniform`` of them at random the uniform distribution. Mixup, Beta(alpha, alpha), of all.
    3. From ``second`` on. The same after another detection, with ``second_threshold``.

    The mixture's start is another than the code's: see ``fit_betas``. Beyond where the posterior peaks it is held at
    its peak: a loss above the 95th percentile is not less suspicious. Soft labels are compared with the inference
    logits; a head's margin acts until ``relabel`` only. A head's own penalty is asked with the given labels before
    ``detect``, with mixed images' likeliest classes later.

    Differs from the released code, where each stage begins with a new network and its own learning rate schedule: here
    one network goes on, and with new networks goes the warm-up on labelled examples alone that they need. The code
    takes a plain mean over 10 epochs, keeping 10 softmaxes of each example; here it keeps one. Which examples are made
    uniform is drawn for each example and visit, not for an epoch as a whole. Stages are ours: the code's 130, 185 and
    310 epochs (CIFAR-10) would detect before the learning rate of a single training is at its height.

    What the network knows when it detects decides the rest. On the digits with 40 % symmetric noise
    (``small_cnn:width=16``, seed 0) it ends at 92.8 % after 60 epochs, where ``standard`` has 80.0, and at 36.6 % after
    20, 140 steps, where ``standard`` has 84.3.

    Args:
        relabel, detect, second: shares of training in (0, 1], rising; a stage begins with an epoch.
        memory: share of training over which softmaxes are averaged, above 0; the code's 10 of 625 epochs.
        threshold, second_threshold: in [0, 1]; 0.1 and 0.5 in the code.
        uniform: in [0, 1]; 0.2 in the code.
        spread, sharpness: at least 0; 0.8 and 0.4 in the code.
        alpha: of mixup's Beta distribution, above 0.

    Reference: Ortego et al., Towards robust learning with different label noise distributions, ICPR 2020;
    DiegoOrtego/LabelNoiseDRPL. Tag: reconstruction.
    """

    kind: ClassVar[str] = "drpl"
    cost: ClassVar[float] = 1.4
    relabel: float = 0.15
    detect: float = 0.3
    second: float = 0.6
    memory: float = 0.05
    threshold: float = 0.1
    second_threshold: float = 0.5
    uniform: float = 0.2
    spread: float = 0.8
    sharpness: float = 0.4
    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_within(1e-9, 1, relabel=self.relabel, detect=self.detect, second=self.second)
        if not self.relabel <= self.detect <= self.second:
            stages = f"{self.relabel}, {self.detect} and {self.second}"
            raise ValueError(f"relabel, detect and second must not fall; got {stages}")
        check_within(0, 1, threshold=self.threshold, second_threshold=self.second_threshold, uniform=self.uniform)
        check_at_least(0, spread=self.spread, sharpness=self.sharpness)
        check_above(0, memory=self.memory, alpha=self.alpha)

    def stage(self, epoch: int, epochs: int) -> int:
        """0 while given labels are trusted, 1 while relabelling, 2 and 3 after the detections."""
        return sum((epoch - 1) / epochs >= start for start in (self.relabel, self.detect, self.second))

    def begin(self, context: StrategyContext) -> Learning:
        return DrplLearning(self, context)


class DrplLearning(Learning):
    """Holds a sum of each example's softmaxes, float32 ``(N, K)``, and which examples are labelled, ``(N,)``."""

    remembers: ClassVar[tuple[str, ...]] = ("seen", "labelled", "detected")

    def __init__(self, spec: Drpl, context: StrategyContext) -> None:
        self.spec, self.given = spec, context.given_labels
        self.seen = torch.zeros(len(self.given), context.num_classes, device=self.given.device)
        self.labelled = torch.ones(len(self.given), dtype=torch.bool, device=self.given.device)
        self.detected = 1

    def begin_epoch(self, epoch: int, epochs: int, look: Look) -> None:
        stage = self.spec.stage(epoch, epochs)
        if stage > self.detected:
            threshold = self.spec.threshold if stage == 2 else self.spec.second_threshold
            noisy = noisy_posterior(given_losses(look.probabilities(0), self.given))
            self.labelled = (noisy <= threshold).to(self.labelled.device)
            self.detected = stage

    def take(self, step: Step) -> Outcome:
        stage = self.spec.stage(step.epoch, step.epochs)
        return self._relabelled(step, stage) if stage < 2 else self._pseudo_labelled(step)

    def state(self) -> dict[str, float]:
        return {"labelled": float(self.labelled.float().mean())}

    def _relabelled(self, step: Step, stage: int) -> Outcome:
        scored = step.scored()
        logits, rows = scored.plain(), step.rows.to(self.seen.device)
        losses = scored.losses if stage == 0 else soft_cross_entropy(logits, self._mean_seen(rows))
        fading = exp(-1 / (self.spec.memory * step.epochs))
        self.seen[rows] = fading * self.seen[rows] + logits.detach().softmax(1).to(self.seen)
        objective = scored.penalised(losses.mean() + self._regularisers(logits))
        return Outcome(objective, scored.losses.detach(), scored.logits)

    def _pseudo_labelled(self, step: Step) -> Outcome:
        with torch.no_grad():
            unmixed = step.scored()
            now = unmixed.plain().softmax(1)
        targets = self._targets(step, now)
        self.seen[step.rows.to(self.seen.device)] = now.to(self.seen)
        share = beta_draw(self.spec.alpha, step.draws)
        partner = torch.randperm(len(step.labels), generator=step.draws).to(step.labels.device)
        mixed = share * targets + (1 - share) * targets[partner]
        images = share * step.images + (1 - share) * step.images[partner]
        scored = step.score(images, mixed.argmax(1), step.rows, 0)
        logits = scored.plain()
        objective = soft_cross_entropy(logits, mixed).mean() + self._regularisers(logits)
        return Outcome(scored.penalised(objective), unmixed.losses, unmixed.logits)

    def _targets(self, step: Step, like: Tensor) -> Tensor:
        """Given labels of the labelled, earlier softmaxes or the uniform distribution for the others, ``(B, K)``."""
        rows = step.rows.to(self.seen.device)
        uniform = torch.rand(len(rows), generator=step.draws) < self.spec.uniform
        pseudo = self._mean_seen(rows).to(like)
        pseudo = torch.where(uniform.to(like.device)[:, None], 1 / like.shape[1], pseudo)
        return torch.where(self.labelled[rows][:, None], one_hot(step.labels, like), pseudo)

    def _mean_seen(self, rows: Tensor) -> Tensor:
        """Mean softmax of examples, ``(B, K)``; uniform for one that was never visited."""
        total = self.seen[rows]
        mass = total.sum(1, keepdim=True)
        return torch.where(mass > 0, total / mass.clamp_min(1e-12), 1 / total.shape[1])

    def _regularisers(self, logits: Tensor) -> Tensor:
        return self.spec.spread * uniform_cross_entropy(logits) + self.spec.sharpness * mean_entropy(logits)


def noisy_posterior(losses: Tensor) -> Tensor:
    """How likely each label is wrong: the posterior of the upper Beta, ``(N,)``, in [0, 1], of losses ``(N,)``."""
    losses = losses.double()
    low, high = losses.quantile(0.05), losses.quantile(0.95)
    scaled = ((losses - low) / (high - low).clamp_min(1e-6)).clamp(1e-3, 1 - 1e-3)
    mixture = fit_betas(scaled[(losses >= low) & (losses <= high)])
    grid = torch.linspace(0, 1, 101, dtype=torch.float64, device=losses.device)
    grid = grid[grid >= mixture.means[0]]
    peak = grid[mixture.posteriors(grid)[:, 1].argmax()]
    return mixture.posteriors(torch.minimum(scaled, peak))[:, 1]

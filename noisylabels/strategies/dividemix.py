"""DivideMix: two networks part the examples for one another; what is called wrong is learnt from without its label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.strategies.mixture import fit_gaussians
from noisylabels.strategies.mixup import beta_draw
from noisylabels.strategies.soft_targets import (
    mean_entropy,
    one_hot,
    sharpened,
    soft_cross_entropy,
    uniform_cross_entropy,
)
from noisylabels.strategies.strategy import Learning, Look, Outcome, Scored, Step, Strategy, StrategyContext


@dataclass(frozen=True)
class DivideMix(Strategy):
    """MixMatch on two networks, each with labels only where the *other's* loss is in the lower of two Gaussians.

    Epochs begun before ``warm_up`` are ordinary, ``mean(L)`` of both networks, less ``confidence_penalty`` times the
    mean entropy of their predictions. Before each later epoch a mixture of two Gaussians is fitted, for each network,
    to ``-log p_y`` of all training examples, scaled to [0, 1]; w_i is the posterior of the smaller mean *in the peer*,
    and example i is labelled if ``w_i > threshold``. In a step, p_n is network n's mean softmax over two augmented
    views. Targets of network n, not differentiated through:

    - labelled: ``sharpen(w y + (1 - w) p_n)``; unlabelled: ``sharpen((p_1 + p_2) / 2)``, powers ``1 / temperature``.
    - Both views of all examples are mixed with a permutation of themselves by ``l = max(b, 1 - b)``, b from
      Beta(alpha, alpha), images and targets alike. An image is as labelled as its larger part.

    ``objective = mean(cross-entropy of the labelled) + lambda_u r mean((p - q)^2 of the unlabelled)
    + KL(uniform || mean prediction)``, ``r = min(1, (done - warm_up) / ramp)``. A part of a batch that is empty adds
    nothing. Predictions and soft targets are those of the inference logits: a head's margin acts in the warm-up only. A
    head's own penalty is asked with each mixed image's likeliest class.

    Differs from the code: a batch is parted by the mask, where the code draws as many unlabelled as labelled examples
    and an epoch ends with the labelled ones; both networks take one step together, so a network guesses in training
    mode for the other, too; the first network alone is measured, not the sum of both. Averaging losses over five epochs
    at 90 % noise is not here. EM goes on to convergence instead of 10 iterations.

    The code's learning rate is 0.02; at ten times that, the unlabelled term can lead a training astray. On the digits
    with 40 % symmetric noise (``small_cnn:width=16``, 60 epochs, seeds 0 to 2) it ends at 92.5, 79.6 and 81.0 % at a
    learning rate of 0.2, at 92.3 and 92.8 % (seeds 1 and 2) at 0.05, and ``standard`` at 80.0, 85.6 and 82.5 % at 0.2.
    In 20 epochs there, 140 steps, the networks part the examples before they know them: 66.6 %, where ``standard`` has
    84.3.

    Args:
        warm_up: share of training, in [0, 1); 10 of the code's 300 epochs on CIFAR-10, 30 on CIFAR-100, all at the full
            learning rate, which a training here has reached after a quarter only. What is parted before the networks
            have learnt anything is parted at random.
        confidence_penalty: at least 0; 1 for asymmetric noise in the code, 0 for symmetric.
        threshold: in [0, 1); 0.5, at 90 % noise 0.6.
        temperature: above 0.
        alpha: of the Beta distribution, above 0.
        lambda_u: at least 0; 25 in the code; in the paper 0 at 20 % noise on CIFAR-10 to 150 at 80 % on CIFAR-100.
        ramp: share of training, in (0, 1]; the code's 16 of 300 epochs.

    Reference: Li et al., DivideMix, ICLR 2020, algorithm 1 and eq. 1 to 12; constants from LiJunnan1992/DivideMix. Tag:
    reconstruction.
    """

    kind: ClassVar[str] = "dividemix"
    networks: ClassVar[int] = 2
    cost: ClassVar[float] = 5.5
    warm_up: float = 0.3
    confidence_penalty: float = 0.0
    threshold: float = 0.5
    temperature: float = 0.5
    alpha: float = 4.0
    lambda_u: float = 25.0
    ramp: float = 0.05

    def __post_init__(self) -> None:
        check_within(0, 1 - 1e-9, warm_up=self.warm_up, threshold=self.threshold)
        check_at_least(0, confidence_penalty=self.confidence_penalty, lambda_u=self.lambda_u)
        check_above(0, temperature=self.temperature, alpha=self.alpha)
        check_within(1e-9, 1, ramp=self.ramp)

    def begin(self, context: StrategyContext) -> Learning:
        return DivideMixLearning(self, context)


class DivideMixLearning(Learning):
    """Holds, for each network, how likely its peer holds each label to be right: ``(2, N)``, anew each epoch.

    As long as nobody has looked, all labels are held to be right.
    """

    def __init__(self, spec: DivideMix, context: StrategyContext) -> None:
        self.spec, self.given = spec, context.given_labels
        self.clean = torch.ones(2, len(self.given), device=self.given.device)

    def begin_epoch(self, epoch: int, epochs: int, look: Look) -> None:
        if (epoch - 1) / epochs < self.spec.warm_up:
            return
        believed = [clean_posterior(look.probabilities(network), self.given) for network in (0, 1)]
        self.clean = torch.stack(believed[::-1]).to(self.clean)

    def take(self, step: Step) -> Outcome:
        if (step.epoch - 1) / step.epochs < self.spec.warm_up:
            return self._warmed_up(step)
        views = (step.images, step.view())
        with torch.no_grad():
            shown = [[step.score(view, step.labels, step.rows, network) for view in views] for network in (0, 1)]
        guesses = [(one.plain().softmax(1) + other.plain().softmax(1)) / 2 for one, other in shown]
        first, second = (self._mixmatch(step, torch.cat(views), guesses, network) for network in (0, 1))
        return Outcome(first + second, shown[0][0].losses, shown[0][0].logits)

    def state(self) -> dict[str, float]:
        return {"labelled": float((self.clean[0] > self.spec.threshold).float().mean())}

    def _warmed_up(self, step: Step) -> Outcome:
        first, second = step.scored(0), step.scored(1)
        objective = self._ordinary(first) + self._ordinary(second)
        return Outcome(objective, first.losses.detach(), first.logits)

    def _ordinary(self, scored: Scored) -> Tensor:
        objective = scored.losses.mean()
        if self.spec.confidence_penalty:
            objective = objective - self.spec.confidence_penalty * mean_entropy(scored.plain())
        return scored.penalised(objective)

    def _mixmatch(self, step: Step, views: Tensor, guesses: list[Tensor], network: int) -> Tensor:
        """One network's objective on both views, ``(2 B, C, H, W)``."""
        clean = self.clean[network, step.rows.to(self.clean.device)].to(guesses[0])
        labelled = (clean > self.spec.threshold).repeat(2)
        targets = self._targets(step.labels, clean, guesses, network).repeat(2, 1)
        draw = beta_draw(self.spec.alpha, step.draws)
        share = max(draw, 1 - draw)
        partner = torch.randperm(len(views), generator=step.draws).to(views.device)
        mixed = share * targets + (1 - share) * targets[partner]
        images = share * views + (1 - share) * views[partner]
        scored = step.score(images, mixed.argmax(1), step.rows.repeat(2), network)
        logits = scored.plain()
        objective = uniform_cross_entropy(logits) - math.log(logits.shape[1])
        if labelled.any():
            objective = objective + soft_cross_entropy(logits[labelled], mixed[labelled]).mean()
        if not labelled.all():
            square = (logits.softmax(1) - mixed)[~labelled].square().mean()
            objective = objective + self._weight_of_unlabelled(step.progress) * square
        return scored.penalised(objective)

    def _targets(self, labels: Tensor, clean: Tensor, guesses: list[Tensor], network: int) -> Tensor:
        """Refined labels of the labelled and guessed labels of the others, ``(B, K)``."""
        weight = clean[:, None]
        refined = weight * one_hot(labels, guesses[0]) + (1 - weight) * guesses[network]
        guessed = (guesses[0] + guesses[1]) / 2
        return sharpened(torch.where(weight > self.spec.threshold, refined, guessed), self.spec.temperature)

    def _weight_of_unlabelled(self, progress: float) -> float:
        ramp = (progress - self.spec.warm_up) / self.spec.ramp
        return self.spec.lambda_u * min(max(ramp, 0.0), 1.0)


def clean_posterior(probabilities: Tensor, given: Tensor) -> Tensor:
    """How likely each label is right by a network's losses: the posterior of the lower Gaussian, ``(N,)``, in [0, 1].

    Args:
        probabilities: of all training examples, ``(N, K)``.
        given: their labels, ``(N,)``.
    """
    losses = given_losses(probabilities, given)
    low, high = losses.min(), losses.max()
    scaled = (losses - low) / (high - low).clamp_min(1e-12)
    return fit_gaussians(scaled).posteriors(scaled)[:, 0]


def given_losses(probabilities: Tensor, given: Tensor) -> Tensor:
    """``-log p_y``, float64 ``(N,)``, nats, at most 87: the smallest normal float32 stands for 0."""
    chosen = probabilities.gather(1, given.to(probabilities.device)[:, None]).squeeze(1)
    return -chosen.clamp_min(torch.finfo(torch.float32).tiny).double().log()

"""Wrong losses, each a likely bug, and what must reject it: a law by name, or the slow loop of its parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.losses import Loss
from noisylabels.losses.sparsemax import sparsemax
from tests.laws.loss_cases import T5, T5_TEXT

SLOW_LOOP = "slow loop"


@dataclass(frozen=True)
class Twin(Loss):
    """A wrong loss."""

    kind: ClassVar[str] = "twin"
    wrong: Callable[[Tensor, Tensor], Tensor]

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.wrong(logits, labels)


@dataclass(frozen=True)
class WrongLoss:
    """What is wrong, with which loss, and who must say so."""

    bug: str
    parent: str
    wrong: Callable[[Tensor, Tensor], Tensor]
    rejected_by: str


def _p(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.softmax(1).gather(1, labels[:, None])[:, 0]


def _ce(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="none")


def _smoothed_over_the_others_only(logits: Tensor, labels: Tensor) -> Tensor:
    losses = -logits.log_softmax(1)
    own = losses.gather(1, labels[:, None])[:, 0]
    return 0.9 * own + 0.1 * (losses.sum(1) - own) / (logits.shape[1] - 1)


def _forward(logits: Tensor, labels: Tensor, transition: Tensor) -> Tensor:
    return -(logits.softmax(1) @ transition.to(logits)).gather(1, labels[:, None])[:, 0].log()


def _backward(logits: Tensor, labels: Tensor, inverse: Tensor) -> Tensor:
    return -(logits.log_softmax(1) @ inverse.to(logits)).gather(1, labels[:, None])[:, 0]


def _sym(rate: float, classes: int = 5) -> Tensor:
    return (1 - rate) * torch.eye(classes) + rate / classes  # inclusive: the own class is drawn, too


def _detached_bootstrap(logits: Tensor, labels: Tensor) -> Tensor:
    log_p = logits.log_softmax(1)
    return 0.95 * _ce(logits, labels) - 0.05 * (log_p.detach().exp() * log_p).sum(1)


def _one_vs_all(logits: Tensor, labels: Tensor, alpha: float, sign: float) -> Tensor:
    hot = F.one_hot(labels, logits.shape[1]).to(logits)
    weights = alpha * hot + (1 - alpha) * (1 - hot)
    return 50 / 40 * (weights * F.softplus(sign * logits * (1 - 2 * hot))).sum(1)


def _sface(logits: Tensor, labels: Tensor, scale: float, live: bool) -> Tensor:
    hot = F.one_hot(labels, logits.shape[1]).to(logits)
    cosines = logits / scale
    theta = torch.acos((cosines if live else cosines.detach()).clamp(-1 + 1e-9, 1 - 1e-9))
    pull, push = torch.sigmoid(80 * (theta - 0.8)), torch.sigmoid(-80 * (theta - 1.23))
    return (logits * ((1 - hot) * push - hot * pull)).sum(1)


def _sparsemax_unshifted(logits: Tensor, labels: Tensor) -> Tensor:
    p = sparsemax(logits.detach())
    return (p * logits).sum(1) - p.square().sum(1) / 2 + 0.5 - logits.gather(1, labels[:, None])[:, 0] * 0.5


def _soft_of_everything(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1)
    return _ce(logits, labels) - (p * p.log()).sum(1)


TWINS: tuple[WrongLoss, ...] = (
    WrongLoss("smooths over the other classes only", "label_smoothing", _smoothed_over_the_others_only, SLOW_LOOP),
    WrongLoss("mae of both tails", "mae", lambda x, y: 2 * (1 - _p(x, y)), SLOW_LOOP),
    WrongLoss("mae of the logits", "mae", lambda x, y: 1 - x.gather(1, y[:, None])[:, 0], SLOW_LOOP),
    WrongLoss("mae in float32 whatever came", "mae", lambda x, y: 1 - _p(x.float(), y), "law_any_number_of_classes"),
    WrongLoss("gce not divided by q", "gce", lambda x, y: 1 - _p(x, y) ** 0.7, SLOW_LOOP),
    WrongLoss(
        "gce of the error", "gce", lambda x, y: (1 - (1 - _p(x, y)) ** 0.7) / 0.7, "law_a_surer_target_costs_no_more"
    ),
    WrongLoss("gce by power of p", "gce", lambda x, y: (1 - _p(x, y) ** 0.7) / 0.7, "law_finite_at_ten_thousand"),
    WrongLoss("sce with the other A", "sce", lambda x, y: 0.1 * _ce(x, y) + 4 * (1 - _p(x, y)), SLOW_LOOP),
    WrongLoss("sce with A's sign", "sce", lambda x, y: 0.1 * _ce(x, y) - 9.21 * (1 - _p(x, y)), SLOW_LOOP),
    WrongLoss(
        "nce over the others only", "nce", lambda x, y: _ce(x, y) / (-x.log_softmax(1).sum(1) - _ce(x, y)), SLOW_LOOP
    ),
    WrongLoss(
        "nce over the batch", "nce", lambda x, y: _ce(x, y) / -x.log_softmax(1).sum(), "law_an_example_stands_alone"
    ),
    WrongLoss(
        "nfl normalised by cross-entropies",
        "nfl",
        lambda x, y: (1 - _p(x, y)) ** 0.5 * _ce(x, y) / -x.log_softmax(1).sum(1),
        SLOW_LOOP,
    ),
    WrongLoss(
        "focal by power of 1 - p",
        "focal:gamma=0.5",
        lambda x, y: (1 - _p(x, y)) ** 0.5 * _ce(x, y),
        "law_finite_at_ten_thousand",
    ),
    WrongLoss("focal weighted by p", "focal", lambda x, y: _p(x, y) ** 2 * _ce(x, y), SLOW_LOOP),
    WrongLoss(
        "focal with the weight detached",
        "focal",
        lambda x, y: (1 - _p(x, y)).detach() ** 2 * _ce(x, y),
        "law_gradient_is_the_slope",
    ),
    WrongLoss("bootstrap target detached", "soft_bootstrap", _detached_bootstrap, "law_gradient_is_the_slope"),
    WrongLoss("bootstrap by log of softmax", "soft_bootstrap", _soft_of_everything, "law_finite_on_saturated_logits"),
    WrongLoss(
        "bootstrap shares swapped",
        "hard_bootstrap",
        lambda x, y: 0.2 * _ce(x, y) + 0.8 * _ce(x, x.argmax(1)),
        SLOW_LOOP,
    ),
    WrongLoss(
        "T transposed, forward",
        f"forward:transition={T5_TEXT}",
        lambda x, y: _forward(x, y, torch.tensor(T5).T),
        SLOW_LOOP,
    ),
    WrongLoss(
        "T transposed, backward",
        f"backward:transition={T5_TEXT}",
        lambda x, y: _backward(x, y, torch.linalg.inv(torch.tensor(T5))),
        SLOW_LOOP,
    ),
    WrongLoss(
        "T for its inverse",
        f"backward:transition={T5_TEXT}",
        lambda x, y: _backward(x, y, torch.tensor(T5).T),
        SLOW_LOOP,
    ),
    WrongLoss(
        "inclusive noise, forward",
        "forward:transition=symmetric:0.4",
        lambda x, y: _forward(x, y, _sym(0.4)),
        SLOW_LOOP,
    ),
    WrongLoss(
        "inclusive noise, backward",
        "backward:transition=symmetric:0.4",
        lambda x, y: _backward(x, y, torch.linalg.inv(_sym(0.4))),
        SLOW_LOOP,
    ),
    WrongLoss(
        "forward by log of softmax",
        "forward:transition=symmetric:0",
        lambda x, y: _forward(x, y, torch.eye(x.shape[1])),
        "law_finite_at_ten_thousand",
    ),
    WrongLoss("alpha for 1 - alpha", "one_vs_all", lambda x, y: _one_vs_all(x, y, 0.3, 1), SLOW_LOOP),
    WrongLoss(
        "logistic with the wrong sign",
        "one_vs_all",
        lambda x, y: _one_vs_all(x, y, 0.7, -1),
        "law_a_surer_target_costs_no_more",
    ),
    WrongLoss("divided by K again", "one_vs_all", lambda x, y: _one_vs_all(x, y, 0.7, 1) / x.shape[1], SLOW_LOOP),
    WrongLoss("the head's scale is not the loss's", "sface", lambda x, y: _sface(x, y, 64, False), SLOW_LOOP),
    WrongLoss("sface with live weights", "sface", lambda x, y: _sface(x, y, 20, True), "gradient"),
    WrongLoss("half a target's score", "sparsemax", _sparsemax_unshifted, SLOW_LOOP),
)

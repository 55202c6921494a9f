"""What strategies that train on soft targets have in common: losses of distributions over classes."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """``-sum_k t_k log p_k``, ``(B,)``, nats, of inference logits and targets, both ``(B, K)``."""
    return -(targets * logits.log_softmax(1)).sum(1)


def one_hot(labels: Tensor, like: Tensor) -> Tensor:
    """Labels ``(B,)`` as distributions over the classes of ``like``, ``(B, K)``, whose type and device they get."""
    return F.one_hot(labels, like.shape[1]).to(like)


def sharpened(targets: Tensor, temperature: float) -> Tensor:
    """``t_k^(1/T) / sum_j t_j^(1/T)``, ``(B, K)``; a temperature below 1 moves it towards the likeliest class."""
    powers = (targets / targets.amax(1, keepdim=True)) ** (1 / temperature)
    return powers / powers.sum(1, keepdim=True)


def uniform_cross_entropy(logits: Tensor) -> Tensor:
    """``-(1/K) sum_k log(mean_b p_bk)``, ``()``, nats: least, log K, where the batch's mean prediction is uniform.

    Taken in logarithms: a class that nothing in the batch is predicted to be would otherwise cost infinitely much.
    """
    log_mean = logits.log_softmax(1).logsumexp(0) - math.log(len(logits))
    return -log_mean.mean()


def mean_entropy(logits: Tensor) -> Tensor:
    """``-mean_b sum_k p_bk log p_bk``, ``()``, nats, in [0, log K]."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()

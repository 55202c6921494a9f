"""GCCS: each class's logits are fitted to a Gaussian at its own vertex of a simplex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_at_least
from noisylabels.heads.head import Head
from noisylabels.heads.regulariser import Penalty, RegulariserSpec

GAUSSIAN_KURTOSIS = 3.0


class GCCSPenalty(Penalty):
    """Mean over the batch's classes of twice the divergence of their Gaussian from the target one, weighted."""

    def __init__(self, spec: GCCS) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        latent = head.logits(embeddings)
        classes, members, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        measurable = counts >= 2  # one example has no variance
        if not measurable.any():
            return 0 * latent.sum()
        share = F.one_hot(members).to(latent.dtype).T / counts.unsqueeze(1)
        mean = share @ latent
        deviation = latent - mean[members]
        # The floor keeps the logarithm finite where a class's examples coincide.
        variance = share @ deviation.square() + self.spec.floor * self.spec.sigma**2
        values = self.divergence(mean, variance, classes)
        if self.spec.kurtosis > 0:
            kurtosis = share @ deviation**4 / variance.square()
            values = values + self.spec.kurtosis * (kurtosis - GAUSSIAN_KURTOSIS).square().sum(1)
        return self.spec.weight * values[measurable].mean()

    def divergence(self, mean: Tensor, variance: Tensor, classes: Tensor) -> Tensor:
        """``2 KL(N(mean, variance) || N(mu e_c, sigma^2))`` for each class c, shape ``(classes,)``."""
        vertices = self.spec.mu * F.one_hot(classes, mean.shape[1])
        ratio = variance / self.spec.sigma**2
        return (ratio - 1 - ratio.log() + ((mean - vertices) / self.spec.sigma).square()).sum(1)


@dataclass(frozen=True)
class GCCS(RegulariserSpec):
    """GCCS: the logits z of class c are fitted to the Gaussian ``N(mu e_c, sigma^2 I)``, e_c the c-th basis vector.

    For each class of the batch with at least two examples, m and v their mean and variance in each of the K
    coordinates (v over n, plus the floor):

        sum_k [v_k / sigma^2 - 1 - log(v_k / sigma^2) + (m_k - mu [k = c])^2 / sigma^2]

    which is twice the Kullback-Leibler divergence; its mean over those classes is weighted, 0 where there are none. The
    paper's latent space has as many dimensions as classes and its largest coordinate is the answer, so here it is the
    head's logits. Covariances are diagonal: a batch never holds the examples that K x K ones would need. Optionally
    the squared distance of each coordinate's kurtosis from a Gaussian's 3 is added; with few examples a class the
    estimate is biased low (2 examples always give at most 1), so it is off by default.

    Args:
        weight: lambda, at least 0. In the paper this is the whole loss; 0.01 beside cross-entropy is our own.
        mu: where the vertices are, above 0. 20 is the heads' scale, so that a cosine head can reach it; our own.
        sigma: standard deviation of the target, above 0; our own.
        kurtosis: weight of the kurtosis term within the loss, at least 0.
        floor: added to every variance, in units of sigma^2, above 0; our own.

    Reference: Ali et al., Beyond cross-entropy: learning highly separable feature distributions for robust and accurate
    classification, ICPR 2020 (arXiv 2010.15487). Tag: reconstruction of diagonal covariances, kurtosis and constants.
    """

    kind: ClassVar[str] = "gccs"
    weight: float = 0.01
    mu: float = 20.0
    sigma: float = 1.0
    kurtosis: float = 0.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight, kurtosis=self.kurtosis)
        check_above(0, mu=self.mu, sigma=self.sigma, floor=self.floor)

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return GCCSPenalty(self)

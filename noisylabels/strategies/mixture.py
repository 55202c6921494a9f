"""Mixtures of two distributions on the line, fitted by expectation maximisation: small losses and large ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-12
"""Keeps the mass of a component that nothing belongs to above 0."""


@dataclass(frozen=True)
class Mixture(ABC):
    """``f(x) = w_0 f_0(x) + w_1 f_1(x)``; component 0 is the one with the smaller mean.

    Attributes:
        weights: float64 ``(2,)``, summing to 1.
    """

    weights: Tensor

    @property
    @abstractmethod
    def means(self) -> Tensor:
        """float64 ``(2,)``."""

    @abstractmethod
    def log_densities(self, values: Tensor) -> Tensor:
        """``log f_c(x)``, ``(N, 2)``, of float64 values ``(N,)``."""

    def posteriors(self, values: Tensor) -> Tensor:
        """``w_c f_c(x) / f(x)``, float64 ``(N, 2)``, of values ``(N,)``; rows sum to 1."""
        return (self.weights.log() + self.log_densities(values.double())).softmax(1)


@dataclass(frozen=True)
class GaussianMixture(Mixture):
    """Two normal distributions.

    Attributes:
        centres: their means, float64 ``(2,)``.
        variances: float64 ``(2,)``.
    """

    centres: Tensor
    variances: Tensor

    @property
    def means(self) -> Tensor:
        return self.centres

    def log_densities(self, values: Tensor) -> Tensor:
        squares = (values[:, None] - self.centres) ** 2 / self.variances
        return -0.5 * (squares + self.variances.log() + math.log(2 * math.pi))


@dataclass(frozen=True)
class BetaMixture(Mixture):
    """Two Beta distributions.

    Attributes:
        alphas, betas: their parameters, float64 ``(2,)``.
        margin: values are kept this far from 0 and 1, where a density may be 0 or infinite.
    """

    alphas: Tensor
    betas: Tensor
    margin: float

    @property
    def means(self) -> Tensor:
        return self.alphas / (self.alphas + self.betas)

    def log_densities(self, values: Tensor) -> Tensor:
        inside = values.clamp(self.margin, 1 - self.margin)[:, None]
        scale = self.alphas.lgamma() + self.betas.lgamma() - (self.alphas + self.betas).lgamma()
        return (self.alphas - 1) * inside.log() + (self.betas - 1) * (-inside).log1p() - scale


def fit_gaussians(
    values: Tensor, *, iterations: int = 100, tolerance: float = 1e-6, added_variance: float = 5e-4
) -> GaussianMixture:
    """The normal mixture of values ``(N,)``, begun from their division in two by 2-means.

    Args:
        iterations: at most.
        tolerance: ends it once the mean log-likelihood rises by less, nats.
        added_variance: added to each variance in every step, so that a component cannot shrink to a point.

    Reference: Dempster, Laird & Rubin, 1977; the added variance as in scikit-learn's ``reg_covar``.
    """
    values = values.double()
    shares, before = _two_means(values), -math.inf
    for _ in range(iterations):
        mixture = _gaussians_of(values, shares, added_variance)
        joint = mixture.weights.log() + mixture.log_densities(values)
        now = float(joint.logsumexp(1).mean())
        if now - before < tolerance:
            break
        shares, before = joint.softmax(1), now
    return _ordered_gaussians(_gaussians_of(values, shares, added_variance))


def fit_betas(values: Tensor, *, iterations: int = 10, margin: float = 1e-4) -> BetaMixture:
    """The Beta mixture of values ``(N,)`` in [0, 1], begun from their division in two by 2-means.

    The parameters of a component are those with its weighted mean m and variance v, not those of largest likelihood:
    ``alpha = m (m (1 - m) / v - 1)``, ``beta = alpha (1 - m) / m``. The authors' code begins with Beta(1, 2) and
    Beta(2, 1), from which its ten steps end far from components that are well parted, and more steps may merge them.

    Args:
        iterations: exactly.
        margin: of the mixture.

    Reference: Arazo et al., Unsupervised label noise modeling and loss correction, ICML 2019, section 3.1.
    """
    values = values.double().clamp(margin, 1 - margin)
    mixture = _betas_of(values, _two_means(values), margin)
    for _ in range(iterations):
        mixture = _betas_of(values, mixture.posteriors(values), margin)
    order = mixture.means.argsort(stable=True)
    return BetaMixture(mixture.weights[order], mixture.alphas[order], mixture.betas[order], margin)


def _moments(values: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mass, mean and variance of each component, ``(2,)``, by shares ``(N, 2)``."""
    mass = shares.sum(0).clamp_min(TINY)
    means = (shares * values[:, None]).sum(0) / mass
    return mass, means, (shares * (values[:, None] - means) ** 2).sum(0) / mass


def _gaussians_of(values: Tensor, shares: Tensor, added_variance: float) -> GaussianMixture:
    mass, means, variances = _moments(values, shares)
    return GaussianMixture(weights=mass / mass.sum(), centres=means, variances=variances + added_variance)


def _betas_of(values: Tensor, shares: Tensor, margin: float) -> BetaMixture:
    mass, means, variances = _moments(values, shares)
    means = means.clamp(margin, 1 - margin)
    concentration = (means * (1 - means) / variances.clamp_min(TINY) - 1).clamp_min(TINY)
    alphas, betas = means * concentration, (1 - means) * concentration
    return BetaMixture(weights=mass / mass.sum(), alphas=alphas, betas=betas, margin=margin)


def _ordered_gaussians(mixture: GaussianMixture) -> GaussianMixture:
    order = mixture.centres.argsort(stable=True)
    return GaussianMixture(mixture.weights[order], mixture.centres[order], mixture.variances[order])


def _two_means(values: Tensor) -> Tensor:
    """Which of two groups each value is in, 0 or 1 as float64 ``(N, 2)``: Lloyd's iteration from the two ends."""
    middle = (values.min() + values.max()) / 2
    upper = values > middle
    for _ in range(100):
        if not upper.any():
            break
        middle = (values[~upper].mean() + values[upper].mean()) / 2
        moved = values > middle
        if torch.equal(moved, upper):
            break
        upper = moved
    return torch.stack([~upper, upper], 1).double()

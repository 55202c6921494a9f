"""Mixtures of two Gaussians and of two Betas against scikit-learn, a slow loop in SciPy, and known parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, stats
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture as SklearnMixture

from noisylabels.strategies.dividemix import clean_posterior, given_losses
from noisylabels.strategies.drpl import noisy_posterior
from noisylabels.strategies.mixture import BetaMixture, GaussianMixture, Mixture, fit_betas, fit_gaussians

Floats = NDArray[np.float64]


def losses_of_a_noisy_set(seed: int = 0, count: int = 900, wrong: float = 0.4) -> tuple[Floats, NDArray[np.bool_]]:
    """Small Gaussian losses of right labels, larger and wider ones of wrong labels."""
    rng = np.random.default_rng(seed)
    is_wrong = np.arange(count) < wrong * count
    return np.where(is_wrong, rng.normal(0.7, 0.12, count), rng.normal(0.2, 0.06, count)), is_wrong


@pytest.mark.parametrize("added_variance", [5e-4, 1e-6])
@pytest.mark.parametrize("wrong", [0.1, 0.4, 0.8])
def test_gaussians_are_scikit_learns(wrong: float, added_variance: float) -> None:
    values, _ = losses_of_a_noisy_set(wrong=wrong)
    ours = fit_gaussians(torch.tensor(values), iterations=1000, tolerance=1e-12, added_variance=added_variance)
    theirs = SklearnMixture(2, tol=1e-10, max_iter=1000, reg_covar=added_variance, random_state=0)
    posteriors = theirs.fit(values[:, None]).predict_proba(values[:, None])
    order = np.argsort(theirs.means_[:, 0])
    np.testing.assert_allclose(ours.means, theirs.means_[order, 0], atol=1e-3)
    np.testing.assert_allclose(ours.variances, theirs.covariances_[order, 0, 0], atol=1e-3)
    np.testing.assert_allclose(ours.weights, theirs.weights_[order], atol=1e-3)
    np.testing.assert_allclose(ours.posteriors(torch.tensor(values)), posteriors[:, order], atol=1e-3)


def test_gaussian_densities_are_scipys() -> None:
    values = np.linspace(-1, 2, 13)
    centres, variances = np.array([0.2, 0.9]), np.array([0.01, 0.3])
    mixture = GaussianMixture(torch.tensor([0.3, 0.7]).double(), torch.tensor(centres), torch.tensor(variances))
    expected = stats.norm.logpdf(values[:, None], centres, np.sqrt(variances))
    np.testing.assert_allclose(mixture.log_densities(torch.tensor(values)), expected, rtol=1e-12)


def beta_losses(seed: int = 0, count: int = 4_000) -> Floats:
    rng = np.random.default_rng(seed)
    low, high = rng.beta(2, 12, count * 6 // 10), rng.beta(9, 3, count * 4 // 10)
    return rng.permutation(np.concatenate([low, high]))


Components = tuple[list[float], list[float], list[float]]


def betas_of(values: Floats, shares: list[tuple[float, float]]) -> Components:
    """Arazo et al., ICML 2019, section 3.1: weights, and both parameters from weighted mean and variance."""
    alphas, betas, weights = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    for c in (0, 1):
        mass = sum(share[c] for share in shares)
        mean = sum(share[c] * x for share, x in zip(shares, values, strict=True)) / mass
        variance = sum(share[c] * (x - mean) ** 2 for share, x in zip(shares, values, strict=True)) / mass
        alphas[c] = mean * (mean * (1 - mean) / variance - 1)
        betas[c] = alphas[c] * (1 - mean) / mean
        weights[c] = mass / len(values)
    return alphas, betas, weights


def betas_by_a_slow_loop(values: Floats, iterations: int, start: Components | None = None) -> Components:
    """In float64, from k-means' two groups or another start."""
    if start is None:
        groups = KMeans(2, init=np.array([[values.min()], [values.max()]]), n_init=1).fit_predict(values[:, None])
        start = betas_of(values, [(1.0 - group, float(group)) for group in groups])
    alphas, betas, weights = start
    for _ in range(iterations):
        joint = [weights[c] * stats.beta.pdf(values, alphas[c], betas[c]) for c in (0, 1)]
        shares = [(low / (low + high), high / (low + high)) for low, high in zip(*joint, strict=True)]
        alphas, betas, weights = betas_of(values, shares)
    return alphas, betas, weights


@pytest.mark.parametrize("iterations", [1, 4])
def test_betas_are_those_of_a_slow_loop(iterations: int) -> None:
    values = beta_losses(count=250)
    ours = fit_betas(torch.tensor(values), iterations=iterations)
    alphas, betas, weights = betas_by_a_slow_loop(values, iterations)
    np.testing.assert_allclose(ours.alphas, alphas, rtol=1e-9)
    np.testing.assert_allclose(ours.betas, betas, rtol=1e-9)
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-9)
    joint = np.array(weights) * stats.beta.pdf(values[:, None], alphas, betas)
    expected = joint / joint.sum(1, keepdims=True)
    np.testing.assert_allclose(ours.posteriors(torch.tensor(values)), expected, rtol=1e-8)


def are_found_again(means: object, weights: object) -> None:
    """Beta(2, 12) and Beta(9, 3) at 60 and 40 %: means 1/7 and 3/4."""
    np.testing.assert_allclose(means, [1 / 7, 3 / 4], atol=0.02)  # type: ignore[call-overload]
    np.testing.assert_allclose(weights, [0.6, 0.4], atol=0.02)  # type: ignore[call-overload]


def test_known_betas_are_found_again() -> None:
    """Moments are not maximum likelihood: the parameters to a tenth."""
    found = fit_betas(torch.tensor(beta_losses(count=20_000)), iterations=50)
    are_found_again(found.means, found.weights)
    np.testing.assert_allclose(found.alphas, [2, 9], rtol=0.1)
    np.testing.assert_allclose(found.betas, [12, 3], rtol=0.1)


def test_ten_steps_are_enough() -> None:
    found = fit_betas(torch.tensor(beta_losses(count=2_000)))
    are_found_again(found.means, found.weights)


def test_the_released_start_is_rejected() -> None:
    """From Beta(1, 2) and Beta(2, 1), ten steps end far from components that are well parted."""
    values = beta_losses(count=2_000)
    alphas, betas, weights = betas_by_a_slow_loop(values, 10, start=([1.0, 2.0], [2.0, 1.0], [0.5, 0.5]))
    with pytest.raises(AssertionError):
        are_found_again(np.array(alphas) / (np.array(alphas) + betas), weights)


MIXTURES: list[Mixture] = [
    fit_gaussians(torch.tensor(losses_of_a_noisy_set()[0])),
    fit_betas(torch.tensor(beta_losses())),
]


@pytest.mark.parametrize("mixture", MIXTURES, ids=["gaussians", "betas"])
def test_laws_of_both(mixture: Mixture) -> None:
    assert mixture.means[0] < mixture.means[1]
    assert float(mixture.weights.sum()) == pytest.approx(1)
    values = torch.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(mixture.posteriors(values).sum(1), 1)
    for component in (0, 1):
        density = lambda x, c=component: float(mixture.log_densities(torch.tensor([x]).double())[0, c].exp())  # noqa: E731
        limits = (0, 1) if isinstance(mixture, BetaMixture) else (-3, 4)
        assert integrate.quad(density, *limits, points=[0.2, 0.7])[0] == pytest.approx(1, abs=1e-4)


def test_order_of_the_values_does_not_matter() -> None:
    values = torch.tensor(losses_of_a_noisy_set()[0])
    there, back = fit_gaussians(values), fit_gaussians(values.flip(0))
    np.testing.assert_allclose(there.means, back.means, rtol=1e-9)
    np.testing.assert_allclose(there.weights, back.weights, rtol=1e-9)


def probabilities_with(losses: Floats, given: torch.Tensor) -> torch.Tensor:
    """Predictions of three classes in which the given labels have these losses."""
    likely = torch.tensor(np.exp(-losses))[:, None]
    predicted = ((1 - likely) / 2).repeat(1, 3)
    return predicted.scatter(1, given[:, None], likely).float()


def separates(posterior: torch.Tensor, is_wrong: NDArray[np.bool_], *, clean: bool) -> None:
    """The posterior of being clean (or noisy) says so of nine in ten on either side."""
    says_wrong = (posterior < 0.5 if clean else posterior > 0.5).numpy()
    assert says_wrong[is_wrong].mean() > 0.9
    assert says_wrong[~is_wrong].mean() < 0.1


def noisy_set() -> tuple[torch.Tensor, torch.Tensor, NDArray[np.bool_]]:
    losses, is_wrong = losses_of_a_noisy_set()
    given = torch.arange(len(losses)) % 3
    return probabilities_with(losses.clip(0.01) * 5, given), given, is_wrong


def test_the_clean_and_the_noisy_component_are_the_right_ones() -> None:
    probabilities, given, is_wrong = noisy_set()
    separates(clean_posterior(probabilities, given), is_wrong, clean=True)
    separates(noisy_posterior(given_losses(probabilities, given)), is_wrong, clean=False)


def test_the_posterior_of_the_larger_mean_is_rejected() -> None:
    """The two twins take the other component: large losses would be called clean."""
    probabilities, given, is_wrong = noisy_set()
    losses = given_losses(probabilities, given)
    scaled = (losses - losses.min()) / (losses.max() - losses.min())
    with pytest.raises(AssertionError):
        separates(fit_gaussians(scaled).posteriors(scaled)[:, 1], is_wrong, clean=True)
    with pytest.raises(AssertionError):
        separates(1 - noisy_posterior(losses), is_wrong, clean=False)


def test_losses_are_those_of_the_given_labels() -> None:
    probabilities, given, _ = noisy_set()
    expected = [-np.log(float(row[label])) for row, label in zip(probabilities, given, strict=True)]
    np.testing.assert_allclose(given_losses(probabilities, given), expected, rtol=1e-6)
    assert given_losses(torch.tensor([[0.0, 1.0]]), torch.tensor([0])).isfinite().all()


def test_the_clean_posterior_by_scikit_learn_on_scaled_losses() -> None:
    probabilities, given, _ = noisy_set()
    losses = -np.log(probabilities.double().numpy()[np.arange(len(given)), given.numpy()])
    scaled = ((losses - losses.min()) / (losses.max() - losses.min()))[:, None]
    theirs = SklearnMixture(2, tol=1e-9, max_iter=1000, reg_covar=5e-4, random_state=0).fit(scaled)
    expected = theirs.predict_proba(scaled)[:, theirs.means_.argmin()]
    np.testing.assert_allclose(clean_posterior(probabilities, given), expected, atol=2e-3)


def test_a_huge_loss_is_not_less_suspicious() -> None:
    """A broad lower Beta would win again at the far end; the posterior stays at its peak instead."""
    losses = torch.linspace(0, 6, 400, dtype=torch.float64) ** 2
    posterior = noisy_posterior(losses)
    beyond = int(posterior.argmax())
    assert (posterior[beyond:] == posterior[beyond]).all()
    losses[-1] = 1e6
    assert noisy_posterior(losses)[-1] == noisy_posterior(losses).max()


@pytest.mark.parametrize("value", [0.0, 0.5, 30.0])
def test_equal_losses_part_nothing_and_are_all_clean(value: float) -> None:
    equal = torch.full((50,), np.exp(-value), dtype=torch.float32)[:, None]
    given = torch.zeros(50, dtype=torch.int64)
    assert (clean_posterior(equal, given) > 0.5).all()
    assert noisy_posterior(given_losses(equal, given)).isfinite().all()


def test_two_values_are_two_components() -> None:
    mixture = fit_gaussians(torch.tensor([0.0] * 30 + [1.0] * 10))
    np.testing.assert_allclose(mixture.means, [0, 1], atol=1e-6)
    np.testing.assert_allclose(mixture.weights, [0.75, 0.25], atol=1e-6)
    np.testing.assert_allclose(mixture.variances, [5e-4, 5e-4], atol=1e-6)


def test_a_mixture_is_not_changed_by_being_asked() -> None:
    mixture = fit_betas(torch.tensor(beta_losses(count=200)))
    kept = replace(mixture, alphas=mixture.alphas.clone())
    mixture.posteriors(torch.linspace(0, 1, 5))
    assert torch.equal(mixture.alphas, kept.alphas)

"""Regularisers against closed forms, slow loops from the papers, numpy, and pytorch-metric-learning."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_metric_learning import distances, losses, miners, reducers
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from noisylabels.catalog import MissingExtraError, UsageError, build, full_text
from noisylabels.heads import penalty_batch_hard, penalty_dage, penalty_opl, penalty_triplet, pml
from noisylabels.heads.cosface import CosFace
from noisylabels.heads.fixed_simplex import FixedSimplex
from noisylabels.heads.head import CosineHead
from noisylabels.heads.penalty_batch_hard import BatchHard
from noisylabels.heads.penalty_cc import CC
from noisylabels.heads.penalty_center import Center, CenterPenalty
from noisylabels.heads.penalty_dage import DAGE, fisher_ratio
from noisylabels.heads.penalty_dual_ring import DualRing
from noisylabels.heads.penalty_gccs import GCCS, GCCSPenalty
from noisylabels.heads.penalty_opl import OPL
from noisylabels.heads.penalty_ring import Ring, RingPenalty
from noisylabels.heads.penalty_triplet import TL1, TL2, TL3, TripletSpec
from noisylabels.heads.pml import Pml, PmlHead, known_losses
from noisylabels.heads.regulariser import Regularised, RegulariserSpec
from noisylabels.heads.softmax import Softmax

Array = NDArray[np.float64]

B, D, K = 14, 6, 4
SEEDS = range(3)


def batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(B, D, dtype=torch.float64, generator=generator),
        torch.randint(0, K, (B,), generator=generator),
    )


def head() -> CosineHead:
    torch.manual_seed(0)
    return CosineHead(K, D, 20.0).double()


def value(spec: RegulariserSpec, embeddings: Tensor, labels: Tensor) -> float:
    return float(spec.build(K, D).double()(embeddings, labels, head()).detach())


# Center loss: the paper's algorithm 1, in a loop.


@pytest.mark.parametrize("seed", SEEDS)
def test_center_is_the_slow_loop_over_three_steps(seed: int) -> None:
    """Wen et al. 2016, eq. 2 to 4: the loss is taken with the old centres, then each centre moves by alpha delta."""
    penalty = Center(weight=0.6, alpha=0.3).build(K, D).double()
    assert isinstance(penalty, CenterPenalty)
    centers = penalty.centers.tolist()
    for step in range(3):
        embeddings, labels = batch(10 * seed + step)
        xs, ys = embeddings.tolist(), labels.tolist()
        expected = 0.6 / 2 * sum(math.dist(x, centers[y]) ** 2 for x, y in zip(xs, ys, strict=True)) / B
        assert float(penalty(embeddings, labels, head())) == pytest.approx(expected)
        moved = []
        for j, center in enumerate(centers):
            own = [x for x, y in zip(xs, ys, strict=True) if y == j]
            deltas = [sum(c - x[d] for x in own) / (1 + len(own)) for d, c in enumerate(center)]
            moved.append([c - 0.3 * delta for c, delta in zip(center, deltas, strict=True)])
        centers = moved
        assert torch.allclose(penalty.centers, torch.tensor(centers, dtype=torch.float64))


def test_center_at_known_points() -> None:
    """Centres at 0, one example at distance 5: weight / 2 * 25; alpha 1 then moves its centre half the way."""
    penalty = Center(weight=0.1, alpha=1.0).build(2, 2)
    assert isinstance(penalty, CenterPenalty)
    penalty.centers = torch.zeros(2, 2)
    assert float(penalty(torch.tensor([[3.0, 4.0]]), torch.tensor([1]), head())) == pytest.approx(1.25)
    assert penalty.centers.tolist() == [[0.0, 0.0], [1.5, 2.0]]


def test_center_converges_to_the_class_means() -> None:
    penalty = Center(alpha=0.5).build(K, D).double()
    assert isinstance(penalty, CenterPenalty)
    embeddings, _ = batch(0)
    labels = torch.arange(B) % K
    for _ in range(200):
        penalty(embeddings, labels, head())
    means = torch.stack([embeddings[labels == j].mean(0) for j in range(K)])
    assert torch.allclose(penalty.centers, means)


def test_center_with_alpha_zero_keeps_its_centers() -> None:
    penalty = Center(alpha=0.0).build(K, D).double()
    assert isinstance(penalty, CenterPenalty)
    before = penalty.centers.clone()
    penalty(*batch(0), head())
    assert torch.equal(penalty.centers, before)


def test_initial_centers_have_variance_one_over_d() -> None:
    torch.manual_seed(0)
    penalty = Center().build(2000, 50)
    assert isinstance(penalty, CenterPenalty)
    assert float(penalty.centers.var()) == pytest.approx(1 / 50, rel=0.02)


# Ring losses: closed forms.


def norms_of(*norms: float) -> Tensor:
    return torch.tensor([[0.0, norm] for norm in norms])


def test_ring_starts_at_the_mean_norm_and_is_their_variance() -> None:
    """Norms 1, 2, 6: mean 3, mean squared deviation 14 / 3; then R stays where it is."""
    penalty = Ring(weight=0.6).build(K, 2)
    first = penalty(norms_of(1, 2, 6), torch.tensor([0, 1, 2]), head())
    assert float(first.detach()) == pytest.approx(0.3 * 14 / 3)
    second = penalty(norms_of(5, 5), torch.tensor([0, 1]), head())
    assert float(second.detach()) == pytest.approx(0.3 * 4)


def test_ring_pulls_on_its_radius() -> None:
    """dL/dR = weight * (R - mean norm)."""
    penalty = Ring(weight=0.5).build(K, 2)
    assert isinstance(penalty, RingPenalty)
    penalty(norms_of(3), torch.tensor([0]), head())
    penalty(norms_of(7, 9), torch.tensor([0, 1]), head()).backward()
    assert penalty.radius.grad is not None
    assert float(penalty.radius.grad) == pytest.approx(0.5 * (3 - 8))


@pytest.mark.parametrize("plain", [False, True])
def test_dual_ring_adds_the_class_weights(plain: bool) -> None:
    """Embedding norms 1 and 3 (R = 2), class weights of norm 2, 4, 0: 1 + (0 + 4 + 4) / 3, halved."""
    a_head = (Softmax() if plain else CosFace()).build(3, 2)
    matrix = next(p for p in a_head.parameters() if p.ndim == 2)
    matrix.data = norms_of(2, 4, 0)
    penalty = DualRing(weight=1.0).build(3, 2)
    result = penalty(norms_of(1, 3), torch.tensor([0, 1]), a_head)
    assert float(result.detach()) == pytest.approx((1 + 8 / 3) / 2)
    result.backward()
    assert matrix.grad is not None
    assert matrix.grad[:, 1].tolist() == pytest.approx([0, 2 / 3, 0])


def test_dual_ring_refuses_a_head_without_class_weights() -> None:
    """At planning for every head that says so; a head that does not say so fails at its first batch, never silently."""
    for without in (FixedSimplex(), PmlHead()):
        with pytest.raises(ValueError, match=f"dual_ring needs a head .* are trained; {without.kind} has none"):
            Regularised((without, DualRing()))
    with pytest.raises(NotImplementedError, match="PmlMarginHead has no class weights"):
        DualRing().build(K, D)(*batch(0), PmlHead().build(K, D))


def test_dual_ring_beside_an_attention_looks_at_the_heads_own_matrix() -> None:
    """``cc`` has matrices of the same width: the twin that takes the first or last one it finds is off."""
    both = Regularised((CosFace(), CC(weight=0.0, apart=0.0), DualRing(weight=1.0))).build(3, 4)
    matrix = both.class_weights()
    assert isinstance(matrix, torch.nn.Parameter)
    matrix.data = torch.nn.functional.pad(norms_of(2, 4, 0), (0, 2))
    embeddings = torch.nn.functional.pad(norms_of(1, 3), (0, 2))
    value = both.penalty(embeddings, torch.tensor([0, 1]))
    assert value is not None
    assert float(value.detach()) == pytest.approx((1 + 8 / 3) / 2)


# OPL: the slow loop and its ends.


@pytest.mark.parametrize("seed", SEEDS)
def test_opl_is_the_slow_loop(seed: int) -> None:
    embeddings, labels = batch(seed)
    same: list[float] = []
    different: list[float] = []
    for i, j in itertools.permutations(range(B), 2):
        a, b = embeddings[i].numpy(), embeddings[j].numpy()
        cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        (same if labels[i] == labels[j] else different).append(cosine)
    expected = 0.7 * ((1 - np.mean(same)) + 1.5 * np.mean(np.abs(different)))
    assert value(OPL(weight=0.7, gamma=1.5), embeddings, labels) == pytest.approx(expected)


def test_opl_ends() -> None:
    """Orthogonal one-direction classes cost 0; opposite pairs of one direction cost the most, 2 + gamma."""
    labels = torch.tensor([0, 0, 1, 1])
    x, y = [1.0, 0.0], [0.0, 2.0]
    assert value(OPL(), torch.tensor([x, x, y, y]).double(), labels) == pytest.approx(0)
    minus = [-1.0, 0.0]
    assert value(OPL(weight=1, gamma=3), torch.tensor([x, minus, x, minus]).double(), labels) == pytest.approx(5)


# DAGE: Laplacians, scatter matrices, scikit-learn.


def laplacian(graph: Array) -> Array:
    return np.diag(graph.sum(axis=1)) - graph


@pytest.mark.parametrize("seed", SEEDS)
def test_dage_is_the_ratio_of_laplacian_traces(seed: int) -> None:
    """Hedegaard et al. 2020, with columns of Phi the examples."""
    embeddings, labels = batch(seed)
    phi, y = embeddings.numpy().T, labels.numpy()
    same = (y[:, None] == y[None, :]).astype(float)
    ratio = np.trace(phi @ laplacian(same) @ phi.T) / np.trace(phi @ laplacian(1 - same) @ phi.T)
    assert value(DAGE(weight=0.3), embeddings, labels) == pytest.approx(0.3 * ratio)


@pytest.mark.parametrize("seed", SEEDS)
def test_dage_of_balanced_classes_is_a_fisher_ratio(seed: int) -> None:
    """n examples a class: n tr S_W / (N tr S_B + (N - n) tr S_W), S_W from scikit-learn, S_B the rest of the total."""
    n, total = 5, 5 * K
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(total, D, dtype=torch.float64, generator=generator)
    y = torch.arange(total) % K
    lda = LinearDiscriminantAnalysis(solver="eigen", store_covariance=True).fit(x.numpy(), y.numpy())
    within = total * np.trace(lda.covariance_)
    between = float(((x - x.mean(0)) ** 2).sum()) - within
    expected = n * within / (total * between + (total - n) * within)
    assert float(fisher_ratio(x, y)) == pytest.approx(expected)


def test_dage_does_not_see_shift_or_scale_even_far_out() -> None:
    x, y = batch(0)
    x = x.float()
    assert float(fisher_ratio(100 * x + 1000, y)) == pytest.approx(float(fisher_ratio(x, y)), rel=1e-4)


# GCCS: the divergence of Gaussians, by matrices in numpy.


def twice_divergence(mean: Array, covariance: Array, target: Array, sigma: float) -> float:
    """2 KL(N(mean, covariance) || N(target, sigma^2 I)), the textbook formula with full matrices."""
    target_covariance = sigma**2 * np.eye(len(mean))
    inverse = np.linalg.inv(target_covariance)
    logs = np.linalg.slogdet(target_covariance)[1] - np.linalg.slogdet(covariance)[1]
    distance = (target - mean) @ inverse @ (target - mean)
    return float(logs - len(mean) + np.trace(inverse @ covariance) + distance)


@pytest.mark.parametrize("kurtosis", [0.0, 0.2])
@pytest.mark.parametrize("seed", SEEDS)
def test_gccs_is_the_divergence_of_gaussians(seed: int, kurtosis: float) -> None:
    embeddings, labels = batch(seed)
    spec = GCCS(weight=0.4, mu=5.0, sigma=1.5, floor=0.02, kurtosis=kurtosis)
    latent = head().logits(embeddings).detach().numpy()
    expected = []
    for j in range(K):
        z = latent[labels.numpy() == j]
        if len(z) < 2:
            continue
        variance = z.var(axis=0) + 0.02 * 1.5**2
        excess = ((z - z.mean(0)) ** 4).mean(0) / variance**2 - 3
        divergence = twice_divergence(z.mean(0), np.diag(variance), 5.0 * np.eye(K)[j], 1.5)
        expected.append(divergence + kurtosis * (excess**2).sum())
    assert value(spec, embeddings, labels) == pytest.approx(0.4 * np.mean(expected))


def test_gccs_is_zero_on_its_target() -> None:
    """Logits mu e_c +- s with s^2 + floor = 1 have the target's mean and variance."""
    plain = Softmax().build(2, 2).double()
    weight, bias = plain.parameters()
    weight.data, bias.data = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    spread = math.sqrt(0.99) * signs
    vertices = 20 * torch.eye(2, dtype=torch.float64)
    embeddings = torch.cat([spread + vertices[0], spread + vertices[1]])
    labels = torch.tensor([0] * 4 + [1] * 4)
    assert float(GCCS().build(2, 2)(embeddings, labels, plain).detach()) == pytest.approx(0, abs=1e-12)
    assert float(GCCS().build(2, 2)(embeddings, 1 - labels, plain).detach()) == pytest.approx(0.01 * 800)


# Triplets: slow loops and pytorch-metric-learning.


def squared(a: Tensor, b: Tensor, normalised: bool) -> float:
    if normalised:
        a, b = a / a.norm(), b / b.norm()
    return float(((a - b) ** 2).sum())


def slow_hinge(spec: TripletSpec, ap: float, an: float) -> float:
    """Ho et al., the three forms."""
    if isinstance(spec, TL1):
        return max(0.0, ap - an + spec.margin)
    if isinstance(spec, TL2):
        return max(0.0, ap - an + spec.margin + max(0.0, ap - spec.beta))
    assert isinstance(spec, TL3)
    return max(0.0, ap - spec.m_pos) + max(0.0, spec.m_neg - an)


TRIPLETS = [
    TL1(),
    TL1(margin=0.7, normalised=False),
    TL2(),
    TL2(margin=0.1, beta=1.5),
    TL2(normalised=False),
    TL3(),
    TL3(m_pos=0.4, m_neg=2.2),
    TL3(m_pos=4, m_neg=9, normalised=False),
]


@pytest.mark.parametrize("spec", TRIPLETS, ids=full_text)
@pytest.mark.parametrize("seed", SEEDS)
def test_triplet_is_the_slow_loop(spec: TripletSpec, seed: int) -> None:
    x, y = batch(seed)
    hinges = [
        slow_hinge(spec, squared(x[a], x[p], spec.normalised), squared(x[a], x[n], spec.normalised))
        for a, p, n in itertools.permutations(range(B), 3)
        if y[a] == y[p] and y[a] != y[n]
    ]
    assert value(spec, x, y) == pytest.approx(np.mean(hinges))


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_tl1_equals_pytorch_metric_learning(seed: int, normalised: bool) -> None:
    other = losses.TripletMarginLoss(
        margin=0.3,
        distance=distances.LpDistance(p=2, power=2, normalize_embeddings=normalised),
        reducer=reducers.MeanReducer(),
    )
    x, y = batch(seed)
    assert value(TL1(margin=0.3, normalised=normalised), x, y) == pytest.approx(float(other(x, y)), rel=1e-6)


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_batch_hard_equals_pytorch_metric_learning(seed: int, normalised: bool) -> None:
    distance = distances.LpDistance(p=2, normalize_embeddings=normalised)
    other = losses.TripletMarginLoss(margin=0.3, distance=distance, reducer=reducers.MeanReducer())
    x, y = batch(seed)
    hardest = miners.BatchHardMiner(distance=distance)(x, y)
    assert value(BatchHard(normalised=normalised), x, y) == pytest.approx(float(other(x, y, hardest)), rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_tl2_without_its_bound_is_tl1(seed: int) -> None:
    """On the unit sphere no squared distance exceeds 4."""
    assert value(TL2(beta=4.0), *batch(seed)) == pytest.approx(value(TL1(), *batch(seed)), rel=1e-12)


def test_triplets_at_known_points() -> None:
    """Anchor and positive at right angles (d = 2), the negative opposite the anchor (d = 4 and 2)."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 1])
    assert value(TL1(margin=0.2), x, y) == pytest.approx((0 + 0.2) / 2)
    assert value(TL2(margin=0.2, beta=0.5), x, y) == pytest.approx((0 + 1.7) / 2)
    assert value(TL3(), x, y) == pytest.approx(((1 + 0) + (1 + 1)) / 2)
    assert value(BatchHard(margin=0.3), x, y) == pytest.approx((0 + 0.3) / 2)


def test_wrong_forms_of_the_triplet_differ_from_the_references() -> None:
    """The likeliest slips, each seen in public code, are told apart by the values above."""
    x, y = batch(0)
    own = (y.unsqueeze(0) == y.unsqueeze(1)) & ~torch.eye(B, dtype=torch.bool)
    unsquared = losses.TripletMarginLoss(margin=0.3, reducer=reducers.MeanReducer())
    assert float(unsquared(x, y)) != pytest.approx(value(TL1(margin=0.3), x, y), rel=1e-2)
    active_only = losses.TripletMarginLoss(margin=0.3, distance=distances.LpDistance(power=2))
    assert float(active_only(x, y)) != pytest.approx(value(TL1(margin=0.3), x, y), rel=1e-2)
    directions = torch.nn.functional.normalize(x, dim=1)
    far = torch.cdist(directions, directions)
    easiest = far.masked_fill(~own, math.inf).amin(1) - far.masked_fill(y.unsqueeze(0) == y.unsqueeze(1), 0).amax(1)
    assert float((0.3 + easiest).relu().mean()) != pytest.approx(value(BatchHard(), x, y), rel=1e-2)


# pytorch-metric-learning by name.


@pytest.mark.parametrize(
    ("spec", "other"),
    [
        (Pml(), losses.TripletMarginLoss()),
        (Pml(parameters={"margin": 0.3}), losses.TripletMarginLoss(margin=0.3)),
        (Pml(loss="ContrastiveLoss", weight=0.5), losses.ContrastiveLoss()),
        (Pml(loss="MultiSimilarityLoss", parameters={"alpha": 1.0}), losses.MultiSimilarityLoss(alpha=1.0)),
        (Pml(loss="SupConLoss"), losses.SupConLoss()),
        (Pml(loss="RankedListLoss", parameters={"margin": 0.4, "Tn": 2}), losses.RankedListLoss(margin=0.4, Tn=2)),
    ],
)
def test_pml_is_the_library_times_its_weight(spec: Pml, other: torch.nn.Module) -> None:
    embeddings, labels = batch(0)
    assert value(spec, embeddings, labels) == pytest.approx(spec.weight * float(other(embeddings, labels)))


@pytest.mark.parametrize("name", ["ArcFaceLoss", "SubCenterArcFaceLoss", "ProxyAnchorLoss", "P2SGradLoss"])
def test_pml_gives_sizes_to_losses_with_class_weights(name: str) -> None:
    torch.manual_seed(3)
    penalty = Pml(loss=name).build(K, D)
    torch.manual_seed(3)
    sizes = {"descriptors_dim" if name == "P2SGradLoss" else "embedding_size": D}
    other = getattr(losses, name)(num_classes=K, **sizes)
    embeddings, labels = (tensor for tensor in batch(0))
    result = penalty(embeddings.float(), labels, head())
    assert float(result.detach()) == pytest.approx(float(other(embeddings.float(), labels).detach()))
    result.backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in penalty.parameters())
    assert sum(p.numel() for p in penalty.parameters()) >= K * D


TABLE: dict[str, type[RegulariserSpec]] = {"pml": Pml}


def test_pml_from_a_text_and_back() -> None:
    text = 'pml:loss=TripletMarginLoss,weight=0.5,parameters={"margin": 0.1}'
    spec = build(TABLE, text, what="regulariser")
    assert spec == Pml(loss="TripletMarginLoss", weight=0.5, parameters={"margin": 0.1})
    assert build(TABLE, full_text(spec), what="regulariser") == spec
    assert hash(spec) == hash(build(TABLE, full_text(spec), what="regulariser"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pml:loss=TripletMarginLos", "unknown loss of pytorch-metric-learning 'TripletMarginLos'; did you mean 'Trip"),
        ("pml:loss=__builtins__", "unknown loss of pytorch-metric-learning '__builtins__'"),
        ("pml:loss=TripletMarginLoss.__init__", "unknown loss of pytorch-metric-learning"),
        ("pml:loss=BaseMetricLossFunction", "unknown loss of pytorch-metric-learning 'BaseMetricLossFunction'"),
        ("pml:loss=CrossBatchMemory", "unknown loss of pytorch-metric-learning 'CrossBatchMemory'"),
        ("pml:loss=VICRegLoss", "must work on any batch's embeddings and labels; VICRegLoss needs two views"),
        ('pml:parameters={"margn": 0.1}', "unknown parameter of TripletMarginLoss 'margn'; did you mean 'margin'?"),
        ('pml:parameters={"distance": "x"}', "unknown parameter of TripletMarginLoss 'distance'"),
        ('pml:loss=ArcFaceLoss,parameters={"num_classes": 3}', "unknown parameter of ArcFaceLoss 'num_classes'"),
        ("pml:loss=RankedListLoss", "parameter 'margin' of RankedListLoss must be given"),
        ('pml:parameters={"margin": "wide"}', "TripletMarginLoss must accept its parameters; got {'margin': 'wide'}"),
    ],
)
def test_pml_refusals(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        build(TABLE, text, what="regulariser")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_pml_check_leaves_the_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    Pml(loss="ArcFaceLoss")
    assert torch.equal(torch.random.get_rng_state(), before)


OWN_WARNINGS = pytest.mark.filterwarnings("ignore")
"""Some losses of the library call NumPy and torch in ways that these deprecate."""


@OWN_WARNINGS
@pytest.mark.parametrize("name", sorted(set(known_losses()) - {"RankedListLoss"}))  # which requires parameters
def test_every_loss_of_the_library_works_by_its_name(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(12, D, generator=generator).requires_grad_()
    result = Pml(loss=name).build(K, D)(embeddings, torch.arange(12) % K, head())
    assert result.shape == ()
    result.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


MARGINS = [
    ("ArcFaceLoss", {"margin": 28.6}),
    ("ArcFaceLoss", {"margin": 70.0, "scale": 20}),
    ("CosFaceLoss", {}),
    ("SphereFaceLoss", {}),
    ("LargeMarginSoftmaxLoss", {"margin": 2}),
    ("SubCenterArcFaceLoss", {}),
    ("SubCenterArcFaceLoss", {"sub_centers": 2, "margin": 10}),
]


@OWN_WARNINGS
@pytest.mark.parametrize(("loss", "parameters"), MARGINS)
@pytest.mark.parametrize("seed", SEEDS)
def test_pml_head_and_cross_entropy_are_the_library_loss(loss: str, parameters: dict[str, float], seed: int) -> None:
    torch.manual_seed(seed)
    a_head = PmlHead(loss=loss, parameters={**parameters}).build(K, D).double()
    torch.manual_seed(seed)
    other = getattr(losses, loss)(num_classes=K, embedding_size=D, **parameters).double()
    embeddings, labels = batch(seed)
    embeddings.requires_grad_()
    ours = torch.nn.functional.cross_entropy(a_head.training_logits(embeddings, labels), labels)
    theirs = other(embeddings, labels)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()))
    (slope,) = torch.autograd.grad(ours, embeddings)
    assert torch.allclose(slope, torch.autograd.grad(theirs, embeddings)[0])
    assert torch.allclose(a_head.logits(embeddings), other.get_logits(embeddings))


@OWN_WARNINGS
@pytest.mark.parametrize(("loss", "parameters"), MARGINS)
def test_pml_head_is_finite_where_the_library_is_not(loss: str, parameters: dict[str, float]) -> None:
    a_head = PmlHead(loss=loss, parameters={**parameters}).build(K, D)
    weights = next(iter(a_head.parameters())).detach().T[:K]
    embeddings = torch.cat([weights, -weights]).requires_grad_()
    logits = a_head.training_logits(embeddings, torch.arange(K).repeat(2))
    (slope,) = torch.autograd.grad(logits.sum(), embeddings)
    assert logits.isfinite().all()
    assert slope.isfinite().all()


def test_pml_head_refuses_a_loss_without_logits() -> None:
    with pytest.raises(UsageError, match="unknown margin softmax of pytorch-metric-learning 'TripletMarginLoss'"):
        PmlHead(loss="TripletMarginLoss")


def test_without_the_package_a_spec_reads_and_a_build_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pml, "PACKAGE", "no_such_package_here")
    spec = Pml(loss="TripletMarginLoss")
    with pytest.raises(MissingExtraError, match=r"pip install 'noisylabels\[losses\]'") as missing:
        spec.build(K, D)
    assert missing.value.exit_code == 3


def test_importing_heads_does_not_import_the_package() -> None:
    code = "import sys, noisylabels.heads, noisylabels.heads.pml; print('pytorch_metric_learning' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_a_sum_of_regularisers_on_a_head_is_the_sum_of_their_values() -> None:
    embeddings, labels = batch(0)
    whole = (CosFace() + OPL() + TL1() + DAGE()).build(K, D).double()
    total = whole.penalty(embeddings, labels)
    assert total is not None
    parts = sum(value(spec, embeddings, labels) for spec in (OPL(), TL1(), DAGE()))
    assert float(total) == pytest.approx(parts)


# Wrong twins: each slip, put in place of ours, must fail the reference that names it.


def centers_without_the_one(self: CenterPenalty, embeddings: Tensor, labels: Tensor) -> Tensor:
    """Divides by n_j, so that a class's centre jumps to its first example at alpha 1."""
    sums = torch.zeros_like(self.centers).index_add(0, labels, self.centers[labels] - embeddings.detach())
    counts = torch.bincount(labels, minlength=K).clamp_min(1).unsqueeze(1)
    return self.centers - self.alpha * sums / counts


def divergence_the_wrong_way(self: GCCSPenalty, mean: Tensor, variance: Tensor, classes: Tensor) -> Tensor:
    """KL(target || class) in place of KL(class || target)."""
    vertices = self.spec.mu * torch.nn.functional.one_hot(classes, mean.shape[1])
    ratio = self.spec.sigma**2 / variance
    return (ratio - 1 - ratio.log() + (mean - vertices).square() / variance).sum(1)


def squares_for_distances(embeddings: Tensor, normalised: bool) -> Tensor:
    return penalty_triplet.pairwise_distances(embeddings, normalised).square()


SLIPS = [
    (CenterPenalty, "moved_centers", centers_without_the_one, lambda: test_center_is_the_slow_loop_over_three_steps(0)),
    (GCCSPenalty, "divergence", divergence_the_wrong_way, lambda: test_gccs_is_the_divergence_of_gaussians(0, 0.0)),
    (penalty_opl, "mean_where", lambda x, chosen: (x * chosen).mean(), lambda: test_opl_is_the_slow_loop(0)),
    (
        penalty_dage,
        "fisher_ratio",
        lambda x, y: fisher_ratio(x, y) / (1 + fisher_ratio(x, y)),  # within over total
        lambda: test_dage_is_the_ratio_of_laplacian_traces(0),
    ),
    (
        penalty_triplet,
        "pairwise_distances",
        lambda x, normalised: torch.cdist(x, x),  # on embeddings that were to be normalised
        lambda: test_tl1_equals_pytorch_metric_learning(0, True),
    ),
    (
        penalty_batch_hard,
        "pairwise_distances",
        squares_for_distances,
        lambda: test_batch_hard_equals_pytorch_metric_learning(0, True),
    ),
    (
        RingPenalty,
        "target",
        lambda self, norms: norms.mean(),  # a radius that is never learned
        test_ring_starts_at_the_mean_norm_and_is_their_variance,
    ),
]


@pytest.mark.parametrize(("where", "name", "slip", "reference"), SLIPS, ids=lambda x: x if isinstance(x, str) else "")
def test_a_slip_fails_its_reference(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, slip: object, reference: Callable[[], None]
) -> None:
    reference()
    monkeypatch.setattr(where, name, slip)
    with pytest.raises(AssertionError):
        reference()

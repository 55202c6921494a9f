"""Laws of every regulariser, and wrong twins that each must break one."""

from __future__ import annotations

import copy
import dataclasses
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from noisylabels.catalog import build
from noisylabels.heads import REGULARISERS, Head
from noisylabels.heads.head import CosineHead
from noisylabels.heads.penalty_center import CenterPenalty
from noisylabels.heads.penalty_dage import DAGEPenalty
from noisylabels.heads.penalty_opl import OPLPenalty
from noisylabels.heads.penalty_triplet import triplets
from noisylabels.heads.regulariser import Penalty

B, D, K = 12, 8, 5

TABLE = REGULARISERS

TEXTS = sorted({*TABLE, "gccs:kurtosis=0.5", "batch_hard:normalised=false", "tl1:normalised=false"})

LABEL_BLIND = {"ring", "dual_ring"}
"""Kinds that look at norms only."""

Make = Callable[[int], Penalty]
"""A penalty for so many classes, always the same one."""


def maker(text: str, **changes: float) -> Make:
    def make(num_classes: int) -> Penalty:
        spec = dataclasses.replace(build(TABLE, text, what="regulariser"), **changes)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return spec.build(num_classes, D)

    return make


def a_head(num_classes: int = K) -> CosineHead:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return CosineHead(num_classes, D, 20.0)


def batch(seed: int = 1, num_classes: int = K) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, D, generator=generator), torch.arange(B) % num_classes


def trained(make: Make, steps: int = 3) -> Penalty:
    """The penalty after some training steps, in training mode."""
    penalty, head = make(K), a_head()
    optimizer = torch.optim.SGD([*penalty.parameters(), *head.parameters()], lr=0.01)
    for step in range(steps):
        embeddings, labels = batch(step + 10)
        optimizer.zero_grad()
        penalty(embeddings.requires_grad_(), labels, head).backward()
        optimizer.step()
    return penalty


def value_and_gradient(penalty: Penalty, embeddings: Tensor, labels: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    inputs = embeddings.clone().requires_grad_()
    value = penalty(inputs, labels, head)
    (gradient,) = torch.autograd.grad(value, inputs)
    return value.detach(), gradient


def law_one_number_not_negative(make: Make) -> None:
    value = trained(make)(*batch(), a_head())
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value >= 0


def law_arguments_are_kept(make: Make) -> None:
    (embeddings, labels), head = batch(), a_head()
    before = embeddings.clone(), labels.clone(), copy.deepcopy(head.state_dict())
    leaf = torch.zeros_like(embeddings).requires_grad_()
    make(K)(embeddings.add_(leaf), labels, head).backward()  # an inner tensor, as a network's output is
    assert torch.equal(embeddings, before[0])
    assert torch.equal(labels, before[1])
    assert all(torch.equal(tensor, before[2][name]) for name, tensor in head.state_dict().items())


def law_order_of_examples_does_not_matter(make: Make) -> None:
    penalty, (embeddings, labels), head = trained(make).eval(), batch(), a_head()
    order = torch.randperm(B, generator=torch.Generator().manual_seed(3))
    value, gradient = value_and_gradient(penalty, embeddings, labels, head)
    other_value, other_gradient = value_and_gradient(penalty, embeddings[order], labels[order], head)
    assert torch.allclose(other_value, value, rtol=1e-5)
    assert torch.allclose(other_gradient, gradient[order], rtol=1e-4, atol=1e-6)


def renamed(module: nn.Module, order: Tensor) -> None:
    """Put everything that the module holds for each class into the new order."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim and len(tensor) == K:
            tensor.data = tensor.data[order]


def law_class_names_do_not_matter(make: Make) -> None:
    penalty, (embeddings, labels), head = trained(make).eval(), batch(), a_head()
    value = penalty(embeddings, labels, head)
    order = torch.tensor([3, 0, 4, 1, 2])
    renamed(penalty, order)
    renamed(head, order)
    assert torch.allclose(penalty(embeddings, torch.argsort(order)[labels], head), value, rtol=1e-5)


def law_gradient_is_the_slope(make: Make) -> None:
    penalty, (embeddings, labels), head = trained(make).double().eval(), batch(), a_head().double()
    assert torch.autograd.gradcheck(lambda e: penalty(e, labels, head), embeddings.double().requires_grad_())


def degenerate_batches(num_classes: int) -> dict[str, tuple[Tensor, Tensor]]:
    embeddings, labels = batch(num_classes=num_classes)
    one = torch.nn.functional.one_hot(torch.tensor(0), D).float()
    return {
        "ordinary": (embeddings, labels),
        "one class": (embeddings, torch.zeros_like(labels)),
        "all different": (embeddings[:num_classes], torch.arange(B)[:num_classes]),
        "one example": (embeddings[:1], labels[:1]),
        "equal embeddings": (one.repeat(B, 1), labels),
        "zero embeddings": (torch.zeros(B, D), labels),
        "opposite embeddings": (torch.stack([one, -one]).repeat(B // 2, 1), labels),
        "equal within classes": (embeddings[labels], labels),
        "tiny": (1e-12 * embeddings, labels),
        "large": (1e4 * embeddings, labels),
        "the last class": (embeddings, torch.full_like(labels, num_classes - 1)),
    }


def law_finite_on_any_batch(make: Make) -> None:
    for num_classes in (2, K, 10_575):
        head = a_head(num_classes)
        for name, (embeddings, labels) in degenerate_batches(num_classes).items():
            value, gradient = value_and_gradient(make(num_classes), embeddings, labels, head)
            assert value.isfinite(), name
            assert gradient.isfinite().all(), name


def law_asking_changes_nothing(make: Make) -> None:
    penalty, (embeddings, labels), head = trained(make), batch(), a_head()
    before = copy.deepcopy(penalty.state_dict())
    with torch.no_grad():
        first = penalty(embeddings, labels, head)
    penalty.eval()
    assert torch.equal(penalty(embeddings, labels, head), first)
    assert torch.equal(penalty(embeddings, labels, head), first)
    after = penalty.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], v) if isinstance(v, Tensor) else after[k] == v for k, v in before.items())


def law_survives_a_save(make: Make) -> None:
    """Saved, loaded into a fresh one and trained on: the same bits."""
    penalty, file = trained(make), io.BytesIO()
    torch.save(penalty.state_dict(), file)
    file.seek(0)
    fresh = make(K)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for seed in (20, 21):
        embeddings, labels = batch(seed)
        embeddings.requires_grad_()
        assert torch.equal(fresh(embeddings, labels, a_head()), penalty(embeddings, labels, a_head()))


def clusters() -> tuple[Tensor, Tensor, CosineHead]:
    """Tight clusters at right angles, around the head's own class weights."""
    head = a_head()
    head.weight.data = torch.eye(K, D)
    labels = torch.arange(20) % K
    noise = 0.05 * torch.randn(20, D, generator=torch.Generator().manual_seed(4))
    return head.weight.detach()[labels] + noise, labels, head


def law_right_labels_cost_no_more_than_mixed_ones(make: Make) -> None:
    embeddings, labels, head = clusters()
    penalty = make(K)
    for _ in range(50):  # what follows the examples gets there
        penalty(embeddings.requires_grad_(), labels, head)
    penalty.eval()
    mixed = labels[torch.randperm(20, generator=torch.Generator().manual_seed(5))]
    assert penalty(embeddings, labels, head) <= penalty(embeddings, mixed, head)


LAWS: list[Callable[[Make], None]] = [
    law_one_number_not_negative,
    law_arguments_are_kept,
    law_order_of_examples_does_not_matter,
    law_class_names_do_not_matter,
    law_gradient_is_the_slope,
    law_finite_on_any_batch,
    law_asking_changes_nothing,
    law_survives_a_save,
    law_right_labels_cost_no_more_than_mixed_ones,
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("law", LAWS)
def test_regulariser_law(law: Callable[[Make], None], text: str) -> None:
    law(maker(text))


@pytest.mark.parametrize("text", TEXTS)
def test_weight_zero_is_exactly_nothing(text: str) -> None:
    value, gradient = value_and_gradient(maker(text, weight=0.0)(K), *batch(), a_head())
    assert value == 0
    assert torch.equal(gradient, torch.zeros(B, D))


@pytest.mark.parametrize("text", TEXTS)
def test_penalty_is_proportional_to_its_weight(text: str) -> None:
    once = maker(text, weight=0.25)(K)(*batch(), a_head())
    twice = maker(text, weight=0.5)(K)(*batch(), a_head())
    assert once > 0
    assert torch.allclose(twice, 2 * once)


@pytest.mark.parametrize("text", sorted(set(TEXTS) - LABEL_BLIND))
def test_mixed_labels_cost_more(text: str) -> None:
    embeddings, labels, head = clusters()
    penalty = maker(text)(K).eval()
    if isinstance(penalty, CenterPenalty):
        penalty.centers = head.weight.detach().clone()
    mixed = labels[torch.randperm(20, generator=torch.Generator().manual_seed(5))]
    assert 2 * penalty(embeddings, labels, head) < penalty(embeddings, mixed, head)


@pytest.mark.parametrize("text", TEXTS)
def test_a_negative_weight_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"weight must be at least 0; got -1"):
        maker(text, weight=-1.0)(K)


@pytest.mark.parametrize("text", TEXTS)
def test_a_regularised_head_trains(text: str) -> None:
    """Ten steps of SGD on head and embeddings reduce loss and penalty together."""
    torch.manual_seed(0)
    penalty, head, (embeddings, labels) = maker(text)(K), a_head(), batch()
    points = nn.Parameter(embeddings)
    optimizer = torch.optim.SGD([points, *head.parameters(), *penalty.parameters()], lr=0.02)
    objectives = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(head.training_logits(points, labels), labels)
        objective = loss + penalty(points, labels, head)
        objective.backward()
        optimizer.step()
        objectives.append(float(objective.detach()))
    assert objectives[-1] < objectives[0]


class Twin(Penalty):
    """A wrong penalty without state."""

    def __init__(self, wrong: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.wrong = wrong
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        return self.scale * self.wrong(embeddings, labels)


class CentersMoveWhenAsked(CenterPenalty):
    """As most public center losses in PyTorch: evaluation moves the centres."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        value = super().forward(embeddings, labels, head)
        self.centers = self.moved_centers(embeddings, labels)
        return value


class CentersAreForgotten(CenterPenalty):
    """Centres that no state_dict holds: a resumed run starts with random ones."""

    def __init__(self) -> None:
        super().__init__(K, D, 1.0, 0.5)
        centers = self._buffers.pop("centers")
        self._non_persistent_buffers_set.add("centers")
        self._buffers["centers"] = centers


class CentersOfTheFirstClass(CenterPenalty):
    """An off-by-one that gives every class its neighbour's centre."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        return super().forward(embeddings, (labels + 1).clamp_max(K - 1), head)


class SignedCosines(OPLPenalty):
    """Different classes pushed to opposite directions, not to right angles: no lower bound at 0."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        directions = nn.functional.normalize(embeddings, dim=1)
        cosines = directions @ directions.T
        return cosines[labels.unsqueeze(0) != labels.unsqueeze(1)].mean()


class UpsideDown(DAGEPenalty):
    """Between over within."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        return 1 / (super().forward(embeddings, labels, head) + 1e-3)


def plain_distances(embeddings: Tensor) -> Tensor:
    """A square root whose slope is infinite at 0."""
    return (embeddings.unsqueeze(0) - embeddings.unsqueeze(1)).square().sum(2).sqrt()


def mean_over_nothing(embeddings: Tensor, labels: Tensor) -> Tensor:
    anchors, positives, _ = triplets(labels)
    return (embeddings[anchors] - embeddings[positives]).square().sum(1).mean()


def far_positives_wanted(embeddings: Tensor, labels: Tensor) -> Tensor:
    squared = torch.cdist(embeddings, embeddings).square()
    anchors, positives, negative = triplets(labels)
    hinges = (squared[anchors] - squared[anchors, positives].unsqueeze(1) + 0.2).relu()
    return (hinges * negative).sum() / negative.sum().clamp_min(1)


TWINS: dict[str, tuple[Make, Callable[[Make], None]]] = {
    "per example": (lambda k: Twin(lambda x, y: x.square().sum(1)), law_one_number_not_negative),
    "signed cosines": (lambda k: SignedCosines(1.0, 1.0), law_one_number_not_negative),
    "in place": (lambda k: Twin(lambda x, y: x.mul_(2).square().mean()), law_arguments_are_kept),
    "neighbours in the batch": (
        lambda k: Twin(lambda x, y: (x[1:] - x[:-1]).square().mean()),
        law_order_of_examples_does_not_matter,
    ),
    "knows class 0": (lambda k: Twin(lambda x, y: x[y == 0].square().sum()), law_class_names_do_not_matter),
    "wrong centre": (lambda k: CentersOfTheFirstClass(k, D, 1.0, 0.5), law_class_names_do_not_matter),
    "detached": (lambda k: Twin(lambda x, y: (x * x.detach()).sum()), law_gradient_is_the_slope),
    "root at zero": (lambda k: Twin(lambda x, y: plain_distances(x).mean()), law_finite_on_any_batch),
    "mean over nothing": (lambda k: Twin(mean_over_nothing), law_finite_on_any_batch),
    "no floor": (
        lambda k: Twin(lambda x, y: x.square().sum() / (x - x.mean(0)).square().sum()),
        law_finite_on_any_batch,
    ),
    "moves when asked": (lambda k: CentersMoveWhenAsked(k, D, 1.0, 0.5), law_asking_changes_nothing),
    "forgets": (lambda k: CentersAreForgotten(), law_survives_a_save),
    "far positives": (lambda k: Twin(far_positives_wanted), law_right_labels_cost_no_more_than_mixed_ones),
    "upside down": (lambda k: UpsideDown(1.0), law_right_labels_cost_no_more_than_mixed_ones),
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_penalty_is_rejected(twin: str) -> None:
    make, law = TWINS[twin]
    with pytest.raises((AssertionError, GradcheckError, RuntimeError)):
        law(make)


def test_every_law_has_a_twin() -> None:
    assert {law for _, law in TWINS.values()} == set(LAWS)

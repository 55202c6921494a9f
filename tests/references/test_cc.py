"""The channel correlation loss against a slow loop, its attention at every way into the head, and wrong twins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.heads import REGULARISERS, Head
from noisylabels.heads.adaface import AdaFace
from noisylabels.heads.arcface import ArcFace
from noisylabels.heads.cosface import CosFace
from noisylabels.heads.penalty_cc import CC, CCPenalty
from noisylabels.heads.penalty_gccs import GCCS
from noisylabels.heads.penalty_ring import Ring
from noisylabels.heads.regulariser import RegularisedHead
from noisylabels.heads.softmax import Softmax
from tests.laws.test_regulariser_laws import LAWS, B, D, K, batch, clusters

HEADS = {"softmax": Softmax(), "arcface": ArcFace(), "adaface": AdaFace()}
VARIANTS = {"cc": CC(), "apart only": CC(apart=5.0, margin=0.9), "one channel": CC(reduction=8)}


def penalty_of(spec: CC, seed: int = 0) -> CCPenalty:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        penalty = spec.build(K, D)
    assert isinstance(penalty, CCPenalty)
    return penalty


def regularised(head: str, spec: CC | None = None) -> RegularisedHead:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = (HEADS[head] + (spec or CC())).build(K, D)
    assert isinstance(built, RegularisedHead)
    return built


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("law", LAWS)
def test_regulariser_law(law: Callable[..., None], variant: str) -> None:
    law(lambda num_classes: penalty_of(VARIANTS[variant]))


def linear(layer: nn.Linear, x: list[float]) -> list[float]:
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * v for w, v in zip(row, x, strict=True)) + bias for row, bias in rows]


def attention_by_a_slow_loop(penalty: CCPenalty, x: list[float]) -> list[float]:
    """Hu et al., CVPR 2018, eq. 3, of an embedding whose root mean square is put to 1."""
    root = math.sqrt(sum(v * v for v in x) / len(x))
    hidden = [max(0.0, v) for v in linear(penalty.squeeze, [v / root for v in x])]
    return [1 / (1 + math.exp(-v)) for v in linear(penalty.excite, hidden)]


def cc_by_a_slow_loop(penalty: CCPenalty, embeddings: Tensor, labels: Tensor) -> float:
    attentions = [attention_by_a_slow_loop(penalty, x) for x in embeddings.tolist()]
    within: list[float] = []
    between: list[float] = []
    for i in range(len(labels)):
        for j in range(i):
            squares = [(a - b) ** 2 for a, b in zip(attentions[i], attentions[j], strict=True)]
            (within if labels[i] == labels[j] else between).append(math.sqrt(sum(squares) / D))
    spec = penalty.spec
    value = sum(within) / len(within) if within else 0.0
    if between:
        value += spec.apart * max(0.0, spec.margin - sum(between) / len(between))
    return spec.weight * value


def check_penalty(make: Callable[[CC], CCPenalty]) -> None:
    embeddings, labels = batch()
    for spec in (CC(weight=0.7, apart=0.4, margin=0.6), CC(margin=0.0), CC(weight=2.0, apart=3.0, margin=1.0)):
        penalty = make(spec)
        nn.init.normal_(penalty.squeeze.bias, generator=torch.Generator().manual_seed(2))
        for given in (labels, torch.zeros_like(labels), torch.arange(B)):
            value = penalty(embeddings, given, nn.Identity())
            assert value.item() == pytest.approx(cc_by_a_slow_loop(penalty, embeddings, given), rel=1e-5)


def test_penalty_by_a_slow_loop() -> None:
    check_penalty(penalty_of)


def check_head_sees_recalibrated_embeddings(make: Callable[[str], RegularisedHead]) -> None:
    embeddings, labels = batch()
    for name in HEADS:
        for training in (True, False):
            head = make(name).train(training)
            (penalty,) = head.penalties
            assert isinstance(penalty, CCPenalty)
            attended = torch.tensor([attention_by_a_slow_loop(penalty, x) for x in embeddings.tolist()]) * embeddings
            assert torch.allclose(head.logits(embeddings), head.head.logits(attended), atol=1e-4)
            expected = head.head.training_logits(attended, labels)
            assert torch.allclose(head.training_logits(embeddings, labels), expected, atol=1e-4)
            if name != "softmax":
                assert torch.allclose(head.cosines(embeddings), head.head.cosines(attended), atol=1e-5)


def test_head_sees_recalibrated_embeddings_in_training_and_at_inference() -> None:
    check_head_sees_recalibrated_embeddings(regularised)


class OnlyInTraining(CCPenalty):
    """As dropout: the attention is gone when it is measured."""

    def recalibrated(self, embeddings: Tensor) -> Tensor:
        return super().recalibrated(embeddings) if self.training else embeddings


class PenaltyOnly(CCPenalty):
    """An attention that nothing uses: it can learn the penalty alone."""

    def recalibrated(self, embeddings: Tensor) -> Tensor:
        return embeddings


class Residual(CCPenalty):
    def recalibrated(self, embeddings: Tensor) -> Tensor:
        return embeddings + super().recalibrated(embeddings)


@pytest.mark.parametrize("twin", [OnlyInTraining, PenaltyOnly, Residual])
def test_wrong_attention_is_rejected(twin: type[CCPenalty]) -> None:
    def make(name: str) -> RegularisedHead:
        return RegularisedHead(HEADS[name].build(K, D), [twin(D, CC())])

    with pytest.raises(AssertionError):
        check_head_sees_recalibrated_embeddings(make)


class OfEmbeddings(CCPenalty):
    """Distances of the embeddings that are recalibrated, not of the attentions."""

    def attention(self, embeddings: Tensor) -> Tensor:
        return super().attention(embeddings) * embeddings


class NotSqueezed(CCPenalty):
    """No ReLU between the maps, which then are one."""

    def attention(self, embeddings: Tensor) -> Tensor:
        channels = math.sqrt(D) * F.normalize(embeddings, dim=1)
        attention: Tensor = self.excite(self.squeeze(channels)).sigmoid()
        return attention


class WithItself(CCPenalty):
    """An example's distance to itself, 0, among those of its class."""

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        value = super().forward(embeddings, labels, head)
        same = (labels.unsqueeze(0) == labels.unsqueeze(1)).sum()
        return value * (same - len(labels)) / same


@pytest.mark.parametrize("twin", [OfEmbeddings, NotSqueezed, WithItself])
def test_wrong_penalty_is_rejected(twin: type[CCPenalty]) -> None:
    def make(spec: CC) -> CCPenalty:
        penalty = twin(D, spec)
        penalty.load_state_dict(penalty_of(spec).state_dict())
        return penalty

    with pytest.raises(AssertionError):
        check_penalty(make)


def test_the_task_trains_the_attention() -> None:
    embeddings, labels = batch()
    for name in HEADS:
        head = regularised(name, CC(weight=0.0))
        loss = F.cross_entropy(head.training_logits(embeddings, labels), labels)
        slopes = torch.autograd.grad(loss, list(head.penalties.parameters()))
        assert all(slope.abs().sum() > 0 for slope in slopes)


def test_attention_does_not_see_the_norm() -> None:
    """Cosine heads leave the norm free: with an attention of directions, they still do."""
    embeddings, _ = batch()
    head = regularised("arcface")
    assert torch.allclose(head.logits(7 * embeddings), head.logits(embeddings), atol=1e-5)


def test_pushing_ends_at_the_margin() -> None:
    embeddings, _ = batch()
    different = torch.arange(B)
    for margin, pushed in ((0.05, False), (0.9, True)):
        penalty = penalty_of(CC(margin=margin))
        value = penalty(embeddings, different, nn.Identity())
        assert (value > 0) == pushed
        slopes = torch.autograd.grad(value, list(penalty.parameters()))
        assert any(slope.abs().sum() > 0 for slope in slopes) == pushed
    assert penalty_of(CC(weight=2.0, apart=3.0, margin=0.5))(*batch(), nn.Identity()) <= 2 * (1 + 3 * 0.5)


def test_training_the_penalty_makes_one_pattern_a_class() -> None:
    """200 steps on tight clusters: nearer within a class, apart up to the margin between classes."""
    embeddings, labels, _ = clusters()
    penalty = penalty_of(CC(margin=0.4))
    optimizer = torch.optim.Adam(penalty.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        penalty(embeddings, labels, nn.Identity()).backward()
        optimizer.step()
    attentions = penalty.attention(embeddings).detach()
    distances = torch.cdist(attentions, attentions) / math.sqrt(D)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    assert distances[~same].mean() > 0.38
    assert distances[same].mean() < 0.1


@pytest.mark.parametrize("kind", [kind for kind in REGULARISERS if kind != "cc"])
def test_other_regularisers_leave_what_enters_the_head(kind: str) -> None:
    """The very same tensor, and the same bits as without the regulariser."""
    embeddings, labels = batch()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = (CosFace() + REGULARISERS[kind]()).build(K, D)
    assert isinstance(head, RegularisedHead)
    assert head.entering(embeddings) is embeddings
    assert torch.equal(head.logits(embeddings), head.head.logits(embeddings))
    assert torch.equal(head.training_logits(embeddings, labels), head.head.training_logits(embeddings, labels))
    assert torch.equal(head.cosines(embeddings), head.head.cosines(embeddings))


def test_a_regulariser_of_logits_sees_those_with_attention() -> None:
    embeddings, labels = batch()
    spec = GCCS()
    head = (Softmax() + spec + CC(weight=0.0)).build(K, D).eval()
    assert isinstance(head, RegularisedHead)
    value = head.penalty(embeddings, labels)
    expected = spec.build(K, D)(head.entering(embeddings), labels, head.head)
    assert torch.allclose(value, expected)
    assert not torch.allclose(value, spec.build(K, D)(embeddings, labels, head.head))


def test_a_regulariser_of_embeddings_sees_what_the_network_left() -> None:
    embeddings, labels = batch()
    head = (Softmax() + Ring() + CC(weight=0.0)).build(K, D).eval()
    assert isinstance(head, RegularisedHead)
    expected = Ring().build(K, D).eval()(embeddings, labels, head)
    assert torch.allclose(head.penalty(embeddings, labels), expected)


def test_the_attention_is_saved_with_the_head() -> None:
    embeddings, _ = batch()
    head, other = regularised("arcface"), (ArcFace() + CC()).build(K, D)
    assert not torch.equal(other.logits(embeddings), head.logits(embeddings))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.logits(embeddings), head.logits(embeddings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": -1.0}, r"weight must be at least 0; got -1"),
        ({"apart": -0.5}, r"apart must be at least 0; got -0.5"),
        ({"margin": 1.5}, r"margin must be in \[0, 1\]; got 1.5"),
        ({"reduction": 0}, r"reduction must be at least 1; got 0"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CC(), **changes)  # type: ignore[arg-type]

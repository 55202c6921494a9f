"""Laws of every head, and wrong twins that each must break one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.nn import functional as F

from noisylabels.catalog import build
from noisylabels.heads import HEADS, Head
from noisylabels.heads.cam_softmax import cam_activation
from noisylabels.heads.head import CosineHead

B, D, K = 12, 6, 5

NEUTRAL = {
    "normalised_softmax": "normalised_softmax",
    "cosface": "cosface:margin=0",
    "arcface": "arcface:margin=0",
    "cam_softmax": "cam_softmax",  # before the first step c is 90 degrees
    "sphereface": "sphereface:margin=1",
    "combined": "combined:m1=1,m2=0,m3=0",
    "subcenter_arcface": "subcenter_arcface:subcenters=1,margin=0",
    "adaface": "adaface:margin=0",
    "sface": "sface",
    "angular_sparsemax": "angular_sparsemax:margin=0",
    "sphereface2": "sphereface2:margin=0,t=1,scale=20",  # but for a constant that all classes share
}
"""Texts under which a cosine head must equal normalised softmax."""

NO_NEUTRAL = {"curricularface": "it equals ArcFace where no negative is hard (tests/references/test_margin_heads.py)"}

SCHEDULES = {"cam_softmax:schedule=ramp", "cam_softmax:schedule=repo"}
APART = {"cam_softmax:schedule=ramp,subcenters=3", *(f"cam_softmax:gradient={g}" for g in ("value_only", "slope_only"))}
OTHERS = {"sphereface:normalise=false", "sphereface2:gradient=value_only", "fixed_simplex:margin=0.3"}
PML = {"pml_head:loss=CosFaceLoss", "pml_head:loss=SubCenterArcFaceLoss"}
TEXTS = sorted({*HEADS, *NEUTRAL.values(), *SCHEDULES, *APART, *OTHERS, *PML})

EXEMPT = {
    ("law_others_untouched", "curricularface"): "hard negatives are what it is about",
    ("law_gradcheck", "adaface"): "the norm is detached; gradcheck at a fixed norm is in tests/references",
    ("law_gradcheck", "sphereface2:gradient=value_only"): "the difference is detached, as its name says",
    ("law_gradcheck", "cam_softmax:gradient=value_only"): "the identity's gradient, as its name says",
    ("law_gradcheck", "cam_softmax:gradient=slope_only"): "another function's gradient, as its name says",
    (
        "law_finite_at_the_poles",
        "pml_head",
    ): "its weights are (D, K); tests/references/test_regularisers.py has the poles",
}
"""Law and text, or kind, for which the law does not hold, and why."""


def batch(seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, D, generator=generator), torch.arange(B) % K


def make(text: str) -> Head:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(HEADS, text, what="head").build(K, D)


def moved(head: Head) -> Head:
    """The head after half of a training in which everything fitted."""
    for step in range(1, 51):
        head.advance(step / 100, torch.zeros(B))
    return head


def law_shapes(head: Head) -> None:
    embeddings, labels = batch()
    assert head.logits(embeddings).shape == (B, K)
    assert head.training_logits(embeddings, labels).shape == (B, K)


def law_others_untouched(head: Head) -> None:
    embeddings, labels = batch()
    other = F.one_hot(labels, K) == 0
    difference = (head.training_logits(embeddings, labels) - head.logits(embeddings))[other]
    assert difference.abs().max() == 0


def law_margin_never_helps(head: Head) -> None:
    """A margin makes the target harder to reach: its training logit is at most its inference logit."""
    embeddings, labels = batch()
    at_target = labels.unsqueeze(1)
    training = head.training_logits(embeddings, labels).gather(1, at_target)
    plain = head.logits(embeddings).gather(1, at_target)
    assert (training <= plain + 1e-4).all()


def law_arguments_kept(head: Head) -> None:
    embeddings, labels = batch()
    before = embeddings.clone(), labels.clone()
    head.training_logits(embeddings, labels)
    head.logits(embeddings)
    assert torch.equal(embeddings, before[0])
    assert torch.equal(labels, before[1])


def law_asking_changes_nothing(head: Head) -> None:
    embeddings, labels = batch()
    first = head.training_logits(embeddings, labels)
    assert torch.equal(first, head.training_logits(embeddings, labels))


def law_gradcheck(head: Head) -> None:
    head = head.double()
    embeddings, labels = batch()
    inputs = embeddings.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: head.training_logits(e, labels), inputs)


def law_finite_at_the_poles(head: Head) -> None:
    """Embeddings on and opposite their class weight (or its first sub-centre): finite logits and gradients."""
    tensors = [*head.buffers(), *head.parameters()]
    weight = next(t for t in tensors if t.ndim == 2 and t.shape[1] == D).detach().reshape(K, -1, D)[:, 0]
    embeddings = torch.cat([weight, -weight]).requires_grad_()
    labels = torch.arange(K).repeat(2)
    logits = head.training_logits(embeddings, labels)
    logits.sum().backward()
    assert embeddings.grad is not None
    assert logits.isfinite().all()
    assert embeddings.grad.isfinite().all()


LAWS: list[Callable[[Head], None]] = [
    law_shapes,
    law_others_untouched,
    law_margin_never_helps,
    law_arguments_kept,
    law_asking_changes_nothing,
    law_gradcheck,
    law_finite_at_the_poles,
]


def exempt(law: Callable[[Head], None], text: str) -> bool:
    return any((law.__name__, name) in EXEMPT for name in (text, text.partition(":")[0]))


HOLDING = [(law, text) for law in LAWS for text in TEXTS if not exempt(law, text)]


@pytest.mark.parametrize(("law", "text"), HOLDING)
def test_law_holds_at_the_start_and_half_way(law: Callable[[Head], None], text: str) -> None:
    law(make(text))
    law(moved(make(text)))


@pytest.mark.parametrize("text", sorted(NEUTRAL.values()))
def test_neutral_head_is_normalised_softmax(text: str) -> None:
    embeddings, labels = batch()
    expected = make("normalised_softmax").training_logits(embeddings, labels).log_softmax(1)
    assert torch.allclose(make(text).training_logits(embeddings, labels).log_softmax(1), expected, atol=5e-5)


def test_every_cosine_head_has_a_neutral_text() -> None:
    cosine = {name for name in HEADS if isinstance(make(name), CosineHead)}
    assert cosine - NEUTRAL.keys() == NO_NEUTRAL.keys()


def test_only_heads_that_say_so_touch_other_classes() -> None:
    exempted = {text for law, text in EXEMPT if law == "law_others_untouched"}
    assert {name for name, spec in HEADS.items() if spec.touches_others} == exempted
    for text in exempted:
        with pytest.raises(AssertionError):
            law_others_untouched(moved(make(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_head_state_survives_a_state_dict(text: str) -> None:
    trained, fresh = moved(make(text)), make(text)
    fresh.load_state_dict(trained.state_dict())
    assert fresh.state() == trained.state()
    for head in (trained, fresh):
        head.advance(0.6, torch.zeros(B))
    assert fresh.state() == trained.state()  # it goes on where the other stood


class MutatesItsArgument(CosineHead):
    """As the public cam-softmax code does with its logits: the caller's tensor is written to."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings.mul_(1.5)
        return super().training_logits(embeddings, labels)


class MarginOnOthers(CosineHead):
    """The margin subtracted from the other classes' cosines."""

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        other = 1 - F.one_hot(labels, K).to(embeddings.dtype)
        return self.scale * (self.cosines(embeddings) - 0.3 * other)


class MarginOnTheWrongSide(CosineHead):
    """A margin with the wrong sign makes the task easier."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return cos_theta + 0.3


class UnclampedCam(CosineHead):
    """No floor below cos = -1: rounding gives NaN for a power that is not whole."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return 2 * ((1 + cos_theta - 1e-6) / 2) ** 2.409 - 1


class ArccosArcFace(CosineHead):
    """The angle by arccos, whose slope is infinite at cos = 1."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return torch.cos(torch.acos(cos_theta.clamp(-1, 1)) + 0.5)


class DetachedTarget(CosineHead):
    """The activated value with another function's gradient."""

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        return cos_theta + (cam_activation(cos_theta, torch.tensor(1.0)) - cos_theta).detach()


class MovesWhenAsked(CosineHead):
    """A schedule that advances in forward, so that evaluation trains it."""

    calls = 0

    def target_activation(self, cos_theta: Tensor) -> Tensor:
        self.calls += 1
        return cos_theta - 0.01 * self.calls


TWINS: dict[type[CosineHead], Callable[[Head], None]] = {
    MutatesItsArgument: law_arguments_kept,
    MarginOnOthers: law_others_untouched,
    MarginOnTheWrongSide: law_margin_never_helps,
    UnclampedCam: law_finite_at_the_poles,
    ArccosArcFace: law_finite_at_the_poles,
    DetachedTarget: law_gradcheck,
    MovesWhenAsked: law_asking_changes_nothing,
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_twin_is_rejected(twin: type[CosineHead]) -> None:
    torch.manual_seed(0)
    head = twin(K, D, 20.0)
    with pytest.raises((AssertionError, GradcheckError)):
        TWINS[twin](head)


def test_plain_cosine_head_passes_what_rejects_the_twins() -> None:
    for law in TWINS.values():
        law(CosineHead(K, D, 20.0))


def test_cam_adaptive_lets_c_fall_only_while_the_fit_allows() -> None:
    head = make("cam_softmax:c_stop_deg=60,ramp_share=0.5,threshold=0.5")
    chance = torch.full((B,), math.log(K))
    for step in range(1, 21):
        head.advance(step / 100, 0.9 * chance)
    assert head.state()["c_deg"] == pytest.approx(90)
    for step in range(21, 51):
        head.advance(step / 100, 0.1 * chance)
    lowest = head.state()["c_deg"]
    assert 60 <= lowest < 80
    for step in range(51, 101):
        head.advance(step / 100, chance)  # the loss of a collapsed model
    assert head.state()["c_deg"] == pytest.approx(90)


def test_cam_adaptive_does_not_see_a_minority_of_wrong_labels() -> None:
    head = make("cam_softmax:c_stop_deg=60")
    losses = torch.zeros(10)
    losses[:4] = 25.0  # 40 % wrong labels, far from what they claim: the mean is 6.2 log K
    for step in range(1, 51):
        head.advance(step / 100, losses)
    assert head.state()["c_deg"] < 80

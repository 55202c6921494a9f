"""The margin heads against pytorch-metric-learning, closed forms and slow loops written from the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as pml
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.nn import functional as F

from noisylabels.catalog import UsageError, build
from noisylabels.heads import HEADS, Head, HeadSpec
from noisylabels.heads.adaface import AdaFace, adaface_activation
from noisylabels.heads.angular_sparsemax import AngularSparsemax
from noisylabels.heads.cam_softmax import CamSoftmax, cam_activation, cam_exponent
from noisylabels.heads.combined import Combined
from noisylabels.heads.curricularface import CurricularFace
from noisylabels.heads.fixed_simplex import FixedSimplex, simplex
from noisylabels.heads.sface import SFace
from noisylabels.heads.sphereface import SphereFace, angle_of, falling_cosine
from noisylabels.heads.sphereface2 import SphereFace2, balanced_bias
from noisylabels.heads.subcenter_arcface import SubcenterArcFace
from tests.laws import test_head_laws as laws
from tests.laws.head_twins import SLOW_LOOP, TWINS, WrongHead

B, D, K = 24, 6, 5

MARGIN_HEADS: tuple[type[HeadSpec], ...] = (
    SphereFace,
    Combined,
    SubcenterArcFace,
    CurricularFace,
    AdaFace,
    SphereFace2,
    SFace,
    FixedSimplex,
    AngularSparsemax,
    CamSoftmax,
)
TABLE: dict[str, type[HeadSpec]] = {**HEADS, **{head.kind: head for head in MARGIN_HEADS}}
NAMES = [head.kind for head in MARGIN_HEADS]

VARIANTS = [
    *NAMES,
    "sphereface:normalise=false",
    "sphereface:margin=1.7,blend_start=0,blend_stop=0",
    "sphereface2:gradient=value_only",
    "fixed_simplex:margin=0.5",
    "cam_softmax:subcenters=3,schedule=ramp,c_stop_deg=45",
    "cam_softmax:gradient=value_only,schedule=ramp",
    "cam_softmax:gradient=slope_only,schedule=ramp",
]

NEUTRAL = [
    "sphereface:margin=1",
    "combined:m1=1,m2=0,m3=0",
    "subcenter_arcface:subcenters=1,margin=0",
    "adaface:margin=0",
    "sphereface2:margin=0,t=1,scale=20",  # up to a constant of all classes
    "sface",
    "angular_sparsemax:margin=0",
    "cam_softmax:subcenters=1",
    "cam_softmax:gradient=full",
    "cam_softmax:gradient=value_only",
    "cam_softmax:gradient=slope_only",
]


def make(text: str, *, classes: int = K, dim: int = D, seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(TABLE, text, what="head").build(classes, dim)


def batch(seed: int = 1, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Embeddings at all angles to their class, of lengths from 0.3 to 30."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.logspace(-0.5, 1.5, B, dtype=torch.float64).unsqueeze(1)
    embeddings = F.normalize(torch.randn(B, D, generator=generator, dtype=torch.float64), dim=1) * lengths
    return embeddings.to(dtype), torch.randint(0, K, (B,), generator=generator)


def moved(head: Any, steps: int = 50) -> Any:
    """The head after ``steps`` % of a training in which it saw other batches and everything fitted."""
    for step in range(1, steps + 1):
        embeddings, labels = batch(100 + step, head.weight.dtype)
        head.training_logits(embeddings, labels)
        head.advance(step / 100, torch.zeros(B))
    return head


# ------------------------------------------------------------------------------------------------- slow loops

Rule = Callable[[Head, list[float], int, float], list[float]]


def norm_of(vector: list[float]) -> float:
    return math.sqrt(sum(x * x for x in vector))


def slow_logits(head: Any, embeddings: Tensor, labels: Tensor, rule: Rule) -> Tensor:
    """Row by row in Python floats: cosines to every row of the weight, then the head's rule."""
    rows = []
    for vector, label in zip(embeddings.tolist(), labels.tolist(), strict=True):
        cosines = []
        for weight in head.weight.tolist():
            inner = sum(x * w for x, w in zip(vector, weight, strict=True))
            cosines.append(inner / norm_of(vector) / norm_of(weight))
        rows.append(rule(head, cosines, label, norm_of(vector)))
    return torch.tensor(rows, dtype=torch.float64)


def psi(theta: float, m: float) -> float:
    """SphereFace's eq. 7: look for the piece n in which theta lies."""
    n = 0
    while theta > (n + 1) * math.pi / m:
        n += 1
    return (-1) ** n * math.cos(m * theta) - 2 * n


def released_blend(iteration: int) -> float:
    """wy1iu/sphereface, train prototxt: base 1000, gamma 0.12, power 1, lambda_min 5; 28,000 iterations."""
    return max(5.0, 1000.0 * (1 + 0.12 * iteration) ** -1)


def sphereface_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    blend = released_blend(round(28_000 * 0.01)) if head.spec.blend_start else 0.0
    theta = math.acos(cosines[y])
    values = list(cosines)
    values[y] = (blend * cosines[y] + psi(theta, head.spec.margin)) / (1 + blend)
    return [(20 if head.spec.normalise else norm) * value for value in values]


def combined_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    spec = head.spec
    angle = spec.m1 * math.acos(cosines[y]) + spec.m2
    values = list(cosines)
    values[y] = psi(angle, 1.0) - spec.m3  # psi of multiplier 1 is the cosine up to pi
    return [20 * value for value in values]


def arcface(x: float, m: float) -> float:
    return math.cos(math.acos(x) + m) if x > math.cos(math.pi - m) else x - m * math.sin(m)


def subcenter_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    values = [max(cosines[3 * j : 3 * j + 3]) for j in range(K)]
    values[y] = arcface(values[y], 0.5)
    return [20 * value for value in values]


def curricular_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    t, bar = float(head.t), math.cos(math.acos(cosines[y]) + 0.5)
    values = [x * (t + x) if x > bar else x for x in cosines]
    values[y] = arcface(cosines[y], 0.5)
    return [20 * value for value in values]


def adaface_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    quality = (min(max(norm, 1e-3), 100.0) - float(head.mean)) / (float(head.std) + 1e-3) * 0.333
    quality = min(max(quality, -1.0), 1.0)
    theta = min(max(math.acos(cosines[y]) - 0.4 * quality, 1e-3), math.pi - 1e-3)
    values = list(cosines)
    values[y] = math.cos(theta) - (0.4 + 0.4 * quality)
    return [20 * value for value in values]


def sphereface2_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    bias = float(head.bias.detach())
    adjusted = [2 * ((x + 1) / 2) ** 3 - 1 for x in cosines]
    return [40 * (g - 0.4 * (1 if j == y else -1)) + bias for j, g in enumerate(adjusted)]


def margin_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    values = list(cosines)
    values[y] = arcface(values[y], head.margin)
    return [20 * value for value in values]


def cam_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    centres = len(cosines) // K
    values = [max(cosines[centres * j : centres * (j + 1)]) for j in range(K)]
    k = 1 / (1 - math.log2(1 + math.cos(float(head.c))))
    values[y] = (1 + values[y]) ** k / 2 ** (k - 1) - 1
    return [20 * value for value in values]


def cosine_rule(head: Any, cosines: list[float], y: int, norm: float) -> list[float]:
    return [20 * x for x in cosines]


RULES: dict[str, Rule] = {
    "sphereface": sphereface_rule,
    "combined": combined_rule,
    "subcenter_arcface": subcenter_rule,
    "curricularface": curricular_rule,
    "adaface": adaface_rule,
    "sphereface2": sphereface2_rule,
    "sface": cosine_rule,
    "fixed_simplex": margin_rule,
    "angular_sparsemax": margin_rule,
    "cam_softmax": cam_rule,
}

SLOW_TEXTS = [
    *RULES,
    "sphereface:normalise=false",
    "sphereface:margin=1.7,blend_start=0,blend_stop=0",
    "combined:m1=0.9,m2=0.4,m3=0.15",
    "combined:m1=2,m2=0.5",
    "fixed_simplex:margin=0.5",
    "cam_softmax:subcenters=3,schedule=ramp,c_stop_deg=45",
]


def agrees_with_the_slow_loop(head: Any, text: str) -> bool:
    """Right after the first hundredth of a training, in which the schedules have moved."""
    head = moved(head.double(), steps=1)
    embeddings, labels = batch()
    expected = slow_logits(head, embeddings, labels, RULES[text.partition(":")[0]])
    return torch.allclose(head.training_logits(embeddings, labels), expected, atol=1e-6)


@pytest.mark.parametrize("text", SLOW_TEXTS)
def test_training_logits_are_the_slow_loop(text: str) -> None:
    assert agrees_with_the_slow_loop(make(text), text)


# ---------------------------------------------------------------------------------- pytorch-metric-learning


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        *[
            (
                f"sphereface:margin={m},blend_start=0,blend_stop=0,normalise=false",
                lambda k, d, m=m: pml.SphereFaceLoss(k, d, margin=m, scale=1),
            )
            for m in (2, 3, 4)
        ],
        (
            "subcenter_arcface:margin=0.5,scale=64",
            lambda k, d: pml.SubCenterArcFaceLoss(
                num_classes=k, embedding_size=d, margin=math.degrees(0.5), scale=64, sub_centers=3
            ),
        ),
        (
            "subcenter_arcface:margin=0.3,scale=20,subcenters=2",
            lambda k, d: pml.SubCenterArcFaceLoss(
                num_classes=k, embedding_size=d, margin=math.degrees(0.3), scale=20, sub_centers=2
            ),
        ),
        ("combined:m1=1,m2=0,m3=0.35", lambda k, d: pml.CosFaceLoss(k, d, margin=0.35, scale=20)),
        ("angular_sparsemax:margin=1.2", lambda k, d: pml.ArcFaceLoss(k, d, margin=math.degrees(1.2), scale=20)),
    ],
)
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # its SphereFace gives tensors to SciPy
@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_equals_pytorch_metric_learning(text: str, reference: Any, seed: int) -> None:
    head = make(text, seed=seed).double()
    other = reference(K, D).double()
    other.W.data = head.weight.data.T.clone()
    embeddings, labels = batch(seed)
    ours = F.cross_entropy(head.training_logits(embeddings, labels), labels)
    assert ours.item() == pytest.approx(other(embeddings, labels).item(), rel=1e-6)


# ----------------------------------------------------------------------------------- closed forms, by method


def test_falling_cosine_falls_smoothly_over_all_angles() -> None:
    angles = torch.linspace(0, 4 * math.pi, 4001, dtype=torch.float64)
    values = falling_cosine(angles)
    assert (values.diff() <= 1e-12).all()
    assert values.diff().min() > -math.pi / 1000 * 1.01  # no jump: the slope is at most 1
    assert values[::1000].tolist() == pytest.approx([1, -1, -3, -5, -7])


def test_angle_is_arccos_and_ends_with_a_finite_slope() -> None:
    xs = torch.linspace(-0.999, 0.999, 999, dtype=torch.float64)
    assert torch.allclose(angle_of(xs), torch.acos(xs))
    ends = torch.tensor([-1.0000001, -1.0, 1.0, 1.0000001], requires_grad=True)
    (slope,) = torch.autograd.grad(angle_of(ends).sum(), ends)
    assert slope.isfinite().all()


@pytest.mark.parametrize("progress", [0.0, 0.001, 0.02, 0.0592, 0.06, 1.0])
def test_blend_is_the_released_schedule_counted_by_progress(progress: float) -> None:
    head = make("sphereface")
    head.advance(progress, torch.zeros(1))
    expected = max(5.0, 1000.0 / (1 + 0.12 * 28_000 * progress))
    assert head.state()["blend"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "parent"),
    [
        ("combined:m1=4,m2=0,m3=0", "sphereface:blend_start=0,blend_stop=0"),
        ("combined:m1=1,m2=0,m3=0.35", "cosface"),
        ("subcenter_arcface:subcenters=1", "arcface"),
        ("angular_sparsemax", "arcface"),
        ("adaface:h=0", "cosface:margin=0.4"),
        ("sface", "normalised_softmax"),
    ],
)
def test_special_setting_is_its_parent(text: str, parent: str) -> None:
    embeddings, labels = batch()
    ours, theirs = moved(make(text).double()), moved(make(parent).double())
    logits, expected = ours.training_logits(embeddings, labels), theirs.training_logits(embeddings, labels)
    assert torch.allclose(logits, expected, atol=1e-6)
    assert torch.allclose(ours.logits(embeddings), theirs.logits(embeddings))


def test_combined_is_arcface_up_to_pi() -> None:
    xs = torch.linspace(math.cos(math.pi - 0.5) + 1e-6, 0.9999, 500, dtype=torch.float64)
    ours = make("combined:m1=1,m2=0.5,m3=0").target_activation(xs)
    assert torch.allclose(ours, make("arcface:margin=0.5").target_activation(xs), atol=1e-7)


@pytest.mark.parametrize("text", NEUTRAL)
def test_neutral_head_is_normalised_softmax(text: str) -> None:
    embeddings, labels = batch()
    expected = make("normalised_softmax").double().training_logits(embeddings, labels).log_softmax(1)
    ours = make(text).double().training_logits(embeddings, labels).log_softmax(1)
    assert torch.allclose(ours, expected, atol=2e-5)


def test_curricularface_is_arcface_where_no_negative_is_hard() -> None:
    head, parent = make("curricularface").double(), make("arcface").double()
    weight = torch.eye(K, D, dtype=torch.float64)
    head.weight.data, parent.weight.data = weight, weight
    labels = torch.arange(K)
    assert torch.equal(head.training_logits(weight, labels), parent.training_logits(weight, labels))


def test_curricularface_t_follows_the_mean_target_cosine() -> None:
    head = make("curricularface").double()
    expected = 0.0
    for step in range(1, 6):
        embeddings, labels = batch(step)
        cosines = slow_logits(head, embeddings, labels, lambda h, x, y, n: [x[y]])
        head.training_logits(embeddings, labels)
        head.training_logits(embeddings, labels)  # asked twice, it counts once
        head.advance(step / 5, torch.zeros(B))
        expected = 0.01 * cosines.mean().item() + 0.99 * expected
        assert head.state()["t"] == pytest.approx(expected, abs=1e-12)
    assert expected != 0


@pytest.mark.parametrize("text", ["curricularface", "adaface"])
def test_evaluation_leaves_running_statistics_alone(text: str) -> None:
    head = moved(make(text).double(), steps=3)
    before = head.state()
    head.eval()
    head.training_logits(*batch())
    head.advance(0.5, torch.zeros(B))
    assert head.state() == before


def test_adaface_statistics_follow_the_norms() -> None:
    head = make("adaface:step=0.5").double()
    embeddings, labels = batch()
    norms = [norm_of(vector) for vector in embeddings.tolist()]
    mean = sum(norms) / B
    std = math.sqrt(sum((norm - mean) ** 2 for norm in norms) / (B - 1))
    head.training_logits(embeddings, labels)
    assert head.state() == {"norm_mean": 20.0, "norm_std": 100.0}
    head.advance(0.1, torch.zeros(B))
    assert head.state() == pytest.approx({"norm_mean": 10 + mean / 2, "norm_std": 50 + std / 2})
    head.training_logits(embeddings[:1], labels[:1])
    head.advance(0.2, torch.zeros(1))
    assert head.state()["norm_std"] == pytest.approx(50 + std / 2)  # one example says nothing of it


@pytest.mark.parametrize(("quality", "at"), [(-1, lambda a: math.cos(a + 0.4)), (0, lambda a: math.cos(a) - 0.4)])
def test_adaface_is_arcface_for_the_worst_norm_and_cosface_for_the_mean(
    quality: float, at: Callable[[float], float]
) -> None:
    angles = torch.linspace(0.1, 2.5, 50, dtype=torch.float64)
    ours = adaface_activation(angles.cos(), torch.full_like(angles, quality), 0.4)
    assert ours.tolist() == pytest.approx([at(angle) for angle in angles.tolist()])


def test_adaface_gradient_does_not_pass_the_norm() -> None:
    """With q held, logits are functions of the direction alone: their gradient is at right angles to the embedding."""
    head = moved(make("adaface").double(), steps=20)
    embeddings, labels = batch()
    embeddings.requires_grad_()
    (gradient,) = torch.autograd.grad(head.training_logits(embeddings, labels).sum(), embeddings)
    assert gradient.norm(dim=1).min() > 1e-3
    assert (gradient * embeddings).sum(1).abs().max() < 1e-9


def test_adaface_gradient_is_the_slope_at_a_given_norm() -> None:
    """The head law's gradcheck, on embeddings that can turn but not grow: q is a constant then."""
    head = moved(make("adaface").double(), steps=20)
    embeddings, labels = batch()
    lengths = embeddings.norm(dim=1, keepdim=True)
    directions = embeddings.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: head.training_logits(lengths.detach() * F.normalize(x, dim=1), labels), directions
    )


@pytest.mark.parametrize("classes", [2, 3, 10, 1000, 10_575])
@pytest.mark.parametrize(("alpha", "scale", "margin"), [(0.7, 40.0, 0.4), (0.8, 64.0, 0.5), (0.5, 1.0, 0.0)])
def test_sphereface2_bias_balances_pull_and_push(classes: int, alpha: float, scale: float, margin: float) -> None:
    """At cosines of 0 the weighted binary cross-entropy, torch's own, has no slope in the bias."""
    bias = torch.tensor(balanced_bias(classes, alpha, scale, margin, 3.0), dtype=torch.float64, requires_grad=True)
    middle = 2 * 0.5**3 - 1
    pull = alpha * F.binary_cross_entropy_with_logits(scale * (middle - margin) + bias, torch.ones_like(bias))
    push = F.binary_cross_entropy_with_logits(scale * (middle + margin) + bias, torch.zeros_like(bias))
    (of_pull,) = torch.autograd.grad(pull, bias, retain_graph=True)
    (of_push,) = torch.autograd.grad((1 - alpha) * (classes - 1) * push, bias)
    assert -of_pull.item() == pytest.approx(of_push.item(), rel=1e-6)
    assert of_push.item() > 0


def test_sphereface2_value_only_has_the_cosine_s_slope() -> None:
    embeddings, labels = batch()
    texts = ("sphereface2", "sphereface2:gradient=value_only", "sface:scale=40")
    full, detached, plain = (make(text).double() for text in texts)
    assert torch.equal(full.training_logits(embeddings, labels), detached.training_logits(embeddings, labels))
    slopes = [_jacobian(head, embeddings, labels) for head in (full, detached, plain)]
    assert torch.allclose(slopes[1], slopes[2])
    assert not torch.allclose(slopes[0], slopes[2])


def _jacobian(head: Any, embeddings: Tensor, labels: Tensor) -> Tensor:
    inputs = embeddings.clone().requires_grad_()
    logits = head.training_logits(inputs, labels)
    columns = [torch.autograd.grad(logits[:, j].sum(), inputs, retain_graph=True)[0] for j in range(K)]
    return torch.stack(columns)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_simplex_corners_are_equally_far_apart(classes: int) -> None:
    corners = simplex(classes)
    expected = torch.full((classes, classes), -1 / (classes - 1), dtype=torch.float64).fill_diagonal_(1)
    assert corners.shape == (classes, classes - 1)
    assert torch.allclose(corners @ corners.T, expected, atol=1e-12)
    assert torch.allclose(corners.sum(0), torch.zeros(classes - 1, dtype=torch.float64), atol=1e-12)


def centres_stand(head: Any) -> bool:
    gram = head.weight.double() @ head.weight.double().T
    simplex_gram = torch.full((K, K), -1 / (K - 1), dtype=torch.float64).fill_diagonal_(1)
    return not list(head.parameters()) and torch.allclose(gram, simplex_gram, atol=1e-5)


@pytest.mark.parametrize("dim", [K - 1, K, 64])
def test_fixed_simplex_centres_are_a_frozen_simplex_turned_at_random(dim: int) -> None:
    head, other = make("fixed_simplex", dim=dim), make("fixed_simplex", dim=dim, seed=1)
    assert centres_stand(head)
    assert not torch.allclose(head.weight, other.weight)
    other.load_state_dict(head.state_dict())
    assert torch.equal(head.weight, other.weight)


@pytest.mark.parametrize(("classes", "dim"), [(10_575, 512), (D + 2, D), (1, D)])
def test_fixed_simplex_refuses_what_has_no_simplex(classes: int, dim: int) -> None:
    with pytest.raises(UsageError, match=rf"needs 2 to embedding_dim \+ 1 = {dim + 1} classes; got {classes}"):
        make("fixed_simplex", classes=classes, dim=dim)


def c_stays_at_chance(head: Any) -> bool:
    """At 0.6 log K the fit is not good enough for a threshold of 0.5, whatever the number of sub-centres."""
    for step in range(1, 101):
        head.advance(step / 100, torch.full((B,), 0.6 * math.log(K)))
    return bool(head.state()["c_deg"] == pytest.approx(90))


def test_cam_softmax_with_subcenters_measures_chance_in_classes() -> None:
    assert c_stays_at_chance(make("cam_softmax:subcenters=3"))


@pytest.mark.parametrize(
    ("gradient", "value", "slope"),
    [
        ("full", lambda x, k: (1 + x) ** k / 2 ** (k - 1) - 1, lambda x, k: k * ((x + 1) / 2) ** (k - 1)),
        ("value_only", lambda x, k: (1 + x) ** k / 2 ** (k - 1) - 1, lambda x, k: 1.0),
        ("slope_only", lambda x, k: x, lambda x, k: k * ((x + 1) / 2) ** (k - 1)),
    ],
)
def test_cam_softmax_takes_value_and_slope_apart(
    gradient: str, value: Callable[[float, float], float], slope: Callable[[float, float], float]
) -> None:
    """The closed forms of f and f' (methods.md 1.4), at c = 45 degrees, where k = 4.377."""
    head = make(f"cam_softmax:gradient={gradient},schedule=ramp,c_stop_deg=45,ramp_share=0.5").double()
    moved(head, steps=50)
    k = -1 / (2 * math.log2(math.cos(math.radians(45) / 2)))
    xs = torch.linspace(-0.99, 0.99, 100, dtype=torch.float64, requires_grad=True)
    activated = head.target_activation(xs)
    (gradients,) = torch.autograd.grad(activated.sum(), xs)
    assert activated.tolist() == pytest.approx([value(x, k) for x in xs.tolist()], rel=1e-6, abs=1e-7)
    assert gradients.tolist() == pytest.approx([slope(x, k) for x in xs.tolist()], rel=1e-6, abs=1e-7)


def test_cam_softmax_value_is_bit_for_bit_that_of_cam_softmax() -> None:
    xs, c = torch.linspace(-1, 1, 1001), torch.tensor(1.0)
    head = make("cam_softmax:gradient=value_only")
    head.c = c
    assert torch.equal(head.target_activation(xs), cam_activation(xs, c))
    assert float(cam_exponent(c)) > 1


# --------------------------------------------------------------------------------------- what all have in common


SIZES = [(text, classes) for text in VARIANTS for classes in (2, 10_575) if classes <= D + 1 or "simplex" not in text]
"""No simplex has 10,575 corners in 6 dimensions: that is refused, see above."""


@pytest.mark.parametrize(("text", "classes"), SIZES)
def test_finite_on_and_opposite_the_class_weight(text: str, classes: int) -> None:
    head = make(text, classes=classes)
    head.advance(0.5, torch.zeros(B))
    centre = head.weight.detach().reshape(classes, -1, D)[:2, 0]
    embeddings = torch.cat([centre, -centre, torch.zeros(1, D)]).requires_grad_()
    logits = head.training_logits(embeddings, torch.tensor([0, 1, 0, 1, 0]))
    F.cross_entropy(logits, torch.tensor([0, 1, 0, 1, 0])).backward()  # type: ignore[no-untyped-call]
    assert logits.isfinite().all()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    for parameter in head.parameters():
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("text", VARIANTS)
def test_a_batch_may_be_split(text: str) -> None:
    head = moved(make(text).double())
    embeddings, labels = batch()
    together = head.training_logits(embeddings, labels)
    alone = torch.cat([head.training_logits(embeddings[i : i + 1], labels[i : i + 1]) for i in range(B)])
    assert torch.allclose(together, alone)


@pytest.mark.parametrize("text", VARIANTS)
def test_class_names_do_not_matter(text: str) -> None:
    head = moved(make(text).double())
    embeddings, labels = batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    before = head.training_logits(embeddings, labels)
    head.weight.data = head.weight.data.reshape(K, -1, D)[order].reshape(-1, D)
    assert torch.allclose(head.training_logits(embeddings, torch.argsort(order)[labels]), before[:, order])


@pytest.mark.parametrize("text", VARIANTS)
def test_saved_and_loaded_it_goes_on_bit_for_bit(text: str) -> None:
    head = moved(make(text))
    fresh = make(text, seed=7)
    fresh.load_state_dict(head.state_dict())
    embeddings, labels = batch(dtype=torch.float32)
    for step in (51, 52, 53):
        ours, theirs = head.training_logits(embeddings, labels), fresh.training_logits(embeddings, labels)
        assert torch.equal(ours, theirs)
        for each, logits in ((head, ours), (fresh, theirs)):
            each.advance(step / 100, F.cross_entropy(logits.detach(), labels, reduction="none"))
    assert head.state() == fresh.state()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sphereface:margin=0.5", "margin must be at least 1; got 0.5"),
        ("sphereface:blend_stop=-1", "blend_stop must be at least 0; got -1"),
        ("combined:m1=0", "m1 must be above 0; got 0"),
        ("combined:m2=4", "m2 must be in"),
        ("subcenter_arcface:subcenters=0", "subcenters must be at least 1; got 0"),
        ("curricularface:margin=-0.1", "margin must be in"),
        ("adaface:h=2", "h must be in"),
        ("sphereface2:alpha=1", "1 - alpha must be above 0; got 0"),
        ("sphereface2:t=0.5", "t must be at least 1; got 0.5"),
        ("sphereface2:gradient=none", "gradient"),
        ("sface:scale=0", "scale must be above 0; got 0"),
        ("fixed_simplex:margin=9", "margin must be in"),
        ("angular_sparsemax:scale=0", "scale must be above 0; got 0"),
        ("cam_softmax:subcenters=0", "subcenters must be at least 1; got 0"),
        ("cam_softmax:schedule=fast", "schedule"),
        ("cam_softmax:gradient=half", "gradient"),
    ],
)
def test_refusals_say_what_must_hold_and_what_came(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(TABLE, text, what="head")


def test_heads_name_the_loss_they_need() -> None:
    needs = {head.kind: head.requires_loss for head in MARGIN_HEADS if head.requires_loss}
    assert needs == {"sphereface2": "one_vs_all", "sface": "sface", "angular_sparsemax": "sparsemax"}


# -------------------------------------------------------------------------------------------------------- twins

JUDGES: dict[str, Callable[[Any], bool]] = {"centres stand": centres_stand, "c stays at chance": c_stays_at_chance}


def accepts(judge: str, head: Any, text: str) -> bool:
    if judge == SLOW_LOOP:
        return agrees_with_the_slow_loop(head, text)
    if judge in JUDGES:
        return JUDGES[judge](head)
    try:
        getattr(laws, judge)(head)
    except (AssertionError, GradcheckError):
        return False
    return True


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.wrong.__name__)
def test_wrong_twin_is_rejected_and_its_parent_is_not(twin: WrongHead) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wrong = twin.make(K, D)
    assert accepts(twin.rejected_by, make(twin.parent), twin.parent)
    assert not accepts(twin.rejected_by, wrong, twin.parent)

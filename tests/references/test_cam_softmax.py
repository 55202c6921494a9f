"""Cam-softmax against its closed forms, and the margins against pytorch-metric-learning."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from pytorch_metric_learning import losses as pml

from noisylabels.catalog import build
from noisylabels.heads import HEADS
from noisylabels.heads.cam_softmax import cam_activation, cam_exponent
from noisylabels.heads.head import CosineHead

XS = torch.linspace(-1, 1, 401, dtype=torch.float64)


def radians(degrees: float) -> torch.Tensor:
    return torch.tensor(math.radians(degrees), dtype=torch.float64)


@pytest.mark.parametrize(("c_deg", "k"), [(90, 1.0), (70, 1.737), (60, 2.409), (50, 3.523), (45, 4.377), (40, 5.572)])
def test_exponent_at_known_angles(c_deg: float, k: float) -> None:
    assert float(cam_exponent(radians(c_deg))) == pytest.approx(k, abs=5e-4)


@pytest.mark.parametrize("c_deg", [45, 60, 75, 90])
def test_exponent_in_half_angles(c_deg: float) -> None:
    """1 + cos c = 2 cos^2(c/2), so k = -1 / (2 log2 cos(c/2))."""
    assert float(cam_exponent(radians(c_deg))) == pytest.approx(-1 / (2 * math.log2(math.cos(math.radians(c_deg) / 2))))


def test_identity_at_90_degrees() -> None:
    assert torch.allclose(cam_activation(XS, radians(90)), XS, atol=1e-14)


@pytest.mark.parametrize("c_deg", [30, 45, 60, 75, 90])
class TestActivation:
    def test_zero_at_c(self, c_deg: float) -> None:
        c = radians(c_deg)
        assert abs(float(cam_activation(torch.cos(c), c))) < 1e-14

    def test_fixes_both_ends(self, c_deg: float) -> None:
        ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
        assert torch.allclose(cam_activation(ends, radians(c_deg)), ends, atol=1e-14)

    def test_slope_at_1_is_k(self, c_deg: float) -> None:
        c, one = radians(c_deg), torch.ones((), dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(cam_activation(one, c), one)
        assert float(slope) == pytest.approx(float(cam_exponent(c)))

    def test_increasing_and_below_the_cosine(self, c_deg: float) -> None:
        values = cam_activation(XS, radians(c_deg))
        assert (values.diff() >= 0).all()
        assert (values <= XS + 1e-14).all()

    def test_matches_the_released_form(self, c_deg: float) -> None:
        """((1 + x)^k / 2^(k - 1)) - 1, in plain Python floats."""
        k = 1 / (1 - math.log2(1 + math.cos(math.radians(c_deg))))
        expected = [(1 + x) ** k / 2 ** (k - 1) - 1 for x in XS.tolist()]
        assert torch.allclose(cam_activation(XS, radians(c_deg)), torch.tensor(expected, dtype=torch.float64))


def test_gradient_at_right_angles_for_c_45() -> None:
    """The figure that makes noise robustness plausible: an example at 90 degrees is pulled with 0.42 of the slope."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(cam_activation(x, radians(45)), x)
    assert float(slope) == pytest.approx(0.421, abs=1e-3)


def test_repo_schedule_takes_7854_steps() -> None:
    head = build(HEADS, "cam_softmax:schedule=repo", what="head").build(10, 4).double()
    assert math.degrees(float(head.c)) == pytest.approx(90)
    for step in range(1, 7855):
        head.advance(step / 10_000, torch.zeros(1))
        if step == 1000:
            assert float(head.c) == pytest.approx(math.pi / 2 - 0.1)
        if step == 7853:
            assert float(head.c) > math.pi / 4 + 1e-9
    assert float(head.c) == pytest.approx(math.pi / 4, abs=1e-9)


def test_ramp_reaches_its_stop_on_time_and_stays() -> None:
    head = build(HEADS, "cam_softmax:schedule=ramp,c_stop_deg=60,ramp_share=0.5", what="head").build(10, 4)
    angles = []
    for step in range(1, 101):
        head.advance(step / 100, torch.full((4,), 99.0))
        angles.append(head.state()["c_deg"])
    assert angles[24] == pytest.approx(75, abs=1e-3)
    assert angles[49] == pytest.approx(60, abs=1e-3)
    assert angles[-1] == pytest.approx(60, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("cosface:margin=0.35,scale=64", lambda k, d: pml.CosFaceLoss(k, d, margin=0.35, scale=64)),
        ("cosface:margin=0.1,scale=20", lambda k, d: pml.CosFaceLoss(k, d, margin=0.1, scale=20)),
        ("arcface:margin=0.5,scale=64", lambda k, d: pml.ArcFaceLoss(k, d, margin=math.degrees(0.5), scale=64)),
        ("arcface:margin=1.2,scale=20", lambda k, d: pml.ArcFaceLoss(k, d, margin=math.degrees(1.2), scale=20)),
        ("normalised_softmax:scale=20", lambda k, d: pml.NormalizedSoftmaxLoss(k, d, temperature=1 / 20)),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_margins_equal_pytorch_metric_learning(text: str, reference: object, seed: int) -> None:
    torch.manual_seed(seed)
    classes, dim = 7, 5
    head = build(HEADS, text, what="head").build(classes, dim).double()
    assert isinstance(head, CosineHead)
    other = reference(classes, dim).double()  # type: ignore[operator]
    other.W.data = head.weight.data.T.clone()
    embeddings = torch.randn(64, dim, dtype=torch.float64)
    labels = torch.randint(0, classes, (64,))
    ours = torch.nn.functional.cross_entropy(head.training_logits(embeddings, labels), labels)
    assert ours.item() == pytest.approx(other(embeddings, labels).item(), rel=1e-6)


PAGE = Path(__file__).parents[2] / "docs" / "cam_softmax.md"
ROW = re.compile(r"^\| (\d+)° \| ([\d.]+) \| (.+) \|$", re.MULTILINE)


def test_the_pages_table_is_the_closed_form() -> None:
    """``f = 2 cos^2k(theta / 2) - 1`` and its slope ``k cos^(2k - 2)(theta / 2)``, in angles, not as it is computed."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [int(c) for c, _, _ in rows] == [90, 75, 60, 45]
    for c, printed, others in rows:
        k = -1 / (2 * math.log2(math.cos(math.radians(int(c)) / 2)))
        slopes = [k * math.cos(math.radians(t) / 2) ** (2 * k - 2) for t in (0, 30, 60, 90, 120)]
        moved = [math.degrees(math.acos(2 * math.cos(math.radians(t) / 2) ** (2 * k) - 1)) - t for t in (30, 60, 90)]
        assert float(printed) == pytest.approx(k, abs=5e-4)
        assert [float(x.rstrip("°")) for x in others.split(" | ")] == [
            *(pytest.approx(slope, abs=5.01e-3) for slope in slopes),
            *(pytest.approx(angle, abs=5.01e-2) for angle in moved),
        ]

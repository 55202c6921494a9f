"""Face backbones against published figures and layouts counted by hand; how sizes are counted and shown."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
import torch
from torch import nn

from noisylabels.catalog import MissingExtraError, UsageError, build
from noisylabels.cli import main
from noisylabels.models import MODELS, model_size, timm_model
from noisylabels.models.fixed_scale_norm import FixedScaleNorm
from noisylabels.models.iresnet import IResNet18, IResNet50
from noisylabels.models.mobilefacenet import MobileFaceNet
from noisylabels.models.resnet18 import ResNet18
from noisylabels.models.size import multiply_adds
from noisylabels.models.sphereface20 import SphereFace20
from noisylabels.training.streams import initialised_by

FACE_MODELS = ["sphereface20", "iresnet18", "iresnet50", "mobilefacenet"]


def weights(model, *kinds):
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, kinds))


# Published figures


@pytest.mark.parametrize(
    ("spec", "millions", "giga"), [(IResNet18(), 24.03, 2.62), (IResNet50(), 43.59, 6.33)], ids=["18", "50"]
)
def test_iresnets_have_insightfaces_size(spec, millions, giga):
    """Weights in millions at 112x112 and 512-d, the 512 frozen scales of the last norm among them; multiply-adds to
    1 %, as published figures do not say what they count beside convolutions."""
    size = model_size(spec, 3, 112)
    assert round((size.parameters + 512) / 1e6, 2) == millions
    assert size.multiply_adds / 1e9 == pytest.approx(giga, rel=0.01)


def test_mobilefacenet_has_the_papers_size():
    """0.99 million parameters and 221 million multiply-adds: as run, each norm folded into one bias a channel."""
    size = model_size(MobileFaceNet(), 3, 112)
    assert round(size.multiply_adds / 1e6) == 221
    with torch.device("meta"):
        model = MobileFaceNet().build(3, 112)
    norms = weights(model, nn.BatchNorm2d, nn.BatchNorm1d)
    assert size.parameters == weights(model, nn.Conv2d, nn.Linear, nn.PReLU) + 2 * norms
    assert round((size.parameters - norms) / 1e6, 2) == 0.99


def test_sphereface20_has_the_layout_written_down():
    """Published for 112 x 96: 20 convolutions, a slope for every channel of each, 512 (7 x 6) x 512 weights at the end.

    Biases only where the stride is: SphereFace trains the residual convolutions' biases with a rate of 0 from 0.
    """
    stages = [(3, 64, 1), (64, 128, 2), (128, 256, 4), (256, 512, 1)]  # in, out, residual units
    trunk = sum(9 * a * b + b + b + units * 2 * (9 * b * b + b) for a, b, units in stages)
    assert sum(1 + 2 * units for _, _, units in stages) == 20
    square = 512 * 7 * 7 * 512
    assert model_size(SphereFace20(norm=False), 3, 112).parameters == trunk + square + 512
    assert model_size(SphereFace20(), 3, 112).parameters == trunk + square + 2 * 512
    assert trunk + 512 * 7 * 6 * 512 + 512 == 22_666_944  # the published net, at 112 x 96


def test_sphereface20_multiplies_as_its_layout_says():
    sides = [56, 28, 14, 7]
    stages = zip([(3, 64, 1), (64, 128, 2), (128, 256, 4), (256, 512, 1)], sides, strict=True)
    convolutions = sum(side**2 * 9 * (a * b + units * 2 * b * b) for (a, b, units), side in stages)
    assert model_size(SphereFace20(), 3, 112).multiply_adds == convolutions + 512 * 49 * 512


# Layouts


def test_sphereface20_as_published_has_no_norm_and_begins_as_caffe_fills_it():
    with initialised_by("init", 0):
        model = SphereFace20(norm=False).build(3, 32)
    assert not [part for part in model.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    residual = [part for part in convolutions if part.stride == (1, 1)]
    assert (len(convolutions), len(residual)) == (20, 16)
    for part in residual:
        assert part.bias is None
        assert part.weight.std().item() == pytest.approx(0.01, rel=0.02)
    for part in [p for p in convolutions if p.stride == (2, 2)] + [model.output]:
        bound = (3 / part.weight[0].numel()) ** 0.5
        assert part.weight.abs().max().item() <= bound
        assert part.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
        assert not part.bias.any()
    slopes = [part for part in model.modules() if isinstance(part, nn.PReLU)]
    assert len(slopes) == 20
    assert all(
        part.num_parameters > 1 and torch.equal(part.weight, torch.full_like(part.weight, 0.25)) for part in slopes
    )


def test_sphereface20_with_a_norm_is_the_published_net_centred():
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with initialised_by("init", 0):
        plain = SphereFace20(norm=False).build(3, 32)
    with initialised_by("init", 0):
        centred = SphereFace20().build(3, 32)
    centred.features.load_state_dict(plain.features.state_dict())
    centred.output.linear.load_state_dict({"weight": plain.output.weight})
    raw = plain(images)
    expected = (raw - raw.mean(0)) / (raw.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(centred(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "units"), [("iresnet18", [2, 2, 2, 2]), ("iresnet50", [3, 4, 14, 3])])
def test_iresnet_units(name, units):
    """49 weighted layers and the last map make 50: stem, two convolutions a unit; and 17 make 18."""
    with torch.device("meta"):
        model = MODELS[name]().build(3, 112)
    branches = [key for key, part in model.named_modules() if isinstance(part, nn.Conv2d) and "shortcut" not in key]
    assert len(branches) + 1 == int(name[-2:]) == 2 * sum(units) + 2
    stride = [part.stride[0] for key, part in model.named_modules() if isinstance(part, nn.Conv2d) and key in branches]
    assert [i for i, s in enumerate(stride) if s == 2] == [2 * sum(units[:stage]) + 2 for stage in range(4)]


def test_an_iresnet_unit_has_no_activation_after_its_sum():
    """Negative outputs survive; a ResNet's block ends in a ReLU."""
    from noisylabels.models.iresnet import ImprovedBlock

    images = torch.randn(4, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    block = ImprovedBlock(8, 8, 1)
    nn.init.zeros_(block.branch[-1].weight)
    torch.testing.assert_close(block(images), images)


def test_the_last_norm_of_an_iresnet_shifts_and_does_not_scale():
    norm = FixedScaleNorm(5)
    x = 3 + 7 * torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    assert [p.shape for p in norm.parameters()] == [(5,)]
    reference = nn.BatchNorm1d(5)
    torch.testing.assert_close(norm(x), reference(x))
    torch.testing.assert_close(norm.eval()(x), reference.eval()(x))


def test_mobilefacenets_bottlenecks_add_where_shapes_allow():
    """Table 1: 5 + 1 + 6 + 1 + 2 bottlenecks; all but the three of stride 2 keep their shape."""
    from noisylabels.models.mobilefacenet import Bottleneck

    with torch.device("meta"):
        model = MobileFaceNet().build(3, 112)
    blocks = [part for part in model.modules() if isinstance(part, Bottleneck)]
    assert [block.adds for block in blocks] == [False, *4 * [True], False, *6 * [True], False, True, True]
    depthwise = [part for part in model.modules() if isinstance(part, nn.Conv2d) and part.groups > 1]
    assert [part.kernel_size for part in depthwise] == 16 * [(3, 3)] + [(7, 7)]


@pytest.mark.parametrize("name", FACE_MODELS)
@pytest.mark.parametrize("side", [16, 17, 32, 50, 96, 112])
def test_any_square_image_has_an_embedding(name, side):
    spec = MODELS[name]()
    with torch.device("meta"):
        embeddings = spec.build(3, side)(torch.empty(2, 3, side, side))
    assert embeddings.shape == (2, spec.embedding_dim)


@pytest.mark.parametrize("name", FACE_MODELS)
def test_the_embedding_size_is_a_parameter(name):
    spec = build(MODELS, f"{name}:embedding_dim=7", what="model")
    assert model_size(spec, 1, 16).embedding_dim == 7
    with torch.device("meta"):
        assert spec.build(1, 16)(torch.empty(2, 1, 16, 16)).shape == (2, 7)
    with pytest.raises(ValueError, match="embedding_dim must be at least 1; got 0"):
        build(MODELS, f"{name}:embedding_dim=0", what="model")


@pytest.mark.parametrize("name", FACE_MODELS)
def test_the_same_stream_makes_the_same_weights(name):
    def made(seed):
        with initialised_by("init", seed):
            return MODELS[name]().build(3, 16).state_dict()

    one, again, other = made(0), made(0), made(1)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


# Counting


def test_multiply_adds_of_a_tiny_net_by_hand():
    """On 6 x 6:  3 -> 4, 3x3, padded: 36 positions x 27 x 4 = 3,888
    4 -> 4, 3x3, stride 2, one group a channel: 9 positions x 9 x 4 = 324
    4 -> 5, 1x1: 9 x 4 x 5 = 180;  linear 45 -> 7: 315;  together 4,707.
    """
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.PReLU(4), nn.Conv2d(4, 4, 3, 2, 1, groups=4),
        nn.Conv2d(4, 5, 1), nn.Flatten(), nn.Linear(45, 7),
    )  # fmt: skip
    assert multiply_adds(net, torch.zeros(1, 3, 6, 6)) == 4707
    assert multiply_adds(net, torch.zeros(1, 3, 6, 6)) == 4707, "hooks of the first count were left behind"
    assert multiply_adds(net, torch.zeros(3, 3, 6, 6)) == 3 * 4707


def test_a_layer_used_twice_counts_twice():
    layer = nn.Linear(4, 4)
    assert multiply_adds(nn.Sequential(layer, nn.ReLU(), layer), torch.zeros(1, 4)) == 32
    assert multiply_adds(nn.Linear(4, 3), torch.zeros(1, 5, 4)) == 60


def test_resnet18_counts_what_is_known_of_it():
    """The CIFAR stem's ResNet-18 is known to take 0.56 thousand million multiply-adds on 32 x 32."""
    assert model_size(ResNet18(), 3, 32).multiply_adds / 1e9 == pytest.approx(0.56, abs=0.005)


def test_counting_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    model_size(MobileFaceNet(), 3, 32)
    assert torch.equal(torch.random.get_rng_state(), before)


# What is listed


def listed(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["noisylabels", "list", "models", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_list_models_counts(monkeypatch, capsys):
    few = {name: MODELS[name] for name in ("small_cnn", "sphereface20", "timm")}
    monkeypatch.setattr("noisylabels.models.MODELS", few)
    monkeypatch.setattr(timm_model, "installed", lambda: False)
    rows = {row["name"]: row for row in json.loads(listed(monkeypatch, capsys, "--sizes", "--json"))}
    assert rows.keys() == few.keys()
    for name, row in rows.items():
        assert row["embedding_dim"] == MODELS[name]().embedding_dim
        expected = [] if name == "timm" else [[3, 32, 32], [3, 112, 112]]
        assert [size["input"] for size in row["sizes"]] == expected
        for size in row["sizes"]:
            counted = dataclasses.asdict(model_size(MODELS[name](), 3, size["input"][1]))
            assert {**counted, "input": size["input"]} == {**size, "embedding_dim": row["embedding_dim"]}
    assert "pip install 'noisylabels[models]'" in rows["timm"]["needs"]
    text = listed(monkeypatch, capsys, "--sizes")
    assert (
        "512-d; at 3x32x32 12.71 M parameters, 166.6 M multiply-adds; at 3x112x112 24.50 M parameters, 2,041.4 M"
        in text
    )
    assert "512-d; timm's models need timm, which is not installed" in text


# timm

needs_timm = pytest.mark.skipif(not timm_model.installed(), reason="timm is not installed: noisylabels[models]")


def test_without_timm_a_record_can_be_read_and_a_model_not_built(monkeypatch):
    monkeypatch.setattr(timm_model, "installed", lambda: False)
    spec = build(MODELS, "timm:name=resnet18", what="model")
    with pytest.raises(MissingExtraError, match=r"pip install 'noisylabels\[models\]'") as missing:
        spec.build(3, 32)
    assert missing.value.exit_code == 3


@needs_timm
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_timms_models_embed_images_of_any_size(name):
    spec = build(MODELS, f"timm:name={name},embedding_dim=16", what="model")
    model = spec.build(1, 32)
    embeddings = model(torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert embeddings.shape == (4, 16)
    assert embeddings.mean(0).abs().max() < 1e-4


@needs_timm
def test_timms_resnet18_has_its_known_size():
    """11.69 million weights with a classifier of 1,000 classes, 11.18 million without."""
    size = model_size(build(MODELS, "timm:name=resnet18,embedding_dim=8", what="model"), 3, 224)
    assert round((size.parameters - 512 * 8 - 16) / 1e6, 2) == 11.18
    assert size.multiply_adds / 1e9 == pytest.approx(1.82, abs=0.01)


@needs_timm
@pytest.mark.parametrize("name", ["resnet_18", "hf-hub:timm/resnet18", "local-dir:resnet18", "resnet18.a1_in1k"])
def test_only_timms_own_names_pass(name):
    with pytest.raises(UsageError, match=r"unknown timm model .* did you mean"):
        build(MODELS, f'timm:name="{name}"', what="model")


@needs_timm
def test_a_model_that_cannot_take_such_images_says_so():
    with pytest.raises(UsageError, match=r"timm's inception_v4 must take images of \(3, 32, 32\); it says: "):
        build(MODELS, "timm:name=inception_v4", what="model").build(3, 32)

"""Laws of every model."""

from __future__ import annotations

import pytest
import torch

from noisylabels.catalog import build
from noisylabels.models import MODELS, timm_model
from noisylabels.training.streams import initialised_by

SMALL = {"small_cnn": "small_cnn:width=4", "resnet8": "resnet8:width=4", "resnet20": "resnet20:width=4"}


def make(name: str, channels: int, side: int) -> torch.nn.Module:
    if name == "timm" and not timm_model.installed():
        pytest.skip("timm is not installed: pip install 'noisylabels[models]'")
    with initialised_by("init", 0):
        return build(MODELS, SMALL.get(name, name), what="model").build(channels, side)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32)])
def test_images_become_embeddings_that_learn(name: str, channels: int, side: int) -> None:
    model = make(name, channels, side)
    images = torch.randn(4, channels, side, side, generator=torch.Generator().manual_seed(0))
    embeddings = model(images)
    assert embeddings.shape == (4, MODELS[name]().embedding_dim)
    embeddings.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_an_embedding_does_not_depend_on_its_neighbours(name: str) -> None:
    model = make(name, 3, 32).eval()
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together, alone = model(images)[:2], model(images[:2])
    # Nets whose norms have seen no batch yet may have huge embeddings: IResNet-50 begins at 1e23.
    assert torch.allclose(together, alone, atol=1e-5 * max(1.0, float(alone.abs().max())))


@pytest.mark.parametrize("name", MODELS)
def test_embeddings_are_centred_in_training(name: str) -> None:
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert make(name, 3, 32)(images).mean(0).abs().max() < 1e-4


@pytest.mark.parametrize(("name", "depth"), [("resnet8", 8), ("resnet20", 20)])
def test_resnet_has_the_depth_of_its_name(name: str, depth: int) -> None:
    """Weighted layers on the main path: stem, two a block, and the output map."""
    weighted = (torch.nn.Conv2d, torch.nn.Linear)
    layers = [key for key, part in make(name, 3, 32).named_modules() if isinstance(part, weighted)]
    assert len([key for key in layers if "shortcut" not in key]) == depth


def test_width_is_refused_below_one() -> None:
    with pytest.raises(ValueError, match="width must be at least 1; got 0"):
        build(MODELS, "small_cnn:width=0", what="model")

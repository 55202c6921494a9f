"""How large a model is, and what one image costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from noisylabels.models.embedder import ModelSpec


@dataclass(frozen=True)
class ModelSize:
    """A model for images of one shape.

    Attributes:
        embedding_dim: D.
        parameters: trained numbers of the embedder; a head's class weights come on top.
        multiply_adds: of one image, in convolutions and linear maps; norms, activations, sums and the products inside
            attention are not counted.
    """

    embedding_dim: int
    parameters: int
    multiply_adds: int


def model_size(spec: ModelSpec, channels: int, image_size: int) -> ModelSize:
    """Count a model's parameters and multiply-adds, without making a single weight.

        convolution: C_out H_out W_out C_in / groups  K_h K_w,      linear: F_in F_out (for each row)

    The model is built and run on torch's meta device, which has shapes and no numbers: as quick for a large net as for
    a small one. A bias counts as a parameter and not as a multiply-add. FLOPs, as some papers count them, are twice
    the multiply-adds; as others do, the same.

    Args:
        spec: the model.
        channels, image_size: of images ``(C, H, W)``, H = W.

    Raises:
        Exception: whatever the model raises where it cannot be built for such images.
    """
    with torch.device("meta"):
        model = spec.build(channels, image_size).eval()
        images = torch.empty(1, channels, image_size, image_size)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return ModelSize(spec.embedding_dim, parameters, multiply_adds(model, images))


def multiply_adds(model: nn.Module, images: Tensor) -> int:
    """Multiply-adds of a forward pass through the model's convolutions and linear maps, found by hooks on them."""
    counted: list[int] = []

    def count(part: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        weight = part.weight
        assert isinstance(weight, Tensor)
        counted.append(output.numel() * weight[0].numel())

    parts = [part for part in model.modules() if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)]
    hooks: list[Callable[[], None]] = [part.register_forward_hook(count).remove for part in parts]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for remove in hooks:
            remove()
    return sum(counted)

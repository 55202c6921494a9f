"""SphereFace-20: residual units without batch norm, and a fully connected layer that keeps positions apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec

STAGES = ((64, 1), (128, 2), (256, 4), (512, 1))
"""Channels, and residual units, of the four stages: 4 + 2 (1 + 2 + 4 + 1) = 20 convolutions."""


class PlainResidual(nn.Module):
    """x + PReLU(conv(PReLU(conv(x)))), 3x3, nothing normalised and no bias."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
            nn.init.normal_(convolution.weight, std=0.01)
            layers += [convolution, nn.PReLU(planes)]
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class SphereFace20Net(nn.Module):
    """Four stages, each a 3x3 convolution of stride 2 and its residual units; then one map of all positions."""

    def __init__(self, channels: int, image_size: int, embedding_dim: int, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous, side = channels, image_size
        for planes, units in STAGES:
            convolution = nn.Conv2d(previous, planes, 3, 2, 1)
            xavier_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.PReLU(planes), *(PlainResidual(planes) for _ in range(units))]
            previous, side = planes, (side + 1) // 2
        self.features = nn.Sequential(*layers)
        self.output = _output(previous * side * side, embedding_dim, norm)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.output(self.features(images).flatten(1))
        return out


def xavier_(weight: Tensor) -> None:
    """Caffe's "xavier": uniform in +-sqrt(3 / fan-in)."""
    bound = (3 / weight[0].numel()) ** 0.5
    with torch.no_grad():
        weight.uniform_(-bound, bound)


def _output(features: int, embedding_dim: int, norm: bool) -> nn.Module:
    if norm:
        output = EmbeddingOutput(features, embedding_dim)
        xavier_(output.linear.weight)
        return output
    linear = nn.Linear(features, embedding_dim)
    xavier_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


@dataclass(frozen=True)
class SphereFace20(ModelSpec):
    """SphereFace-20, the backbone of the code of SphereFace and of cam-softmax: 20 convolutions, PReLU, no batch norm.

    Published for 112x96 crops and ending in a plain fully connected layer. Here images are square, and a batch norm
    over the embedding takes the place of that layer's bias, because every embedder of this toolkit ends in one
    (embeddings are then centred, and angles mean something from the first step). ``norm=false`` is the published
    ending: without it the trunk is the paper's, filling and frozen biases of the residual convolutions included.

    Args:
        embedding_dim: D (512 in SphereFace, 256 in cam-softmax's code).
        norm: whether a batch norm ends the network.

    Reference: Liu et al., SphereFace, CVPR 2017, table 2 (the 20-layer net);
    ``wy1iu/sphereface``, ``train/code/sphereface_model.prototxt``. Tag: exact with ``norm=false``, but for the shape
    of images.
    """

    kind: ClassVar[str] = "sphereface20"
    embedding_dim: int = 512
    norm: bool = True

    def __post_init__(self) -> None:
        check_at_least(1, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return SphereFace20Net(channels, image_size, self.embedding_dim, self.norm)

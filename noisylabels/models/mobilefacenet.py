"""MobileFaceNet: inverted residuals, and a depthwise convolution over all positions where others take their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec

BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, repeats and the first repeat's stride: rows 3 to 7 of the paper's table 1."""


def convolution(planes_in: int, planes: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm; padded so that stride 1 keeps the shape."""
    return [
        nn.Conv2d(planes_in, planes, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(planes),
    ]


class Bottleneck(nn.Module):
    """1x1 up, 3x3 depthwise, 1x1 down without activation; plus its input where the shape allows."""

    def __init__(self, planes_in: int, planes: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * planes_in
        self.branch = nn.Sequential(
            *convolution(planes_in, inner, 1),
            nn.PReLU(inner),
            *convolution(inner, inner, 3, stride, groups=inner),
            nn.PReLU(inner),
            *convolution(inner, planes, 1),
        )
        self.adds = stride == 1 and planes_in == planes

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.adds else out


class MobileFaceNetNet(nn.Module):
    """Stem, five groups of bottlenecks, 1x1 to 512 channels, the global depthwise convolution, and the embedding."""

    def __init__(self, channels: int, image_size: int, embedding_dim: int) -> None:
        super().__init__()
        layers = [*convolution(channels, 64, 3, 2), nn.PReLU(64), *convolution(64, 64, 3, groups=64), nn.PReLU(64)]
        previous, side = 64, (image_size + 1) // 2
        for expansion, planes, repeats, stride in BOTTLENECKS:
            for repeat in range(repeats):
                layers.append(Bottleneck(previous, planes, expansion, 1 if repeat else stride))
                previous = planes
            side = (side + stride - 1) // stride
        layers += [*convolution(previous, 512, 1), nn.PReLU(512)]
        self.features = nn.Sequential(*layers)
        self.positions = nn.Sequential(nn.Conv2d(512, 512, side, groups=512, bias=False), nn.BatchNorm2d(512))
        self.output = EmbeddingOutput(512, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.output(self.positions(self.features(images)).flatten(1))
        return out


@dataclass(frozen=True)
class MobileFaceNet(ModelSpec):
    """MobileFaceNet, 1.00 million weights (0.99 with its norms folded) and 221 million multiply-adds at 112x112.

    The global depthwise convolution is as large as the last feature map, 7x7 at 112x112 and 2x2 at 32x32.

    Args:
        embedding_dim: D.

    Reference: Chen et al., MobileFaceNets, CCBR 2018 (arXiv 1804.07573), table 1. Tag: exact.
    """

    kind: ClassVar[str] = "mobilefacenet"
    embedding_dim: int = 128

    def __post_init__(self) -> None:
        check_at_least(1, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return MobileFaceNetNet(channels, image_size, self.embedding_dim)

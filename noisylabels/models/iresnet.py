"""The "improved" residual nets of ArcFace: a norm before every unit's convolutions, and no activation after its sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import ModelSpec
from noisylabels.models.fixed_scale_norm import FixedScaleNorm

PLANES = (64, 128, 256, 512)


class ImprovedBlock(nn.Module):
    """norm, 3x3, norm, PReLU, 3x3 (with the stride), norm; plus the shortcut, and nothing after the sum."""

    def __init__(self, planes_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(planes_in),
            nn.Conv2d(planes_in, planes, 3, 1, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.PReLU(planes),
            nn.Conv2d(planes, planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(planes),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(planes_in, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out


class IResNet(nn.Module):
    """A stem at full resolution, four stages that each begin with stride 2, and one map of all positions."""

    def __init__(self, channels: int, image_size: int, blocks: tuple[int, ...], embedding_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)]
        previous, side = 64, image_size
        for planes, count in zip(PLANES, blocks, strict=True):
            for block in range(count):
                layers.append(ImprovedBlock(previous, planes, 1 if block else 2))
                previous = planes
            side = (side + 1) // 2
        layers.append(nn.BatchNorm2d(previous))
        self.features = nn.Sequential(*layers)
        self.linear = nn.Linear(previous * side * side, embedding_dim)
        self.norm = FixedScaleNorm(embedding_dim)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.1)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.norm(self.linear(self.features(images).flatten(1)))
        return out


@dataclass(frozen=True)
class _IResNetSpec(ModelSpec):
    blocks: ClassVar[tuple[int, ...]]
    embedding_dim: int = 512

    def __post_init__(self) -> None:
        check_at_least(1, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return IResNet(channels, image_size, self.blocks, self.embedding_dim)


@dataclass(frozen=True)
class IResNet18(_IResNetSpec):
    """insightface's IResNet-18, 24.0 million weights at 112x112: a small ArcFace backbone.

    The dropout before the last layer is left out, as insightface trains with its rate at 0. The last batch norm has
    no scale of its own, as there.

    Args:
        embedding_dim: D.

    Reference: Deng et al., ArcFace, CVPR 2019, section 3.1 (the unit is Han et al., Deep pyramidal residual networks,
    CVPR 2017); ``deepinsight/insightface``, ``recognition/arcface_torch/backbones/iresnet.py``. Tag: exact.
    """

    kind: ClassVar[str] = "iresnet18"
    blocks: ClassVar[tuple[int, ...]] = (2, 2, 2, 2)


@dataclass(frozen=True)
class IResNet50(_IResNetSpec):
    """insightface's IResNet-50, 43.6 million weights at 112x112: ArcFace's usual backbone.

    As ``iresnet18``, with 3, 4, 14 and 3 units.

    Args:
        embedding_dim: D.

    Reference: as ``iresnet18``. Tag: exact.
    """

    kind: ClassVar[str] = "iresnet50"
    blocks: ClassVar[tuple[int, ...]] = (3, 4, 14, 3)

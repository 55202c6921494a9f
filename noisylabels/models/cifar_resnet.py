"""The CIFAR ResNets of He et al.: three stages of basic blocks on full-resolution images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (a 1x1 convolution where the shape changes: option B)."""

    def __init__(self, planes_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(planes_in, planes, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or planes_in != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(planes_in, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """Stem, three stages of ``blocks`` basic blocks at width, 2 width, 4 width, then the mean over positions."""

    def __init__(self, channels: int, blocks: int, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        stages: list[nn.Module] = []
        previous = width
        for stage, planes in enumerate((width, 2 * width, 4 * width)):
            for block in range(blocks):
                stages.append(BasicBlock(previous, planes, 2 if stage and not block else 1))
                previous = planes
        self.stages = nn.Sequential(*stages)
        self.output = EmbeddingOutput(previous, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.output(self.stages(self.stem(images)).mean(dim=(2, 3)))
        return out


@dataclass(frozen=True)
class ResNet8(ModelSpec):
    """CIFAR ResNet of depth 8 (one block a stage).

    Args:
        width: channels of the first stage (16 in the paper).
        embedding_dim: D.

    Reference: He et al., Deep residual learning, CVPR 2016, section 4.2 (depth 6n + 2).
    """

    kind: ClassVar[str] = "resnet8"
    width: int = 16
    embedding_dim: int = 64

    def __post_init__(self) -> None:
        check_at_least(1, width=self.width, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return CifarResNet(channels, 1, self.width, self.embedding_dim)


@dataclass(frozen=True)
class ResNet20(ModelSpec):
    """CIFAR ResNet of depth 20 (three blocks a stage).

    Args:
        width: channels of the first stage (16 in the paper).
        embedding_dim: D.

    Reference: He et al., Deep residual learning, CVPR 2016, section 4.2 (depth 6n + 2).
    """

    kind: ClassVar[str] = "resnet20"
    width: int = 16
    embedding_dim: int = 64

    def __post_init__(self) -> None:
        check_at_least(1, width=self.width, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return CifarResNet(channels, 3, self.width, self.embedding_dim)

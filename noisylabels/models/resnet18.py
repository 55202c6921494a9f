"""torchvision's ResNet-18 with a stem for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec
from noisylabels.torchvision_shim import import_torchvision


class ResNet18Net(nn.Module):
    """ResNet-18 whose stem is one 3x3 convolution of stride 1 without pooling, and whose last layer embeds."""

    def __init__(self, channels: int, embedding_dim: int) -> None:
        super().__init__()
        self.backbone: nn.Module = import_torchvision().models.resnet18(weights=None)
        self.backbone.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        self.backbone.maxpool = nn.Identity()
        self.backbone.fc = EmbeddingOutput(512, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.backbone(images)
        return out


@dataclass(frozen=True)
class ResNet18(ModelSpec):
    """torchvision's ResNet-18 with a CIFAR stem (3x3, stride 1, no max pooling), 11 million weights.

    Args:
        embedding_dim: D.

    Reference: He et al., Deep residual learning, CVPR 2016; the stem is the label-noise literature's custom.
    """

    kind: ClassVar[str] = "resnet18"
    embedding_dim: int = 64

    def __post_init__(self) -> None:
        check_at_least(1, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return ResNet18Net(channels, self.embedding_dim)

"""A small convolutional net that trains in a minute on one processor core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec


class SmallCnnNet(nn.Module):
    """Stem and three stages of convolution, (pooling,) batch norm, ReLU; then a maximum over positions."""

    def __init__(self, channels: int, image_size: int, width: int, embedding_dim: int) -> None:
        super().__init__()
        # Most of a small net's time goes into the first, largest maps: a stride in the stem halves them at once.
        stride = 2 if image_size >= 24 else 1
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        side = -(-image_size // stride)
        previous = width
        for planes in (2 * width, 4 * width, 4 * width):
            layers.append(nn.Conv2d(previous, planes, 3, 1, 1, bias=False))
            if side >= 4:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            layers += [nn.BatchNorm2d(planes), nn.ReLU(inplace=True)]
            previous = planes
        self.features = nn.Sequential(*layers)
        self.output = EmbeddingOutput(previous, embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.output(self.features(images).amax(dim=(2, 3)))
        return out


@dataclass(frozen=True)
class SmallCnn(ModelSpec):
    """Four 3x3 convolutions, (width, 2, 4, 4 x width) channels, about 0.14 million weights at width 24; our own.

    Args:
        width: channels of the first convolution.
        embedding_dim: D.
    """

    kind: ClassVar[str] = "small_cnn"
    width: int = 24
    embedding_dim: int = 64

    def __post_init__(self) -> None:
        check_at_least(1, width=self.width, embedding_dim=self.embedding_dim)

    def build(self, channels: int, image_size: int) -> nn.Module:
        return SmallCnnNet(channels, image_size, self.width, self.embedding_dim)

"""Models: images ``(B, C, H, W)`` to embeddings ``(B, D)``."""

from noisylabels.models.cifar_resnet import ResNet8, ResNet20
from noisylabels.models.embedder import ModelSpec
from noisylabels.models.resnet18 import ResNet18
from noisylabels.models.small_cnn import SmallCnn

MODELS: dict[str, type[ModelSpec]] = {
    "small_cnn": SmallCnn,
    "resnet8": ResNet8,
    "resnet20": ResNet20,
    "resnet18": ResNet18,
}

__all__ = ["MODELS", "ModelSpec"]

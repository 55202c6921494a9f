"""Models: images ``(B, C, H, W)`` to embeddings ``(B, D)``."""

from noisylabels.models.cifar_resnet import ResNet8, ResNet20
from noisylabels.models.embedder import ModelSpec
from noisylabels.models.iresnet import IResNet18, IResNet50
from noisylabels.models.mobilefacenet import MobileFaceNet
from noisylabels.models.resnet18 import ResNet18
from noisylabels.models.size import ModelSize, model_size
from noisylabels.models.small_cnn import SmallCnn
from noisylabels.models.sphereface20 import SphereFace20
from noisylabels.models.timm_model import Timm

MODELS: dict[str, type[ModelSpec]] = {
    "small_cnn": SmallCnn,
    "resnet8": ResNet8,
    "resnet20": ResNet20,
    "resnet18": ResNet18,
    "sphereface20": SphereFace20,
    "iresnet18": IResNet18,
    "iresnet50": IResNet50,
    "mobilefacenet": MobileFaceNet,
    "timm": Timm,
}

__all__ = ["MODELS", "ModelSize", "ModelSpec", "model_size"]

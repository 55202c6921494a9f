"""Any model of timm by its name, with random weights and this toolkit's embedding layer at its end."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.catalog import MissingExtraError, UsageError
from noisylabels.models.embedder import EmbeddingOutput, ModelSpec
from noisylabels.torchvision_shim import import_torchvision

PACKAGE = "timm"


def installed() -> bool:
    """Whether timm can be imported; asking does not import it."""
    return importlib.util.find_spec(PACKAGE) is not None


def library() -> Any:
    """The timm module, imported now and not before.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not installed():
        raise MissingExtraError("timm's models need timm, which is not installed: pip install 'noisylabels[models]'")
    import_torchvision()  # timm imports it, and it may need help beside a CPU build of torch
    return importlib.import_module(PACKAGE)


def check_name(name: str) -> None:
    """Hold a name to timm's own architectures.

    Nothing else may pass: timm takes names with a prefix (``hf-hub:``, ``local-dir:``) for what to fetch and read.

    Raises:
        UsageError: timm has no such architecture, with the nearest name.
        MissingExtraError: timm is not installed.
    """
    known = library().list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown timm model {name!r};{hint} timm.list_models() names all {len(known)}")


class TimmNet(nn.Module):
    """timm's model without its classifier, then a linear map and a batch norm."""

    def __init__(self, name: str, channels: int, image_size: int, embedding_dim: int) -> None:
        super().__init__()
        timm = library()
        settings: dict[str, Any] = {"in_chans": channels, "num_classes": 0}
        published = timm.get_pretrained_cfg(name)
        if published is not None and published.fixed_input_size:
            settings["img_size"] = image_size
        shape = (1, channels, image_size, image_size)
        try:
            self.backbone: nn.Module = timm.create_model(name, pretrained=False, **settings)
            self.backbone.eval()
            with torch.no_grad():
                features = self.backbone(torch.zeros(shape))
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"timm's {name} must take images of {shape[1:]}; it says: {reason:.200}") from error
        if features.ndim != 2:
            raise UsageError(f"a model must give one vector an image; timm's {name} gives {tuple(features.shape[1:])}")
        self.backbone.train()
        self.output = EmbeddingOutput(features.shape[1], embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.output(self.backbone(images))
        return out


@dataclass(frozen=True)
class Timm(ModelSpec):
    """Any model of timm (pytorch-image-models) by its name, as in ``timm:name=convnext_atto``, with random weights.

    Its classifier is left out, and a linear map with a batch norm makes the embedding. Models of a fixed input size
    (vision transformers) are made for the images at hand. Weights are never fetched.

    Args:
        name: an architecture, as ``timm.list_models()`` spells it.
        embedding_dim: D.

    Raises:
        UsageError: unknown architecture; from ``build``, one that does not take such images.
        MissingExtraError: timm is not installed; raised by ``build``, so that records of such runs can be read
            without it.

    Reference: R. Wightman, PyTorch Image Models; each model as the library states it. Tag: exact.
    """

    kind: ClassVar[str] = "timm"
    name: str = "resnet18"
    embedding_dim: int = 512

    def __post_init__(self) -> None:
        check_at_least(1, embedding_dim=self.embedding_dim)
        if installed():
            check_name(self.name)

    def build(self, channels: int, image_size: int) -> nn.Module:
        check_name(self.name)
        return TimmNet(self.name, channels, image_size, self.embedding_dim)

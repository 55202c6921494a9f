"""The losses of pytorch-metric-learning by name: any as a regulariser, those with a margin softmax as a head."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from noisylabels.bounds import check_at_least
from noisylabels.catalog import MissingExtraError, UsageError, unknown
from noisylabels.heads.head import Head, HeadSpec
from noisylabels.heads.regulariser import Penalty, RegulariserSpec

PACKAGE = "pytorch_metric_learning"

NOT_LOSSES = {"BaseMetricLossFunction", "GenericPairLoss"}
"""Bases, which compute nothing."""

NEED_MORE = {
    "VICRegLoss": "two views of every image",
    "ManifoldLoss": "examples without labels",
    "SmoothAPLoss": "batches with equally many examples of each class",
}
"""Losses that a batch's embeddings and labels, as they come, are not enough for."""

POLE = 1e-6
"""How near to 1 and -1 a head lets the library's arccos come; its slope is infinite there."""

OBJECTS = {
    "mat_based_loss",
    "distance",
    "reducer",
    "collect_stats",
    "embedding_regularizer",
    "embedding_reg_weight",
    "weight_regularizer",
    "weight_reg_weight",
    "weight_init_func",
}
"""Parameters that are Python objects, or belong to one; a text cannot give them."""

SIZES = ("num_classes", "embedding_size", "descriptors_dim")
"""Parameters that the toolkit fills in where a loss requires them."""


def installed() -> bool:
    """Whether pytorch-metric-learning can be imported; asking does not import it."""
    return importlib.util.find_spec(PACKAGE) is not None


def library() -> ModuleType:
    """``pytorch_metric_learning.losses``, imported now and not before.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if not installed():
        raise MissingExtraError(
            "pml takes its losses from pytorch-metric-learning, which is not installed:"
            " pip install 'noisylabels[losses]'"
        )
    return importlib.import_module(f"{PACKAGE}.losses")


def known_losses() -> dict[str, type[nn.Module]]:
    """Name to class of every loss that works on any batch's embeddings and labels; nothing else can be named.

    Raises:
        MissingExtraError: the package is not installed.
    """
    module = library()
    refused = NOT_LOSSES | set(NEED_MORE)
    base: type[nn.Module] = module.BaseMetricLossFunction
    return {
        name: thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, base) and name not in refused
    }


def parameters_taken(loss: type[nn.Module]) -> dict[str, bool]:
    """Name of every constructor parameter, also of those passed on to a base; whether it must be given."""
    taken: dict[str, bool] = {}
    for base in loss.__mro__:
        if "__init__" not in vars(base) or not base.__module__.startswith(PACKAGE):
            continue
        for name, parameter in list(inspect.signature(base).parameters.items()):
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                taken.setdefault(name, parameter.default is parameter.empty)
    return taken


def construct(loss: str, parameters: Mapping[str, Any], num_classes: int, embedding_dim: int) -> nn.Module:
    """The loss as the library makes it, with the sizes it requires filled in.

    Raises:
        MissingExtraError: the package is not installed.
        UsageError: no such loss, or parameters it does not take.
    """
    if loss in NEED_MORE:
        raise UsageError(f"loss must work on any batch's embeddings and labels; {loss} needs {NEED_MORE[loss]}")
    losses = known_losses()
    if loss not in losses:
        raise UsageError(unknown("loss of pytorch-metric-learning", loss, losses))
    taken = parameters_taken(losses[loss])
    open_to_texts = [name for name in taken if name not in OBJECTS and name not in SIZES]
    for name in parameters:
        if name not in open_to_texts:
            raise UsageError(unknown(f"parameter of {loss}", name, open_to_texts))
    for name in open_to_texts:
        if taken[name] and name not in parameters:
            raise UsageError(f"parameter {name!r} of {loss} must be given")
    sizes = dict(zip(SIZES, (num_classes, embedding_dim, embedding_dim), strict=True))
    filled = {name: size for name, size in sizes.items() if taken.get(name)}
    return losses[loss](**parameters, **filled)


def check_on_four_points(loss: str, parameters: Mapping[str, Any]) -> None:
    """Make the loss and call it once, so that a value it cannot use is refused now and not in the first step.

    Raises:
        UsageError: the library raised, in its words.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            made = construct(loss, parameters, num_classes=2, embedding_dim=2)
            made(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]]), torch.tensor([0, 0, 1, 1]))
        except (UsageError, MissingExtraError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{loss} must accept its parameters; got {dict(parameters)}: {reason}") from error


class PmlPenalty(Penalty):
    """``weight * loss(embeddings, labels)``; class weights of the loss's own are parameters of this module."""

    def __init__(self, weight: float, loss: nn.Module) -> None:
        super().__init__()
        self.weight, self.loss = weight, loss

    def forward(self, embeddings: Tensor, labels: Tensor, head: Head) -> Tensor:
        value: Tensor = self.loss(embeddings, labels)
        # A loss may return shape (1,), or a plain zero of its own for a batch without pairs.
        return self.weight * value.to(embeddings).reshape(()) + 0 * embeddings.sum()


@dataclass(frozen=True)
class Pml(RegulariserSpec):
    """A loss of pytorch-metric-learning by its class's name, added to a head: ``weight * loss(embeddings, labels)``.

    ``pml:loss=TripletMarginLoss,weight=0.5,parameters={"margin": 0.1}``. The library normalises embeddings and
    averages as it does by default. A loss that has class weights of its own (``ArcFaceLoss``,
    ``SubCenterArcFaceLoss``, ``ProxyAnchorLoss``, ...) is given K and D and trains them beside the head's; the head
    still gives the answers.

    Args:
        loss: name of a class in ``pytorch_metric_learning.losses`` that takes embeddings and labels.
        weight: at least 0; 1 is our own choice.
        parameters: the loss's own, numbers, texts or true and false, as the library spells them (ArcFace's margin is
            in degrees there); the library's defaults for the rest. Objects (``distance``, ``reducer``) and sizes
            cannot be given.

    Raises:
        UsageError: unknown loss or parameter, or a value the loss refuses.
        MissingExtraError: pytorch-metric-learning is not installed; raised by ``build``, so that records of such
            runs can be read without it.

    Reference: Musgrave et al., PyTorch Metric Learning, arXiv 2008.09164; each loss as the library states it.
    Tag: exact.
    """

    kind: ClassVar[str] = "pml"
    loss: str = "TripletMarginLoss"
    weight: float = 1.0
    parameters: dict[str, bool | int | float | str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_at_least(0, weight=self.weight)
        if installed():
            check_on_four_points(self.loss, self.parameters or {})

    def build(self, num_classes: int, embedding_dim: int) -> Penalty:
        return PmlPenalty(self.weight, construct(self.loss, self.parameters or {}, num_classes, embedding_dim))


class PmlMarginHead(Head):
    """The logits that a margin softmax of the library computes on its way to its loss; it owns the class weights."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.loss = loss

    def logits(self, embeddings: Tensor) -> Tensor:
        out: Tensor = self.loss.get_logits(embeddings)
        return out

    def training_logits(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines: Tensor = self.loss.get_cosine(embeddings)
        target = labels.unsqueeze(1)
        inner = cosines.gather(1, target).squeeze(1).clamp(-1 + POLE, 1 - POLE)
        activated: Tensor = self.loss.modify_cosine_of_target_classes(inner)
        # SphereFaceLoss keeps its binomials in float64.
        column = activated.unsqueeze(1).to(cosines)
        out: Tensor = self.loss.scale_logits(cosines.scatter(1, target, column), embeddings)
        return out


@dataclass(frozen=True)
class PmlHead(HeadSpec):
    """A margin softmax of pytorch-metric-learning by its class's name, as a head: the logits before its cross-entropy.

    ``pml_head:loss=SubCenterArcFaceLoss,parameters={"margin": 28.6}``. With the loss ``ce`` the objective is the
    library's own, but for target cosines within 1e-6 of 1 and -1, where the library's gradient is not finite.

    Args:
        loss: ``ArcFaceLoss``, ``CosFaceLoss``, ``LargeMarginSoftmaxLoss``, ``SphereFaceLoss`` or
            ``SubCenterArcFaceLoss``.
        parameters: the loss's own, as for ``pml``; margins of ArcFace are in degrees, and scale is 64 unless given.

    Raises:
        UsageError: unknown loss or parameter, or a value the loss refuses.
        MissingExtraError: pytorch-metric-learning is not installed; raised by ``build``.

    Reference: Musgrave et al., PyTorch Metric Learning, arXiv 2008.09164; each loss as the library states it.
    Tag: exact.
    """

    kind: ClassVar[str] = "pml_head"
    has_weights: ClassVar[bool] = False
    has_cosines: ClassVar[bool] = False
    loss: str = "SubCenterArcFaceLoss"
    parameters: dict[str, bool | int | float | str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if installed():
            base = library().LargeMarginSoftmaxLoss
            margins = [name for name, loss in known_losses().items() if issubclass(loss, base)]
            if self.loss not in margins:
                raise UsageError(unknown("margin softmax of pytorch-metric-learning", self.loss, margins))
            check_on_four_points(self.loss, self.parameters or {})

    def build(self, num_classes: int, embedding_dim: int) -> Head:
        return PmlMarginHead(construct(self.loss, self.parameters or {}, num_classes, embedding_dim))

"""Cases of every loss for the laws: texts, neutral settings, and which law does not hold for which, and why."""

from __future__ import annotations

from collections.abc import Callable

import torch

from noisylabels.catalog import build
from noisylabels.losses import LOSSES, Loss
from noisylabels.losses.active_passive import (
    NormalisedCrossEntropy,
    NormalisedFocal,
    NormalisedWithAbsolute,
    NormalisedWithReverse,
)
from noisylabels.losses.bootstrap import HardBootstrap, SoftBootstrap
from noisylabels.losses.corrected import Backward, Forward
from noisylabels.losses.focal import Focal
from noisylabels.losses.generalised_cross_entropy import GeneralisedCrossEntropy, TruncatedGeneralisedCrossEntropy
from noisylabels.losses.label_smoothing import LabelSmoothing
from noisylabels.losses.mean_absolute_error import MeanAbsoluteError
from noisylabels.losses.one_vs_all import OneVersusAll
from noisylabels.losses.sface import SFaceLoss
from noisylabels.losses.sparsemax import SparsemaxLoss
from noisylabels.losses.symmetric_cross_entropy import SymmetricCrossEntropy

CLASSES: tuple[type[Loss], ...] = (
    LabelSmoothing,
    MeanAbsoluteError,
    GeneralisedCrossEntropy,
    TruncatedGeneralisedCrossEntropy,
    SymmetricCrossEntropy,
    NormalisedCrossEntropy,
    NormalisedFocal,
    NormalisedWithReverse,
    NormalisedWithAbsolute,
    SoftBootstrap,
    HardBootstrap,
    Forward,
    Backward,
    Focal,
    OneVersusAll,
    SFaceLoss,
    SparsemaxLoss,
)

TABLE: dict[str, type[Loss]] = {**LOSSES, **{loss.kind: loss for loss in CLASSES}}

T5: list[list[float]] = [
    [0.6, 0.4, 0, 0, 0],
    [0, 0.7, 0.1, 0.1, 0.1],
    [0, 0, 1, 0, 0],
    [0.2, 0, 0, 0.8, 0],
    [0, 0.3, 0, 0, 0.7],
]
"""A transition matrix for the five classes of the laws' batch: asymmetric, with zeros, with an inverse."""

T5_TEXT = str(T5).replace(" ", "")

CASES: tuple[str, ...] = (
    "label_smoothing",
    "label_smoothing:epsilon=0.5",
    "mae",
    "gce",
    "gce:q=0.2",
    "truncated_gce",
    "sce",
    "sce:alpha=6,beta=0.1,a_reading=paper",
    "nce",
    "nfl",
    "nfl:gamma=2",
    "nce_rce",
    "nce_rce:alpha=10,beta=0.1,a_reading=paper",
    "nce_mae",
    "nce_mae:alpha=10,beta=1",
    "soft_bootstrap",
    "soft_bootstrap:beta=0.6",
    "hard_bootstrap",
    "forward",
    "forward:transition=symmetric:0.4",
    f"forward:transition={T5_TEXT}",
    "backward",
    "backward:transition=symmetric:0.4",
    f"backward:transition={T5_TEXT}",
    "focal",
    "focal:gamma=0.5",
    "one_vs_all",
    "one_vs_all:alpha=0.9,scale=20,weight=10",
    "sface",
    "sface:scale=64,kappa=10",
    "sparsemax",
)

IDENTITY5 = str(torch.eye(5).tolist()).replace(" ", "")

NEUTRAL: tuple[tuple[str, str], ...] = (
    ("label_smoothing:epsilon=0", "ce"),
    ("gce:q=0", "ce"),
    ("gce:q=1e-9", "ce"),
    ("gce:q=1", "mae"),
    ("truncated_gce", "gce"),  # before its first estimate
    ("truncated_gce:q=1", "mae"),
    ("sce:alpha=1,beta=0", "ce"),
    ("sce:alpha=0,beta=0.25,a_reading=paper", "mae"),
    ("nfl:gamma=0", "nce"),
    ("nce_rce:alpha=1,beta=0", "nce"),
    ("nce_rce:alpha=0,beta=0.25,a_reading=paper", "mae"),
    ("nce_mae:alpha=1,beta=0", "nce"),
    ("nce_mae:alpha=0,beta=1", "mae"),
    ("soft_bootstrap:beta=1", "ce"),
    ("hard_bootstrap:beta=1", "ce"),
    ("forward", "ce"),  # before its estimate
    ("forward:transition=symmetric:0", "ce"),
    (f"forward:transition={IDENTITY5}", "ce"),
    ("backward", "ce"),
    ("backward:transition=symmetric:0", "ce"),
    (f"backward:transition={IDENTITY5}", "ce"),
    ("focal:gamma=0", "ce"),
)
"""A text, and the one that it must equal."""

EXEMPT: dict[tuple[str, str], str] = {
    ("law_a_surer_target_costs_no_more", "label_smoothing"): "its optimum is short of p_y = 1, and past it costs rise",
    ("law_a_surer_target_costs_no_more", "sface"): "its value means nothing: the pull's weight falls with the angle",
    ("law_gradient_is_the_slope", "sface"): "its weights are detached; its gradient has a reference of its own",
    ("law_class_names_do_not_matter", f"forward:transition={T5_TEXT}"): "T names the classes",
    ("law_class_names_do_not_matter", f"backward:transition={T5_TEXT}"): "T names the classes",
    ("law_any_number_of_classes", f"forward:transition={T5_TEXT}"): "T has five",
    ("law_any_number_of_classes", f"backward:transition={T5_TEXT}"): "T has five",
}
"""Name of a law and a kind (all its cases) or text (that case) for which it does not hold, and why."""


def make(text: str) -> Loss:
    """The loss that a text names."""
    return build(TABLE, text, what="loss")


def exempt(law: Callable[[Loss], None], text: str) -> bool:
    """Whether the law does not hold for this case."""
    return any((law.__name__, name) in EXEMPT for name in (text, text.partition(":")[0]))


def law_finite_at_ten_thousand(loss: Loss) -> None:
    """Logits of -1e4 and 1e4, and mixed, in float32: the loss and its gradient are numbers of that type."""
    logits = torch.tensor([[1e4] + [-1e4] * 4, [-1e4] + [1e4] * 4, [1e4] * 5, [1e4, 0, -1e4, 1, -1]])
    for label in range(5):
        _assert_finite(loss, logits, torch.full((4,), label))


def law_any_number_of_classes(loss: Loss) -> None:
    """Two classes, and as many as CASIA-WebFace has: finite, in both precisions."""
    for classes in (2, 10_575):
        for dtype in (torch.float32, torch.float64):
            logits = 20 * torch.rand(3, classes, generator=torch.Generator().manual_seed(0)).to(dtype)
            _assert_finite(loss, logits, torch.tensor([0, 1, classes - 1]))
            _assert_finite(loss, torch.zeros(1, classes, dtype=dtype), torch.tensor([0]))


def _assert_finite(loss: Loss, logits: torch.Tensor, labels: torch.Tensor) -> None:
    logits = logits.clone().requires_grad_()
    values = loss.per_example(logits, labels)
    values.sum().backward()
    assert values.dtype == logits.dtype
    assert values.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


LAWS: list[Callable[[Loss], None]] = [law_finite_at_ten_thousand, law_any_number_of_classes]
"""Laws of every loss beside those of ``test_loss_laws``."""

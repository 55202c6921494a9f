"""Laws of every loss, and wrong twins that break them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.losses import LOSSES, Loss
from tests.laws import loss_cases

B, K = 7, 5


def batch() -> tuple[Tensor, Tensor]:
    logits = 3 * torch.randn(B, K, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return logits, torch.arange(B) % K


def law_one_number_an_example(loss: Loss) -> None:
    assert loss.per_example(*batch()).shape == (B,)


def law_an_example_stands_alone(loss: Loss) -> None:
    logits, labels = batch()
    together = loss.per_example(logits, labels)
    alone = torch.cat([loss.per_example(logits[i : i + 1], labels[i : i + 1]) for i in range(B)])
    assert torch.allclose(together, alone)


def law_class_names_do_not_matter(loss: Loss) -> None:
    logits, labels = batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    renamed = torch.argsort(order)[labels]
    assert torch.allclose(loss.per_example(logits[:, order], renamed), loss.per_example(logits, labels))


def law_a_surer_target_costs_no_more(loss: Loss) -> None:
    logits, labels = batch()
    surer = logits + 0.5 * F.one_hot(labels, K)
    assert (loss.per_example(surer, labels) <= loss.per_example(logits, labels)).all()


def law_arguments_are_kept(loss: Loss) -> None:
    logits, labels = batch()
    before = logits.clone(), labels.clone()
    loss.per_example(logits, labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])


def law_gradient_is_the_slope(loss: Loss) -> None:
    logits, labels = batch()
    assert torch.autograd.gradcheck(lambda x: loss.per_example(x, labels), logits.requires_grad_())


def law_finite_on_saturated_logits(loss: Loss) -> None:
    """Logits of a cosine head of scale 64 at both ends: the loss and its gradient are numbers."""
    logits = torch.full((2, K), -64.0).index_put((torch.tensor([0, 1]), torch.tensor([0, 1])), torch.tensor(64.0))
    logits.requires_grad_()
    values = loss.per_example(logits, torch.tensor([0, 0]))
    values.sum().backward()
    assert values.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


LOSS_LAWS: list[Callable[[Loss], None]] = [
    law_one_number_an_example,
    law_an_example_stands_alone,
    law_class_names_do_not_matter,
    law_a_surer_target_costs_no_more,
    law_arguments_are_kept,
    law_gradient_is_the_slope,
    law_finite_on_saturated_logits,
]


HOLDING = [(law, name) for law in LOSS_LAWS for name in LOSSES if not loss_cases.exempt(law, name)]


@pytest.mark.parametrize(("law", "name"), HOLDING)
def test_loss_law(law: Callable[[Loss], None], name: str) -> None:
    law(LOSSES[name]())


def test_cross_entropy_is_the_slow_loop() -> None:
    logits, labels = batch()
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        expected.append(-math.log(math.exp(row[label]) / sum(math.exp(x) for x in row)))
    assert LOSSES["ce"]().per_example(logits, labels).tolist() == pytest.approx(expected)


@dataclass(frozen=True)
class Twin(Loss):
    """A wrong cross-entropy."""

    kind: ClassVar[str] = "twin"
    wrong: Callable[[Tensor, Tensor], Tensor]

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.wrong(logits, labels)


TWINS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Loss], None]]] = {
    "averages": (F.cross_entropy, law_one_number_an_example),
    "normalises over the batch": (
        lambda x, y: F.nll_loss((x - x.mean(0)).log_softmax(1), y, reduction="none"),
        law_an_example_stands_alone,
    ),
    "knows class 0": (lambda x, y: F.cross_entropy(x, y, reduction="none") * (y != 0), law_class_names_do_not_matter),
    "wrong sign": (lambda x, y: -F.cross_entropy(x, y, reduction="none"), law_a_surer_target_costs_no_more),
    "in place": (lambda x, y: F.cross_entropy(x.mul_(2), y, reduction="none"), law_arguments_are_kept),
    "detached": (
        lambda x, y: F.cross_entropy(x.detach(), y, reduction="none") + 0 * x.sum(1),
        law_gradient_is_the_slope,
    ),
    "log of softmax": (lambda x, y: -x.softmax(1).gather(1, y[:, None])[:, 0].log(), law_finite_on_saturated_logits),
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_loss_is_rejected(twin: str) -> None:
    wrong, law = TWINS[twin]
    with pytest.raises((AssertionError, RuntimeError)):
        law(Twin(wrong))


def test_every_loss_law_has_a_twin() -> None:
    assert {law for _, law in TWINS.values()} == set(LOSS_LAWS)

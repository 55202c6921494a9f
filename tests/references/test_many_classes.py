"""Cross-entropy at many classes against the plain one, and what it keeps in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.heads import HEADS
from noisylabels.heads.head import CosineHead
from noisylabels.heads.many_classes import _TargetAndOthers, many_class_cross_entropy, sampled_classes

K, D, B = 37, 8, 11
KINDS = ["normalised_softmax", "cosface", "arcface", "cam_softmax"]
CHUNKS = [None, 1, 5, 36, 37, 100]


def made(kind: str, dtype: torch.dtype = torch.float64) -> tuple[CosineHead, Tensor, Tensor]:
    torch.manual_seed(3)
    head = HEADS[kind]().build(K, D).to(dtype)
    if kind == "cam_softmax":
        head.c.fill_(1.2)
    with torch.no_grad():
        head.weight.mul_(torch.rand(K, 1, dtype=dtype) * 5 + 0.1)  # lengths must not matter
    embeddings = (4 * torch.randn(B, D, dtype=dtype)).requires_grad_()
    return head, embeddings, torch.randint(0, K, (B,))


def gradients(head: CosineHead, embeddings: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.linspace(-1, 2, B, dtype=losses.dtype)
    found = torch.autograd.grad((weights * losses).sum(), (embeddings, head.weight))
    return found[0], found[1]


def plain(head: CosineHead, embeddings: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(head.training_logits(embeddings, labels), labels, reduction="none")


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_are_the_plain_ones(kind: str, chunk: int | None) -> None:
    head, embeddings, labels = made(kind)
    expected, found = plain(head, embeddings, labels), many_class_cross_entropy(head, embeddings, labels, chunk=chunk)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for ours, theirs in zip(gradients(head, embeddings, found), gradients(head, embeddings, expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_in_single_precision_to_five_digits(chunk: int | None) -> None:
    head, embeddings, labels = made("cam_softmax", torch.float32)
    expected, found = plain(head, embeddings, labels), many_class_cross_entropy(head, embeddings, labels, chunk=chunk)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients(head, embeddings, found), gradients(head, embeddings, expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [None, 5])
def test_numerical_gradient(chunk: int | None) -> None:
    head, embeddings, labels = made("normalised_softmax")
    directions = F.normalize(embeddings.detach(), dim=1).requires_grad_()
    weight = head.weight.detach().clone().requires_grad_()

    def both(directions: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _TargetAndOthers.apply(directions, weight, labels, 20.0, chunk)

    assert torch.autograd.gradcheck(both, (directions, weight))


def test_backward_twice_is_backward_twice() -> None:
    head, embeddings, labels = made("arcface")
    total = many_class_cross_entropy(head, embeddings, labels).sum()
    first = torch.autograd.grad(total, head.weight, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(total, head.weight)[0], first)


def test_sampled_classes_are_a_smaller_problem() -> None:
    head, embeddings, labels = made("cosface")
    classes = sampled_classes(labels, K, 0.5, torch.Generator().manual_seed(0))
    assert len(classes) == 18
    assert set(labels.tolist()) <= set(classes.tolist())
    torch.testing.assert_close(classes, classes.unique())
    found = many_class_cross_entropy(head, embeddings, labels, classes=classes, chunk=7)
    logits = head.training_logits(embeddings, labels)[:, classes]
    places = torch.tensor([classes.tolist().index(label) for label in labels.tolist()])
    torch.testing.assert_close(found, F.cross_entropy(logits, places, reduction="none"), rtol=1e-10, atol=1e-10)
    left_out = torch.tensor(sorted(set(range(K)) - set(classes.tolist())))
    assert torch.autograd.grad(found.sum(), head.weight)[0][left_out].abs().max() == 0


def test_every_class_is_sampled_as_often() -> None:
    generator, counts = torch.Generator().manual_seed(1), torch.zeros(20)
    for _ in range(2000):
        counts[sampled_classes(torch.tensor([3, 3, 5]), 20, 0.3, generator)] += 1
    assert counts[3] == counts[5] == 2000
    others = counts[[k for k in range(20) if k not in (3, 5)]]
    assert others.sum() == 4 * 2000
    torch.testing.assert_close(others, torch.full((18,), 8000 / 18), rtol=0, atol=5 * (2000 * 0.222 * 0.778) ** 0.5)


SERVED = {"normalised_softmax", "cosface", "arcface", "combined", "cam_softmax", "sface", "angular_sparsemax"}


@pytest.mark.parametrize("kind", [kind for kind in HEADS if kind != "pml_head"])
def test_every_head_is_served_right_or_refused(kind: str) -> None:
    torch.manual_seed(3)
    head = HEADS[kind]().build(K, 64).double()
    embeddings, labels = torch.randn(B, 64, dtype=torch.float64), torch.randint(0, K, (B,))
    if kind not in SERVED:
        with pytest.raises(ValueError, match="many_class_cross_entropy needs"):
            many_class_cross_entropy(head, embeddings, labels)
        return
    found = many_class_cross_entropy(head, embeddings, labels)
    torch.testing.assert_close(found, plain(head, embeddings, labels), rtol=1e-10, atol=1e-10)


def test_several_centres_are_refused_whatever_the_head() -> None:
    head = HEADS["cam_softmax"](subcenters=3).build(K, D).double()
    with pytest.raises(ValueError, match="one centre a class"):
        many_class_cross_entropy(head, torch.randn(B, D, dtype=torch.float64), torch.zeros(B, dtype=torch.int64))


def test_labels_that_do_not_take_part_are_refused() -> None:
    head, embeddings, labels = made("cosface")
    with pytest.raises(ValueError, match="every label must be among"):
        many_class_cross_entropy(head, embeddings, labels, classes=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="one centre a class"):
        many_class_cross_entropy(HEADS["subcenter_arcface"]().build(K, D).double(), embeddings, labels)


def test_a_row_alone_in_its_chunk_and_huge_logits_are_finite() -> None:
    head, embeddings, labels = made("cam_softmax", torch.float32)
    head.scale = 3000.0
    losses = many_class_cross_entropy(head, embeddings, labels, chunk=1)
    assert losses.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(head, embeddings, losses))


Two = tuple[Tensor, Tensor]


def forget_the_length(directions: Tensor, weight: Tensor, labels: Tensor) -> Two:
    z = directions @ F.normalize(weight.detach(), dim=1).T + 0 * weight.sum()
    rows = torch.arange(len(labels))
    return z[rows, labels], torch.logsumexp(20 * z.scatter(1, labels[:, None], -torch.inf), dim=1)


def keep_the_own_class(directions: Tensor, weight: Tensor, labels: Tensor) -> Two:
    z = directions @ F.normalize(weight, dim=1).T
    return z[torch.arange(len(labels)), labels], torch.logsumexp(20 * z, dim=1)


@pytest.mark.parametrize("twin", [forget_the_length, keep_the_own_class])
def test_wrong_twins_are_told(twin: Callable[..., Two], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_TargetAndOthers, "apply", lambda d, w, y, scale, chunk: twin(d, w, y))
    with pytest.raises(AssertionError):
        test_losses_and_gradients_are_the_plain_ones("cosface", None)


def largest_array(chunk: int | None, classes: int, batch: int) -> int:
    """Numbers in the largest tensor that the passes make, the weights' own size apart."""
    head = HEADS["cam_softmax"]().build(classes, 2)
    embeddings, labels = torch.randn(batch, 2, requires_grad=True), torch.arange(batch)
    sizes: list[int] = []

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            made = function(*arguments, **(keywords or {}))
            sizes.extend(t.numel() for t in torch.utils._pytree.tree_leaves(made) if isinstance(t, Tensor))
            return made

    with Watched():
        many_class_cross_entropy(head, embeddings, labels, chunk=chunk).sum().backward()
    return max(size for size in sizes if size > 2 * classes)


def test_no_array_of_batch_by_classes() -> None:
    assert largest_array(None, 4000, 500) == 500 * 4000
    assert largest_array(100, 4000, 500) == 500 * 100

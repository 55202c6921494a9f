"""Cross-entropy of a cosine head at 10,000 classes and more: no second copy of the weights, chunk by chunk if asked.

``CE_b = -log softmax(z_b)[y_b]`` needs of the K - 1 other classes only their ``L_b = log sum_{j != y} exp z_bj``:

    CE_b = log(exp t_b + exp L_b) - t_b = softplus(L_b - t_b),    t_b = s f(cos theta_b), the target's logit.

The margin f acts on B numbers and is left to autograd; cosine of the target and sum over the others have a derivative
of their own here, so that the weights have one gradient, written once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_at_least, check_within
from noisylabels.heads.head import CosineHead


def many_class_cross_entropy(
    head: CosineHead, embeddings: Tensor, labels: Tensor, *, chunk: int | None = None, classes: Tensor | None = None
) -> Tensor:
    """``F.cross_entropy(head.training_logits(embeddings, labels), labels, reduction="none")``, in less time and memory.

    Args:
        head: any cosine head with one centre a class whose margin is on the target alone.
        embeddings: ``(B, D)``.
        labels: int64 ``(B,)``, in [0, K).
        chunk: classes at a time. Their logits are then computed once more on the way back (a third more time), and
            memory beyond the weights' gradient is ``O(B chunk)``; None keeps ``(B, K)`` logits in between.
        classes: ids of the classes that take part, ascending, int64 ``(S,)``, every label among them; None for all.
            See ``sampled_classes``.

    Returns:
        Losses, nats, ``(B,)``.

    Raises:
        ValueError: a head of another kind, with several centres a class, or a label that is not among the classes.

    Reference: algebra of the softmax; sampling as in An et al., Partial FC, ICCV 2021 workshops.
    """
    kind = type(head)
    if getattr(kind, "training_logits", None) is not CosineHead.training_logits or kind.logits is not CosineHead.logits:
        raise ValueError(f"many_class_cross_entropy needs a margin on the target's cosine alone; got {kind.__name__}")
    if getattr(head, "subcenters", 1 if kind.cosines is CosineHead.cosines else None) != 1:
        raise ValueError(f"many_class_cross_entropy needs one centre a class; got {kind.__name__} with others")
    weight = head.class_weights()
    if classes is not None:
        weight, labels = weight[classes], _places(labels, classes)
    directions = F.normalize(embeddings, dim=1)
    cos_theta, others = _TargetAndOthers.apply(directions, weight, labels, head.scale, chunk)  # type: ignore[no-untyped-call]
    target = head.scale * head.target_activation(cos_theta)
    return F.softplus(others - target)


def sampled_classes(labels: Tensor, num_classes: int, share: float, generator: torch.Generator) -> Tensor:
    """Class ids of a batch's labels and random others, ``max(share * K, their number)`` in all, ascending.

    With a share below 1 the sum over other classes is one over a sample of them: an estimate from below, a new one in
    each step. Partial FC finds 0.1 to cost little at millions of identities; with few it makes the task easier.

    Args:
        labels: int64 ``(B,)``.
        num_classes: K.
        share: of the classes, in (0, 1].
        generator: on the CPU; one permutation of K is drawn from it.
    """
    check_above(0, share=share)
    check_within(0, 1, share=share)
    present = torch.zeros(num_classes, dtype=torch.bool)
    present[labels.cpu()] = True
    wanted = max(int(share * num_classes), int(present.sum()))
    order = torch.randperm(num_classes, generator=generator)
    absent = order[~present[order]]
    present[absent[: wanted - int(present.sum())]] = True
    return present.nonzero().squeeze(1).to(labels.device)


def _places(labels: Tensor, classes: Tensor) -> Tensor:
    places = torch.searchsorted(classes, labels).clamp_max(len(classes) - 1)
    if not torch.equal(classes[places], labels):
        raise ValueError("every label must be among the classes that take part")
    return places


class _TargetAndOthers(torch.autograd.Function):
    """``cos theta_b`` of the target and ``L_b = log sum_{j != y_b} exp(s cos(d_b, w_j))``, ``(B,)`` each.

    Of unit directions d and weights w of any length. With ``f_j = s / |w_j|`` and ``p_bj = g_b exp(z_bj - L_b)`` for
    the others, ``p_bj = h_b / s`` for the target, g and h the gradients of L and of the cosine: ``to d_b`` goes
    ``sum_j p_bj f_j w_j``, and to w_j goes ``m_j = f_j sum_b p_bj d_b`` without its part along w_j.
    """

    @staticmethod
    def forward(
        ctx: Any, directions: Tensor, weight: Tensor, labels: Tensor, scale: float, chunk: int | None
    ) -> tuple[Tensor, Tensor]:
        check_at_least(1, chunk=len(weight) if chunk is None else chunk)
        lengths = torch.linalg.vector_norm(weight, dim=1).clamp_min(1e-12)
        cos_theta = (directions * weight[labels]).sum(dim=1) / lengths[labels]
        total = torch.full(labels.shape, -torch.inf, dtype=directions.dtype, device=directions.device)
        ctx.chunk, ctx.scale, ctx.kept = chunk, scale, None
        for start, stop in _chunks(len(weight), chunk):
            shares, highest = _shares(directions, weight, labels, scale / lengths, start, stop)
            total = torch.logaddexp(total, highest + shares.sum(dim=1).log())
            ctx.kept = (shares, highest) if chunk is None else None
        ctx.save_for_backward(directions, weight, labels, lengths, total)
        return cos_theta, total

    @staticmethod
    @once_differentiable  # type: ignore[misc, untyped-decorator, unused-ignore]
    def backward(ctx: Any, to_cosine: Tensor, to_total: Tensor) -> tuple[Tensor | None, ...]:
        directions, weight, labels, lengths, total = ctx.saved_tensors
        kept, ctx.kept = ctx.kept, None  # edited below; a second pass backward computes it anew
        to_directions, to_weight = torch.zeros_like(directions), torch.empty_like(weight)
        for start, stop in _chunks(len(weight), ctx.chunk):
            part, factors = weight[start:stop], ctx.scale / lengths[start:stop]
            shares, highest = kept or _shares(directions, weight, labels, ctx.scale / lengths, start, stop)
            shares.mul_((to_total * (highest - total).exp())[:, None])
            own = _own(labels, start, stop)
            shares[own, labels[own] - start] = to_cosine[own] / ctx.scale
            shares.mul_(factors)
            to_directions.addmm_(shares, part)
            moved = torch.mm(shares.T, directions, out=to_weight[start:stop])
            along = torch.einsum("kd,kd->k", moved, part) / lengths[start:stop].square()
            moved.addcmul_(part, along[:, None], value=-1)
        return to_directions, to_weight, None, None, None


def _chunks(count: int, chunk: int | None) -> list[tuple[int, int]]:
    step = count if chunk is None else chunk
    return [(start, min(start + step, count)) for start in range(0, count, step)]


def _shares(
    directions: Tensor, weight: Tensor, labels: Tensor, factors: Tensor, start: int, stop: int
) -> tuple[Tensor, Tensor]:
    """``exp(z - h)`` of the classes from start to stop, 0 at each row's own, and each row's highest logit h."""
    logits = (directions @ weight[start:stop].T).mul_(factors[start:stop])
    own = _own(labels, start, stop)
    logits[own, labels[own] - start] = -torch.inf
    highest = logits.amax(dim=1).clamp_min(torch.finfo(logits.dtype).min)  # a chunk may hold a row's own class alone
    return logits.sub_(highest[:, None]).exp_(), highest


def _own(labels: Tensor, start: int, stop: int) -> Tensor:
    """Rows whose own class is among those from start to stop."""
    return ((labels >= start) & (labels < stop)).nonzero().squeeze(1)

"""Where a cosine head has put rightly and wrongly labelled training examples, and how hard it still pulls there."""

from __future__ import annotations

import torch
from torch import Tensor

from noisylabels.problem import Problem
from noisylabels.result import Profile
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model

CELLS = 100
"""Equal cells of [-1, 1], 0.02 wide."""


def target_profiles(model: Model, images: ImageBatches, problem: Problem) -> tuple[Profile, ...]:
    """Profiles over the cosine of embedding and class weight, of all training images without augmentation.

    - ``clean``: share of the rightly labelled examples by their cosine to the given label's weight;
    - ``flipped_given``, ``flipped_true``: of the wrongly labelled, to the given and to the true label's weight;
    - ``pull``: mean of ``(dz_y / d cos theta_y) / scale`` over the examples in a cell, z_y the training logit of the
      given label: 1 for normalised softmax, f' for an activation f of the cosine.

    Args:
        model: trained; its head stays as it is.
        images: the training images, in the order of ``problem.train``.
        problem: their true and given labels.

    Returns:
        The profiles that there are examples for; none where the head has no cosines.
    """
    given, true = torch.tensor(problem.train_given), torch.tensor(problem.train.labels)
    try:
        to_given, to_true, pull = _looked_at(model, images, given, true)
    except NotImplementedError:
        return ()
    flipped = given != true
    profiles = [
        _shares("clean", to_given[~flipped]),
        _shares("flipped_given", to_given[flipped]),
        _shares("flipped_true", to_true[flipped]),
        _means("pull", to_given, pull),
    ]
    return tuple(profile for profile in profiles if profile.n)


def _looked_at(model: Model, images: ImageBatches, given: Tensor, true: Tensor, batch: int = 125) -> Tensor:
    """Cosine to the given label's weight, to the true one's, and pull, of every image: ``(3, N)``, on the CPU."""
    model.train(False)
    found = torch.empty(3, len(images))  # in one piece: see ``Model.over``
    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        with torch.no_grad():
            embeddings = model.embed(images.plain(rows))
        labels = given[rows].to(model.device)
        cosines = model.head.cosines(embeddings).detach()
        found[0, rows] = cosines.gather(1, labels[:, None])[:, 0]
        found[1, rows] = cosines.gather(1, true[rows].to(model.device)[:, None])[:, 0]
        found[2, rows] = pull(model, embeddings, labels)
    return found


def pull(model: Model, embeddings: Tensor, labels: Tensor) -> Tensor:
    """``(dz_y / d cos theta_y) / scale`` for each embedding, ``(B,)``; z_y the training logit of the label.

    z_y depends on an embedding by its cosine (and its length, which is held), so the two gradients in the embedding are
    parallel, and their ratio is the slope; read along the direction in which the cosine grows.
    """
    leaf = embeddings.detach().requires_grad_()
    target = labels[:, None]
    (of_cosine,) = torch.autograd.grad(model.head.cosines(leaf).gather(1, target).sum(), leaf)
    (of_logit,) = torch.autograd.grad(model.head.training_logits(leaf, labels).gather(1, target).sum(), leaf)
    squared = of_cosine.square().sum(1).clamp_min(torch.finfo(leaf.dtype).tiny)
    slopes: Tensor = (of_logit * of_cosine).sum(1) / squared / model.head.scale
    return slopes


def cell_of(cosines: Tensor) -> Tensor:
    """Cell of each cosine, int64 of the same shape, from 0 at -1; NaN is in none, -1."""
    cells = ((cosines + 1) / 2 * CELLS).floor().clamp(0, CELLS - 1)
    return torch.where(cells.isnan(), -1, cells).long()


def _shares(name: str, cosines: Tensor) -> Profile:
    cells = cell_of(cosines)
    counts = torch.bincount(cells[cells >= 0], minlength=CELLS)
    n = int(counts.sum())
    return Profile(name=name, values=tuple((counts / max(n, 1)).tolist()), n=n)


def _means(name: str, cosines: Tensor, values: Tensor) -> Profile:
    cells = cell_of(cosines)
    kept = (cells >= 0) & values.isfinite()
    counts = torch.bincount(cells[kept], minlength=CELLS)
    sums = torch.bincount(cells[kept], weights=values[kept].double(), minlength=CELLS)
    means = [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]
    return Profile(name=name, values=tuple(means), n=int(counts.sum()))

"""What published code does to labels without looking at the images, bug for bug; the table of them is in ``legacy``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.class_maps import CIFAR10
from corruptions.draws import example_draws, integers_below, unit_floats
from corruptions.examples import Examples
from corruptions.quota import rank_in_group, smallest, smallest_per_group

Outcome = tuple[NDArray[np.int64], dict[str, Any]]
"""Given labels, and record details."""

BLOCK = 5
"""Consecutive fine ids that CIFAR-100 code takes for one superclass."""


def dividemix_symmetric(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """``int(rate * N)`` random examples get one of all K labels, which may be their own."""
    chosen = _truncated_share(examples, rate, "dividemix_symmetric", seed)
    given = examples.true.copy()
    words = example_draws(seed, "legacy/dividemix_symmetric/target", examples.ids[chosen])
    given[chosen] = integers_below(examples.num_classes, words)
    return given, {"num_chosen": len(chosen)}


def dividemix_asymmetric(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """``int(rate * N)`` random examples of *all* classes go through a map that leaves five of the ten alone."""
    chosen = _truncated_share(examples, rate, "dividemix_asymmetric", seed)
    target = np.arange(examples.num_classes)
    for source, mapped in CIFAR10:
        target[source] = mapped
    given = examples.true.copy()
    given[chosen] = target[given[chosen]]
    return given, {"num_chosen": len(chosen)}


def elr_asymmetric(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """Class after class, members looked up among labels that are flipped already; the j < rate * n first are flipped.

    Cats (3) sent to dog are drawn again among the dogs (5): some return, and fewer true dogs leave than were asked.
    """
    given = examples.true.copy()
    for source, target in sorted(CIFAR10):
        members = np.flatnonzero(given == source)
        draws = example_draws(seed, f"legacy/elr_asymmetric/{source}", examples.ids[members])
        given[members[smallest(draws, math.ceil(rate * len(members)))]] = target
    return given, {}


def apl_asymmetric_cifar100(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """Each label moves, with probability ``rate``, to the next of its block of five consecutive ids, circular."""
    true = examples.true
    is_drawn = unit_floats(example_draws(seed, "legacy/apl_asymmetric_cifar100/which", examples.ids)) < rate
    return np.where(is_drawn, true - true % BLOCK + (true + 1) % BLOCK, true), {}


def sce_asymmetric_cifar100(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """In each block of five consecutive ids two random classes swap, each label with probability ``rate``."""
    K, true = examples.num_classes, examples.true
    classes = np.arange(K)
    draws = example_draws(seed, "legacy/sce_asymmetric_cifar100/classes", classes)
    swapped = smallest_per_group(draws, classes // BLOCK, np.full(K // BLOCK, 2))
    target = classes.copy()
    target[swapped] = swapped.reshape(-1, 2)[:, ::-1].ravel()
    is_drawn = unit_floats(example_draws(seed, "legacy/sce_asymmetric_cifar100/which", examples.ids)) < rate
    return np.where(is_drawn, target[true], true), {"swapped_classes": swapped.reshape(-1, 2).tolist()}


def cleanlab_cells(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """Of class i, ``int(rate / (K - 1) * n_i)`` examples go to each other class: none where that is below one."""
    per_cell = cleanlab_cell_counts(examples.class_sizes(), rate)[examples.true]
    draws = example_draws(seed, "legacy/cleanlab_cells/which", examples.ids)
    rank = rank_in_group(draws, examples.true)
    other = rank // np.maximum(per_cell, 1)
    is_flipped = rank < per_cell * (examples.num_classes - 1)
    return np.where(is_flipped, other + (other >= examples.true), examples.true), {}


def cleanlab_cell_counts(class_sizes: NDArray[np.int64], rate: float) -> NDArray[np.int64]:
    """Examples of each class that go to each other one, in the floats and the order of cleanlab's own expression."""
    num_examples = int(class_sizes.sum())
    counts: NDArray[np.int64] = (rate / (len(class_sizes) - 1) * (class_sizes / num_examples) * num_examples).astype(
        np.int64
    )
    return counts


def boundaryface_flip(examples: Examples, basis: Examples, rate: float, seed: int) -> Outcome:
    """Of each identity ``floor(n_c * rate)`` images go to other identities, uniformly."""
    K, true = examples.num_classes, examples.true
    counts = np.floor(examples.class_sizes() * rate).astype(np.int64)
    draws = example_draws(seed, "legacy/boundaryface_flip/which", examples.ids)
    chosen = smallest_per_group(draws, true, counts)
    words = example_draws(seed, "legacy/boundaryface_flip/target", examples.ids[chosen])
    given = true.copy()
    given[chosen] = (true[chosen] + 1 + integers_below(K - 1, words)) % K
    return given, {"num_untouched_identities": int(np.count_nonzero(counts == 0))}


def _truncated_share(examples: Examples, rate: float, code: str, seed: int) -> NDArray[np.int64]:
    return smallest(example_draws(seed, f"legacy/{code}/which", examples.ids), int(rate * len(examples)))

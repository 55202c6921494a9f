"""What the errors cost and what cleaning would buy: the estimated noise put into cleaned labels, where truth is known.

Nobody knows the true labels of the data set itself. So the labels with the audit's suggestions taken stand in for
them, noise of the estimated rate and transition matrix is injected, and the question is asked of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.confusion import Confusion
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.fitting import fitted
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.spec import RunSpec
from noisylabels.training.device import pick_device
from noisylabels.training.images import ImageBatches

SHARES = (0.01, 0.05, 0.10)
"""Shares of all labels, the most suspicious first, that somebody is imagined to look at and put right."""

Ranked = Callable[[RunSpec, ImageSet], Evidence]
"""The audit itself: a spec and labelled images to the evidence that ranks them."""


@dataclass(frozen=True)
class Scenario:
    """Accuracy on the test split after training on one version of the labels.

    Attributes:
        name: ``clean``, ``noisy``, ``top 5 %`` (that share looked at, most suspicious first), ``random 5 %`` (as many,
            at random).
        accuracies: one a seed, shares in [0, 1]; higher is better.
        wrong: share of wrong labels it was trained on, mean over the seeds.
    """

    name: str
    accuracies: tuple[float, ...]
    wrong: float

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.accuracies))


def what_if(
    spec: RunSpec,
    cleaned: ImageSet,
    test: ImageSet,
    rate: float,
    transition: NDArray[np.float64],
    ranked: Ranked,
    *,
    seeds: Sequence[int],
    device: str = "auto",
    on_training: Callable[[int, int], None] = lambda done, count: None,
) -> tuple[Scenario, ...]:
    """Train on clean, noisy and partly cleaned labels and measure on the test split; seeds are paired.

    For each seed the noise is drawn anew, the noisy labels are audited anew, and the labels of the most suspicious
    1, 5 and 10 % are put right; at random, as many for the largest share only.

    Args:
        spec: the method.
        cleaned: images with the labels that stand in for true ones.
        test: of the same classes; its labels are taken as they are.
        rate: share of labels to make wrong, exactly.
        transition: T, ``(K, K)``: in proportion to ``1 - T_ii`` a class gets its part of them, by its row their labels.
        ranked: the audit of the noisy labels.
        seeds: of noise and training.
        device: see ``pick_device``.
        on_training: told of every finished training of this comparison; audits are not counted.

    Raises:
        UsageError: no noise to inject, or a training cannot be had.
    """
    if round(rate * len(cleaned)) < 1:
        raise UsageError(f"there must be some noise to inject; the estimated rate is {rate:.3%}")
    noise = Confusion.from_matrix(transition, rate)
    where = pick_device(device)
    accuracies: dict[str, list[float]] = {}
    wrong: dict[str, list[float]] = {}
    for seed in seeds:
        seeded = spec.model_copy(update={"seed": seed, "noise_seed": seed})
        noisy = _injected(noise, cleaned, seed)
        suspicion = ranked(seeded, _labelled(cleaned, noisy)).scores
        versions = _versions(cleaned.labels, noisy, suspicion, seed)
        for name, labels in versions.items():
            model, batches = fitted(seeded, _labelled(cleaned, labels), where)
            likewise = ImageBatches(test.images, batches.mean.flatten(), batches.std.flatten(), device=where)
            predicted = model.predictions(likewise).numpy()
            accuracies.setdefault(name, []).append(float((predicted == test.labels).mean()))
            wrong.setdefault(name, []).append(float((labels != cleaned.labels).mean()))
            on_training(sum(map(len, accuracies.values())), len(versions) * len(seeds))
    return tuple(Scenario(name, tuple(all_of), float(np.mean(wrong[name]))) for name, all_of in accuracies.items())


def _injected(noise: Confusion, cleaned: ImageSet, seed: int) -> NDArray[np.int64]:
    try:
        return noise.apply(cleaned.labels, cleaned.num_classes, seed=seed, example_ids=cleaned.ids).given
    except ValueError as error:
        raise UsageError(f"the estimated noise cannot be injected: {error}") from None


def _versions(
    clean: NDArray[np.int64], noisy: NDArray[np.int64], suspicion: NDArray[np.float64], seed: int
) -> dict[str, NDArray[np.int64]]:
    order = np.argsort(-suspicion, kind="stable")
    versions = {"clean": clean, "noisy": noisy}
    for share in SHARES:
        versions[f"top {100 * share:.0f} %"] = _put_right(clean, noisy, order[: round(share * len(clean))])
    drawn = np.random.default_rng(seed).permutation(len(clean))[: round(SHARES[-1] * len(clean))]
    versions[f"random {100 * SHARES[-1]:.0f} %"] = _put_right(clean, noisy, drawn)
    return versions


def _put_right(clean: NDArray[np.int64], noisy: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    labels = noisy.copy()
    labels[rows] = clean[rows]
    return labels


def _labelled(images: ImageSet, labels: NDArray[np.int64]) -> ImageSet:
    return ImageSet(images.images, labels, images.ids, images.class_names)

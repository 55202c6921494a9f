"""What a finished run leaves behind to be measured: plain arrays, checked once, then read-only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]

# One letter a dimension: M test, N training and V validation examples, D embedding dimensions, K classes, L labels,
# P verification pairs, Q probes of enrolled people and U of others.
SHAPES = {
    "test_embeddings": "MD",
    "test_probabilities": "MK",
    "test_true": "M",
    "train_predicted": "N",
    "train_given": "N",
    "train_true": "N",
    "validation_probabilities": "VL",
    "validation_given": "V",
    "validation_true": "V",
    "carrying_class": "K",
    "pair_scores": "P",
    "pair_is_same": "P",
    "pair_fold": "P",
    "pair_people": "P2",
    "mated_ranks": "Q",
    "mated_scores": "Q",
    "non_mated_scores": "U",
}
KINDS: dict[str, Any] = {
    "pair_scores": np.floating,
    "pair_is_same": np.bool_,
    "pair_people": np.integer,
    "mated_scores": np.floating,
    "non_mated_scores": np.floating,
}
"""What an array holds that is not floats in two dimensions, nor integers in one."""

ROUNDING = 1e-6  # by how much a probability may leave [0, 1]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The arrays every metric is a function of.

    True classes lie in ``[0, K)``, labels in ``[0, L)``; L is above K where parts of split identities have labels of
    their own. Any of M, N, V, P, Q and U may be 0; a metric that needs the missing examples is then
    undefined. The fields are read-only views of the arrays given. Embeddings that are not finite and probabilities that
    are NaN are let in, because a run that diverged is a result too; the metrics that read them say so.

    Attributes:
        test_embeddings: ``float32 (M, D)``, embeddings of the clean test set as the network leaves them, not
            normalised.
        test_probabilities: ``float32 (M, K)``, class probabilities of the same images; a class that has several labels
            has the likeliest one's.
        test_true: ``int64 (M,)``, their true classes.
        train_predicted: ``int64 (N,)``, the label the final model predicts for each training image.
        train_given: ``int64 (N,)``, the label it was trained with, wrong where noise was injected.
        train_true: ``int64 (N,)``, its true class.
        validation_probabilities: ``float32 (V, L)``, probabilities of labels of images the model was never trained on.
        validation_given: ``int64 (V,)``, their given labels, with noise of the same kind as in training.
        validation_true: ``int64 (V,)``, their true classes.
        carrying_class: ``int64 (K,)``, the class whose label the images of true class i mostly carry by design;
            ``arange(K)`` when no class is merged into another, -1 where no label is theirs.
        pair_scores: ``float64 (P,)``, cosine of each verification pair's two embeddings, people never trained on.
        pair_is_same: ``bool (P,)``, whether a pair shows one person.
        pair_fold: ``int64 (P,)``, at least 0, the fold it is judged in.
        pair_people: ``int64 (P, 2)``, whom its two sides show; ``(P, 2)`` of -1 where that is not known.
        mated_ranks: ``int64 (Q,)``, at least 1: the rank of each enrolled person's probe in a gallery of people never
            trained on.
        mated_scores: ``float64 (Q,)``, its best cosine to its own person's gallery images.
        non_mated_scores: ``float64 (U,)``, the best gallery cosine of each probe of a person who is not enrolled.

    Raises:
        ValueError: a shape, a dtype, a label or a probability (a logit, say) does not fit; the message names the field,
            what must hold and what came.
    """

    test_embeddings: Floats
    test_probabilities: Floats
    test_true: Labels
    train_predicted: Labels
    train_given: Labels
    train_true: Labels
    validation_probabilities: Floats
    validation_given: Labels
    validation_true: Labels
    carrying_class: Labels
    pair_scores: Floats = field(default_factory=lambda: np.empty(0))
    pair_is_same: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    pair_fold: Labels = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    pair_people: Labels = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    mated_ranks: Labels = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mated_scores: Floats = field(default_factory=lambda: np.empty(0))
    non_mated_scores: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def num_classes(self) -> int:
        """K, the number of classes the model chooses among."""
        return int(self.test_probabilities.shape[1])

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {"2": 2}
        for name, letters in SHAPES.items():
            array = np.asarray(getattr(self, name)).view()
            _check_shape(name, letters, array.shape, sizes)
            _check_dtype(name, array, KINDS.get(name, np.floating if len(letters) == 2 else np.integer))
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if sizes["L"] < sizes["K"]:
            raise ValueError(f"validation_probabilities must have at least K={sizes['K']} labels; got {sizes['L']}")
        for name, (lowest, highest) in _ranges(sizes["K"], sizes["L"]).items():
            _check_range(name, getattr(self, name), lowest, highest)


def _ranges(num_classes: int, num_labels: int) -> dict[str, tuple[float, float]]:
    true, given = (0, num_classes - 1), (0, num_labels - 1)
    return {
        "test_probabilities": (0, 1),
        "test_true": true,
        "train_predicted": given,
        "train_given": given,
        "train_true": true,
        "validation_probabilities": (0, 1),
        "validation_given": given,
        "validation_true": true,
        "carrying_class": (-1, num_classes - 1),
        "pair_scores": (-1, 1),
        "pair_fold": (0, math.inf),
        "pair_people": (-1, math.inf),
        "mated_ranks": (1, math.inf),
        "mated_scores": (-1, 1),
        "non_mated_scores": (-1, 1),
    }


def _check_shape(name: str, letters: str, shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    """Hold the array to the letters bound so far, then bind the others to its sizes."""
    if len(shape) != len(letters) or any(
        sizes.get(letter, size) != size for letter, size in zip(letters, shape, strict=True)
    ):
        wanted = ", ".join(f"{letter}={sizes[letter]}" if letter in sizes else letter for letter in letters)
        raise ValueError(f"{name} must have shape ({wanted}); got {shape}")
    sizes.update(zip(letters, shape, strict=True))


def _check_dtype(name: str, array: NDArray[Any], family: type[np.generic]) -> None:
    if not np.issubdtype(array.dtype, family):
        raise ValueError(f"{name} must hold {family.__name__} numbers; got {array.dtype}")


def _check_range(name: str, array: NDArray[Any], lowest: float, highest: float) -> None:
    """Labels and probabilities, the latter up to rounding; NaN lies nowhere and passes."""
    outside = array[(array < lowest - ROUNDING) | (array > highest + ROUNDING)]
    if outside.size:
        raise ValueError(f"{name} must lie in [{lowest}, {highest}]; got {outside[0]}")

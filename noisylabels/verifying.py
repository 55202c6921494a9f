"""Judge a trained model by verification pairs, away from any run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.data import VerificationSet, shared_people
from noisylabels.measuring import verification_arrays
from noisylabels.metrics import METRICS, Evaluation, Measured, Undefined, measure
from noisylabels.metrics.pair_scores import original_and_mirrored
from noisylabels.metrics.verification import View2, view2
from noisylabels.metrics.video_scores import cosine_of_mean_embeddings
from noisylabels.statistics import resolution
from noisylabels.trained import Trained
from noisylabels.training.images import ImageBatches

MEASURED = (
    "verification_accuracy",
    "verification_auc",
    "equal_error_rate",
    "tar_at_1_percent_far",
    "rank_1_identification",
    "dir_at_1_percent_far",
)


@dataclass(frozen=True)
class Verified:
    """What pairs say of a model.

    Attributes:
        coverage: of the protocol's pairs, in words.
        measured: each metric.
        folds: accuracies fold by fold; None where the embeddings have no direction.
        by_mean_embeddings: the same for videos scored by their mean embeddings; None where items are photographs.
        resolution: half the width of the binomial interval around the accuracy, a share: smaller differences say
            nothing; None without an accuracy.
        trained_on: people of the pairs who were trained on, where it is known who was; figures are then not of new
            people.
    """

    coverage: str
    measured: tuple[Measured, ...]
    folds: View2 | None
    by_mean_embeddings: View2 | None
    resolution: float | None
    trained_on: tuple[str, ...]


def verify(trained: Trained, verification: VerificationSet) -> Verified:
    """Embed every image and its mirror image, score the pairs, and measure.

    Args:
        trained: the model; its images must be of ``trained.channels`` and ``trained.size``.
        verification: images and pairs.
    """
    batches = ImageBatches(verification.images, trained.mean, trained.std, device=trained.model.device)
    arrays = verification_arrays(trained.model, batches, verification)
    evaluation = _of_pairs_alone(arrays)
    measured = tuple(measure(METRICS[name](), evaluation) for name in MEASURED)
    folds = _folds(evaluation.pair_scores, evaluation)
    return Verified(
        coverage=verification.coverage,
        measured=measured,
        folds=folds,
        by_mean_embeddings=_by_mean_embeddings(trained, batches, verification, evaluation),
        resolution=None if folds is None else resolution(len(verification.pairs), folds.mean),
        trained_on=shared_people(trained.class_names, verification),
    )


def _of_pairs_alone(arrays: dict[str, NDArray[Any]]) -> Evaluation:
    """An evaluation without a training, a validation or a test example."""
    none, no_rows = np.empty(0, dtype=np.int64), np.empty((0, 1), dtype=np.float32)
    return Evaluation(no_rows, no_rows, none, none, none, none, no_rows, none, none, np.arange(1), **arrays)


def _folds(scores: NDArray[np.floating[Any]], evaluation: Evaluation) -> View2 | None:
    try:
        return view2(scores, evaluation.pair_is_same, evaluation.pair_fold)
    except Undefined:
        return None


def _by_mean_embeddings(
    trained: Trained, batches: ImageBatches, verification: VerificationSet, evaluation: Evaluation
) -> View2 | None:
    """Videos scored by the cosine of their mean embeddings, rather than by the mean cosine of their frames."""
    if len(verification.images) == verification.num_items:
        return None
    embeddings = trained.model.embeddings(batches).numpy()
    mirrored = trained.model.embeddings(batches, mirrored=True).numpy()
    pairs = verification.pairs
    try:
        both = original_and_mirrored(embeddings, mirrored)
        scores = cosine_of_mean_embeddings(both, verification.items, pairs.first, pairs.second)
    except Undefined:
        return None
    return _folds(scores, evaluation)

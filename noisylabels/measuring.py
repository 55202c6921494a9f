"""What a trained model is found to be: measurements, and whether they mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from noisylabels.data import VerificationPairs, VerificationSet
from noisylabels.metrics import Evaluation, Measured, Undefined, measure_all
from noisylabels.metrics.pair_scores import original_and_mirrored
from noisylabels.metrics.video_scores import mean_frame_cosine
from noisylabels.open_set import search_results
from noisylabels.problem import Problem
from noisylabels.result import Epoch, Measurement, Status
from noisylabels.spec import SELECTIONS, Selection
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model

COLLAPSE_DEG = 8.0
"""A model has collapsed when its ``wrong_centre_angle_deg`` is below this: half of its classes, or more, lie on the
centre of another. Our own rule, and a line, not a gap: in the published study cifar10_symmetric the 27 models it calls
collapsed score 1.1 to 7.3 degrees, and classify 10 to 43 % of the test images; the others score 8.1 and more.
"""


def measurements_of(evaluation: Evaluation, history: Sequence[Epoch], problem: Problem) -> tuple[Measurement, ...]:
    """Every metric at the last epoch, then accuracy at the epochs that the other selection rules choose.

    Args:
        evaluation: of the model at the last epoch.
        history: all epochs, in order.
        problem: whose labels they are about.
    """
    at_the_end = [_measurement(measured) for measured in measure_all(evaluation)]
    chosen = [_selected_accuracy(history, selection, problem) for selection in SELECTIONS[1:]]
    return tuple(at_the_end + chosen)


def outcome_of(measurements: Sequence[Measurement]) -> tuple[Status, str]:
    """``ok`` or ``collapsed``, and why."""
    angle = next(m.value for m in measurements if m.name == "wrong_centre_angle_deg")
    if angle is None:
        return "collapsed", "the test embeddings have no directions to compare"
    if angle < COLLAPSE_DEG:
        return "collapsed", f"half of the classes lie {angle:.1f} degrees or less from the centre of another"
    return "ok", ""


def evaluation_of(model: Model, batches: dict[str, ImageBatches], problem: Problem) -> Evaluation:
    """Everything that metrics and pictures are functions of.

    Args:
        model: trained.
        batches: the images of ``train``, ``validation``, ``test`` and ``verification``.
        problem: their labels.
    """
    embeddings = model.embeddings(batches["test"])
    with torch.inference_mode():
        logits = model.head.logits(embeddings.to(model.device)).cpu()
    held_out = batches["validation"]
    return Evaluation(
        test_embeddings=embeddings.numpy(),
        test_probabilities=_by_class(logits.softmax(1).numpy(), problem),
        test_true=problem.splits.test.labels,
        train_predicted=model.predictions(batches["train"]).numpy(),
        train_given=problem.train_given,
        train_true=problem.train.labels,
        validation_probabilities=model.probabilities(held_out).numpy()
        if len(held_out)
        else np.empty((0, problem.num_given_classes), np.float32),
        validation_given=problem.validation_given,
        validation_true=problem.validation.labels,
        carrying_class=problem.carrying_class,
        **verification_arrays(model, batches["verification"], problem.verification),
    )


def verification_arrays(
    model: Model, images: ImageBatches, verification: VerificationSet | None
) -> dict[str, NDArray[Any]]:
    """Scores of the verification pairs and of the open-set search, original and mirrored images summed.

    Nothing where there is no verification set. Embeddings that have no direction score NaN, which the metrics call
    undefined.
    """
    if verification is None:
        return {}
    pairs, people = verification.pairs, verification.people
    embeddings, mirrored = model.embeddings(images).numpy(), model.embeddings(images, mirrored=True).numpy()
    try:
        directions = original_and_mirrored(embeddings, mirrored)
        scores = mean_frame_cosine(directions, verification.items, pairs.first, pairs.second)
    except Undefined:
        directions, scores = np.full(embeddings.shape, np.nan), np.full(len(pairs), np.nan)
    sides = np.stack([pairs.first, pairs.second], axis=1)
    return {
        "pair_scores": scores,
        "pair_is_same": pairs.is_same,
        "pair_fold": folds_of(pairs),
        "pair_people": np.full(sides.shape, -1) if people is None else people[sides],
        **search_results(_of_items(directions, verification.items), verification),
    }


def _of_items(directions: NDArray[np.float64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean direction of each item's images, ``(I, D)``: of a video's frames, or of the one photograph."""
    starts = np.flatnonzero(np.diff(items, prepend=-1))
    return np.asarray(np.add.reduceat(directions, starts, axis=0) / np.diff(np.append(starts, len(items)))[:, None])


def folds_of(pairs: VerificationPairs, folds: int = 10) -> NDArray[np.int64]:
    """The protocol's folds; where it has none, pairs of either kind are dealt out to ten in their order.

    So a threshold is never chosen on the pairs it is judged on. People may be in several of the dealt folds.
    """
    if len(np.unique(pairs.fold)) > 1:
        return pairs.fold
    place = np.where(pairs.is_same, np.cumsum(pairs.is_same), np.cumsum(~pairs.is_same)) - 1
    return np.asarray(place % folds, dtype=np.int64)


def _by_class(probabilities: NDArray[np.float32], problem: Problem) -> NDArray[np.float32]:
    """Probabilities of the K true classes, (M, K), from those of the K' labels: a class has its likeliest label's.

    So the likeliest class is always the owner of the likeliest label, as it is in the history.
    """
    if problem.num_given_classes == problem.num_classes:
        return probabilities
    by_class = np.zeros((len(probabilities), problem.num_classes), dtype=np.float32)
    np.maximum.at(by_class.T, problem.owner, probabilities.T)
    return by_class


def _measurement(measured: Measured) -> Measurement:
    return Measurement(
        name=measured.name,
        value=measured.value,
        unit=measured.unit,
        higher_is_better=measured.higher_is_better,
        n=measured.n,
        note=measured.note,
        interval=measured.interval,
    )


def _selected_accuracy(history: Sequence[Epoch], selection: Selection, problem: Problem) -> Measurement:
    """Clean-test accuracy at the first epoch that is best by the rule.

    ``noisy_val`` looks at given labels of the validation split only; ``clean_val_oracle`` at its true labels, which
    nobody has in practice.
    """
    name = "validation_given_accuracy" if selection == "noisy_val" else "validation_true_accuracy"
    scores = [getattr(epoch, name) for epoch in history]
    value, note = None, "there is no validation split"
    if None not in scores:
        best = history[int(np.argmax(scores))]
        kind = "noisy" if selection == "noisy_val" else "true"
        value = best.test_accuracy
        note = f"epoch {best.epoch} of {len(history)}, chosen on {len(problem.validation_given)} {kind} labels"
    n = len(problem.splits.test.labels)
    return Measurement(
        name="accuracy", value=value, unit="share", higher_is_better=True, n=n, selection=selection, note=note
    )

"""``execute(spec) -> RunResult``: corrupt the labels, train, measure."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from corruptions import CorruptedLabels, Corruption
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet, Splits
from noisylabels.metrics import Evaluation, Measured, measure_all
from noisylabels.result import Epoch, Measurement, RunResult, Status
from noisylabels.spec import SELECTIONS, RunSpec, Selection
from noisylabels.training.device import pick_device, pick_precision
from noisylabels.training.fit import EpochFit, fit
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.streams import initialised_by

COLLAPSE_DEG = 8.0
"""A model has collapsed when its ``wrong_centre_angle_deg`` is below this: half of its classes, or more, lie on the
centre of another. Our own rule; the models of our studies that it calls collapsed score 1 to 6 degrees, all others
above 9.
"""

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class Problem:
    """What a run is about, once the data are there: images, and both labels of each.

    ``noisy_train`` and ``noisy_validation`` come from the same corruption and seed; the test set has true labels only.
    """

    splits: Splits
    noisy_train: CorruptedLabels
    noisy_validation: CorruptedLabels

    @property
    def num_classes(self) -> int:
        """K."""
        return self.splits.train.num_classes


def pose(spec: RunSpec, root: Path, *, download: bool = False) -> Problem:
    """Load the data and corrupt the labels of training and validation split.

    Raises:
        MissingDataError: the data set is not under ``root``.
        UsageError: the data set or the corruption cannot be had as asked.
    """
    return _corrupted(spec, spec.plugin("dataset").prepare(root, download=download))


def check(specs: Sequence[RunSpec], root: Path, *, download: bool = False) -> None:
    """Pose every different problem among the specs and drop it again: what cannot be is said before anything runs.

    Raises:
        MissingDataError, UsageError: as ``pose``.
    """
    by_dataset: dict[str, dict[str, RunSpec]] = {}
    for spec in specs:
        by_dataset.setdefault(spec.dataset, {})[spec.corruption] = spec
    for asked in by_dataset.values():
        splits = next(iter(asked.values())).plugin("dataset").prepare(root, download=download)
        for spec in asked.values():
            _corrupted(spec, splits)


def _corrupted(spec: RunSpec, splits: Splits) -> Problem:
    """The splits are corrupted one by one, so that each realises the asked rate exactly."""
    corruption: Corruption = spec.plugin("corruption")

    def corrupted(images: ImageSet) -> CorruptedLabels:
        return corruption.apply(images.labels, images.num_classes, seed=spec.noise_seed, example_ids=images.ids)

    try:
        return Problem(splits, corrupted(splits.train), corrupted(splits.validation))
    except ValueError as error:
        raise UsageError(f"{error} (in {spec.short('corruption')!r} on {spec.short('dataset')!r})") from error


def execute(
    spec: RunSpec, problem: Problem, *, device: str = "auto", on_epoch: OnEpoch = lambda epoch: None
) -> RunResult:
    """Run one spec on its problem, ``pose(spec, ...)``: train, then measure.

    Args:
        spec: what to run.
        problem: images and labels.
        device: see ``pick_device``; no part of the run's identity.
        on_epoch: called with each finished epoch.

    Returns:
        The result with status ``ok``, ``diverged`` (and then no measurements) or ``collapsed``.

    Raises:
        ValueError: the spec cannot be run on these images.
    """
    started = time.monotonic()
    trained = _train(spec, problem, pick_device(device), on_epoch)
    measurements = _measure(trained, problem) if trained.finite else ()
    status, reason = _outcome(trained, measurements)
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status=status,
        reason=reason,
        noise=problem.noisy_train.record.to_json(),
        measurements=measurements,
        history=tuple(trained.history),
        provenance=_provenance(problem, trained.model, time.monotonic() - started),
    )


@dataclass(frozen=True)
class _Trained:
    model: Model
    batches: dict[str, ImageBatches]
    history: list[Epoch]
    finite: bool


def _train(spec: RunSpec, problem: Problem, device: torch.device, on_epoch: OnEpoch) -> _Trained:
    model = _build(spec, problem, device)
    batches = _batches(spec, problem.splits, device)
    history: list[Epoch] = []

    def record(fitted: EpochFit) -> None:
        held_out = model.predictions(batches["validation"]).numpy() if len(batches["validation"]) else None
        epoch = Epoch(
            epoch=fitted.epoch,
            train_loss=fitted.loss if math.isfinite(fitted.loss) else None,
            train_given_accuracy=fitted.given_accuracy,
            validation_given_accuracy=_share_equal(held_out, problem.noisy_validation.given),
            validation_true_accuracy=_share_equal(held_out, problem.noisy_validation.true),
            test_accuracy=float((model.predictions(batches["test"]).numpy() == problem.splits.test.labels).mean()),
            head=model.head.state(),
        )
        history.append(epoch)
        on_epoch(epoch)

    finite = fit(
        model,
        batches["train"],
        torch.tensor(problem.noisy_train.given),
        spec.plugin("loss"),
        spec.plugin("strategy"),
        spec.train,
        seed=spec.seed,
        on_epoch=record,
    )
    return _Trained(model, batches, history, finite)


def _build(spec: RunSpec, problem: Problem, device: torch.device) -> Model:
    _, channels, height, _ = problem.splits.train.images.shape
    embedder_spec = spec.plugin("model")
    with initialised_by("init", spec.seed):
        embedder = embedder_spec.build(channels, height)
        head = spec.plugin("head").build(problem.num_classes, embedder_spec.embedding_dim)
    embedder.to(device, memory_format=torch.channels_last)
    return Model(embedder, head.to(device), device, pick_precision(spec.train.precision, device))


def _batches(spec: RunSpec, splits: Splits, device: torch.device) -> dict[str, ImageBatches]:
    mean, std = channel_statistics(splits.train.images)
    padding = 0 if spec.train.augment == "none" else spec.train.crop_padding
    mirror = spec.train.augment == "crop_flip"
    return {
        "train": ImageBatches(splits.train.images, mean, std, padding=padding, mirror=mirror, device=device),
        "validation": ImageBatches(splits.validation.images, mean, std, device=device),
        "test": ImageBatches(splits.test.images, mean, std, device=device),
    }


def _share_equal(predicted: NDArray[np.int64] | None, labels: NDArray[np.int64]) -> float | None:
    return None if predicted is None else float((predicted == labels).mean())


def _measure(trained: _Trained, problem: Problem) -> tuple[Measurement, ...]:
    at_the_end = [_measurement(measured) for measured in measure_all(_evaluation(trained, problem))]
    chosen = [_selected_accuracy(trained.history, selection, problem) for selection in SELECTIONS[1:]]
    return tuple(at_the_end + chosen)


def _evaluation(trained: _Trained, problem: Problem) -> Evaluation:
    model, batches = trained.model, trained.batches
    embeddings = model.embeddings(batches["test"])
    with torch.inference_mode():
        logits = model.head.logits(embeddings.to(model.device)).cpu()
    validation = problem.noisy_validation
    return Evaluation(
        test_embeddings=embeddings.numpy(),
        test_probabilities=logits.softmax(1).numpy(),
        test_true=problem.splits.test.labels,
        train_predicted=model.predictions(batches["train"]).numpy(),
        train_given=problem.noisy_train.given,
        train_true=problem.noisy_train.true,
        validation_probabilities=model.probabilities(batches["validation"]).numpy()
        if len(validation.given)
        else np.empty((0, problem.num_classes), np.float32),
        validation_given=validation.given,
        validation_true=validation.true,
        carrying_class=carrying_class(problem.noisy_train),
    )


def carrying_class(labels: CorruptedLabels) -> NDArray[np.int64]:
    """For each true class, the class whose label its images carry by design, int64 ``(K,)``.

    Another class only where whole identities were merged; scattered flips leave a class carrying its own name.
    """
    carrying = np.arange(labels.record.num_classes)
    for absorbed, absorber in labels.record.details.get("absorbed_into", []):
        carrying[absorbed] = absorber
    return carrying


def _measurement(measured: Measured) -> Measurement:
    return Measurement(
        name=measured.name,
        value=measured.value,
        unit=measured.unit,
        higher_is_better=measured.higher_is_better,
        n=measured.n,
        note=measured.note,
    )


def _selected_accuracy(history: list[Epoch], selection: Selection, problem: Problem) -> Measurement:
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
        note = f"epoch {best.epoch} of {len(history)}, chosen on {len(problem.noisy_validation.given)} {kind} labels"
    n = len(problem.splits.test.labels)
    return Measurement(
        name="accuracy", value=value, unit="share", higher_is_better=True, n=n, selection=selection, note=note
    )


def _outcome(trained: _Trained, measurements: tuple[Measurement, ...]) -> tuple[Status, str]:
    if not trained.finite:
        return "diverged", f"the training loss was not finite in epoch {trained.history[-1].epoch}"
    angle = next(m.value for m in measurements if m.name == "wrong_centre_angle_deg")
    if angle is None:
        return "collapsed", "the test embeddings have no directions to compare"
    if angle < COLLAPSE_DEG:
        return "collapsed", f"half of the classes lie {angle:.1f} degrees or less from the centre of another"
    return "ok", ""


def _provenance(problem: Problem, model: Model, seconds: float) -> dict[str, Any]:
    packages = ("noisylabels", "torch", "numpy", "scikit-learn", "cleanlab")
    return {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type,
        "precision": str(model.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 2),
        "sizes": {name: len(getattr(problem.splits, name).labels) for name in ("train", "validation", "test")},
        "fingerprints": {name: getattr(problem.splits, name).fingerprint() for name in ("train", "validation", "test")},
    }

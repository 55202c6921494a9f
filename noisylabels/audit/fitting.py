"""One model trained on labelled images by the toolkit's own loop, for the audit: nothing is measured on the way."""

from __future__ import annotations

import torch

from noisylabels.audit.dynamics import Journal, Watched
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.spec import RunSpec
from noisylabels.training.device import pick_precision
from noisylabels.training.fit import Told, Training
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.streams import initialised_by


def fitted(
    spec: RunSpec, images: ImageSet, device: torch.device, journal: Journal | None = None
) -> tuple[Model, ImageBatches]:
    """The model of a spec, trained on images under their labels; and the images as it saw them.

    Equal to what ``run.execute`` trains on the same images and labels, bit for bit.

    Args:
        spec: model, head, loss, strategy, training and seed; its data set and corruption play no part.
        images: labelled with the given labels.
        device: where to train.
        journal: where every step is written down; it changes nothing.

    Raises:
        UsageError: the method must be told the truth (a transition matrix, a noise rate), which an audit does not have;
            too few images; or the training diverged.
    """
    loss, strategy = spec.plugin("loss"), spec.plugin("strategy")
    if loss.needs_transition or strategy.oracle_knowledge:
        asked = strategy.oracle_knowledge or "the true transition matrix"
        raise UsageError(f"an audit cannot tell a method {asked}; got {spec.method!r}")
    mean, std = channel_statistics(images.images)
    padding = 0 if spec.train.augment == "none" else spec.train.crop_padding
    mirror = spec.train.augment == "crop_flip"
    batches = ImageBatches(images.images, mean, std, padding=padding, mirror=mirror, device=device)
    models = [_begun(spec, images, device, stream) for stream in _streams(strategy.networks)]
    watched = strategy if journal is None else Watched(strategy, journal)
    told = Told(given=torch.from_numpy(images.labels.copy()), num_classes=images.num_classes)
    training = Training(models, batches, told, loss, watched, spec.train, seed=spec.seed)
    while training.finite and training.epochs_done < spec.train.epochs:
        training.run_epoch()
    if not (training.finite and training.weights_are_finite()):
        raise UsageError(f"the training of {spec.method!r} diverged; try a lower train.learning_rate")
    if journal is not None:
        logits = training.model.over(batches, lambda embeddings: training.model.head.logits(embeddings))
        journal.complete(logits, told.given)
    return training.model, batches


def _streams(networks: int) -> list[str]:
    """The stream that each network's weights are drawn from, as in a run."""
    return ["init", *(f"init_{number}" for number in range(1, networks))]


def _begun(spec: RunSpec, images: ImageSet, device: torch.device, stream: str) -> Model:
    embedder_spec = spec.plugin("model")
    with initialised_by(stream, spec.seed):
        embedder = embedder_spec.build(images.images.shape[1], images.images.shape[2])
        head = spec.plugin("head").build(images.num_classes, embedder_spec.embedding_dim)
    embedder.to(device, memory_format=torch.channels_last)
    return Model(embedder, head.to(device), device, pick_precision(spec.train.precision, device))

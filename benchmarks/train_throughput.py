"""Training throughput beside a conventional loop: the same net, one thread each, in one run, in turn.

    python -m benchmarks.train_throughput [--dataset cifar10:per_class=400] [--rounds 5] [MODEL ...]

Three loops over the same training images, a round of each before the next round of any, so that a busy machine is
busy for all of them:

    ours          images as one uint8 tensor, augmented a batch at a time, channels last (``noisylabels.training.fit``)
    conventional  a torch Dataset of PIL images, torchvision's RandomCrop, RandomHorizontalFlip, ToTensor, Normalize,
                  a DataLoader in the same process, contiguous float32
    bare          ours' forward, backward and optimiser step over one fixed batch: the most any loader could reach

Prints images a second (median over rounds) and the ratios; ratios are taken round by round, then the median. The
smaller the net, the more the loop around it matters: the default models go from one that trains in seconds to ResNet-8.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from noisylabels import catalog
from noisylabels.data import DATASETS, ImageSet, data_root
from noisylabels.heads import HEADS
from noisylabels.losses import LOSSES
from noisylabels.models import MODELS
from noisylabels.spec import TrainSpec
from noisylabels.strategies import STRATEGIES
from noisylabels.torchvision_shim import import_torchvision
from noisylabels.training.device import pick_precision
from noisylabels.training.fit import Told, Training
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.optimizer import make_optimizer

MODELS_TO_TIME = ["small_cnn:width=8", "small_cnn:width=16", "small_cnn", "resnet8"]
CPU = torch.device("cpu")
SPEC = TrainSpec(epochs=1, batch_size=128, learning_rate=0.05, crop_padding=2, precision="auto")


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """What tutorials do: one PIL image at a time through torchvision's transforms."""

    def __init__(self, images: ImageSet) -> None:
        self.images, self.labels = images.images.transpose(0, 2, 3, 1), images.labels
        mean, std = channel_statistics(images.images)
        transforms = import_torchvision().transforms
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(images.images.shape[2], padding=SPEC.crop_padding, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((mean / 255).tolist(), (std / 255).tolist()),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[row].squeeze())), int(self.labels[row])


def build(text: str, images: ImageSet, *, channels_last: bool, precision: torch.dtype) -> Model:
    """The same weights for every loop."""
    torch.manual_seed(0)
    spec = catalog.build(MODELS, text, what="model")
    embedder = spec.build(images.images.shape[1], images.images.shape[2])
    if channels_last:
        embedder.to(memory_format=torch.channels_last)
    head = catalog.build(HEADS, "softmax", what="head").build(images.num_classes, spec.embedding_dim)
    return Model(embedder, head, CPU, precision)


def ours(text: str, images: ImageSet) -> Callable[[], int]:
    """One epoch of the real training loop."""
    model = build(text, images, channels_last=True, precision=pick_precision(SPEC.precision, CPU))
    mean, std = channel_statistics(images.images)
    batches = ImageBatches(images.images, mean, std, padding=SPEC.crop_padding, mirror=True, device=CPU)
    labels = torch.tensor(images.labels)
    loss = catalog.build(LOSSES, "ce", what="loss")
    strategy = catalog.build(STRATEGIES, "standard", what="strategy")

    def epoch() -> int:
        Training([model], batches, Told(labels, images.num_classes), loss, strategy, SPEC, seed=0).run_epoch()
        return len(images.labels) // SPEC.batch_size * SPEC.batch_size

    return epoch


def conventional(text: str, images: ImageSet) -> Callable[[], int]:
    """One epoch of the loop of the tutorials."""
    model = build(text, images, channels_last=False, precision=torch.float32)
    loader = DataLoader(PilImages(images), batch_size=SPEC.batch_size, shuffle=True, drop_last=True, num_workers=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=SPEC.learning_rate, momentum=0.9, nesterov=True)

    def epoch() -> int:
        model.train()
        count = 0
        for pictures, labels in loader:
            loss = torch.nn.functional.cross_entropy(model.head.training_logits(model.embed(pictures), labels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count += len(labels)
        return count

    return epoch


def bare(text: str, images: ImageSet) -> Callable[[], int]:
    """As many steps as an epoch has, on one standardised batch that is there already."""
    model = build(text, images, channels_last=True, precision=pick_precision(SPEC.precision, CPU))
    mean, std = channel_statistics(images.images)
    batch = ImageBatches(images.images, mean, std, device=CPU).plain(slice(SPEC.batch_size))
    labels = torch.tensor(images.labels[: SPEC.batch_size])
    optimizer = make_optimizer([model], SPEC)

    def epoch() -> int:
        model.train()
        steps = len(images.labels) // SPEC.batch_size
        for _ in range(steps):
            loss = torch.nn.functional.cross_entropy(model.head.training_logits(model.embed(batch), labels), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return steps * SPEC.batch_size

    return epoch


def measure(loops: dict[str, Callable[[], int]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Images a second of each loop in each round, after a round that warms up."""
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds + 1):
        for name, epoch in loops.items():
            rates[name].append(images_a_second(epoch))
    return {name: np.array(values[1:]) for name, values in rates.items()}


def images_a_second(epoch: Callable[[], int]) -> float:
    """Of one round."""
    started = time.perf_counter()
    count = epoch()
    return count / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="cifar10:per_class=400")
    parser.add_argument(
        "models", nargs="*", default=["small_cnn:width=8", "small_cnn:width=16", "small_cnn", "resnet8"]
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = catalog.build(DATASETS, options.dataset, what="dataset").prepare(Path(data_root())).train
    print(f"{options.dataset}, {len(images.labels)} images, one thread, median of {options.rounds} rounds, images/s")
    print(f"{'model':20}{'ours':>8}{'conventional':>14}{'bare':>8}{'ours/conventional':>20}{'ours/bare':>12}")
    for model in options.models:
        rates = measure({loop.__name__: loop(model, images) for loop in (ours, conventional, bare)}, options.rounds)
        speeds = [statistics.median(rates[name]) for name in ("ours", "conventional", "bare")]
        ratios = [statistics.median(rates["ours"] / rates[name]) for name in ("conventional", "bare")]
        print(
            f"{model:20}{speeds[0]:8.0f}{speeds[1]:14.0f}{speeds[2]:8.0f}{ratios[0]:20.2f}{ratios[1]:12.2f}", flush=True
        )


if __name__ == "__main__":
    main()

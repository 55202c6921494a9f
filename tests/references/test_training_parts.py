"""The parts of the training loop against slow, plain versions of themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from noisylabels.spec import TrainSpec
from noisylabels.training.device import pick_precision
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.optimizer import learning_rate_factor
from noisylabels.training.streams import initialised_by, stream, stream_seed

CPU = torch.device("cpu")


def pictures(count: int = 9, channels: int = 3, side: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)


def batches(images: NDArray[np.uint8], **options: object) -> ImageBatches:
    mean, std = channel_statistics(images)
    return ImageBatches(images, mean, std, device=CPU, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 3])
def test_channel_statistics_are_numpys(channels: int) -> None:
    images = pictures(channels=channels)
    mean, std = channel_statistics(images)
    assert np.allclose(mean, images.mean(axis=(0, 2, 3)), rtol=1e-6)
    assert np.allclose(std, images.std(axis=(0, 2, 3)), rtol=1e-6)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    images = pictures()
    images[:, 1] = 7
    assert batches(images).plain(slice(None)).isfinite().all()


def test_plain_batches_have_mean_0_and_deviation_1() -> None:
    plain = batches(pictures()).plain(slice(None)).double()
    assert torch.allclose(plain.mean(dim=(0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(plain.std(dim=(0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize(("padding", "mirror"), [(0, False), (2, False), (0, True), (3, True)])
def test_augmented_equals_a_loop_over_images(padding: int, mirror: bool) -> None:
    images = pictures()
    ours = batches(images, padding=padding, mirror=mirror)
    rows = torch.tensor([3, 3, 0, 8, 5])
    result = ours.augmented(rows, stream("augment", 0))
    draws = stream("augment", 0)
    shifts = torch.randint(0, 2 * padding + 1, (2, len(rows), 1), generator=draws)
    coins = torch.rand(len(rows), 1, generator=draws)
    mean, std = channel_statistics(images)
    for i, row in enumerate(rows):
        bordered = np.pad(images[row], ((0, 0), (padding, padding), (padding, padding)), mode="reflect")
        top, left = int(shifts[0, i, 0]), int(shifts[1, i, 0])
        crop = bordered[:, top : top + 8, left : left + 8].astype(np.float32)
        if mirror and coins[i, 0] < 0.5:
            crop = crop[:, :, ::-1]
        expected = (crop - mean.numpy()[:, None, None]) / std.numpy()[:, None, None]
        assert np.allclose(result[i].numpy(), expected, atol=1e-6)


def test_augmentation_varies_and_keeps_the_images() -> None:
    images = pictures(count=64)
    ours = batches(images, padding=2, mirror=True)
    before = ours.images.clone()
    rows = torch.zeros(64, dtype=torch.long)
    result = ours.augmented(rows, stream("augment", 0))
    assert len({tuple(image.flatten().tolist()) for image in result}) > 20
    assert torch.equal(ours.images, before)


def test_padding_must_fit_the_image() -> None:
    with pytest.raises(ValueError, match="crop_padding must be below the image side 8; got 8"):
        batches(pictures(), padding=8)


def test_streams_differ_by_name_and_seed_and_nothing_else() -> None:
    names = ("init", "order", "augment")
    seeds = {stream_seed(name, seed) for name in names for seed in range(50)}
    assert len(seeds) == 150
    assert torch.equal(torch.rand(5, generator=stream("order", 3)), torch.rand(5, generator=stream("order", 3)))


def test_initialisation_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    with initialised_by("init", 1):
        first = torch.nn.Linear(3, 3).weight
    with initialised_by("init", 1):
        second = torch.nn.Linear(3, 3).weight
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_learning_rate_is_torchs_linear_one_cycle() -> None:
    """torch's OneCycleLR with linear annealing, from 0 to the peak and back to 0."""
    steps, warmup = 40, 0.25
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2.0, total_steps=steps + 1, pct_start=11 / (steps + 1), anneal_strategy="linear",
        div_factor=1e12, final_div_factor=1e12, cycle_momentum=False,
    )  # fmt: skip
    spec = TrainSpec(learning_rate=2.0, warmup=warmup)
    for step in range(steps):
        assert reference.get_last_lr()[0] == pytest.approx(2.0 * learning_rate_factor(spec, step / steps), abs=1e-9)
        optimizer.step()
        reference.step()


def test_cosine_schedule_ends_at_zero_and_halves_in_the_middle() -> None:
    spec = TrainSpec(schedule="cosine", warmup=0.0)
    assert learning_rate_factor(spec, 0.0) == 1.0
    assert learning_rate_factor(spec, 0.5) == pytest.approx(0.5)
    assert learning_rate_factor(spec, 1.0) == pytest.approx(0.0)


def test_precision_follows_the_wish_and_the_processor() -> None:
    assert pick_precision("bfloat16", CPU) == torch.bfloat16
    assert pick_precision("float32", CPU) == torch.float32
    has_it = any(getattr(torch.cpu, name)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    assert pick_precision("auto", CPU) == (torch.bfloat16 if has_it else torch.float32)

"""Profiles over the target's cosine against closed forms, a slow loop and wrong twins."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noisylabels import target_cosines
from noisylabels.catalog import build
from noisylabels.heads import HEADS, Head
from noisylabels.problem import Problem, pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.target_cosines import CELLS, cell_of, pull, target_profiles
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model

K, D = 5, 6
CPU = torch.device("cpu")


def model_of(text: str, embedder: nn.Module | None = None, dim: int = D, classes: int = K) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head: Head = build(HEADS, text, what="head").build(classes, dim)
    for step in range(1, 51):
        head.advance(step / 50, torch.zeros(4))
    return Model(embedder or nn.Identity(), head.train(False), CPU, torch.float32)


def embeddings_and_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, D, generator=generator), torch.arange(40) % K


K_AT_60 = 1 / (1 - math.log2(1.5))

SLOPES = {
    "normalised_softmax": lambda x: 1.0,
    "cosface:margin=0.35": lambda x: 1.0,
    "arcface:margin=0.5": lambda x: math.sin(math.acos(x) + 0.5) / math.sin(math.acos(x)),
    "cam_softmax:schedule=ramp,c_stop_deg=60": lambda x: K_AT_60 * ((1 + x) / 2) ** (K_AT_60 - 1),
    "cam_softmax:schedule=ramp,c_stop_deg=60,gradient=value_only": lambda x: 1.0,
    "cam_softmax:schedule=ramp,c_stop_deg=60,gradient=slope_only": lambda x: K_AT_60 * ((1 + x) / 2) ** (K_AT_60 - 1),
    "sphereface2:t=3": lambda x: 3 * ((1 + x) / 2) ** 2,
    "fixed_simplex": lambda x: 1.0,
}
"""f' by hand (methods of the papers): ArcFace's sin(theta + m) / sin(theta), cam-softmax's k ((1 + x) / 2)^(k - 1)."""


@pytest.mark.parametrize("text", SLOPES)
def test_pull_is_the_slope_of_the_activation(text: str) -> None:
    model = model_of(text)
    embeddings, labels = embeddings_and_labels()
    cosines = model.head.cosines(embeddings).gather(1, labels[:, None])[:, 0]
    found = pull(model, embeddings, labels).tolist()
    assert found == pytest.approx([SLOPES[text](float(x)) for x in cosines.detach()], rel=2e-3)


def test_pull_follows_the_nearest_subcentre() -> None:
    embeddings, labels = embeddings_and_labels()
    slopes = pull(model_of("subcenter_arcface:margin=0"), embeddings, labels)
    assert torch.allclose(slopes, torch.ones(40), atol=1e-3)


def test_pull_of_the_wrong_class_is_found_out() -> None:
    """The twin reads the slope at another class's cosine."""
    text = "arcface:margin=0.5"
    model, (embeddings, labels) = model_of(text), embeddings_and_labels()
    wrong = (labels + 1) % K
    cosines = model.head.cosines(embeddings).gather(1, labels[:, None])[:, 0].tolist()
    assert pull(model, embeddings, wrong).tolist() != pytest.approx([SLOPES[text](x) for x in cosines], rel=2e-3)


def test_cells_are_equal_and_closed_at_the_poles() -> None:
    cosines = torch.tensor([-1.0000001, -1.0, -0.981, -0.979, 0.0, 0.999, 1.0, 1.0000001, math.nan])
    assert cell_of(cosines).tolist() == [0, 0, 0, 1, 50, 99, 99, 99, -1]


@pytest.fixture(scope="module")
def problem() -> Problem:
    spec = RunSpec(dataset="digits:per_class=20,test_per_class=10", corruption="symmetric:rate=0.4")
    return pose(spec, Path("nowhere"))


class Flat(nn.Module):
    """The first D pixels as the embedding."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, 10 : 10 + D]


def images_of(problem: Problem) -> ImageBatches:
    return ImageBatches(problem.train.images, *channel_statistics(problem.train.images), device=CPU)


def test_profiles_by_a_slow_loop(problem: Problem) -> None:
    model = model_of("arcface:margin=0.3", Flat(), classes=10)
    images = images_of(problem)
    embeddings = Flat()(images.plain(slice(None)))
    weights = model.head.class_weights().detach()
    expected = {name: [0.0] * CELLS for name in ("clean", "flipped_given", "flipped_true")}
    pulls: list[list[float]] = [[] for _ in range(CELLS)]
    for n, (given, true) in enumerate(zip(problem.train_given, problem.train.labels, strict=True)):
        at = {c: float(torch.cosine_similarity(embeddings[n], weights[c], dim=0)) for c in (int(given), int(true))}
        cell = {c: min(int((x + 1) / 0.02), CELLS - 1) for c, x in at.items()}
        if given == true:
            expected["clean"][cell[int(given)]] += 1
        else:
            expected["flipped_given"][cell[int(given)]] += 1
            expected["flipped_true"][cell[int(true)]] += 1
        theta = math.acos(at[int(given)])
        # Past pi the released code goes on linearly.
        pulls[cell[int(given)]].append(math.sin(theta + 0.3) / math.sin(theta) if theta + 0.3 < math.pi else 1.0)
    found = {profile.name: profile for profile in target_profiles(model, images, problem)}
    for name, counts in expected.items():
        assert found[name].n == sum(counts)
        # Rounding may put an example that lies on a border into the next cell.
        apart = np.abs(np.array(found[name].values, dtype=float) - np.array(counts) / sum(counts)).sum()
        assert apart <= 2 / sum(counts)
    means = [sum(cell) / len(cell) if cell else None for cell in pulls]
    differ = [
        cell
        for cell, (ours, theirs) in enumerate(zip(found["pull"].values, means, strict=True))
        if (ours is None) != (theirs is None) or (ours is not None and ours != pytest.approx(theirs, abs=1e-3))
    ]
    assert len(differ) <= 2  # both cells of one example on a border
    assert sum(mean is not None for mean in means) > 20


def test_given_and_true_labels_are_not_exchanged(problem: Problem) -> None:
    """A model that has learnt the true labels: wrongly labelled examples lie on their true class's weight."""

    class Oracle(nn.Module):
        """Each image's embedding is its true class's unit vector, whatever the image."""

        def __init__(self) -> None:
            super().__init__()
            self.place = 0

        def forward(self, images: Tensor) -> Tensor:
            true = problem.train.labels[self.place : self.place + len(images)]
            self.place += len(images)
            return torch.eye(10)[torch.tensor(true)]

    model = model_of("normalised_softmax", Oracle(), dim=10, classes=10)
    with torch.no_grad():
        model.head.class_weights().copy_(torch.eye(10))
    found = {profile.name: profile for profile in target_profiles(model, images_of(problem), problem)}
    assert found["clean"].values[-1] == found["flipped_true"].values[-1] == 1
    assert found["flipped_given"].values[CELLS // 2] == 1


def test_without_noise_there_is_no_flipped_profile_and_without_cosines_none(problem: Problem) -> None:
    clean = pose(RunSpec(dataset="digits:per_class=20,test_per_class=10"), Path("nowhere"))
    model = model_of("normalised_softmax", Flat(), classes=10)
    assert [profile.name for profile in target_profiles(model, images_of(clean), clean)] == ["clean", "pull"]
    assert target_profiles(model_of("softmax", Flat(), classes=10), images_of(problem), problem) == ()


def test_asking_leaves_the_head_as_it_is(problem: Problem) -> None:
    for text in ("adaface", "curricularface", "cam_softmax"):
        model = model_of(text, Flat(), classes=10)
        before = model.head.class_weights().clone()
        target_profiles(model, images_of(problem), problem)
        assert all(parameter.grad is None for parameter in model.head.parameters())
        assert getattr(model.head, "seen", None) is None
        assert torch.equal(before, model.head.class_weights())


def test_a_result_has_them_and_an_old_result_reads_without() -> None:
    spec = RunSpec.checked(
        {
            "dataset": "digits:per_class=20,test_per_class=10",
            "corruption": "symmetric:rate=0.4",
            "model": "small_cnn:width=4",
            "head": "cosface + ring",
            "train": {"epochs": 2, "batch_size": 32, "crop_padding": 1},
        }
    )
    result = execute(spec, pose(spec, Path("nowhere")), device="cpu")
    assert [profile.name for profile in result.profiles] == ["clean", "flipped_given", "flipped_true", "pull"]
    old = result.model_dump(mode="json", exclude={"profiles"})
    assert type(result).model_validate(old).profiles == ()
    assert len(result.profiles[0].values) == target_cosines.CELLS

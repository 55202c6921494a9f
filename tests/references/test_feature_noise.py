"""Noise that looks at features against slow loops, scikit-learn, SciPy and real images; what each kind claims."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse, special, stats
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix, pairwise_distances_argmin
from sklearn.neighbors import NearestNeighbors

from corruptions import CorruptedLabels, Corruption, Examples, Symmetric, example_draws
from corruptions import look_alike as look_alike_module
from corruptions.cells import FeatureCells, nearest_centre
from corruptions.clustered import Clustered, most_frequent
from corruptions.confusion import Confusion
from corruptions.instance import Instance, InstanceTargets
from corruptions.look_alike import look_alikes
from corruptions.portable import random_signs
from noisylabels.data import Cifar10, data_root
from tests.laws.cases_features import blobs
from tests.laws.corruption_cases import skewed_labels
from tests.laws.twins_features import (
    FeaturesOfOthers,
    RawPixelInstance,
    ScatteredInTheCell,
    StandardisedByTheBatch,
)
from tests.references.plain_integers import draw_in_plain_integers

Labels = NDArray[np.int64]
Make = Callable[[float], Corruption]


def pictures(num_examples: int = 3000, columns: int = 300) -> Examples:
    """Positive, strongly correlated pixels, as of photographs: brightness, ten shared patterns, a little noise."""
    generator = np.random.default_rng(8)
    true = np.arange(num_examples) % 10
    patterns = generator.normal(size=(10, columns))
    strength = generator.normal(size=(num_examples, 10)) + 0.7 * np.eye(10)[true]
    brightness = generator.normal(size=(num_examples, 1))
    pixels = 120 + 35 * brightness + 18 * strength @ patterns + 9 * generator.normal(size=(num_examples, columns))
    return Examples.of(true, 10, features=np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def photographs() -> Examples:
    if not (data_root() / "cifar-10-batches-py").is_dir():
        pytest.skip(f"no cifar-10-batches-py under {data_root()} (NOISYLABELS_DATA)")
    train = Cifar10(per_class=500).prepare(Path(data_root())).train
    return Examples.of(train.labels, 10, example_ids=train.ids, features=train.images)


@pytest.fixture(scope="module")
def digits() -> Examples:
    source = load_digits()
    return Examples.of(source.target, 10, features=source.data)


# Claims of single kinds, as plain functions: a claim raises AssertionError where it does not hold.


def claim_no_class_takes_twice_its_share(make: Make, examples: Examples) -> None:
    for seed in range(4):
        noise = make(0.3).apply_to(examples, seed=seed)
        into = Counter(noise.given[noise.is_flipped].tolist())
        assert max(into.values()) <= 2 * noise.is_flipped.sum() / examples.num_classes


def claim_depends_on_the_features(make: Make, examples: Examples) -> None:
    """Wrong labels of the five nearest wrong neighbours agree clearly more often than labels drawn apart would."""
    noise = make(0.5).apply_to(examples, seed=1)
    x, wrong = standard_scores(examples.features)[noise.is_flipped], noise.given[noise.is_flipped]
    neighbours = NearestNeighbors(n_neighbors=6).fit(x).kneighbors(return_distance=False, n_neighbors=5)
    agreement = (wrong[neighbours] == wrong[:, None]).mean()
    by_chance = sum((n / len(wrong)) ** 2 for n in Counter(wrong.tolist()).values())
    assert agreement > by_chance + 5 * math.sqrt(by_chance / len(wrong))


def claim_a_part_is_treated_as_within_the_whole(make: Make, examples: Examples) -> None:
    whole = make(1.0).apply_to(examples, seed=2).given
    for rows in (np.flatnonzero(examples.true < 3), np.arange(7)):
        part = make(1.0).apply(
            examples.true[rows], 10, example_ids=examples.ids[rows], features=examples.features[rows], seed=2,
            basis=examples,
        )  # fmt: skip
        np.testing.assert_array_equal(part.given, whole[rows])


def claim_cells_are_taken_whole(make: Make, examples: Examples) -> None:
    """In each cell all wrong labels are one label; but for one cell, all or none of those that can be are wrong."""
    noise = make(0.3).apply_to(examples, seed=3)
    cell_of = Clustered(0.3).cells(examples, 3).of(examples.features)
    in_part = 0
    for cell in set(cell_of.tolist()):
        members = cell_of == cell
        targets = set(noise.given[members & noise.is_flipped].tolist())
        assert len(targets) <= 1
        in_part += any(((examples.true != t) & ~noise.is_flipped)[members].any() for t in targets)
    assert in_part <= 1


def share_outvoted(make: Make, examples: Examples) -> float:
    """Share of all examples whose ten nearest others mostly carry one wrong label: a vote would be lost."""
    noise = make(0.3).apply_to(examples, seed=3)
    x = standard_scores(examples.features)
    neighbours = NearestNeighbors(n_neighbors=10).fit(x).kneighbors(return_distance=False)
    votes = np.zeros((len(x), 10), dtype=np.int64)
    np.add.at(votes, (np.repeat(np.arange(len(x)), 10), noise.given[neighbours].ravel()), 1)
    return float((votes.argmax(axis=1) != examples.true).mean())


def claim_concentrated(make: Make, examples: Examples) -> None:
    assert share_outvoted(make, examples) > 5 * share_outvoted(Symmetric, examples)


def standard_scores(features: NDArray[Any] | None) -> NDArray[np.float64]:
    """In plain floats, the straightforward way."""
    x = np.asarray(features, dtype=np.float64)
    std = x.std(axis=0)
    scores: NDArray[np.float64] = (x - x.mean(axis=0)) / np.where(std > 1e-9, std, np.inf)
    return scores


@pytest.mark.parametrize(
    ("claim", "right", "wrong"),
    [
        (claim_no_class_takes_twice_its_share, Instance, RawPixelInstance),
        (claim_depends_on_the_features, Instance, FeaturesOfOthers),
        (claim_depends_on_the_features, Instance, Symmetric),
        (claim_a_part_is_treated_as_within_the_whole, Instance, StandardisedByTheBatch),
    ],
)
def test_instance_keeps_its_claims_and_the_twin_does_not(
    claim: Callable[[Make, Examples], None], right: Make, wrong: Make
) -> None:
    examples = pictures()
    claim(right, examples)
    with pytest.raises(AssertionError):
        claim(wrong, examples)


@pytest.mark.parametrize("claim", [claim_cells_are_taken_whole, claim_concentrated])
def test_clustered_keeps_its_claims_and_scattered_flips_do_not(
    claim: Callable[[Make, Examples], None], digits: Examples
) -> None:
    claim(Clustered, digits)
    with pytest.raises(AssertionError):
        claim(ScatteredInTheCell, digits)


@pytest.mark.data
@pytest.mark.parametrize("seed", range(4))
def test_on_photographs_no_class_takes_twice_its_share_where_raw_pixels_send_half_to_one(
    photographs: Examples, seed: int
) -> None:
    for rate in (0.1, 0.3, 0.5):
        noise = Instance(rate).apply_to(photographs, seed=seed)
        into = np.bincount(noise.given[noise.is_flipped], minlength=10)
        assert noise.record.details["inflow_by_class"] == into.tolist()
        assert noise.record.details["largest_target_share"] == into.max() / into.sum() < 0.2
    raw = RawPixelInstance(0.3).apply_to(photographs, seed=seed)
    assert np.bincount(raw.given[raw.is_flipped], minlength=10).max() > 0.35 * raw.is_flipped.sum()


@pytest.mark.data
def test_on_photographs_the_wrong_label_depends_on_the_image(photographs: Examples) -> None:
    claim_depends_on_the_features(Instance, photographs)
    with pytest.raises(AssertionError):
        claim_depends_on_the_features(FeaturesOfOthers, photographs)


# Look-alikes.


@pytest.mark.parametrize(("num_classes", "columns", "size"), [(10, 20, 200), (60, 7, 150), (3, 1, 9)])
@pytest.mark.parametrize("block", [1 << 22, 25])
def test_look_alikes_are_the_nearest_by_a_loop_over_pairs(
    num_classes: int, columns: int, size: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_alike_module, "_SIMILARITIES", block)
    true = np.random.default_rng(1).integers(0, num_classes, size)
    true[true == 1] = 2  # class 1 has no examples
    features = blobs(num_classes, columns)(true)
    found = look_alikes(Examples.of(true, num_classes, features=features), 4)
    z = standard_scores(features)
    present = sorted(set(true.tolist()))
    centres = {k: z[true == k].mean(axis=0) for k in present}
    assert found.shape == (num_classes, 4)
    for k in range(num_classes):
        cosine = {
            j: float(centres[k] @ centres[j] / math.sqrt((centres[k] @ centres[k]) * (centres[j] @ centres[j])))
            for j in present
            if k in present and j != k
        }
        expected = sorted(cosine.values(), reverse=True)[:4]
        real = [j for j in found[k].tolist() if j >= 0]
        assert len(set(real)) == len(real) == len(expected)
        assert found[k].tolist()[len(real) :] == [-1] * (4 - len(real))
        np.testing.assert_allclose([cosine[j] for j in real], expected, atol=0.01)


def test_look_alikes_that_tie_go_by_class_id() -> None:
    examples = Examples.of([3, 0, 2, 1], 4, features=[[1, 0], [1, 0], [1, 0], [-3, 0]])
    assert look_alikes(examples, 3).tolist() == [[2, 3, 1], [0, 2, 3], [0, 3, 1], [0, 2, 1]]


def test_an_average_class_is_not_everybodys_look_alike() -> None:
    """Four classes in two directions and one at the middle, to which all four are nearest by distance."""
    features = [[9, 0], [9, 6], [-9, 0], [-9, -6], [0, 0]]
    found = look_alikes(Examples.of([0, 1, 2, 3, 4], 5, features=features), 1)[:, 0]
    assert found.tolist()[:4] == [1, 0, 3, 2]


# Instance.


def odds_in_plain_floats(examples: Examples, temperature: float, balance: NDArray[Any]) -> NDArray[Any]:
    """The softmax of the docstring for all examples, (N, K); the signs are tested by themselves."""
    assert examples.features is not None
    W = random_signs(4, "instance/projection", 10, examples.features.shape[1]).T
    logits = standard_scores(standard_scores(examples.features) @ W) / temperature + np.log(balance)
    logits[np.arange(len(examples)), examples.true] = -np.inf
    odds: NDArray[Any] = special.softmax(logits, axis=1)
    return odds


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_targets_are_drawn_from_the_softmax_of_the_docstring(temperature: float) -> None:
    examples = pictures()
    targets = InstanceTargets.learnt(examples, temperature, 4)
    odds = odds_in_plain_floats(examples, temperature, targets.balance)
    for row in (0, 17, 2999):
        words = example_draws(row, "test", np.arange(20_000))
        drawn = targets.draw(
            np.broadcast_to(examples.features[row], (20_000, 300)), np.full(20_000, examples.true[row]), words
        )
        expected = odds[row] * 20_000
        counts = np.bincount(drawn, minlength=10)
        assert counts[examples.true[row]] == 0
        often = expected >= 5
        observed = [*counts[often], counts[~often].sum()]
        predicted = [*expected[often], expected[~often].sum() + 1e-9]
        assert stats.chisquare(observed, np.array(predicted) * sum(observed) / sum(predicted)).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_balance_gives_each_class_its_share_in_expectation(temperature: float) -> None:
    examples = pictures()
    targets = InstanceTargets.learnt(examples, temperature, 4)
    off_share = [
        np.abs(odds_in_plain_floats(examples, temperature, balance).mean(axis=0) - 0.1).max()
        for balance in (targets.balance, np.ones(10))
    ]
    assert off_share[0] < 0.005
    assert off_share[1] > 2 * off_share[0]


def test_instance_noise_of_high_temperature_is_symmetric_and_of_low_one_is_a_function_of_the_image() -> None:
    examples = pictures()
    hot = Instance(1.0, temperature=1e6).apply_to(examples, seed=1).given
    steps = (hot - examples.true) % 10
    assert stats.chisquare(np.bincount(steps, minlength=10)[1:]).pvalue > 1e-3
    twice = Examples.of(np.tile(examples.true, 2), 10, features=np.tile(np.asarray(examples.features), (2, 1)))
    cold = Instance(1.0, temperature=1e-6).apply_to(twice, seed=1).given
    assert (cold[:3000] == cold[3000:]).mean() > 0.97  # all but those whose two largest logits tie
    assert len(set(cold.tolist())) == 10


def test_balance_and_standardisation_come_from_the_basis_alone() -> None:
    claim_a_part_is_treated_as_within_the_whole(lambda rate: Instance(rate, temperature=0.2), pictures())


# Cells and clustered noise.


def test_k_means_is_nearly_as_tight_as_scikit_learns(digits: Examples) -> None:
    for seed in range(3):
        cells = FeatureCells.learnt(digits, 36, seed)
        x = np.clip(standard_scores(digits.features), -8, 8)  # as documented: one rare pixel is no cell of its own
        found = cells.of(digits.features)
        inertia = sum(((x[found == c] - x[found == c].mean(axis=0)) ** 2).sum() for c in set(found.tolist()))
        best = KMeans(36, n_init=3, random_state=0).fit(x).inertia_
        assert best * 0.98 < inertia < 1.15 * best


def test_projected_cells_keep_neighbours_together() -> None:
    """300 columns go through 64 random ones: the cells are still far tighter than cells by chance."""
    examples = pictures()
    found = FeatureCells.learnt(examples, 60, 0).of(examples.features)
    x = standard_scores(examples.features)

    def inertia(cells: Labels) -> float:
        return float(sum(((x[cells == c] - x[cells == c].mean(axis=0)) ** 2).sum() for c in set(cells.tolist())))

    best = KMeans(60, n_init=1, random_state=0).fit(x).inertia_
    assert inertia(found) < 1.15 * best
    assert inertia(np.random.default_rng(0).permutation(found)) > 1.5 * inertia(found)


def test_nearest_centres_are_scikit_learns_and_ties_go_to_the_lower() -> None:
    generator = np.random.default_rng(0)
    points, centres = generator.integers(-40_000, 40_000, (500, 9)), generator.integers(-40_000, 40_000, (30, 9))
    found = nearest_centre(points.astype(np.float64), centres.astype(np.float64))
    np.testing.assert_array_equal(found, pairwise_distances_argmin(points.astype(float), centres.astype(float)))
    assert nearest_centre(np.zeros((1, 2)), np.array([[2.0, 0], [0, 1], [1, 0], [0, -1]])).tolist() == [1]


def test_more_cells_than_different_examples() -> None:
    examples = Examples.of([0, 1] * 10, 2, features=np.ones((20, 3)))
    noise = Clustered(0.5, cell_size=1).apply_to(examples, seed=0)
    assert (noise.record.num_flipped, noise.record.details) == (10, {"num_cells": 20, "num_cells_taken": 1})


def test_a_cells_target_is_uniform_and_never_its_most_frequent_class(digits: Examples) -> None:
    steps: Counter[int] = Counter()
    for seed in range(60):
        noise = Clustered(0.45).apply_to(digits, seed=seed)
        cell_of = Clustered(0.45).cells(digits, seed).of(digits.features)
        for cell in sorted(set(cell_of[noise.is_flipped].tolist())):
            members = cell_of == cell
            count = Counter(digits.true[members].tolist())
            most = min(count, key=lambda label: (-count[label], label))
            (target,) = set(noise.given[members & noise.is_flipped].tolist())
            steps[(target - most) % 10] += 1
    assert set(steps) == set(range(1, 10))
    assert stats.chisquare(list(steps.values())).pvalue > 1e-3


def test_a_validation_part_has_the_cells_and_targets_of_the_training_part(digits: Examples) -> None:
    training = Examples.of(digits.true[:1500], 10, example_ids=digits.ids[:1500], features=digits.features[:1500])
    validation = Examples.of(digits.true[1500:], 10, example_ids=digits.ids[1500:], features=digits.features[1500:])
    cells = Clustered(0.4).cells(training, 6)
    pairs: set[tuple[int, int]] = set()
    for part in (training, validation):
        noise = Clustered(0.4).apply_to(part, seed=6, basis=training)
        found = cells.of(part.features)
        pairs |= set(zip(found[noise.is_flipped].tolist(), noise.given[noise.is_flipped].tolist(), strict=True))
    assert len(pairs) == len({cell for cell, _ in pairs})


def test_most_frequent_class_by_counting() -> None:
    generator = np.random.default_rng(0)
    true, cell_of = generator.integers(0, 5, 300), generator.integers(0, 40, 300)
    cell_of[cell_of == 7] = 8
    expected = [min(range(5), key=lambda k, c=c: (-((cell_of == c) & (true == k)).sum(), k)) for c in range(40)]
    np.testing.assert_array_equal(most_frequent(true, cell_of, 40), expected)


# Confusion.

MATRIX = ((0, 0, 0.9), (0, 1, 0.1), (1, 1, 0.25), (1, 0, 0.5), (1, 2, 0.25), (3, 2, 0.7), (3, 4, 0.3), (4, 4, 1.0))
LEAVING = {0: Fraction("0.1"), 1: Fraction("0.75"), 3: Fraction(1)}


@pytest.mark.parametrize("rate", ["0", "0.03", "0.145", "0.2", "0.37"])
def test_the_wrong_examples_are_the_first_by_fractions_of_their_rank(rate: str) -> None:
    true = skewed_labels(5, 240)
    assert np.isin(true, [0, 1, 3]).mean() > 0.4
    noise = Confusion(float(rate), matrix=MATRIX).apply(true, 5, seed=9)
    keys = []
    for i, leaving in LEAVING.items():
        members = sorted(
            (draw_in_plain_integers(9, "confusion/which", n), n) for n in np.flatnonzero(true == i).tolist()
        )
        keys += [(Fraction(2 * r + 1) / (2 * len(members) * leaving), d, n) for r, (d, n) in enumerate(members)]
    count = math.floor(Fraction(rate) * len(true) + Fraction(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(noise.is_flipped), sorted(n for _, _, n in sorted(keys)[:count]))


@pytest.mark.parametrize("rate", ["0.05", "0.2", "0.3"])
def test_each_class_gets_its_part_to_within_one_example(rate: str) -> None:
    true = skewed_labels(5, 4000)
    sizes = Counter(true.tolist())
    noise = Confusion(float(rate), matrix=MATRIX).apply(true, 5, seed=1)
    t = Fraction(rate) * len(true) / sum(sizes[i] * w for i, w in LEAVING.items())
    if t <= 1:
        for i in range(5):
            expected = t * sizes[i] * LEAVING.get(i, Fraction(0))
            assert abs((noise.is_flipped & (true == i)).sum() - expected) <= 1
    else:
        assert (noise.is_flipped & (true == 3)).sum() == sizes[3]
    assert noise.record.num_flipped == math.floor(Fraction(rate) * len(true) + Fraction(1, 2))


def test_targets_follow_the_row() -> None:
    true = np.repeat([1, 3], 20_000)
    noise = Confusion(0.6, matrix=MATRIX).apply(true, 5, seed=1)
    for i, shares in ((1, {0: 2 / 3, 2: 1 / 3}), (3, {2: 0.7, 4: 0.3})):
        counts = Counter(noise.given[noise.is_flipped & (true == i)].tolist())
        assert set(counts) == set(shares)
        total = sum(counts.values())
        assert stats.chisquare([counts[j] for j in shares], [total * p for p in shares.values()]).pvalue > 1e-3


def test_estimated_is_scikit_learns_confusion_matrix() -> None:
    generator = np.random.default_rng(0)
    true = generator.choice([0, 1, 2, 4], 500)
    predicted = np.where(generator.random(500) < 0.3, generator.integers(0, 6, 500), true)
    expected = confusion_matrix(true, predicted, labels=range(6), normalize="true")
    assert {(i, j): p for i, j, p in Confusion.estimated(true, predicted, 6, rate=0.1).matrix} == pytest.approx(
        {(i, j): expected[i, j] for i in range(6) for j in range(6) if expected[i, j]}
    )


@pytest.mark.data
def test_human_mistakes_of_cifar10h_are_repeated_at_another_rate() -> None:
    path, named = (
        data_root() / "labels" / "cifar10h-counts.npy",
        data_root() / "labels" / "cifar10_test_set_original_labels.npy",
    )
    if not (path.is_file() and named.is_file()):
        pytest.skip(f"no labels/cifar10h-counts.npy and original labels under {data_root()} (NOISYLABELS_DATA)")
    votes = np.load(path).astype(np.int64)
    true = np.load(named).astype(np.int64)
    rows, seen = np.nonzero(votes)
    repeated = np.repeat(np.stack([true[rows], seen]), votes[rows, seen], axis=1)
    by_class = np.stack([votes[true == i].sum(axis=0) for i in range(10)])
    confusion = Confusion.estimated(*repeated, 10, rate=0.2)
    noise = confusion.apply(true, 10, seed=0)
    assert noise.record.num_flipped == 2000
    wrong = by_class - np.diag(np.diag(by_class))
    share = wrong.sum(axis=1) / by_class.sum(axis=1)
    expected = 2000 * share / share.sum()  # 1,000 images of each class
    assert np.abs(np.array(noise.record.flipped_by_class) - expected).max() <= 1
    counted = noise.transitions()
    realised = np.zeros((10, 10))
    realised[counted.true, counted.given] = counted.count
    predicted = expected[:, None] * wrong / wrong.sum(axis=1, keepdims=True)
    often = predicted >= 5
    observed = np.append(realised[often], realised[~often].sum())
    weighed = np.append(predicted[often], predicted[~often].sum())
    assert stats.chisquare(observed, weighed * observed.sum() / weighed.sum()).pvalue > 1e-3
    assert realised[3, 5] > 3 * realised[3].sum() / 9  # cats are taken for dogs


def test_a_matrix_is_read_from_an_array_a_sparse_matrix_or_cells() -> None:
    dense = np.zeros((5, 5))
    for i, j, p in MATRIX:
        dense[i, j] = p
    dense[2, 2] = 1.0
    noise = [
        Confusion.from_matrix(matrix, 0.3).apply(skewed_labels(5, 300), 5, seed=4).given.tolist()
        for matrix in (dense, sparse.csr_array(dense), MATRIX)
    ]
    assert noise[0] == noise[1] == noise[2]


def test_a_row_whose_diagonal_is_one_to_rounding_is_never_wrong() -> None:
    noise = Confusion(0.5, matrix=((0, 0, 1.0), (0, 1, 1e-7), (1, 0, 1.0))).apply([0, 0, 1, 1], 2, seed=0)
    assert noise.given.tolist() == [0, 0, 0, 0]


def test_look_alikes_are_mistaken_for_one_another_equally_often() -> None:
    true = np.arange(24_000) % 8
    features = blobs(8, 6)(true)
    basis = Examples.of(true, 8, features=features)
    noise = Confusion(0.5, neighbours=3).apply_to(basis, seed=2)
    expected = look_alikes(basis, 3)
    for i in range(8):
        counts = Counter(noise.given[noise.is_flipped & (true == i)].tolist())
        assert set(counts) == set(expected[i].tolist())
        assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_look_alikes_of_a_validation_part_are_those_of_the_training_part() -> None:
    true = np.arange(2000) % 8
    features = blobs(8, 6)(true)
    training = Examples.of(true, 8, features=features)
    of = look_alikes(training, 1)[:, 0]
    upside_down = Confusion(1.0, neighbours=1).apply(true[:99], 8, features=-features[:99], basis=training, seed=2)
    np.testing.assert_array_equal(upside_down.given, of[true[:99]])


def test_classes_that_have_fewer_look_alikes_use_those_there_are() -> None:
    noise: CorruptedLabels = Confusion(1.0, neighbours=5).apply(
        [0, 0, 2, 2, 4, 4] * 50, 6, features=np.arange(600).reshape(300, 2) % 7, seed=0
    )
    assert set(noise.given.tolist()) == {0, 2, 4}
    assert noise.record.details["num_classes_without_look_alike"] == 3
    assert noise.record.num_flipped == 300

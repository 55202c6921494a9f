"""Independent answers: slow loops written from the definitions, published tables and figures, SciPy, scikit-learn."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.metrics import confusion_matrix

from corruptions import Asymmetric, IdentityMerge, Symmetric
from corruptions.cifar100 import FINE_NAMES, SUPERCLASS_IDS, SUPERCLASSES
from corruptions.class_maps import CLASS_MAPS
from corruptions.sparse_confusion import SparseConfusion
from tests.laws.corruption_cases import CIFAR100_COARSE
from tests.references.plain_integers import WORD, assert_uniform, draw_in_plain_integers


def symmetric_by_hand(true: list[int], num_classes: int, rate: str, seed: int, inclusive: bool) -> list[int]:
    """From the definition, one example at a time."""
    order = sorted(range(len(true)), key=lambda i: draw_in_plain_integers(seed, "symmetric/which", i))
    given = list(true)
    for i in order[: math.floor(Fraction(rate) * len(true) + Fraction(1, 2))]:
        word = draw_in_plain_integers(seed, "symmetric/target", i)
        if inclusive:
            given[i] = word * num_classes // WORD
        else:
            others = [*range(true[i] + 1, num_classes), *range(true[i])]
            given[i] = others[word * (num_classes - 1) // WORD]
    return given


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("rate", ["0", "0.145", "0.2", "0.5", "1"])
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_symmetric_equals_a_slow_loop(num_classes: int, rate: str, inclusive: bool) -> None:
    true = [i * i % num_classes for i in range(101)]
    noise = Symmetric(float(rate), inclusive=inclusive).apply(true, num_classes, seed=9)
    np.testing.assert_array_equal(noise.given, symmetric_by_hand(true, num_classes, rate, 9, inclusive))


def test_exclusive_targets_are_uniform_over_the_other_classes() -> None:
    noise = Symmetric(0.5).apply(np.arange(90_000) % 10, 10, seed=1)
    for i in range(10):
        counts = noise.transition_matrix()[i] * 9_000
        assert stats.chisquare(np.delete(counts, i)).pvalue > 1e-3
        assert counts[i] > 4_000


@pytest.mark.parametrize(("asked", "published"), [(0.2, 0.181), (0.5, 0.449), (0.8, 0.720), (0.9, 0.810)])
def test_inclusive_realises_what_dividemix_and_elr_realise(asked: float, published: float) -> None:
    """K = 10: ``rate * 9 / 10`` in expectation; the published files' own counts are within a fifth of a per cent."""
    noise = Symmetric(asked, inclusive=True).apply(np.arange(50_000) % 10, 10, seed=2)
    sigma = math.sqrt(asked * 0.1 * 0.9 / 50_000)
    assert noise.record.realised_rate == pytest.approx(0.9 * asked, abs=4 * sigma)
    assert noise.record.realised_rate == pytest.approx(published, abs=0.005)


def test_both_conventions_choose_the_same_examples() -> None:
    labels = np.arange(1_000) % 10
    exclusive = Symmetric(0.3).apply(labels, 10, seed=5).is_flipped
    inclusive = Symmetric(0.3, inclusive=True).apply(labels, 10, seed=5).is_flipped
    assert not (inclusive & ~exclusive).any()


def test_symmetric_commutes_with_a_shift_of_the_class_ids() -> None:
    labels = np.arange(500) % 7
    straight = Symmetric(0.4).apply(labels, 7, seed=5).given
    np.testing.assert_array_equal(Symmetric(0.4).apply((labels + 3) % 7, 7, seed=5).given, ((straight + 3) % 7))


def test_an_example_is_treated_alike_in_a_part_of_the_data() -> None:
    """A part has its own quota, but the order in which examples fall, and what they fall to, is the whole's."""
    ids, labels = np.arange(1_000), np.arange(1_000) % 10
    whole = Symmetric(0.4).apply(labels, 10, seed=5)
    part = Symmetric(0.4).apply(labels[::2], 10, seed=5, example_ids=ids[::2])
    both = whole.is_flipped[::2] & part.is_flipped
    np.testing.assert_array_equal(part.given[both], whole.given[::2][both])
    assert both.sum() == min(whole.is_flipped[::2].sum(), part.is_flipped.sum())


def test_asymmetric_map_equals_a_slow_loop() -> None:
    true = [i * i % 10 for i in range(200)]
    target = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}
    expected = list(true)
    for source, wrong in target.items():
        members = [i for i, label in enumerate(true) if label == source]
        members.sort(key=lambda i: draw_in_plain_integers(9, "asymmetric/which", i))
        for i in members[: math.floor(Fraction("0.35") * len(members) + Fraction(1, 2))]:
            expected[i] = wrong
    np.testing.assert_array_equal(Asymmetric(0.35, map="cifar10").apply(true, 10, seed=9).given, expected)


def test_forty_per_cent_on_cifar10_is_twenty_overall_and_forty_of_the_cats() -> None:
    """Where the chained flips of published files realise 18.3 % and 23.5 %."""
    record = Asymmetric(0.4, map="cifar10").apply(np.arange(50_000) % 10, 10, seed=0).record
    assert record.realised_rate == 0.2
    assert record.flipped_by_class == (0, 0, 2_000, 2_000, 2_000, 2_000, 0, 0, 0, 2_000)
    assert record.details["source_realised_rate"] == 0.4


ROW_STOCHASTIC = np.array(
    [
        [0.50, 0.20, 0.20, 0.10],
        [0.00, 1.00, 0.00, 0.00],
        [0.05, 0.90, 0.00, 0.05],
        [1 / 3, 1 / 3, 1 / 3, 0.00],
    ]
)


def test_matrix_noise_has_the_asked_transition_matrix() -> None:
    """``T = (1 - rate) I + rate M``: the diagonal exactly, the cells by chi-square."""
    rate, per_class = 0.6, 20_000
    noise = Asymmetric.from_matrix(ROW_STOCHASTIC, rate).apply(np.arange(4 * per_class) % 4, 4, seed=3)
    expected = (1 - rate) * np.eye(4) + rate * ROW_STOCHASTIC
    realised = noise.transition_matrix()
    np.testing.assert_allclose(np.diag(realised), np.diag(expected), atol=0.5 / per_class)
    for i in (0, 2, 3):
        cells = [j for j in range(4) if j != i and expected[i, j] > 0]
        wanted = expected[i, cells] / expected[i, cells].sum() * realised[i, cells].sum()
        assert stats.chisquare(realised[i, cells] * per_class, wanted * per_class).pvalue > 1e-3
    np.testing.assert_array_equal(realised[expected == 0], 0)


def test_inverse_cdf_at_its_edges() -> None:
    """Shares 1/2, 1/4, 1/4 of the words that leave class 4; class 6 can only become 0."""
    confusion = SparseConfusion.from_cells(((6, 0, 1.0), (4, 1, 0.3), (4, 3, 0.15), (4, 2, 0.15), (4, 4, 0.4)))
    words = np.array([0, WORD // 2 - 1, WORD // 2, WORD // 4 * 3 - 1, WORD // 4 * 3, WORD - 1], dtype=np.uint64)
    assert confusion.sources.tolist() == [4, 6]
    assert confusion.leaving == (Fraction(3, 5), 1)
    assert confusion.draw(np.zeros(6, dtype=np.int64), words).tolist() == [1, 1, 2, 2, 3, 3]
    assert confusion.draw(np.ones(6, dtype=np.int64), words).tolist() == [0] * 6


def test_dense_sparse_and_triples_are_one_matrix() -> None:
    i, j = np.nonzero(ROW_STOCHASTIC)
    triples = tuple(zip(i.tolist(), j.tolist(), ROW_STOCHASTIC[i, j].tolist(), strict=True))
    forms = [ROW_STOCHASTIC, sparse.csr_array(ROW_STOCHASTIC), sparse.coo_matrix(ROW_STOCHASTIC), triples]
    made = [Asymmetric.from_matrix(form, 0.4) for form in forms]
    assert made == [Asymmetric(0.4, matrix=triples)] * 4
    shuffled = Asymmetric(0.4, matrix=triples[::-1])
    labels = np.arange(400) % 4
    np.testing.assert_array_equal(shuffled.apply(labels, 4, seed=1).given, made[0].apply(labels, 4, seed=1).given)


def test_a_map_is_the_matrix_with_ones() -> None:
    labels = np.arange(300) % 3
    by_map = Asymmetric(0.4, map=((0, 2), (1, 0))).apply(labels, 3, seed=1)
    by_matrix = Asymmetric(0.4, matrix=((0, 2, 1.0), (1, 0, 1.0))).apply(labels, 3, seed=1)
    np.testing.assert_array_equal(by_map.given, by_matrix.given)


def test_sparse_confusions_of_ten_thousand_identities_at_a_few_images_each() -> None:
    """Where counts cut down per cell flip nothing: 4 images a class, 5 look-alikes each, all flips sampled."""
    K = 10_575
    triples = tuple((i, (i + step) % K, 0.2) for i in range(K) for step in (1, 2, 3, 5, 8))
    noise = Asymmetric(0.5, matrix=triples).apply(np.arange(4 * K) % K, K, seed=3)
    assert noise.record.flipped_by_class == (2,) * K
    steps = (noise.given - noise.true)[noise.is_flipped] % K
    assert set(steps.tolist()) == {1, 2, 3, 5, 8}
    assert_uniform(np.searchsorted([1, 2, 3, 5, 8], steps), 5)


def test_superclasses_are_the_published_coarse_labels() -> None:
    assert [list(fine) for fine in SUPERCLASS_IDS] == [np.flatnonzero(c == CIFAR100_COARSE).tolist() for c in range(20)]


def test_fine_and_coarse_names_are_sorted_and_complete() -> None:
    assert len(set(FINE_NAMES)) == 100
    assert list(FINE_NAMES) == sorted(FINE_NAMES)
    assert list(SUPERCLASSES) == sorted(SUPERCLASSES)
    assert all(len(fine) == 5 and list(fine) == sorted(fine) for fine in SUPERCLASSES.values())
    spots = {
        0: "apple",
        1: "aquarium_fish",
        39: "keyboard",
        42: "leopard",
        53: "orange",
        83: "sweet_pepper",
        99: "worm",
    }
    assert {i: FINE_NAMES[i] for i in spots} == spots


def test_the_superclass_map_is_five_cycles_and_blocks_of_ids_are_not() -> None:
    """Of the flips of consecutive fine ids, 6 in 100 stay inside the true superclass; of ours, all."""
    target = dict(CLASS_MAPS["cifar100_superclass"](100))
    assert sorted(target) == sorted(target.values()) == list(range(100))
    for start in range(100):
        cycle = [start]
        while target[cycle[-1]] != start:
            cycle.append(target[cycle[-1]])
        assert len(cycle) == 5
        assert len({int(CIFAR100_COARSE[fine]) for fine in cycle}) == 1
    blocks = [(i, i - i % 5 + (i + 1) % 5) for i in range(100)]
    assert sum(bool(CIFAR100_COARSE[i] == CIFAR100_COARSE[j]) for i, j in blocks) == 6


@pytest.mark.parametrize(("num_classes", "group_size", "rate"), [(20, 2, "0.3"), (23, 4, "0.7"), (11, 3, "0.2")])
def test_merge_equals_a_slow_loop(num_classes: int, group_size: int, rate: str) -> None:
    order = sorted(range(num_classes), key=lambda c: draw_in_plain_integers(9, "identity_merge/class", c))
    left = math.floor(Fraction(rate) * num_classes + Fraction(1, 2))
    label = {c: c for c in range(num_classes)}
    for start in range(0, num_classes, group_size):
        absorber, *rest = order[start : start + group_size]
        for c in rest:
            if left:
                label[c], left = absorber, left - 1
    assert left == 0
    true = [i * i % num_classes for i in range(150)]
    noise = IdentityMerge(float(rate), group_size=group_size).apply(true, num_classes, seed=9)
    assert noise.given.tolist() == [label[c] for c in true]
    held = Counter(label.values())
    assert noise.record.details["identities_per_class"] == [held[c] for c in range(num_classes)]
    assert dict(noise.record.details["absorbed_into"]) == {c: a for c, a in label.items() if c != a}
    assert sorted(c for group in noise.record.details["groups"] for c in group[1:]) == sorted(
        c for c, a in label.items() if c != a
    )


def test_training_and_validation_parts_merge_the_same_identities() -> None:
    merge = IdentityMerge(0.4)
    training = merge.apply([0, 0, 1, 2, 3, 4], 10, seed=6, example_ids=range(6)).record.details
    validation = merge.apply([5, 6, 7, 8, 9], 10, seed=6, example_ids=range(6, 11)).record.details
    assert training["absorbed_into"] == validation["absorbed_into"]
    absorbed = {c for c, _ in training["absorbed_into"]}
    assert set(training["absorbed_without_examples"]) == absorbed & {5, 6, 7, 8, 9}
    assert set(validation["absorbed_without_examples"]) == absorbed & {0, 1, 2, 3, 4}


def test_merging_half_of_an_odd_number_of_identities_rounds_down() -> None:
    assert IdentityMerge(0.5).apply(range(10_575), 10_575, seed=0).record.num_flipped == 5_287


def test_merged_identities_are_chosen_alike_often() -> None:
    """Over seeds, every identity of five is absorbed as often as any other, and by any other."""
    pairs = [IdentityMerge(0.2).absorptions(5, seed)[0] for seed in range(4_000)]
    assert_uniform(np.array([c * 4 + (a - c - 1) % 5 for c, a in pairs]), 20)


def test_transition_matrix_equals_scikit_learn() -> None:
    labels = np.arange(1_000) ** 2 % 8  # classes 2, 3, 5, 6, 7 have no examples
    noise = Symmetric(0.37).apply(labels, 8, seed=3)
    present = np.unique(labels)
    expected = np.eye(8)
    expected[present] = confusion_matrix(noise.true, noise.given, labels=range(8), normalize="true")[present]
    np.testing.assert_allclose(noise.transition_matrix(), expected, rtol=1e-15)


def test_labels_are_the_recorded_ones() -> None:
    """Golden labels, one line for each kind; the slow loops above say that they are also right."""
    labels = np.arange(12) % 4
    recorded = {
        Symmetric(0.5): [1, 1, 2, 3, 0, 2, 1, 2, 0, 3, 0, 3],
        Asymmetric(0.5, map="pair"): [0, 2, 2, 0, 1, 2, 3, 3, 1, 1, 3, 0],
        IdentityMerge(0.5): [1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2],
    }
    assert {kind: kind.apply(labels, 4, seed=2020).given.tolist() for kind in recorded} == recorded

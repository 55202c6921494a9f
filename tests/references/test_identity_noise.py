"""Identity noise against slow loops written from the definitions, closed forms, exact fractions and chi-square."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from corruptions import CorruptedLabels, Corruption, Decision, Examples
from corruptions.highest_rate import highest_rate
from corruptions.identity_flip import IdentityFlip
from corruptions.identity_merge import IdentityMerge
from corruptions.identity_split import IdentitySplit, skewed_sizes
from corruptions.look_alike import look_alikes
from corruptions.outlier import Outlier
from corruptions.swap_pairs import swap_pairs
from tests.laws.cases_identities import faces, given_of_each
from tests.laws.corruption_cases import skewed_labels
from tests.references.plain_integers import WORD, assert_uniform, draw_in_plain_integers

SEED = 9
LABELS = skewed_labels(23, 190).tolist()


def nearest(count: Fraction) -> int:
    return math.floor(count + Fraction(1, 2))


def in_draw_order(purpose: str, ids: Sequence[int]) -> list[int]:
    return sorted(ids, key=lambda n: draw_in_plain_integers(SEED, purpose, n))


def groups_by_hand(true: list[int], num_classes: int, group_size: int, pairing: str, listed: Any) -> list[list[int]]:
    """Groups in the order in which they are merged."""
    order = in_draw_order("identity_merge/class", range(num_classes))
    if pairing == "look_alike":
        groups, used = [], set[int]()
        for first in order:
            if first in used:
                continue
            group = [first]
            used.add(first)
            candidates = [c for c in listed[first].tolist() if c >= 0] + order
            while len(group) < group_size and (free := [c for c in candidates if c not in used]):
                group.append(free[0])
                used.add(free[0])
            groups.append(group)
        return groups
    if pairing == "size_matched":
        sizes = Counter(true)
        order.sort(key=lambda c: -sizes[c])
    groups = [order[start : start + group_size] for start in range(0, num_classes, group_size)]
    if pairing == "size_matched":
        return [groups[g] for g in in_draw_order("identity_merge/group", range(len(groups)))]
    return groups


def merged_by_hand(true: list[int], num_classes: int, rate: str, merge: IdentityMerge, listed: Any = None) -> list[int]:
    """From the definition, one group, one identity and one image at a time."""
    groups = groups_by_hand(true, num_classes, merge.group_size, merge.pairing, listed)
    identities_left = nearest(Fraction(rate) * num_classes)
    images_left = nearest(Fraction(rate) * len(true))
    given = list(true)
    for group in groups:
        for place, absorbed in enumerate(group[1:]):
            images = in_draw_order("identity_merge/image", [n for n in range(len(true)) if true[n] == absorbed])
            images = images[: nearest(Fraction(repr(merge.moved)) * len(images))]
            if merge.of == "images":
                images = images[:images_left]
                images_left -= len(images)
            elif identities_left == 0:
                images = []
            else:
                identities_left -= 1
            for n in images:
                given[n] = group[0] if merge.layout == "star" else group[place]
    return given


@pytest.mark.parametrize("rate", ["0", "0.1", "0.145", "0.2", "0.3"])
@pytest.mark.parametrize("layout", ["star", "chain"])
@pytest.mark.parametrize("moved", [1.0, 0.5, 0.35])
@pytest.mark.parametrize("of", ["identities", "images"])
@pytest.mark.parametrize("pairing", ["random", "size_matched", "look_alike"])
def test_merge_equals_a_slow_loop(pairing: str, of: str, moved: float, layout: str, rate: str) -> None:
    if of == "images" and Fraction(rate) > Fraction("0.15"):
        rate = "0.15"  # of one half of one third at most
    merge = IdentityMerge(float(rate), group_size=3, pairing=pairing, of=of, moved=moved, layout=layout)
    features = faces(np.array(LABELS))
    listed = look_alikes(Examples.of(LABELS, 23, features=features), 22) if pairing == "look_alike" else None
    noise = merge.apply(LABELS, 23, seed=SEED, features=features)
    np.testing.assert_array_equal(noise.given, merged_by_hand(LABELS, 23, rate, merge, listed))


def test_a_size_matched_group_holds_neighbours_of_a_plain_sort() -> None:
    """K a multiple of the group size and all sizes different: the groups are the sorted sizes cut in fours."""
    sizes = np.random.default_rng(1).permutation(np.arange(1, 41))
    noise = IdentityMerge(0.75, group_size=4, pairing="size_matched").apply(np.repeat(np.arange(40), sizes), 40, seed=3)
    groups = [[int(sizes[c]) for c in group] for group in noise.record.details["groups"]]
    assert sorted(groups) == [[size + 3, size + 2, size + 1, size] for size in range(1, 41, 4)]
    assert groups != sorted(groups)  # merged in the order of a draw, not of size


def test_size_matched_pairs_are_nearer_in_size_than_random_ones() -> None:
    labels = skewed_labels(200, 4_000)
    sizes = np.bincount(labels)

    def gap(pairing: str) -> float:
        pairs = IdentityMerge(0.5, pairing=pairing).apply(labels, 200, seed=3).record.details["absorbed_into"]
        return float(np.mean([abs(int(sizes[a] - sizes[b])) for a, b in pairs]))

    assert gap("size_matched") < gap("random") / 10


def test_ties_of_size_are_broken_by_draw() -> None:
    """All sizes alike: over seeds, every one of five is absorbed as often as any other, and by any other."""
    labels = np.repeat(np.arange(5), 2)
    merge = IdentityMerge(0.2, pairing="size_matched")
    pairs = [merge.apply(labels, 5, seed=seed).record.details["absorbed_into"][0] for seed in range(2_000)]
    assert_uniform(np.array([c * 4 + (a - c - 1) % 5 for c, a in pairs]), 20)


def test_look_alike_pairs_are_as_near_as_a_greedy_choice_gets_and_nearer_than_random_ones() -> None:
    """Of 40 faces on a plane, the mean angle within pairs lies between the best matching's and that of random pairs."""
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(40), 5)
    features = rng.normal(size=(40, 2))[labels]
    centred = (features - features.mean(axis=0)) / features.std(axis=0)
    unit = (centred / np.linalg.norm(centred, axis=1, keepdims=True))[::5]
    distance = 1 - unit @ unit.T
    best = distance + 10 * np.eye(40)
    bound = best[linear_sum_assignment(best)].mean()  # of a relaxation: no pairing is nearer

    def mean_distance(pairing: str) -> float:
        noise = IdentityMerge(0.5, pairing=pairing).apply(labels, 40, seed=3, features=features)
        return float(np.mean([distance[a, b] for a, b in noise.record.details["absorbed_into"]]))

    assert bound <= mean_distance("look_alike") < mean_distance("random") / 3


def test_fallbacks_are_counted() -> None:
    """Identities 3 to 9 have no examples, hence no look-alikes: they are paired in draw order, and counted."""
    labels = np.repeat([0, 1, 2], 4)
    merge = IdentityMerge(0.5, pairing="look_alike")
    details = merge.apply(labels, 10, seed=3, features=faces(labels)).record.details
    of_nobodies = [pair for pair in details["absorbed_into"] if max(pair) > 2]
    assert len(details["absorbed_into"]) == 5
    assert details["fallback_pairs"] == len(of_nobodies) == 4


def recounted(noise: CorruptedLabels, groups: list[list[int]]) -> dict[str, Any]:
    """The details of a merge, counted again from the labels; every identity must have examples."""
    cells = given_of_each(noise)
    absorbed_into = [pair for pair in noise.record.details["absorbed_into"] if set(cells[pair[0]]) != {pair[0]}]
    holders = Counter(label for labels in cells.values() for label in labels)
    return {
        "groups": groups,
        "absorbed_into": absorbed_into,
        "absorbed_whole": [[a, b] for a, b in absorbed_into if holders[a] == 0 and set(cells[a]) == {b}],
        "absorbed_in_part": [a for a, _ in absorbed_into if a in cells[a]],
        "num_absorbed": len(absorbed_into),
        "identities_per_class": [holders[c] for c in range(noise.num_classes)],
        "clusters_per_identity": {str(n): c for n, c in sorted(Counter(map(len, cells.values())).items())},
        "absorbed_without_examples": [],
    }


@pytest.mark.parametrize(
    ("merge", "groups"),
    [
        (IdentityMerge(0.3, groups=((7, 2, 4), (0, 9))), [[7, 2, 4], [0, 9]]),
        (IdentityMerge(0.2, groups=((7, 2, 4), (0, 9))), [[7, 2, 4]]),
        (IdentityMerge(0.3, groups=((7, 2, 4), (0, 9)), layout="chain"), [[7, 2, 4], [0, 9]]),
        (IdentityMerge(0.1, groups=((7, 2, 4), (0, 9)), layout="chain"), [[7, 2]]),
        (IdentityMerge(0.3, groups=((7, 2, 4), (0, 9)), moved=0.5), [[7, 2, 4], [0, 9]]),
        (IdentityMerge(0.15, groups=((7, 2, 4), (0, 9)), of="images"), [[7, 2, 4]]),
        (IdentityMerge(0.25, groups=((7, 2, 4), (0, 9)), of="images", layout="chain"), [[7, 2, 4], [0, 9]]),
    ],
)
def test_merge_details_are_what_the_labels_say(merge: IdentityMerge, groups: list[list[int]]) -> None:
    labels = np.repeat(np.arange(10), 6)
    noise = merge.apply(labels, 10, seed=5)
    details = {**noise.record.details}
    expected = recounted(noise, groups)
    if merge.moved < 1:
        expected["absorbed_whole"] = []
    assert details == expected


def test_chain_and_star_of_one_group_by_hand() -> None:
    labels, chain = [0, 1, 2, 3], ((3, 1, 0, 2),)
    star = IdentityMerge(0.75, groups=chain).apply(labels, 4, seed=0)
    line = IdentityMerge(0.75, groups=chain, layout="chain").apply(labels, 4, seed=0)
    assert star.given.tolist() == [3, 3, 3, 3]
    assert line.given.tolist() == [1, 3, 0, 3]
    assert star.record.details["absorbed_whole"] == [[1, 3], [0, 3], [2, 3]]
    assert line.record.details["absorbed_whole"] == [[2, 0]]


@pytest.mark.parametrize("balance", ["balanced", "skewed"])
@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("rate", ["0", "0.1", "0.3", "1"])
def test_split_equals_a_slow_loop(rate: str, parts: int, balance: str) -> None:
    given, split_from = list(LABELS), []
    split = in_draw_order("identity_split/class", range(23))[: nearest(Fraction(rate) * 23)]
    per_part, with_empty = [0] * parts, 0
    for i, identity in enumerate(split):
        new = [23 + i * (parts - 1) + p - 1 for p in range(1, parts)]
        split_from += [[label, identity] for label in new]
        images = in_draw_order("identity_split/image", [n for n in range(len(LABELS)) if LABELS[n] == identity])
        if balance == "balanced":
            dealt = [images[p::parts] for p in range(parts)]
        else:
            ends = [0, *np.cumsum(hamilton(len(images), parts)).tolist()]
            dealt = [images[ends[p] : ends[p + 1]] for p in range(parts)]
        for label, part in zip([identity, *new], dealt, strict=True):
            for n in part:
                given[n] = label
        per_part = [count + len(part) for count, part in zip(per_part, dealt, strict=True)]
        with_empty += any(not part for part in dealt)
    noise = IdentitySplit(float(rate), parts=parts, balance=balance).apply(LABELS, 23, seed=SEED)
    np.testing.assert_array_equal(noise.given, given)
    assert noise.record.num_given_classes == 23 + len(split_from)
    assert noise.record.details == {
        "split_from": split_from,
        "num_split": len(split),
        "examples_per_part": per_part,
        "num_with_empty_parts": with_empty,
    }


def hamilton(count: int, parts: int) -> list[int]:
    """Largest remainders, in fractions: whole parts first, then one more to those that lost the most."""
    total = sum(Fraction(1, 2**p) for p in range(parts))
    shares = [count * Fraction(1, 2**p) / total for p in range(parts)]
    sizes = [math.floor(share) for share in shares]
    for p in sorted(range(parts), key=lambda p: (sizes[p] - shares[p], p))[: count - sum(sizes)]:
        sizes[p] += 1
    return sizes


@pytest.mark.parametrize("parts", [2, 3, 7, 32])
def test_skewed_sizes_are_largest_remainders(parts: int) -> None:
    counts = [*range(300), 617_970, 10_000_001]
    sizes = skewed_sizes(np.array(counts), parts)
    assert sizes.tolist() == [hamilton(count, parts) for count in counts]
    np.testing.assert_array_equal(sizes.sum(axis=1), counts)
    assert (np.diff(sizes, axis=1) <= 0).all()


def test_as_many_labels_as_webface12m_conflict_at_a_thousandth_of_its_size() -> None:
    """617,970 identities under 1,017,970 labels are 400,000 split in two: a rate of 0.6473."""
    noise = IdentitySplit(0.6473).apply(np.arange(1_236) % 618, 618, seed=0)
    assert noise.record.num_given_classes == 1_018


def test_an_image_is_in_any_part_alike_often() -> None:
    labels = np.repeat([0, 1], 7)
    parts = []
    for seed in range(1_000):
        noise = IdentitySplit(1.0, parts=7).apply(labels, 2, seed=seed)
        own = [0, *(label for label, identity in noise.record.details["split_from"] if identity == 0)]
        parts.append(own.index(int(noise.given[0])))
    assert_uniform(np.array(parts), 7)


def flipped_by_hand(true: list[int], basis: list[int], num_classes: int, rate: str) -> list[int]:
    present = sorted(set(basis))
    given = list(true)
    for n in in_draw_order("identity_flip/which", range(len(true)))[: nearest(Fraction(rate) * len(true))]:
        people = [c for c in present if c != true[n]]
        given[n] = people[draw_in_plain_integers(SEED, "identity_flip/target", n) * len(people) // WORD]
    return given


@pytest.mark.parametrize("rate", ["0", "0.145", "0.5", "1"])
@pytest.mark.parametrize("basis", [LABELS, [0, 3, 3, 7, 22], [5, 6]])
def test_uniform_flips_equal_a_slow_loop(rate: str, basis: list[int]) -> None:
    """Also where the basis lacks identities that are flipped: their images can become any person's of the basis."""
    noise = IdentityFlip(float(rate)).apply(LABELS, 23, seed=SEED, basis=Examples.of(basis, 23))
    np.testing.assert_array_equal(noise.given, flipped_by_hand(LABELS, basis, 23, rate))


def test_uniform_targets_are_uniform_over_the_other_people() -> None:
    people = np.array([2, 3, 11, 17, 18, 29])
    noise = IdentityFlip(0.5).apply(people[np.arange(30_000) % 6], 30, seed=1)
    place = np.searchsorted(people, noise.given[noise.is_flipped])
    own = np.searchsorted(people, noise.true[noise.is_flipped])
    assert set(noise.given.tolist()) == set(people.tolist())
    assert_uniform(own * 5 + (place - own - 1) % 6, 30)


def test_look_alike_targets_are_uniform_over_the_nearest() -> None:
    labels = np.arange(24_000) % 12
    features = faces(labels)
    listed = look_alikes(Examples.of(labels, 12, features=features), 4)
    noise = IdentityFlip(0.5, targets="look_alike", neighbours=4).apply(labels, 12, seed=1, features=features)
    true, given = noise.true[noise.is_flipped], noise.given[noise.is_flipped]
    assert len(true) == 12_000
    place = (listed[true] == given[:, None]).argmax(axis=1)
    assert (listed[true, place] == given).all()
    assert_uniform(true * 4 + place, 48)


def test_a_class_with_fewer_look_alikes_than_asked_uses_those_it_has() -> None:
    labels = np.array([0, 4, 7])[np.arange(300) % 3]
    noise = IdentityFlip(1.0, targets="look_alike").apply(labels, 9, seed=1, features=faces(labels))
    assert {i: set(given) for i, given in given_of_each(noise).items()} == {0: {4, 7}, 4: {0, 7}, 7: {0, 4}}


SWAPPED = [
    np.arange(1_000) % 10,
    np.arange(1_000) % 2,
    skewed_labels(50, 1_000),
    np.repeat([0, 1], [600, 400]),
    np.repeat([0, 1, 2], [980, 15, 5]),
    np.arange(1_000),
    np.repeat(np.arange(250), 4),
]


@pytest.mark.parametrize("labels", SWAPPED, ids=["ten", "two", "skewed", "dominant of two", "98 %", "singles", "fours"])
def test_swaps_keep_every_class_size_up_to_the_highest_rate(labels: NDArray[np.int64]) -> None:
    N, sizes = len(labels), np.bincount(labels)
    num_classes = len(sizes)
    available = 2 * min(N // 2, N - int(sizes.max()))
    for count in sorted({0, 2, available // 4 * 2, available}):
        noise = IdentityFlip(count / N, keep_frequency=True).apply(labels, num_classes, seed=4)
        assert noise.record.num_flipped == count
        np.testing.assert_array_equal(np.bincount(noise.given, minlength=num_classes), sizes)
        assert noise.record.details["half_pair"] is False
    if available > 1:
        odd = IdentityFlip((available - 1) / N, keep_frequency=True).apply(labels, num_classes, seed=4)
        assert odd.record.num_flipped == available - 1
        assert odd.record.details["half_pair"] is True
        assert np.abs(np.bincount(odd.given, minlength=num_classes) - sizes).sum() == 2
    if available < N:
        with pytest.raises(ValueError, match=rf"\({available} of {N} can be had\)$"):
            IdentityFlip((available + 1) / N, keep_frequency=True).apply(labels, num_classes, seed=4)


def test_the_first_swaps_are_consecutive_in_draw_order() -> None:
    order = in_draw_order("identity_flip/which", range(len(LABELS)))
    pairs = [pair for pair in zip(order[::2], order[1::2], strict=False) if LABELS[pair[0]] != LABELS[pair[1]]]
    rate = Fraction(2 * len(pairs), len(LABELS))
    given = list(LABELS)
    for a, b in pairs:
        given[a], given[b] = LABELS[b], LABELS[a]
    noise = IdentityFlip(float(rate), keep_frequency=True).apply(LABELS, 23, seed=SEED)
    np.testing.assert_array_equal(noise.given, given)
    assert noise.record.details["num_pairs"] == len(pairs)


def test_no_matching_has_more_pairs() -> None:
    """Any labels: the pairs are disjoint, of different labels, and min(floor(N / 2), N - M) in number."""
    rng = np.random.default_rng(0)
    for _ in range(600):
        true = rng.choice(5, rng.integers(1, 40), p=rng.dirichlet(np.full(5, 0.4)))
        first, second = swap_pairs(true, rng.permutation(len(true)))
        rows = [*first.tolist(), *second.tolist()]
        assert len(set(rows)) == len(rows)
        assert (true[first] != true[second]).all()
        assert len(first) == min(len(true) // 2, len(true) - np.bincount(true).max())


def test_swaps_go_from_any_person_to_any_other_alike_often() -> None:
    labels = np.arange(60_000) % 6
    noise = IdentityFlip(0.3, keep_frequency=True).apply(labels, 6, seed=8)
    true, given = noise.true[noise.is_flipped], noise.given[noise.is_flipped]
    up = true < given  # a swap counts once: its two directions are one event
    cells = {(i, j): n for n, (i, j) in enumerate((i, j) for i in range(6) for j in range(i + 1, 6))}
    assert_uniform(np.array([cells[i, j] for i, j in zip(true[up].tolist(), given[up].tolist(), strict=True)]), 15)


@pytest.mark.parametrize("labels", ["kept", "random"])
@pytest.mark.parametrize("rate", ["0", "0.1", "0.145", "0.2"])
@pytest.mark.parametrize("outside", [0.3, (1, 4, 22)])
def test_outliers_equal_a_slow_loop(outside: float | tuple[int, ...], rate: str, labels: str) -> None:
    if isinstance(outside, tuple):
        absent = sorted(outside)
    else:
        absent = sorted(in_draw_order("outlier/class", range(23))[: nearest(Fraction(repr(outside)) * 23)])
    inside_rows = [n for n in range(len(LABELS)) if LABELS[n] not in absent]
    outside_rows = [n for n in range(len(LABELS)) if LABELS[n] in absent]
    count = nearest(Fraction(rate) * len(inside_rows))
    inside = sorted(set(LABELS) - set(absent))
    given = [-1 if true in absent else true for true in LABELS]
    leaving = in_draw_order("outlier/replaced", inside_rows)[:count]
    coming = in_draw_order("outlier/coming", outside_rows)[:count]
    for old, new in zip(leaving, coming, strict=True):
        given[old] = -1
        word = draw_in_plain_integers(SEED, "outlier/label", new)
        given[new] = LABELS[old] if labels == "kept" else inside[word * len(inside) // WORD]
    noise = Outlier(float(rate), outside=outside, labels=labels).apply(LABELS, 23, seed=SEED)
    np.testing.assert_array_equal(noise.given, given)
    assert noise.record.realised_rate == count / len(inside_rows)
    assert noise.record.details == {
        "absent": absent,
        "num_inside": len(inside_rows),
        "num_outside": len(outside_rows),
        "num_replaced": count,
    }


def test_kept_labels_keep_every_inside_class_size() -> None:
    labels = skewed_labels(50, 5_000)
    noise = Outlier(0.2, outside=0.4).apply(labels, 50, seed=2)
    inside = np.setdiff1d(np.arange(50), noise.record.details["absent"])
    given = noise.given[noise.is_kept]
    np.testing.assert_array_equal(np.bincount(given, minlength=50)[inside], np.bincount(labels, minlength=50)[inside])


def test_random_labels_of_outliers_are_uniform_over_the_people_inside() -> None:
    labels = np.arange(40_000) % 20
    noise = Outlier(0.5, outside=0.4, labels="random").apply(labels, 20, seed=2)
    inside = np.setdiff1d(np.arange(20), noise.record.details["absent"])
    assert noise.record.num_flipped == 12_000
    assert_uniform(np.searchsorted(inside, noise.given[noise.is_flipped]), 12)


def test_an_outlier_study_has_no_clean_corruption() -> None:
    twin = Outlier(0.0, outside=(1,)).apply([0, 0, 1, 1, 2], 3, seed=0)
    assert not Outlier(0.0).is_clean
    assert twin.given.tolist() == [0, 0, -1, -1, 2]
    assert twin.record.realised_rate == 0


def maps_agree(corruption: Corruption) -> None:
    """The law of parts: training and validation, corrupted separately on one basis, have one map of identities."""
    rng = np.random.default_rng(4)
    training, validation = rng.integers(0, 30, 600), rng.integers(0, 12, 40)
    features = {len(part): faces(part) for part in (training, validation)}
    basis = Examples.of(training, 30, features=features[600])
    whole = corruption.apply(training, 30, seed=6, features=features[600]).record.details
    part = corruption.apply(
        validation, 30, seed=6, example_ids=np.arange(600, 640), features=features[40], basis=basis
    ).record.details
    for name in ("absorbed_into", "split_from", "absent"):
        assert whole.get(name) == part.get(name)


IDENTITY_MAPS = [
    IdentityMerge(0.4),
    IdentityMerge(0.4, group_size=3, layout="chain"),
    IdentityMerge(0.4, pairing="size_matched"),
    IdentityMerge(0.4, pairing="look_alike"),
    IdentityMerge(0.4, moved=0.3),
    IdentitySplit(0.3),
    IdentitySplit(0.3, parts=4, balance="skewed"),
    Outlier(0.1, outside=0.3),
]


@pytest.mark.parametrize("corruption", IDENTITY_MAPS, ids=repr)
def test_training_and_validation_have_one_map_of_identities(corruption: Corruption) -> None:
    maps_agree(corruption)


def test_pairs_of_the_labels_at_hand_break_the_law_of_parts() -> None:
    class SizesAtHand(IdentityMerge):
        def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
            return super()._decide(examples, examples, seed)

    with pytest.raises(AssertionError):
        maps_agree(SizesAtHand(0.4, pairing="size_matched"))
    with pytest.raises(AssertionError):
        maps_agree(SizesAtHand(0.4, pairing="look_alike"))


def test_a_share_of_images_absorbs_one_order_of_identities_in_both_parts() -> None:
    """How far each part follows the order is its own; the shorter list is the start of the longer."""
    merge = IdentityMerge(0.2, of="images")
    lists = [
        merge.apply(labels, 40, seed=6, example_ids=ids).record.details["absorbed_into"]
        for labels, ids in ((skewed_labels(40, 500), range(500)), (np.arange(80) % 40, range(500, 580)))
    ]
    short, long = sorted(lists, key=len)
    assert len(short) < len(long)
    assert long[: len(short)] == short


@pytest.mark.parametrize("total", [3, 7, 999, 10_000, 494_414])
def test_the_rate_that_a_refusal_names_can_be_had(total: int) -> None:
    for available in {0, 1, total // 3, total // 2, total - 1, total}:
        named = highest_rate(available, total)
        assert nearest(Fraction(named) * total) <= available
        assert Fraction(available, total) - Fraction(named) < Fraction(1, 10_000)


def test_labels_are_the_recorded_ones() -> None:
    """Golden labels, one line for each form; the slow loops above say that they are also right."""
    labels = np.arange(12) % 4
    recorded = {
        IdentityMerge(0.5, pairing="size_matched"): [1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2],
        IdentityMerge(0.25, of="images"): [0, 1, 2, 2, 0, 1, 2, 2, 0, 1, 2, 2],
        IdentityMerge(0.5, moved=0.5): [1, 1, 2, 2, 1, 1, 2, 2, 0, 1, 2, 3],
        IdentityMerge(0.5, group_size=3, layout="chain"): [0, 3, 2, 2, 0, 3, 2, 2, 0, 3, 2, 2],
        IdentitySplit(0.5): [0, 4, 2, 3, 0, 1, 2, 3, 5, 1, 2, 3],
        IdentitySplit(0.5, parts=3, balance="skewed"): [0, 1, 2, 3, 6, 4, 2, 3, 0, 1, 2, 3],
        IdentityFlip(0.5): [0, 1, 2, 1, 0, 1, 1, 0, 2, 0, 2, 2],
        IdentityFlip(0.5, keep_frequency=True): [0, 0, 2, 3, 1, 1, 1, 3, 3, 2, 2, 0],
        Outlier(0.3, outside=0.25): [0, 1, 3, 3, -1, 1, 0, -1, 0, 1, 3, -1],
        Outlier(0.3, outside=(2,), labels="random"): [0, 1, 3, 3, -1, 1, 3, -1, 0, 1, 0, -1],
    }
    assert {kind: kind.apply(labels, 4, seed=2020).given.tolist() for kind in recorded} == recorded

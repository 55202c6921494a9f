"""Draws and quotas against plain integers, decimals and sorting, against chi-square, and against recorded values."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest

from corruptions import example_draws, integers_below, unit_floats
from corruptions.quota import order_by_group, quota, smallest, smallest_drawn, smallest_per_group
from tests.references.plain_integers import WORD, assert_uniform, draw_in_plain_integers


@pytest.mark.parametrize("seed", [0, -5, 123_456_789_012_345_678_901])
@pytest.mark.parametrize("purpose", ["symmetric/which", "asymmetric/target"])
def test_draws_equal_plain_integer_arithmetic(seed: int, purpose: str) -> None:
    ids = [0, 1, 2, 494_413, 2**40, 2**63 - 1, -1, -(2**63)]
    expected = [draw_in_plain_integers(seed, purpose, i) for i in ids]
    np.testing.assert_array_equal(example_draws(seed, purpose, np.array(ids, dtype=np.int64)), expected)


def test_draws_are_the_recorded_ones() -> None:
    """Golden values: a change here changes every label that was ever published with a seed."""
    words = example_draws(2020, "symmetric/which", np.array([0, 1, 10_574], dtype=np.int64))
    assert [f"{word:016x}" for word in words.tolist()] == ["0316de1f993e3905", "56d9b86b85baf243", "9da570bb2a1e1a09"]


def test_integers_below_equal_plain_integer_arithmetic() -> None:
    words = [0, 1, WORD // 3, WORD // 2 - 1, WORD // 2, WORD - 1, *example_draws(1, "test", np.arange(200)).tolist()]
    for n in (1, 2, 3, 9, 10_574, 2**31 - 1, 2**32 - 1, 2**32):
        assert integers_below(n, np.array(words, dtype=np.uint64)).tolist() == [word * n // WORD for word in words]


def test_unit_floats_equal_fractions_and_never_reach_one() -> None:
    words = [0, 2**11 - 1, 2**11, WORD // 2, WORD - 1, *example_draws(1, "test", np.arange(200)).tolist()]
    floats = unit_floats(np.array(words, dtype=np.uint64)).tolist()
    assert [Fraction(x) for x in floats] == [Fraction(word // 2**11, 2**53) for word in words]
    assert max(floats) < 1


@pytest.mark.parametrize("n", [0, -1, 2**32 + 1])
def test_integers_below_refuses_what_it_cannot_do_exactly(n: int) -> None:
    with pytest.raises(ValueError, match=rf"n must be in \[1, 2\^32\]; got {n}"):
        integers_below(n, np.zeros(1, dtype=np.uint64))


def test_draws_are_uniform_over_ids_and_over_seeds() -> None:
    over_ids = example_draws(0, "symmetric/which", np.arange(100_000))
    over_seeds = np.concatenate([example_draws(seed, "symmetric/which", np.array([0])) for seed in range(20_000)])
    for words in (over_ids, over_seeds):
        assert_uniform(integers_below(64, words), 64)
        assert_uniform((words & np.uint64(63)).astype(np.int64), 64)


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, "a"), (1, "a")), ((0, "symmetric/which"), (0, "symmetric/target"))],
    ids=["two seeds", "two purposes"],
)
def test_draws_of_two_keys_are_independent(first: tuple[int, str], second: tuple[int, str]) -> None:
    ids = np.arange(100_000)
    a, b = (integers_below(16, example_draws(*key, ids)) for key in (first, second))
    assert_uniform(a * 16 + b, 256)
    assert_uniform(a[1:] * 16 + a[:-1], 256)  # and of neighbouring ids


def test_keys_one_increment_apart_do_not_give_one_sequence_shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap of a single SplitMix64 round, met with keys that SHA-256 would hardly ever deal."""
    first_key, increment = 0x0123456789ABCDEF, 0x9E3779B97F4A7C15

    class Dealt:
        def __init__(self, purpose_and_seed: bytes) -> None:
            self.seed = int(purpose_and_seed.decode().split("/")[-1])

        def digest(self) -> bytes:
            return ((first_key + self.seed * increment) % WORD).to_bytes(8, "big")

    monkeypatch.setattr(hashlib, "sha256", Dealt)
    ids = np.arange(1_000)
    words = [set(example_draws(seed, "test", ids).tolist()) for seed in (0, 1, 3)]
    assert len(set.union(*words)) == 3_000


@pytest.mark.parametrize("total", [1, 10, 37, 167, 10_575, 50_000])
def test_quota_equals_decimal_rounding(total: int) -> None:
    for thousandths in range(1001):
        decimal = Decimal(thousandths) / 1000
        expected = int((decimal * total).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        assert quota(thousandths / 1000, total) == expected


def test_quota_of_a_fraction_is_exact() -> None:
    assert [quota(Fraction(1, 3), n) for n in (1, 2, 3, 4, 5)] == [0, 1, 1, 1, 2]


def test_smallest_equals_sorting() -> None:
    draws = example_draws(4, "test", np.arange(50))
    for count in (0, 1, 17, 50):
        np.testing.assert_array_equal(smallest(draws, count), sorted(sorted(range(50), key=lambda i: draws[i])[:count]))


def test_smallest_per_group_equals_sorting_each_group() -> None:
    draws, groups = example_draws(4, "test", np.arange(60)), np.arange(60) % 4
    counts = np.array([0, 3, 15, 7])
    expected = [i for g in range(4) for i in sorted(range(g, 60, 4), key=lambda i: draws[i])[: counts[g]]]
    np.testing.assert_array_equal(smallest_per_group(draws, groups, counts), sorted(expected))


@pytest.mark.parametrize("total", [1, 2, 7, 1_000, 50_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.999, 1.0])
def test_smallest_drawn_is_smallest_of_all_the_draws(total: int, share: float) -> None:
    ids = np.random.default_rng(2).permutation(3 * total)[:total] - 5
    draws = example_draws(9, "test", ids)
    for count in {round(share * total), min(1, total), total}:
        expected = sorted(sorted(range(total), key=draws.tolist().__getitem__)[:count])
        np.testing.assert_array_equal(smallest_drawn(9, "test", ids, count), expected)


def test_smallest_drawn_where_the_bracket_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in 10^15 the count-th smallest draw lies outside: too far below, or too far above."""
    ids = np.arange(1_000)
    expected = smallest(example_draws(9, "test", ids), 400).tolist()
    for bracket in ((0, 5), (WORD - 10, WORD - 1)):
        monkeypatch.setattr("corruptions.quota._bracket", lambda *_, b=bracket: tuple(map(np.uint64, b)))
        np.testing.assert_array_equal(smallest_drawn(9, "test", ids, 400), expected)


@pytest.mark.parametrize("num_groups", [1, 2, 3, 1_000])
def test_order_by_group_is_the_sort_by_two_keys(num_groups: int) -> None:
    groups = np.random.default_rng(1).integers(0, num_groups, 3_000)
    draws = example_draws(1, "test", np.arange(3_000))
    np.testing.assert_array_equal(order_by_group(draws, groups), np.lexsort((draws, groups)))


def test_order_by_group_where_the_kept_bits_tie() -> None:
    """Draws that differ in their lowest bits only: one key in 64 bits cannot tell them apart."""
    draws = np.array([7, 3, 5, 1, 6, 2], dtype=np.uint64)
    groups = np.array([900, 900, 900, 5, 5, 5])
    assert order_by_group(draws, groups).tolist() == [3, 5, 4, 1, 2, 0]

"""Sums of corruptions against a plain loop over the definition, and the two controls against what they control."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from corruptions import (
    Asymmetric,
    CleanSubset,
    Composition,
    CorruptedLabels,
    Corruption,
    DropIdentities,
    IdentityMerge,
    Pair,
    RandomLabels,
    Symmetric,
)

LABELS = np.random.default_rng(4).integers(0, 12, 600)


def by_the_definition(steps: list[Corruption]) -> list[int]:
    """The last step that wants an example wins; nobody is left under an absorbed label who is wrong without it."""
    alone = [step.apply(LABELS, 12, seed=9) for step in steps]
    absorber: dict[int, int] = {}
    for noise in alone:
        absorber |= dict(noise.record.details.get("absorbed_into", []))
    given = []
    for n, true in enumerate(LABELS.tolist()):
        wanted = [int(noise.given[n]) for noise in alone if noise.given[n] != true]
        label = wanted[-1] if wanted else true
        goes_to = absorber.get(label, label)
        given.append(label if goes_to == true else goes_to)
    return given


@pytest.mark.parametrize(
    "steps",
    [
        [Symmetric(0.3), IdentityMerge(0.4)],
        [IdentityMerge(0.4), Symmetric(0.3)],
        [Asymmetric(0.5, map="pair"), Symmetric(0.3), IdentityMerge(0.4, group_size=3)],
    ],
    ids=lambda steps: "+".join(step.kind for step in steps),
)
def test_a_sum_is_its_definition(steps: list[Corruption]) -> None:
    noise = Composition.of(*steps).apply(LABELS, 12, seed=9)
    np.testing.assert_array_equal(noise.given, by_the_definition(steps))
    for step, record in zip(steps, noise.record.steps, strict=True):
        assert record == step.apply(LABELS, 12, seed=9).record


def test_no_wrong_example_becomes_right_when_one_of_the_rates_grows() -> None:
    rates = (0.0, 0.2, 0.5)

    def noise(a: float, b: float, c: float) -> CorruptedLabels:
        return (Pair(a) + Symmetric(b) + IdentityMerge(c)).apply(LABELS, 12, seed=2)

    for low in itertools.product(rates[:2], repeat=3):
        for place in range(3):
            high = [*low]
            high[place] = 0.5
            assert not (noise(*low).is_flipped & ~noise(*high).is_flipped).any()


@pytest.mark.parametrize("merge_first", [True, False])
def test_a_flip_into_an_absorbed_identity_goes_to_the_absorber(merge_first: bool) -> None:
    merge = IdentityMerge(0.5)
    both = merge + Symmetric(0.9) if merge_first else Symmetric(0.9) + merge
    noise = both.apply(LABELS, 12, seed=3)
    absorbed = dict(merge.absorptions(12, 3))
    still = np.isin(noise.given, list(absorbed))
    assert still.any()  # an image of 3 under 7 stays there when 3 absorbs 7
    assert all(absorbed[label] == true for label, true in zip(noise.given[still], noise.true[still], strict=True))


def test_what_is_left_out_stays_out() -> None:
    noise = (CleanSubset(of=Symmetric(0.3)) + Pair(0.5)).apply(LABELS, 12, seed=1)
    assert noise.record.num_dropped == 180
    assert noise.record.num_flipped > 0
    assert ((noise.given == -1) == (Symmetric(0.3).apply(LABELS, 12, seed=1).is_flipped)).all()


def test_sums_join_whichever_way_they_are_bracketed() -> None:
    a, b, c = Pair(0.1), Symmetric(0.2), IdentityMerge(0.3)
    assert (a + b) + c == a + (b + c) == Composition(steps=(a, b, c))
    assert (a + b + c).rate == pytest.approx(1 - 0.9 * 0.8 * 0.7)


def test_sums_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"steps must be of different kinds, .* got symmetric twice"):
        Symmetric(0.1) + Symmetric(0.2)
    with pytest.raises(ValueError, match="at least two steps; got 1"):
        Composition(steps=(Symmetric(0.1),))
    with pytest.raises(TypeError):
        Symmetric(0.1) + 3  # type: ignore[operator]


def test_the_clean_subset_is_the_uncorrupted_remainder() -> None:
    for of in (Symmetric(0.4), Pair(0.3) + Symmetric(0.2), IdentityMerge(0.3)):
        noise, control = (kind.apply(LABELS, 12, seed=6) for kind in (of, CleanSubset(of=of)))
        assert (control.is_kept == ~noise.is_flipped).all()
        assert (control.given[control.is_kept] == LABELS[control.is_kept]).all()
        assert control.record.realised_rate == 0


def test_the_same_identities_are_dropped_that_would_be_merged() -> None:
    merge = IdentityMerge(0.4, group_size=3)
    control = DropIdentities(of=merge).apply(LABELS, 12, seed=6)
    absorbed = sorted(i for i, _ in merge.absorptions(12, 6))
    assert control.record.details["absent"] == absorbed
    assert (control.is_kept == ~np.isin(LABELS, absorbed)).all()
    with pytest.raises(ValueError, match="needs a corruption that absorbs identities; got symmetric"):
        DropIdentities(of=Symmetric(0.4)).apply(LABELS, 12, seed=6)


def test_random_labels_say_nothing_of_the_true_ones() -> None:
    """Within 4.5 standard deviations of 1 / K right, and every cell of the table of its expected share."""
    labels = np.arange(60_000) % 6
    noise = RandomLabels().apply(labels, 6, seed=8)
    right = np.count_nonzero(noise.given == labels)
    assert abs(right - 10_000) < 4.5 * np.sqrt(60_000 * (1 / 6) * (5 / 6))
    cells = np.bincount(labels * 6 + noise.given, minlength=36)
    assert np.abs(cells - 60_000 / 36).max() < 4.5 * np.sqrt(60_000 / 36)


def test_pair_is_asymmetric_with_the_pair_map_and_draws_of_its_own() -> None:
    """Were the draws shared, a sum of the two would hit the same examples twice: 30 % and not about 51 %."""
    pair, asymmetric = (kind.apply(LABELS, 12, seed=5) for kind in (Pair(0.3), Asymmetric(0.3, map="pair")))
    np.testing.assert_array_equal(pair.transition_matrix(), asymmetric.transition_matrix())
    both = (Pair(0.3) + Asymmetric(0.3, map="pair")).apply(LABELS, 12, seed=5)
    assert abs(both.record.realised_rate - 0.51) < 4.5 * (0.51 * 0.49 / len(LABELS)) ** 0.5


def test_dropping_what_nothing_merges_drops_nothing() -> None:
    control = DropIdentities(of=IdentityMerge(0.0) + Symmetric(0.2)).apply(LABELS, 12, seed=5)
    assert control.record.num_dropped == 0


def test_a_control_s_rate_is_of_what_the_other_s_is() -> None:
    for of in (Pair(0.2), IdentityMerge(0.2), IdentityMerge(0.2, of="images")):
        assert CleanSubset(of=of).share_of() == of.share_of()
    assert IdentityMerge(0.2, of="images").apply(LABELS, 12, seed=5).record.rate_of == "examples"

"""Corruptions as texts: sums, corruptions inside controls, and where a study's rate goes."""

from __future__ import annotations

import pytest

from corruptions import Asymmetric, CleanSubset, DropIdentities, IdentityMerge, NoiseRecord, Symmetric
from noisylabels.catalog import UsageError, full_text, short_text
from noisylabels.noise_rates import names_rate, with_rate, without_rate
from noisylabels.recipe import corruption_of
from noisylabels.spec import RunSpec, canonical

VALUES = [
    Symmetric(0.1, inclusive=True) + IdentityMerge(0.2),
    CleanSubset(of=Asymmetric(0.4, map=((3, 5), (5, 3)))),
    DropIdentities(of=Symmetric(0.1) + IdentityMerge(0.2)),
    CleanSubset(of=CleanSubset(of=Symmetric(0.1))) + IdentityMerge(0.25, group_size=3),
]


def built(text: str) -> object:
    return RunSpec(dataset="digits", corruption=text).plugin("corruption")


@pytest.mark.parametrize("value", VALUES, ids=short_text)
def test_both_texts_of_a_corruption_read_back_as_itself(value: Symmetric) -> None:
    assert built(full_text(value)) == value
    assert built(short_text(value)) == value
    assert canonical("corruption", short_text(value)) == full_text(value)


@pytest.mark.parametrize("value", VALUES, ids=short_text)
def test_a_record_names_the_corruption_it_was_made_with(value: Symmetric) -> None:
    record = value.apply(list(range(6)) * 5, 6, seed=4).record
    assert corruption_of(NoiseRecord.from_json(record.to_json())) == value


@pytest.mark.parametrize(
    ("text", "canonical_text"),
    [
        ("symmetric:rate=0 + pair:rate=0.2", "pair:rate=0.2"),
        ("symmetric:rate=0 + pair:rate=0", "clean:rate=0.0"),
        ("clean + pair:rate=0.2", "pair:rate=0.2"),
        ('clean_subset:of="pair:rate=0"', "clean:rate=0.0"),
        ("clean_subset:of=pair:rate=0.2", 'clean_subset:of="pair:rate=0.2"'),
    ],
)
def test_what_does_nothing_is_left_out(text: str, canonical_text: str) -> None:
    assert canonical("corruption", text) == canonical_text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pair:rate=0.1 + pair:rate=0.2", "steps must be of different kinds, or they draw the same examples; got pair"),
        ("pair:rate=0.1 + symetric:rate=0.2", "unknown corruption 'symetric'; did you mean 'symmetric'"),
        ("clean_subset:of=symetric:rate=0.2", "unknown corruption 'symetric'; did you mean 'symmetric'"),
        ("clean_subset", "parameter 'of' must be given"),
        ("clean_subset:of=0.3", "unknown corruption '0.3'"),
        ("clean_subset:rate=0.3,of=pair:rate=0.1", "unknown parameter 'rate'; known: of"),
        ("pair:rate=0.1 +", "parameters must be key=value|rate must|rate Input|got '0.1 \\+'"),
    ],
)
def test_texts_that_cannot_be_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        canonical("corruption", text)


def test_only_corruptions_can_be_added() -> None:
    with pytest.raises(UsageError, match=r"a head cannot be such a sum; got 'softmax \+ arcface'"):
        canonical("head", "softmax + arcface")


@pytest.mark.parametrize(
    ("text", "has_rate"),
    [
        ("symmetric", False),
        ("symmetric:rate=0.1", True),
        ("identity_merge:of=images", False),
        ("random_labels", True),
        ("clean", True),
        ("clean_subset:of=symmetric", False),
        ("clean_subset:of=symmetric:rate=0.1", True),
        ("pair:rate=0.1 + symmetric", False),
        ('drop_identities:of="pair:rate=0.1 + identity_merge"', False),
    ],
)
def test_a_text_names_its_rate_or_waits_for_one(text: str, has_rate: bool) -> None:
    assert names_rate(text) == has_rate
    assert names_rate(with_rate(text, 0.3))
    assert (with_rate(text, 0.3) == text) == has_rate


@pytest.mark.parametrize("value", VALUES, ids=short_text)
def test_a_curve_is_called_by_what_does_not_vary_along_it(value: Symmetric) -> None:
    name, rate = without_rate(value)
    assert not names_rate(name)
    assert built(with_rate(name, rate)) == value

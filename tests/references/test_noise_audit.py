"""The audit of published noise, recomputed: what each code makes of a request, and what ours makes of the same one."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from cleanlab.benchmarking.noise_generation import (  # noqa: TID251  (the generator that is audited)
    generate_noise_matrix_from_trace,
    generate_noisy_labels,
)
from numpy.typing import NDArray
from scipy import special, stats

from corruptions import Asymmetric, CorruptedLabels, Corruption, Symmetric
from corruptions.conventions import effective_rate, nominal_rate
from corruptions.legacy import LEGACY_CODES, Legacy
from corruptions.legacy_instance_noise import _truncated_normal, _weights
from corruptions.normal_quantile import log, normal_cdf, normal_quantile
from tests.laws.corruption_cases import CIFAR100_COARSE

CIFAR10 = np.arange(50_000) % 10
CIFAR100 = np.arange(50_000) % 100
PIXELS = np.random.default_rng(0).integers(0, 256, (50_000, 8), dtype=np.uint8)


def binomial(share: float, p: float, N: int = 50_000) -> float:  # noqa: N803
    """Standard deviation, as a share of N, of the successes among ``share * N`` trials."""
    return math.sqrt(share * N * p * (1 - p)) / N


@dataclass(frozen=True)
class Row:
    """A line of the table: ``sigma`` is the standard deviation of the realised rate, derived from the mechanism."""

    code: str
    num_classes: int
    nominal: float
    published: float
    sigma: float

    def realised(self, seed: int = 5) -> CorruptedLabels:
        labels = CIFAR10 if self.num_classes == 10 else CIFAR100
        return Legacy(self.nominal, code=self.code).apply(labels, self.num_classes, seed=seed, features=PIXELS)


TABLE = [
    *(
        Row("dividemix_symmetric", 10, r, printed, binomial(r, 0.1))
        for r, printed in ((0.2, 0.181), (0.5, 0.449), (0.8, 0.720), (0.9, 0.810))
    ),
    *(
        Row("dividemix_symmetric", 100, r, printed, binomial(r, 0.01))
        for r, printed in ((0.2, 0.198), (0.5, 0.495), (0.8, 0.792), (0.9, 0.892))
    ),
    # Without replacement: half of the examples have somewhere to go.
    Row("dividemix_asymmetric", 10, 0.2, 0.101, binomial(0.2, 0.5) * math.sqrt(0.8)),
    Row("dividemix_asymmetric", 10, 0.4, 0.200, binomial(0.4, 0.5) * math.sqrt(0.6)),
    # Cats among those drawn from the ones labelled dog: 1,200 of 6,000 with 1,000 cats; 2,800 of 7,000 with 2,000.
    Row("elr_asymmetric", 10, 0.2, 0.096, binomial(0.024, 1 / 6) * math.sqrt(0.8)),
    Row("elr_asymmetric", 10, 0.4, 0.183, binomial(0.056, 2 / 7) * math.sqrt(0.6)),
    Row("sce_asymmetric_cifar100", 100, 0.4, 0.16, binomial(0.4, 0.4)),
    Row("apl_asymmetric_cifar100", 100, 0.4, 0.40, binomial(1.0, 0.4)),
    *(Row("aqua_instance", 10, r, p, binomial(1.0, p)) for r, p in ((0.1, 0.146), (0.2, 0.246), (0.4, 0.446))),
    *(Row("pdn_instance", 10, r, p, binomial(1.0, p)) for r, p in ((0.1, 0.129), (0.2, 0.206), (0.4, 0.400))),
]


def name_of(row: Row) -> str:
    return f"{row.code}-{row.num_classes}-{row.nominal}"


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_the_table(row: Row) -> None:
    """Rounding of the table, and three sigma of the difference of two samples: theirs and ours."""
    realised = row.realised().record.realised_rate
    assert abs(realised - row.published) <= 0.0005 + 3 * math.sqrt(2) * row.sigma
    assert row.sigma < 0.0025  # hence no tolerance is above 1.2 % of the labels


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_the_formula_is_the_mean_of_the_mechanism(row: Row) -> None:
    expected = effective_rate(row.code, row.nominal, row.num_classes)
    mean = np.mean([row.realised(seed).record.realised_rate for seed in range(4)])
    assert abs(mean - expected) <= 4 * row.sigma / math.sqrt(4) + 3e-5  # counts are whole


OURS: list[tuple[Callable[[float], Corruption], NDArray[np.int64], int, float]] = [
    *((Symmetric, CIFAR10, 10, r) for r in (0.2, 0.5, 0.8, 0.9)),
    *((Symmetric, CIFAR100, 100, r) for r in (0.2, 0.5, 0.8, 0.9)),
    (lambda r: Asymmetric(r, map="cifar100_superclass"), CIFAR100, 100, 0.4),
    (Symmetric, np.arange(120 * 167) % 120, 120, 0.2),
    (Symmetric, np.arange(1_000 * 47) % 1_000, 1_000, 0.4),
    (Symmetric, np.arange(2_000 * 47) % 2_000, 2_000, 0.4),
]


@pytest.mark.parametrize(("make", "labels", "num_classes", "rate"), OURS)
def test_ours_lands_on_the_request(
    make: Callable[[float], Corruption], labels: NDArray[np.int64], num_classes: int, rate: float
) -> None:
    record = make(rate).apply(labels, num_classes, seed=5).record
    assert abs(record.num_flipped - rate * len(labels)) <= 0.5


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_ours_lands_on_the_request_in_every_source_class_of_cifar10(rate: float) -> None:
    record = Asymmetric(rate, map="cifar10").apply(CIFAR10, 10, seed=5).record
    assert [n for i, n in enumerate(record.flipped_by_class) if i in (2, 3, 4, 5, 9)] == [5_000 * rate] * 5
    assert record.realised_rate == effective_rate("asymmetric:map=cifar10", rate, 10) == rate / 2


def test_the_cats_of_the_cascade() -> None:
    """0.235 in the table; 0.4 - 0.4^2 = 0.24 in expectation, sigma 18.5 of 5,000 cats."""
    record = Row("elr_asymmetric", 10, 0.4, 0.0, 0.0).realised().record
    cats, dogs = record.flipped_by_class[3] / 5_000, record.flipped_by_class[5] / 5_000
    sigma = math.sqrt(2_800 * (2 / 7) * (5 / 7) * 0.6) / 5_000
    assert abs(cats - 0.235) <= 0.0005 + 3 * math.sqrt(2) * sigma
    assert abs(cats - 0.24) <= 3 * sigma
    assert dogs - cats == pytest.approx(0.4 * (1 + 0.4) - 0.4)  # what is drawn among 7,000, less the 2,000 cats
    assert [record.flipped_by_class[i] for i in (2, 4, 9)] == [2_000] * 3


def test_the_cascade_equals_a_slow_loop_in_distribution() -> None:
    """From the description, with a generator: classes in the order of their ids, members among mutated labels."""
    true = np.arange(300) % 10
    generator, theirs, ours = np.random.default_rng(1), [], []
    for seed in range(200):
        labels = true.tolist()
        for source, target in ((2, 0), (3, 5), (4, 7), (5, 3), (9, 1)):
            members = [n for n, label in enumerate(labels) if label == source]
            generator.shuffle(members)
            for place, n in enumerate(members):
                if place < 0.4 * len(members):
                    labels[n] = target
        theirs.append(Counter(zip(true.tolist(), labels, strict=True))[3, 5])
        given = Legacy(0.4, code="elr_asymmetric").apply(true, 10, seed=seed).given.tolist()
        ours.append(Counter(zip(true.tolist(), given, strict=True))[3, 5])
    assert stats.ks_2samp(ours, theirs).pvalue > 0.01
    assert stats.ttest_ind(ours, theirs).pvalue > 0.01


def test_six_of_a_hundred_flips_stay_inside_the_superclass() -> None:
    def inside(noise: CorruptedLabels) -> int:
        pairs = set(zip(noise.true[noise.is_flipped].tolist(), noise.given[noise.is_flipped].tolist(), strict=True))
        assert len(pairs) == 100
        return sum(CIFAR100_COARSE[i] == CIFAR100_COARSE[j] for i, j in pairs)

    assert inside(Legacy(0.4, code="apl_asymmetric_cifar100").apply(CIFAR100, 100, seed=5)) == 6
    assert inside(Asymmetric(0.4, map="cifar100_superclass").apply(CIFAR100, 100, seed=5)) == 100


def symmetric_matrix(num_classes: int, rate: float) -> NDArray[np.float64]:
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


@pytest.mark.parametrize(
    ("num_classes", "per_class", "rate", "published"),
    [
        (120, 167, 0.2, 0.0),
        (1_000, 47, 0.4, 0.0),
        (2_000, 47, 0.4, 0.0),
        (10, 5_000, 0.4, 0.3996),
        (100, 500, 0.2, 0.198),
        (100, 500, 0.4, 0.396),
        (7, 90, 0.3, None),
        (3, 1_001, 0.6, None),
    ],
)
def test_cleanlabs_own_generator(num_classes: int, per_class: int, rate: float, published: float | None) -> None:
    """Its counts hold no chance, so ours must have the same in every cell."""
    true = np.arange(num_classes * per_class) % num_classes
    np.random.seed(0)  # noqa: NPY002  (its generator is the global one)
    theirs = generate_noisy_labels(true, symmetric_matrix(num_classes, rate))
    ours = Legacy(rate, code="cleanlab_cells").apply(true, num_classes, seed=5)
    assert cells_of(true, ours.given) == cells_of(true, theirs)
    realised = float(np.mean(theirs != true))
    if published is not None:
        assert realised == pytest.approx(published, abs=1e-12)
    sizes = [per_class] * num_classes
    assert effective_rate("cleanlab_cells", rate, num_classes, sizes) == pytest.approx(realised, abs=1e-12)


def test_cleanlabs_own_generator_on_unequal_classes() -> None:
    true = np.repeat(np.arange(5), [10, 33, 57, 120, 400])
    np.random.seed(0)  # noqa: NPY002
    theirs = generate_noisy_labels(true, symmetric_matrix(5, 0.35))
    assert cells_of(true, Legacy(0.35, code="cleanlab_cells").apply(true, 5, seed=5).given) == cells_of(true, theirs)


def cells_of(true: NDArray[np.int64], given: NDArray[np.int64]) -> Counter[tuple[int, int]]:
    return Counter(zip(true.tolist(), given.tolist(), strict=True))


def test_issue_977() -> None:
    """K = 120, trace 0.8 K, 20,000 labels, as in the issue: 776 are wrong (3.9 %) where 20 % was asked.

    No cell's count holds chance, so the issue's number comes out again. Ours realises the same matrix to half an
    example a class: 20 % of classes of equal weight.
    """
    generator = random.Random(100)
    true = np.array([generator.randint(0, 119) for _ in range(20_000)])
    matrix = generate_noise_matrix_from_trace(K=120, trace=120 * (1 - 0.2), valid_noise_matrix=False, seed=100)
    assert np.count_nonzero(generate_noisy_labels(true, matrix) != true) == 776
    ours = Asymmetric.from_matrix(matrix.T, rate=1.0).apply(true, 120, seed=5).record
    asked = (1 - np.diag(matrix)) * np.bincount(true)
    assert np.abs(np.array(ours.flipped_by_class) - asked).max() <= 0.5 + 1e-9
    assert ours.realised_rate == pytest.approx(0.2, abs=0.003)


def test_boundaryface_loses_the_remainder_of_every_identity() -> None:
    """Of identities with fewer than 1 / rate images none is flipped; ours takes the share of all images."""
    sizes = [1, 2, 3, 4, 5, 9, 10, 11, 60]
    true = np.repeat(np.arange(9), sizes)
    record = Legacy(0.2, code="boundaryface_flip").apply(true, 9, seed=5).record
    assert record.flipped_by_class == (0, 0, 0, 0, 1, 1, 2, 2, 12)
    assert record.details["num_untouched_identities"] == 4
    assert effective_rate("boundaryface_flip", 0.2, 9, sizes) == record.realised_rate == 18 / 105
    assert Symmetric(0.2).apply(true, 9, seed=5).record.num_flipped == 21


def test_every_code_has_a_formula_and_an_inverse() -> None:
    sizes = [500] * 100
    for code, legacy in LEGACY_CODES.items():
        num_classes = legacy.num_classes or 100
        for nominal in (0.01, 0.2, 0.55, 0.9):
            effective = effective_rate(code, nominal, num_classes, sizes[:num_classes])
            assert 0 <= effective <= 1
            back = nominal_rate(code, effective, num_classes, sizes[:num_classes])
            assert back <= nominal + 1e-9
            assert effective_rate(code, back, num_classes, sizes[:num_classes]) == pytest.approx(effective, abs=1e-12)


def test_inverses_by_hand() -> None:
    assert nominal_rate("symmetric:inclusive=true", 0.18, 10) == pytest.approx(0.2, abs=1e-12)
    assert nominal_rate("elr_asymmetric", 0.184, 10) == pytest.approx(0.4, abs=1e-12)
    assert nominal_rate("sce_asymmetric_cifar100", 0.16, 100) == pytest.approx(0.4, abs=1e-12)
    assert nominal_rate("dividemix_asymmetric", 0.2, 10) == pytest.approx(0.4, abs=1e-12)
    assert nominal_rate("boundaryface_flip", 0.1, 2, [10, 10]) == pytest.approx(0.1, abs=1e-12)
    only_cats = [0, 0, 0, 100, 0, 0, 0, 0, 0, 0]
    assert nominal_rate("elr_asymmetric", 0.24, 10, only_cats) == pytest.approx(0.4, abs=1e-9)


@pytest.mark.parametrize(
    ("code", "effective", "num_classes", "sizes", "message"),
    [
        ("symmetric:inclusive=true", 0.95, 10, None, r"in \[0, 0.9\] wrong"),
        ("sce_asymmetric_cifar100", 0.41, 100, None, r"in \[0, 0.4\] wrong"),
        ("aqua_instance", 0.02, 10, None, r"in \[0.0459862, 0.945986\] wrong, or none"),
        ("pdn_instance", 0.05, 10, None, r"in \[0.0797885, 0.920212\] wrong"),
        ("elr_asymmetric", 0.3, 10, [0, 0, 0, 9, 0, 0, 0, 0, 0, 0], r"in \[0, 0.25\] wrong"),
        ("boundaryface_flip", 0.03, 2, [10, 10], r"can make 0 or 0.1 wrong"),
        ("cleanlab_cells", 0.2, 10, None, "needs class_sizes"),
        ("elr_asymmetric", 0.1, 100, None, "needs num_classes 10; got 100"),
        ("pair", 0.1, 1, None, "at least 2"),
        ("pairs", 0.1, 10, None, "code must be one of symmetric, "),
        ("pair", 1.5, 10, None, r"must be in \[0, 1\]"),
        ("pair", 0.5, 3, [1, 2], "3 counts"),
    ],
)
def test_what_cannot_be_reached_is_refused(
    code: str, effective: float, num_classes: int, sizes: list[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nominal_rate(code, effective, num_classes, sizes)


def test_refusals_of_legacy() -> None:
    with pytest.raises(ValueError, match=r"code must be one of dividemix_symmetric, .*; got 'dividemix'"):
        Legacy(0.2, code="dividemix")
    with pytest.raises(ValueError, match="elr_asymmetric needs num_classes 10; got 5"):
        Legacy(0.2, code="elr_asymmetric").apply([0, 1, 2, 3, 4], 5, seed=1)
    with pytest.raises(ValueError, match="legacy needs features; got none"):
        Legacy(0.2, code="aqua_instance").apply([0, 1], 2, seed=1)
    with pytest.raises(ValueError, match=r"aqua_instance needs a rate of at most 0.9"):
        Legacy(0.95, code="aqua_instance").apply([0, 1], 2, seed=1, features=[[1], [2]])
    with pytest.raises(ValueError, match="at most 1,000 classes"):
        Legacy(0.2, code="pdn_instance").apply([0, 1], 2_000, seed=1, features=[[1], [2]])


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.9])
def test_rates_per_image_are_scipys_truncated_normals(rate: float) -> None:
    """AQuA gives its bounds in standard units, PDN in units of the rate; means by SciPy, quantiles by SciPy."""
    u = np.linspace(0.0005, 0.9995, 1_000)
    for code, (a, b) in {"aqua_instance": (0, 1), "pdn_instance": (-rate / 0.1, (1 - rate) / 0.1)}.items():
        theirs = stats.truncnorm(a, b, loc=rate, scale=0.1)
        np.testing.assert_allclose(rate + 0.1 * _truncated_normal(u, a, b), theirs.ppf(u), rtol=0, atol=1e-9)
        assert effective_rate(code, rate, 10) == pytest.approx(theirs.mean(), abs=1e-12)


def test_normal_distribution_against_scipy() -> None:
    p = np.concatenate([np.logspace(-18, -0.31, 2_000), 1 - np.logspace(-15, -0.31, 2_000)])
    np.testing.assert_allclose(normal_quantile(p), special.ndtri(p), rtol=2e-14, atol=1e-15)
    for x in np.linspace(-12, 12, 241):
        assert normal_cdf(float(x)) == pytest.approx(special.ndtr(x), abs=1e-14)
    x = np.logspace(-300, 300, 5_000)
    np.testing.assert_allclose(log(x), np.log(x), rtol=1e-15, atol=1e-15)


def test_random_projections_are_standard_normal() -> None:
    W = _weights(3, "aqua_instance", 0, 2_000, 10) / 2.0**12
    assert stats.kstest(W.ravel(), "norm").pvalue > 0.01
    assert stats.kstest(W[:, 3], "norm").pvalue > 0.01
    assert not np.array_equal(W, _weights(3, "pdn_instance", 0, 2_000, 10) / 2.0**12)


@pytest.mark.parametrize("code", ["aqua_instance", "pdn_instance"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_targets_follow_the_softmax_of_the_image(code: str, dtype: type) -> None:
    """One image 30,000 times under two labels: the given labels are a sample of its softmax, its own class masked."""
    x = np.array([1, 0, 2, 1, 1], dtype=dtype) if dtype is np.uint8 else np.array([0.3, -0.7, 0.1, 0.9, 0.5], dtype)
    true = np.arange(30_000) % 2 * 3
    noise = Legacy(0.5, code=code).apply(true, 5, seed=3, features=np.tile(x, (len(true), 1)))
    for label in (0, 3):
        logits = x.astype(np.float64) @ (_weights(3, code, label if code == "pdn_instance" else 0, 5, 5) / 2.0**12)
        others = [j for j in range(5) if j != label]
        expected = special.softmax(logits[others])
        given = noise.given[(noise.true == label) & noise.is_flipped]
        counts = np.bincount(given, minlength=5)[others]
        assert stats.chisquare(counts, expected * counts.sum()).pvalue > 1e-3


@pytest.mark.parametrize("scale", [2.0**-1070, 2.0**-40, 1.0, 2.0**40, 2.0**400])
def test_features_of_any_size(scale: float) -> None:
    """Very large ones saturate the softmax, very small ones make it uniform; neither is an error."""
    x = np.random.default_rng(4).normal(size=(6_000, 3)) * scale
    noise = Legacy(0.4, code="aqua_instance").apply(np.arange(6_000) % 3, 3, seed=2, features=x)
    assert abs(noise.record.realised_rate - 0.446) < 4 * binomial(1.0, 0.446, 6_000)
    if scale < 1e-9:
        wrong = (noise.given - noise.true)[noise.is_flipped] % 3
        assert stats.binomtest(int((wrong == 1).sum()), len(wrong)).pvalue > 0.01
    with pytest.raises(ValueError, match=r"features within 2\^500; got 1e\+300"):
        Legacy(0.4, code="aqua_instance").apply([0, 1], 2, seed=2, features=[[1e300], [0.0]])


def test_raw_pixels_saturate_as_published() -> None:
    """With a shared W and raw bytes, most flips land in few classes: 46 to 84 % in a single one was measured."""
    pixels = np.random.default_rng(2).integers(0, 256, (4_000, 3_072), dtype=np.uint8)
    true = np.arange(4_000) % 10
    noise = Legacy(0.4, code="aqua_instance").apply(true, 10, seed=1, features=pixels)
    largest = np.bincount(noise.given[noise.is_flipped], minlength=10).max() / noise.record.num_flipped
    assert largest > 0.4


@pytest.mark.parametrize(
    ("code", "of_bytes", "of_floats"),
    [
        ("aqua_instance", "1103000021230100020000002020000301202003", "3133033121230131033200313321033301213013"),
        ("pdn_instance", "3023012203133003011301030313000031133023", "3023012002332003011301030313003111132023"),
    ],
)
def test_the_same_labels_on_every_machine(code: str, of_bytes: str, of_floats: str) -> None:
    """Pinned: another machine, BLAS or NumPy must give these."""
    pixels = np.arange(240).reshape(40, 6) * 37 % 256
    for features, expected in ((pixels.astype(np.uint8), of_bytes), (pixels / 255 - 0.5, of_floats)):
        noise = Legacy(0.5, code=code).apply(np.arange(40) % 4, 4, seed=8, features=features)
        assert "".join(map(str, noise.given.tolist())) == expected


def test_features_that_are_not_used_are_not_needed() -> None:
    assert Legacy(0.2, code="cleanlab_cells").needs() == frozenset()
    assert Legacy(0.2, code="pdn_instance").needs() == {"features"}

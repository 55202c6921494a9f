"""Portable arithmetic against fractions, mpmath and scikit-learn, and the same bits however it is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from corruptions import Examples
from corruptions.cells import FeatureCells
from corruptions.clustered import Clustered
from corruptions.instance import Instance
from corruptions.look_alike import look_alikes
from corruptions.portable import Standardiser, exact_product, exp, random_signs, standardised
from tests.references.plain_integers import draw_in_plain_integers

NUM_CLASSES = 7


def sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, dtype="<i8").tobytes()).hexdigest()[:16]


def made_up(num_examples: int = 3000, columns: int = 96) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels and float features from whole-number draws: the same on every machine."""
    steps = np.arange(num_examples * columns, dtype=np.int64)
    labels = (steps[:num_examples] * 40_503 >> 4) % NUM_CLASSES
    noise = (steps * 2_654_435_761 % 1_000_003).reshape(num_examples, columns)
    scale = 2.0 ** (np.arange(columns) % 9 - 4)
    centre = (labels[:, None] * np.arange(1, columns + 1) * 7_919) % 1_000
    return labels, ((noise / 1_000_003 + centre / 500 + 10) * scale).astype(np.float32)


def results(labels: NDArray[np.int64], features: NDArray[Any], ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Every result that rests on portable arithmetic, in the order of the ids."""
    examples = Examples.of(labels, NUM_CLASSES, example_ids=ids, features=features)
    order = np.argsort(ids)
    return {
        "standardised": standardised(features, features)[order].astype(np.int64),
        "look_alikes": look_alikes(examples, 3),
        "cells": FeatureCells.learnt(examples, 60, 5).of(features)[order],
        "instance": Instance(0.5).apply_to(examples, seed=5).given[order],
        "clustered": Clustered(0.3).apply_to(examples, seed=5).given[order],
    }


GOLDEN = {
    "standardised": "227f95ac6b627b97",
    "look_alikes": "68f63e5ddf0ced64",
    "cells": "c0756fb749808e23",
    "instance": "035381530052c29a",
    "clustered": "6c1e8dbd0129bc19",
}


def test_the_results_are_the_recorded_ones() -> None:
    """Golden values: a change here changes every label that was ever published with a seed."""
    labels, features = made_up()
    assert {name: sha256(array) for name, array in results(labels, features, np.arange(3000)).items()} == GOLDEN


def test_row_order_and_memory_order_do_not_matter() -> None:
    labels, features = made_up()
    order = np.random.default_rng(2).permutation(3000)
    for rows, laid_out in ((order, np.ascontiguousarray), (np.arange(3000), np.asfortranarray)):
        again = results(labels[rows], laid_out(features[rows]), rows)
        assert {name: sha256(array) for name, array in again.items()} == GOLDEN


def instructions_of_this_processor() -> str:
    """The vector instructions that NumPy would choose here beyond its baseline."""
    from numpy._core import _multiarray_umath as built

    return " ".join(name for name in built.__cpu_dispatch__ if built.__cpu_features__.get(name))


@pytest.mark.parametrize(
    "machine",
    [
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
        {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": instructions_of_this_processor()},
    ],
    ids=["one thread", "two threads", "an older processor"],
)
def test_threads_and_processor_do_not_matter(machine: dict[str, str]) -> None:
    """The variables make the BLAS and NumPy choose other kernels, with other orders of summation."""
    script = (
        "import numpy as np\n"
        "from tests.references.test_portable_arithmetic import made_up, results, sha256\n"
        "print({n: sha256(a) for n, a in results(*made_up(), np.arange(3000)).items()})\n"
    )
    environment = os.environ | machine | {"PYTHONPATH": os.pathsep.join(["", *sys.path])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(GOLDEN)


def test_float32_means_would_not_do() -> None:
    """The wrong twin: ``(x - x.mean(0)) / x.std(0)`` in float32 depends on the order of the rows."""
    _, features = made_up()
    order = np.random.default_rng(2).permutation(3000)

    def in_float32(x: NDArray[np.float32]) -> NDArray[np.float32]:
        z: NDArray[np.float32] = (x - x.mean(axis=0)) / x.std(axis=0)
        return z

    assert in_float32(features)[order].tobytes() != in_float32(features[order]).tobytes()
    assert standardised(features, features)[order].tobytes() == standardised(features[order], features[order]).tobytes()


def test_standardised_is_scikit_learns_scaler_to_half_a_unit() -> None:
    _, features = made_up()
    scaler = StandardScaler().fit(features[:2000].astype(np.float64))
    expected = np.clip(128 * scaler.transform(features.astype(np.float64)), -1024, 1024)
    assert np.abs(standardised(features, features[:2000]) - expected).max() <= 0.51


@pytest.mark.parametrize(
    "column",
    [
        [0, 255, 3, 3, 7],
        [-32768, 32767, 0, 1, 2],
        [10**15, 10**15 + 1, 10**15 + 2, 10**15 + 2, 10**15],
        [1e-300, 2e-300, 3e-300, 9e-300, 0.0],
        [-1.7e308, 1.7e308, 0.0, 1e308, -1e308],
        [1e6 + 1e-3, 1e6, 1e6 - 1e-3, 1e6, 1e6],
    ],
)
def test_mean_and_variance_equal_those_in_fractions(column: list[float]) -> None:
    exact = [Fraction(x) for x in column]
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / len(exact)
    with mpmath.workprec(200):
        std = mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator)
        deviations = [mpmath.mpf((x - mean).numerator) / (x - mean).denominator for x in exact]
        expected = [float(128 * deviation / std) for deviation in deviations]
    array = np.array(column).reshape(-1, 1)
    assert np.abs(standardised(array, array)[:, 0] - np.array(expected)).max() <= 0.51


def test_bytes_and_floats_of_the_same_value_are_standardised_alike() -> None:
    images = np.random.default_rng(1).integers(0, 256, (500, 40)).astype(np.uint8)
    expected = standardised(images, images)
    for dtype in (np.int16, np.int64, np.float32, np.float64):
        assert np.abs(standardised(images.astype(dtype), images.astype(dtype)).astype(int) - expected).max() <= 1


def test_columns_that_do_not_vary_give_nought_and_far_values_are_cut_off() -> None:
    basis = np.array([[5.0, 0.0], [5.0, 1.0]])
    assert standardised(np.array([[5.0, 1e300], [9e9, -1e300]]), basis).tolist() == [[0, 1024], [0, -1024]]


def test_sums_of_squares_beyond_64_bits() -> None:
    """300,000 rows at the ends of 24 bits: the sum of squares is above 2^63."""
    column = np.where(np.arange(300_000) % 2, -(2.0**30), 2.0**30)[:, None]
    learnt = Standardiser.learnt(column)
    assert (learnt.std / learnt.factor).tolist() == [2.0**29]  # of halves
    assert set(learnt(column[:4])[:, 0].tolist()) == {128, -128}


@pytest.mark.parametrize(("largest", "dtype"), [(90, np.float32), (2**20, np.float64)])
def test_exact_product_equals_pythons_integers(largest: int, dtype: type) -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(-largest, largest + 1, (20, 2000))
    b = generator.integers(-largest, largest + 1, (2000, 3))
    a[0], b[:, 0] = largest, largest
    product = exact_product(a, b)
    assert product.dtype == dtype
    columns = [[int(x) for x in column] for column in b.T]
    assert product.tolist() == [
        [sum(x * y for x, y in zip(row, c, strict=True)) for c in columns] for row in a.tolist()
    ]


def test_exact_product_refuses_what_float64_cannot_hold() -> None:
    a = np.full((1, 2), 2**26, dtype=np.int64)
    with pytest.raises(ValueError, match=r"must stay below 2\^53 to be exact; they could reach 9007199254740992"):
        exact_product(a, a.T)
    assert exact_product(a, a.T - 1).tolist() == [[2 * 2**26 * (2**26 - 1)]]


def test_exact_product_sees_the_lowest_value_of_int16() -> None:
    assert exact_product(np.full((1, 3), -32768, dtype=np.int16), np.full((3, 1), -32768, dtype=np.int16)) == 3 * 2**30


def test_exp_equals_mpmath() -> None:
    x = np.concatenate([np.linspace(-700, 700, 2_001), np.linspace(-1, 1, 1_001), [0.0, -0.0, 1e-300, 0.34657359]])
    values = exp(x)
    with mpmath.workprec(120):
        errors = [
            abs(mpmath.mpf(v) / mpmath.exp(mpmath.mpf(t)) - 1) for t, v in zip(x.tolist(), values.tolist(), strict=True)
        ]
    assert max(errors) < 1e-14
    assert exp(np.array([-1e9, -np.inf, 1e9])).tolist() == exp(np.array([-700.0, -700.0, 700.0])).tolist()


def test_random_signs_are_the_bits_of_the_draws() -> None:
    signs = random_signs(3, "test", 5, 70)
    words = [draw_in_plain_integers(3, "test", i) for i in range(10)]
    expected = [[1 - 2 * (words[2 * r + c // 64] >> c % 64 & 1) for c in range(70)] for r in range(5)]
    assert signs.tolist() == expected
    assert abs(random_signs(3, "test", 500, 1000).astype(int).sum()) < 4 * 500_000**0.5

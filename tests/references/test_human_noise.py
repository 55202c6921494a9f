"""Human labels against the published file, a slow loop from the definition, and the human transition matrix."""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from corruptions import CorruptedLabels, Examples
from corruptions.human import LABEL_SETS, Human
from corruptions.label_file import read_annotations
from noisylabels.data import data_root
from tests.references.plain_integers import draw_in_plain_integers

Labels = NDArray[np.int64]

PUBLISHED = {"aggre": 0.0901, "random1": 0.1723, "random2": 0.1812, "random3": 0.1764, "worse": 0.4021}
"""Noise rates of CIFAR-10N's file, to four places."""


@pytest.fixture(scope="module")
def cifar10n() -> dict[str, Labels]:
    path = data_root() / "labels" / "CIFAR-10_human.pt"
    if not path.is_file():
        pytest.skip(f"no CIFAR-10_human.pt under {data_root() / 'labels'} (NOISYLABELS_DATA)")
    return read_annotations(path)


def matrix_of(true: Labels, given: Labels) -> NDArray[np.float64]:
    counts = np.zeros((10, 10))
    np.add.at(counts, (true, given), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def largest_deviation(noise: CorruptedLabels, human: NDArray[np.float64]) -> float:
    """The largest |T - T'| off the diagonal in standard deviations: a class's wrong labels are a multinomial sample."""
    deviations = []
    for i in range(10):
        wrong = noise.given[(noise.true == i) & noise.is_flipped]
        share = np.delete(human[i], i) / np.delete(human[i], i).sum()
        counts = np.delete(np.bincount(wrong, minlength=10), i)
        sigma = np.sqrt(len(wrong) * share * (1 - share))
        deviations += (np.abs(counts - len(wrong) * share) / np.maximum(sigma, 1e-9)).tolist()
    return max(deviations)


@pytest.mark.data
def test_the_file_is_what_its_opcodes_say(cifar10n: dict[str, Labels]) -> None:
    """An independent reading: the long strings of the pickle, in the order of the keys before them."""
    with zipfile.ZipFile(data_root() / "labels" / "CIFAR-10_human.pt") as archive:
        content = archive.read("archive/data.pkl")
    key, found = "", {}
    for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
        if opcode.name == "BINUNICODE" and str(argument).endswith(("_label", "_label1", "_label2", "_label3")):
            key = argument
        elif opcode.name == "BINUNICODE" and len(argument) == 400_000:
            found[key] = np.frombuffer(argument.encode("latin1"), dtype="<i8")
    assert list(found) == list(cifar10n)
    for name, labels in found.items():
        np.testing.assert_array_equal(cifar10n[name], labels)
    assert set(cifar10n) == {"clean_label", *(LABEL_SETS[name] for name in PUBLISHED)}
    assert np.bincount(cifar10n["clean_label"]).tolist() == [5_000] * 10


@pytest.mark.data
@pytest.mark.parametrize("labels", PUBLISHED)
def test_the_published_rates_come_out(cifar10n: dict[str, Labels], labels: str) -> None:
    clean, human = cifar10n["clean_label"], cifar10n[LABEL_SETS[labels]]
    noise = Human(labels=labels).apply(clean, 10, seed=1, annotations=cifar10n)
    np.testing.assert_array_equal(noise.given, human)
    assert abs(noise.record.realised_rate - PUBLISHED[labels]) <= 0.00005 + 1e-12
    assert noise.record.details["file_error_rate"] == noise.record.realised_rate
    assert noise.record.details["num_human_mistakes"] == int((clean != human).sum())


@pytest.mark.data
def test_agreement_is_counted_over_the_three_annotators(cifar10n: dict[str, Labels]) -> None:
    noise = Human(labels="aggre").apply(cifar10n["clean_label"], 10, seed=1, annotations=cifar10n)
    triples = zip(*(cifar10n[f"random_label{n}"].tolist() for n in (1, 2, 3)), strict=True)
    alike = sum(a == b == c for a, b, c in triples)
    assert noise.record.details["annotator_agreement"] == alike / 50_000
    assert 0.60 < alike / 50_000 < 0.61


@pytest.mark.data
@pytest.mark.parametrize("rate", ["0.25", "1"])
@pytest.mark.parametrize("labels", PUBLISHED)
def test_the_twin_has_the_human_errors_per_class(cifar10n: dict[str, Labels], labels: str, rate: str) -> None:
    clean, human = cifar10n["clean_label"], cifar10n[LABEL_SETS[labels]]
    twin = Human(float(rate), labels=labels, twin=True).apply(clean, 10, seed=1, annotations=cifar10n)
    for i in range(10):
        mistakes = int((human[clean == i] != i).sum())
        assert twin.record.flipped_by_class[i] == math.floor(Fraction(rate) * mistakes + Fraction(1, 2))


@pytest.mark.data
@pytest.mark.parametrize("labels", PUBLISHED)
def test_the_twin_has_the_human_transition_matrix(cifar10n: dict[str, Labels], labels: str) -> None:
    """Ninety cells within 4.5 sigma; a twin of another set's matrix is far outside, so that the test can fail."""
    clean = cifar10n["clean_label"]
    human = matrix_of(clean, cifar10n[LABEL_SETS[labels]])
    twin = Human(labels=labels, twin=True).apply(clean, 10, seed=1, annotations=cifar10n)
    np.testing.assert_allclose(np.diag(twin.transition_matrix()), np.diag(human), rtol=0, atol=1e-12)
    assert largest_deviation(twin, human) <= 4.5
    other = "worse" if labels == "aggre" else "aggre"
    assert largest_deviation(Human(labels=other, twin=True).apply(clean, 10, seed=1, annotations=cifar10n), human) > 4.5
    assert largest_deviation(twin, human.T) > 4.5  # rows need not sum to one: shares of the wrong labels are compared


@pytest.mark.data
def test_the_twin_does_not_know_the_image(cifar10n: dict[str, Labels]) -> None:
    """It shares with the human labels what two independent sets of the same rates share, class by class."""
    clean = cifar10n["clean_label"]
    human = Human().apply(clean, 10, seed=1, annotations=cifar10n).is_flipped
    twin = Human(twin=True).apply(clean, 10, seed=1, annotations=cifar10n).is_flipped
    for i in range(10):
        of_class = clean == i
        wrong = int(human[of_class].sum())
        both = int((human & twin)[of_class].sum())
        assert 1e-4 < stats.hypergeom(5_000, wrong, wrong).cdf(both) < 1 - 1e-4
    other = Human(labels="random1").apply(clean, 10, seed=1, annotations=cifar10n).is_flipped
    assert (human & other).sum() > 1.5 * (twin & other).sum()  # people stumble over the same images


@pytest.mark.data
def test_a_part_of_the_file_by_its_ids(cifar10n: dict[str, Labels]) -> None:
    ids = np.random.default_rng(3).permutation(50_000)[:2_000]
    noise = Human().apply(cifar10n["clean_label"][ids], 10, seed=1, example_ids=ids, annotations=cifar10n)
    np.testing.assert_array_equal(noise.given, cifar10n["worse_label"][ids])
    assert noise.record.details["file_error_rate"] == 20_104 / 50_000


@pytest.mark.data
def test_another_image_order_is_refused(cifar10n: dict[str, Labels]) -> None:
    shuffled = np.random.default_rng(3).permutation(50_000)
    clean = cifar10n["clean_label"]
    differ = int((clean[shuffled] != clean).sum())
    with pytest.raises(ValueError, match=rf"\({differ} of 50000 differ\): the orders are not the same"):
        Human().apply(clean[shuffled], 10, seed=1, annotations=cifar10n)


CLEAN = np.arange(600) * 7 % 4
HUMAN = np.where(np.arange(600) % 5 < 2, (CLEAN + 1 + np.arange(600) // 5 % 3) % 4, CLEAN)
FILE = {"clean_label": CLEAN, "worse_label": HUMAN, "noisy_label": CLEAN}


@pytest.mark.parametrize("rate", ["0", "0.1", "0.333", "0.5", "1"])
def test_thinned_mistakes_equal_a_slow_loop(rate: str) -> None:
    mistakes = [i for i in range(600) if HUMAN[i] != CLEAN[i]]
    mistakes.sort(key=lambda i: draw_in_plain_integers(9, "human/which", i))
    expected = CLEAN.tolist()
    for i in mistakes[: math.floor(Fraction(rate) * len(mistakes) + Fraction(1, 2))]:
        expected[i] = int(HUMAN[i])
    np.testing.assert_array_equal(Human(float(rate)).apply(CLEAN, 4, seed=9, annotations=FILE).given, expected)


@pytest.mark.parametrize("rate", ["0.1", "0.333", "1"])
def test_the_twin_equals_a_slow_loop(rate: str) -> None:
    expected = CLEAN.tolist()
    for label in range(4):
        members = [i for i in range(600) if CLEAN[i] == label]
        cells = Counter(int(HUMAN[i]) for i in members if HUMAN[i] != label)
        members.sort(key=lambda i: draw_in_plain_integers(9, "human/twin_which", i))
        for i in members[: math.floor(Fraction(rate) * cells.total() + Fraction(1, 2))]:
            place = Fraction(draw_in_plain_integers(9, "human/twin_target", i) >> 24, 2**40)
            upto = [sum(n for other, n in cells.items() if other <= j) for j in range(4)]
            expected[i] = next(j for j in range(4) if place < round(Fraction(upto[j], cells.total()) * 2**40) / 2**40)
    np.testing.assert_array_equal(
        Human(float(rate), twin=True).apply(CLEAN, 4, seed=9, annotations=FILE).given, expected
    )


def test_a_validation_part_has_the_matrix_of_the_training_part() -> None:
    """The training part's class 0 is never mistaken, the validation part's always is: the twin goes by the former."""
    clean = np.zeros(200, dtype=np.int64)
    clean[150:] = 1
    human = np.where(np.arange(200) >= 100, 2, clean)
    file = {"clean_label": clean, "worse_label": human}
    train = Examples.of(clean[:100], 3, example_ids=np.arange(100), annotations=file)
    part = {"example_ids": np.arange(100, 150), "annotations": file, "basis": train}
    assert Human(twin=True).apply(clean[100:150], 3, seed=1, **part).record.num_flipped == 0
    assert Human().apply(clean[100:150], 3, seed=1, **part).record.num_flipped == 50
    unseen = {"example_ids": np.arange(150, 200), "annotations": file, "basis": train}
    assert Human(twin=True).apply(clean[150:], 3, seed=1, **unseen).record.num_flipped == 0
    whole = Human(twin=True).apply(clean, 3, seed=1, annotations=file)
    assert whole.record.flipped_by_class == (50, 50, 0)
    assert whole.record.details["basis_error_rate"] == 0.5


@pytest.mark.parametrize("twin", [False, True])
def test_refusals(twin: bool) -> None:
    human = Human(twin=twin)
    with pytest.raises(ValueError, match="human needs annotations; got none"):
        human.apply(CLEAN, 4, seed=1)
    with pytest.raises(ValueError, match="needs annotations 'clean_label'; got worse_label"):
        human.apply(CLEAN, 4, seed=1, annotations={"worse_label": HUMAN})
    with pytest.raises(
        ValueError, match=r"labels=aggre needs annotations 'aggre_label'; got clean_label, noisy_label, "
    ):
        Human(labels="aggre", twin=twin).apply(CLEAN, 4, seed=1, annotations=FILE)
    with pytest.raises(
        ValueError, match=r"ids must be in \[0, 600\), the annotations' length; got 600 at row 1 \(1 in"
    ):
        human.apply(CLEAN[:2], 4, seed=1, example_ids=[0, 600], annotations=FILE)
    with pytest.raises(ValueError, match=r"ids must be in \[0, 600\), the annotations' length; got -1 at row 0"):
        human.apply(CLEAN[:2], 4, seed=1, example_ids=[-1, 1], annotations=FILE)
    with pytest.raises(ValueError, match=r"got 3 and not 2 for example 2 \(1 of 3 differ\)"):
        human.apply([0, 3, 3], 4, seed=1, annotations=FILE)
    with pytest.raises(ValueError, match=r"human labels must be in \[0, 4\); got 4"):
        human.apply([0], 4, seed=1, annotations={"clean_label": [0], "worse_label": [4]})
    with pytest.raises(ValueError, match=r"labels must be one of aggre, random1, .*; got 'best'"):
        Human(labels="best", twin=twin)
    with pytest.raises(ValueError, match="twin must be true or false; got 1"):
        Human(twin=1)  # type: ignore[arg-type]


def test_labels_without_a_mistake() -> None:
    for twin in (False, True):
        record = Human(labels="noisy", twin=twin).apply(CLEAN, 4, seed=1, annotations=FILE).record
        assert record.num_flipped == record.details["num_human_mistakes"] == 0
        assert "annotator_agreement" not in record.details

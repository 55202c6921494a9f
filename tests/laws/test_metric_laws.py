"""Laws every metric of the table obeys, and wrong twins that each break one.

A law is a function of a metric that asserts. A twin is a metric with one defect seen in the field; the law named beside
it must reject it, so no law here is empty.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

import noisylabels.metrics
from noisylabels.metrics import METRICS, EmbeddingMetric, Evaluation, Measured, Metric, Undefined, measure, measure_all
from noisylabels.metrics.accuracy import Accuracy
from noisylabels.metrics.angles import IntraClassAngle, NearestCentroidAngle, angle_deg
from noisylabels.metrics.by_class import as_directions, by_class
from noisylabels.metrics.evaluation import SHAPES
from noisylabels.metrics.memorisation import Corrected, Memorisation
from noisylabels.metrics.scatter import FisherRatio, Nc1

Law = Callable[[Metric], None]
UNITS = {"share", "deg", "ratio", "dimensions", "index", "probability"}


# Runs to measure


def probabilities(rng, wanted, num_classes, *, confusion):
    """Softmax outputs that favour ``wanted`` except for a share of about ``confusion`` that favour any class."""
    favoured = np.where(rng.random(len(wanted)) < confusion, rng.integers(0, num_classes, len(wanted)), wanted)
    logits = rng.normal(size=(len(wanted), num_classes)) + 4 * np.eye(num_classes)[favoured]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def pairs_of(rng, *, apart: float) -> dict[str, np.ndarray]:
    """Two hundred pairs of either kind in ten folds; those of one person score ``apart`` higher in the mean."""
    is_same = np.arange(400) % 2 == 0
    scores = np.clip(0.2 * rng.normal(size=400) + apart * (is_same - 0.5), -1, 1)
    people = np.stack(
        [np.arange(400) // 4, np.where(is_same, np.arange(400) // 4, (np.arange(400) // 4 + 1) % 100)], axis=1
    )
    pairs = {"pair_scores": scores, "pair_is_same": is_same, "pair_fold": np.arange(400) // 2 % 10}
    return {**pairs, "pair_people": people, **probes_of(rng, apart=apart)}


def probes_of(rng, *, apart: float) -> dict[str, np.ndarray]:
    """Sixty probes of enrolled people and two hundred of strangers; the former score ``apart`` higher in the mean."""
    own = np.clip(0.2 * rng.normal(size=60) + 2 * apart - 0.6, -1, 1)
    others = np.clip(0.2 * rng.normal(size=(60, 20)) - 0.6, -1, 1)
    strangers = np.clip(0.2 * rng.normal(size=(200, 5)) - 0.6, -1, 1).max(axis=1)
    ranks = 1 + (others > own[:, None]).sum(axis=1)
    return {"mated_ranks": ranks, "mated_scores": own, "non_mated_scores": strangers}


def ordinary_run(
    seed: int = 0, *, confusion: float = 0.3, learnt_by_heart: float = 0.5, embeddings=None, apart: float = 0.4
) -> Evaluation:
    """Four unequal classes, the last merged into the third; every metric is defined, none at the end of its scale."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(4), [30, 25, 20, 15])
    given = np.where(rng.random(90) < 0.4, rng.integers(0, 4, 90), true)
    if embeddings is None:
        embeddings = 2 * rng.normal(size=(4, 6))[true] + rng.normal(size=(90, 6)) + 0.5
    return Evaluation(
        test_embeddings=embeddings.astype(np.float32),
        test_probabilities=probabilities(rng, true, 4, confusion=confusion),
        test_true=true,
        train_predicted=np.where(rng.random(90) < learnt_by_heart, given, true),
        train_given=given,
        train_true=true,
        validation_probabilities=probabilities(rng, true, 4, confusion=confusion),
        validation_given=given,
        validation_true=true,
        carrying_class=np.array([0, 1, 2, 2]),
        **pairs_of(rng, apart=apart),
    )


def healthy_run(seed: int) -> Evaluation:
    """Tight classes on orthogonal axes; flips seen through."""
    rng = np.random.default_rng(seed)
    embeddings = np.eye(4, 6)[np.repeat(np.arange(4), [30, 25, 20, 15])] + 0.05 * rng.normal(size=(90, 6))
    return ordinary_run(seed, confusion=0.05, learnt_by_heart=0.1, embeddings=embeddings, apart=0.7)


def failing_run(seed: int) -> Evaluation:
    """One cone for all classes, wide in two directions only, the class means hardly apart; flips learnt by heart."""
    rng = np.random.default_rng(seed)
    embeddings = 0.05 * rng.normal(size=(4, 6))[np.repeat(np.arange(4), [30, 25, 20, 15])]
    embeddings[:, 0] += 2.0
    embeddings[:, 1:3] += rng.normal(size=(90, 2))
    return ordinary_run(seed, confusion=0.8, learnt_by_heart=0.95, embeddings=embeddings, apart=0.1)


def perfect_run() -> Evaluation:
    """Two classes at opposite poles, each a point; every prediction right whatever the label said."""
    true = np.repeat([0, 1], 10)
    given = np.where(np.arange(20) % 3 == 0, 1 - true, true)
    certain = np.eye(2, dtype=np.float32)[true]
    poles = np.array([[3.0, 4.0], [-3.0, -4.0]], dtype=np.float32)[true]
    is_same = np.arange(400) % 2 == 0
    pairs = (is_same - 0.5, is_same, np.arange(400) // 2 % 10, np.full((400, 2), -1))
    probes = (np.ones(5, dtype=np.int64), np.full(5, 0.9), np.zeros(100))
    return Evaluation(poles, certain, true, true, given, true, certain, given, true, np.arange(2), *pairs, *probes)


def empty_run() -> Evaluation:
    none = np.empty(0, dtype=np.int64)
    no_rows = np.empty((0, 3), dtype=np.float32)
    return Evaluation(no_rows, no_rows, none, none, none, none, no_rows, none, none, np.arange(3))


def agree(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-8, abs_tol=1e-8)


# Laws of every metric


def declares_its_contract(metric: Metric) -> None:
    assert metric.unit in UNITS
    assert type(metric.higher_is_better) is bool
    assert type(metric.lower) is float
    assert type(metric.upper) is float
    assert metric.lower < metric.upper
    assert (type(metric).__doc__ or "").strip()
    assert type(metric.compute(ordinary_run())) is float
    assert type(metric.count(ordinary_run())) is int
    assert metric.count(ordinary_run()) > 0


def is_frozen(metric: Metric) -> None:
    assert dataclasses.is_dataclass(metric)
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.kind = "other"  # type: ignore[misc]


def knows_no_class_names(metric: Metric) -> None:
    run = ordinary_run()
    new_name = np.array([2, 0, 3, 1])
    old_name = np.argsort(new_name)
    renamed = {name: new_name[getattr(run, name)] for name, letters in SHAPES.items() if letters in ("M", "N", "V")}
    renamed |= {name: getattr(run, name)[:, old_name] for name, letters in SHAPES.items() if letters in ("MK", "VL")}
    renamed |= {"carrying_class": new_name[run.carrying_class[old_name]]}
    assert agree(metric.compute(run), metric.compute(replace(run, **renamed)))


def knows_no_order(metric: Metric) -> None:
    run = ordinary_run()
    rng = np.random.default_rng(1)
    order = {"M": rng.permutation(90), "N": rng.permutation(90), "V": rng.permutation(90), "K": np.arange(4)}
    order |= {"P": rng.permutation(400), "Q": rng.permutation(60), "U": rng.permutation(200)}
    shuffled = {name: getattr(run, name)[order[letters[0]]] for name, letters in SHAPES.items()}
    assert agree(metric.compute(run), metric.compute(Evaluation(**shuffled)))


def stays_in_its_range(metric: Metric) -> None:
    for seed in range(5):
        for run in (ordinary_run(seed), healthy_run(seed), failing_run(seed), perfect_run()):
            try:
                value = metric.compute(run)
            except Undefined:
                continue
            assert math.isfinite(value)
            assert metric.lower - 1e-9 <= value <= metric.upper + 1e-9


def prefers_the_healthy_run(metric: Metric) -> None:
    for seed in range(5):
        gain = metric.compute(healthy_run(seed)) - metric.compute(failing_run(seed))
        assert (gain > 0) if metric.higher_is_better else (gain < 0)


def is_perfect_where_all_is_well(metric: Metric) -> None:
    """The good end of a bounded scale is reached by the perfect run, and not by an ordinary one."""
    best = metric.upper if metric.higher_is_better else metric.lower
    if math.isfinite(best):
        assert metric.compute(perfect_run()) == pytest.approx(best, abs=1e-9)
        assert metric.compute(ordinary_run()) != pytest.approx(best, abs=1e-3)


def invents_nothing(metric: Metric) -> None:
    assert metric.count(empty_run()) == 0
    with pytest.raises(Undefined, match=r"\w+ \w+"):
        metric.compute(empty_run())


def leaves_its_argument_alone(metric: Metric) -> None:
    run = ordinary_run()
    before = {name: getattr(run, name).copy() for name in SHAPES}
    metric.compute(run)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(run, name), array, err_msg=name)


EVERY_METRIC: list[Law] = [
    declares_its_contract,
    is_frozen,
    knows_no_class_names,
    knows_no_order,
    stays_in_its_range,
    prefers_the_healthy_run,
    is_perfect_where_all_is_well,
    invents_nothing,
    leaves_its_argument_alone,
]


# Laws of the metrics of the embeddings


def knows_no_axes(metric: Metric) -> None:
    run = ordinary_run()
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))
    assert agree(metric.compute(run), metric.compute(replace(run, test_embeddings=run.test_embeddings @ rotation)))


def knows_no_scale(metric: Metric) -> None:
    run = ordinary_run()
    for scale in (1e-6, 1e6):
        scaled = replace(run, test_embeddings=run.test_embeddings * np.float64(scale))
        assert agree(metric.compute(run), metric.compute(scaled))


def sees_lengths_exactly_as_it_claims(metric: Metric) -> None:
    assert isinstance(metric, EmbeddingMetric)
    run = ordinary_run()
    lengths = np.random.default_rng(3).uniform(0.1, 10, size=(90, 1))
    resized = replace(run, test_embeddings=run.test_embeddings * lengths)
    assert agree(metric.compute(run), metric.compute(resized)) == metric.directions_only


def sees_true_classes_only(metric: Metric) -> None:
    """Labels given, merged or predicted change nothing."""
    run = ordinary_run()
    rng = np.random.default_rng(4)
    others = {name: rng.permutation(getattr(run, name)) for name in SHAPES if not name.startswith("test_")}
    others |= {"test_probabilities": rng.permutation(run.test_probabilities), "carrying_class": np.array([1, 1, 1, 3])}
    assert metric.compute(run) == metric.compute(replace(run, **others))


def refuses_dead_embeddings(metric: Metric) -> None:
    run = ordinary_run()
    for value, reason in ((np.nan, "not finite"), (np.inf, "not finite"), (0.0, "length zero")):
        embeddings = run.test_embeddings.copy()
        embeddings[7] = value
        with pytest.raises(Undefined, match=f"1 of 90 embeddings .*{reason}"):
            metric.compute(replace(run, test_embeddings=embeddings))


EMBEDDING_METRICS: list[Law] = [
    knows_no_axes,
    knows_no_scale,
    sees_lengths_exactly_as_it_claims,
    sees_true_classes_only,
    refuses_dead_embeddings,
]

UNDEFINED_WHERE_ALL_IS_WELL = ("merged_purity",)  # nobody is merged there

CASES = [
    (kind, law)
    for kind in METRICS
    for law in EVERY_METRIC
    if not (law is is_perfect_where_all_is_well and kind in UNDEFINED_WHERE_ALL_IS_WELL)
]
CASES += [
    (kind, law)
    for kind, metric in METRICS.items()
    if issubclass(metric, EmbeddingMetric)
    for law in EMBEDDING_METRICS
    if (kind, law)
    != ("wrong_centre_angle_deg", sees_true_classes_only)  # it counts merged identities as one, and says so
]


@pytest.mark.parametrize(("kind", "law"), CASES, ids=lambda case: case if isinstance(case, str) else case.__name__)
def test_law(kind: str, law: Law) -> None:
    law(METRICS[kind]())


def test_every_metric_in_the_room_is_in_the_table() -> None:
    modules = [
        importlib.import_module(f"noisylabels.metrics.{m.name}")
        for m in pkgutil.iter_modules(noisylabels.metrics.__path__)
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Metric) and not inspect.isabstract(value)
    }
    assert found == set(METRICS.values())
    assert [metric.kind for metric in METRICS.values()] == list(METRICS)


# Twins


@dataclass(frozen=True)
class RewardsScatter(Nc1):
    """Wrong direction."""

    higher_is_better = True


@dataclass(frozen=True)
class RewardsObedience(Corrected):
    """Compares with the given label where the true one is meant."""

    def compute(self, evaluation: Evaluation) -> float:
        flipped = evaluation.train_given != evaluation.train_true
        return float(np.mean((evaluation.train_predicted == evaluation.train_given)[flipped]))


@dataclass(frozen=True)
class CountsCleanExamples(Memorisation):
    """Agreement with the given labels over all training examples, flipped or not."""

    def compute(self, evaluation: Evaluation) -> float:
        return float(np.mean(evaluation.train_predicted == evaluation.train_given))


@dataclass(frozen=True)
class GroupsByCarriedLabel(FisherRatio):
    """Measures compactness by the label images carry after a merge, not by who they show."""

    def compute(self, evaluation: Evaluation) -> float:
        return self.of(evaluation.test_embeddings, evaluation.carrying_class[evaluation.test_true])


@dataclass(frozen=True)
class AveragesRawEmbeddings(IntraClassAngle):
    """Takes the class mean before normalising, so that long embeddings count more."""

    def of(self, embeddings, labels):
        grouped = by_class(np.float64(embeddings), labels)
        angles = angle_deg(as_directions(embeddings), grouped.mean_directions()[grouped.member])
        return float((np.bincount(grouped.member, angles) / grouped.counts).mean())


@dataclass(frozen=True)
class ComparesWithTheNextClass(NearestCentroidAngle):
    """The next class by number instead of the nearest."""

    def of(self, embeddings, labels):
        centres = by_class(as_directions(embeddings), labels).mean_directions()
        return float(angle_deg(centres, np.roll(centres, 1, axis=0)).mean())


@dataclass(frozen=True)
class CentresOnTheFirstImage(IntraClassAngle):
    """The first image stands for the class."""

    def of(self, embeddings, labels):
        directions = as_directions(embeddings)
        _, first, member = np.unique(labels, return_index=True, return_inverse=True)
        return float(angle_deg(directions, directions[first][member]).mean())


@dataclass(frozen=True)
class AddsARidge(Nc1):
    """An absolute ridge on the between-class scatter, which gives the embeddings a unit."""

    def of(self, embeddings, labels):
        grouped = by_class(np.float64(embeddings), labels)
        between = np.cov(grouped.means.T, bias=True) + 1e-3 * np.eye(embeddings.shape[1])
        within = grouped.centred().T @ grouped.centred() / len(labels)
        return float(np.trace(within @ np.linalg.inv(between)) / len(grouped.counts))


@dataclass(frozen=True)
class NormalisesByTheLargestCoordinate(FisherRatio):
    """Scales by the largest coordinate instead of the length."""

    def of(self, embeddings, labels):
        grouped = by_class(np.float64(embeddings) / np.abs(embeddings).max(axis=1, keepdims=True), labels)
        within = np.sum(grouped.centred() ** 2) / len(labels)
        return float(np.sum((grouped.means - grouped.means.mean(axis=0)) ** 2) / len(grouped.counts) / within)


@dataclass(frozen=True)
class NormalisesInPlace(IntraClassAngle):
    """Writes to the run it measures, past the read-only view."""

    def of(self, embeddings, labels):
        embeddings.base[...] /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        return super().of(embeddings, labels)


@dataclass(frozen=True)
class CallsNothingPerfect(Accuracy):
    """A value for an empty test set."""

    def compute(self, evaluation: Evaluation) -> float:
        return super().compute(evaluation) if len(evaluation.test_true) else 1.0


@dataclass(frozen=True)
class SpeaksInPerCent(Accuracy):
    def compute(self, evaluation: Evaluation) -> float:
        return 100 * super().compute(evaluation)


@dataclass(frozen=True)
class SkipsDeadEmbeddings(FisherRatio):
    """Leaves out what it cannot normalise and says nothing."""

    def of(self, embeddings, labels):
        lengths = np.linalg.norm(embeddings, axis=1)
        alive = (lengths > 0) & np.isfinite(lengths)
        return super().of(embeddings[alive], labels[alive])


@dataclass(frozen=True)
class HasNoDirection(Accuracy):
    """Leaves the report to guess which way is good."""

    higher_is_better = None  # type: ignore[assignment]


class CanBeChanged(Accuracy):
    """Forgets that a subclass of a frozen dataclass is frozen only if it says so itself."""


TWINS: list[tuple[type[Metric], Law]] = [
    (RewardsScatter, prefers_the_healthy_run),
    (RewardsObedience, prefers_the_healthy_run),
    (CountsCleanExamples, is_perfect_where_all_is_well),
    (GroupsByCarriedLabel, sees_true_classes_only),
    (AveragesRawEmbeddings, sees_lengths_exactly_as_it_claims),
    (ComparesWithTheNextClass, knows_no_class_names),
    (CentresOnTheFirstImage, knows_no_order),
    (AddsARidge, knows_no_scale),
    (NormalisesByTheLargestCoordinate, knows_no_axes),
    (NormalisesInPlace, leaves_its_argument_alone),
    (CallsNothingPerfect, invents_nothing),
    (SpeaksInPerCent, stays_in_its_range),
    (SkipsDeadEmbeddings, refuses_dead_embeddings),
    (HasNoDirection, declares_its_contract),
    (CanBeChanged, is_frozen),
]


@pytest.mark.parametrize(("twin", "law"), TWINS, ids=lambda case: case.__name__)
def test_the_law_rejects_the_wrong_twin(twin: type[Metric], law: Law) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        law(twin())


def test_every_law_has_a_twin() -> None:
    assert {law for _, law in TWINS} == set(EVERY_METRIC + EMBEDDING_METRICS)


# Direction of the embedding metrics, one cause at a time


@pytest.mark.parametrize("kind", ["intra_class_angle_deg", "nc1", "fisher_ratio", "cosine_silhouette"])
def test_tight_classes_beat_loose_ones(kind: str) -> None:
    rng = np.random.default_rng(5)
    run = ordinary_run()
    centres, noise = 2 * rng.normal(size=(4, 6))[run.test_true], rng.normal(size=(90, 6))
    values = [METRICS[kind]().compute(replace(run, test_embeddings=centres + s * noise)) for s in (0.1, 0.3, 1.0, 3.0)]
    assert values == sorted(values, reverse=METRICS[kind].higher_is_better)
    assert len(set(values)) == 4


@pytest.mark.parametrize(
    "kind", ["nearest_centroid_angle_deg", "centroid_spread_deg", "nc1", "fisher_ratio", "cosine_silhouette"]
)
def test_classes_far_apart_beat_near_ones(kind: str) -> None:
    rng = np.random.default_rng(6)
    run = ordinary_run()
    noise = 0.1 * rng.normal(size=(90, 6)) + 2 * np.eye(6)[5]
    values = [
        METRICS[kind]().compute(replace(run, test_embeddings=noise + s * np.eye(4, 6)[run.test_true]))
        for s in (0.1, 0.3, 1.0, 3.0)
    ]
    assert values == sorted(values, reverse=not METRICS[kind].higher_is_better)
    assert len(set(values)) == 4


def test_each_n_counts_what_its_value_rests_on() -> None:
    run = ordinary_run()
    run = replace(run, test_true=np.repeat(np.arange(4), [44, 45, 1, 0]))
    counts = {m.name: m.n for m in measure_all(run)}
    assert counts["accuracy"] == counts["nc1"] == counts["effective_rank"] == 90
    assert counts["intra_class_angle_deg"] == 89
    assert counts["nearest_centroid_angle_deg"] == counts["centroid_spread_deg"] == 3
    assert counts["memorisation"] == counts["corrected"] == sum(run.train_given != run.train_true)
    assert counts["label_issue_auroc"] == 90


def test_an_absorbed_identity_counts_as_wrong_unless_the_merge_is_credited() -> None:
    """The model does all its labels can teach: it names the carrying class. Classes 0 to 2 hold 75 of 90 images."""
    run = ordinary_run()
    taught = np.eye(4, dtype=np.float32)[run.carrying_class[run.test_true]]
    values = {m.name: m.value for m in measure_all(replace(run, test_probabilities=taught))}
    assert values["accuracy"] == 75 / 90
    assert values["accuracy_merged"] == 1.0
    assert values["accuracy_known"] == 1.0


def test_an_identity_without_a_label_is_wrong_in_two_accuracies_and_out_of_the_third() -> None:
    """Class 0, with 30 of 90 images, was left out of training; the model knows all the others."""
    run = replace(ordinary_run(), carrying_class=np.array([-1, 1, 2, 3]))
    taught = np.eye(4, dtype=np.float32)[np.where(run.test_true == 0, 1, run.test_true)]
    measured = {m.name: m for m in measure_all(replace(run, test_probabilities=taught))}
    assert measured["accuracy"].value == measured["accuracy_merged"].value == 60 / 90
    assert (measured["accuracy_known"].value, measured["accuracy_known"].n) == (1.0, 60)


def test_classes_that_no_label_carries_are_nobody_s_wrong_centre() -> None:
    """Classes 0 and 1 were left out of training: not one class of two people, but none."""
    run = ordinary_run()
    without = replace(run, carrying_class=np.array([-1, -1, 2, 3]))
    rows = run.test_true >= 2
    expected = METRICS["wrong_centre_angle_deg"]().of(run.test_embeddings[rows], run.test_true[rows])  # type: ignore[attr-defined]
    measured = {m.name: m for m in measure_all(without)}["wrong_centre_angle_deg"]
    assert (measured.value, measured.n) == (expected, 2)


def test_more_labels_than_classes_are_let_in() -> None:
    """Class 3 was split: a part of its images carries the label 4."""
    run = ordinary_run()
    split = np.where(np.arange(90) >= 82, 4, run.train_given)
    five = np.pad(run.validation_probabilities, ((0, 0), (0, 1)))
    run = replace(run, train_given=split, train_predicted=split, validation_given=split, validation_probabilities=five)
    values = {m.name: m.value for m in measure_all(run)}
    assert values["memorisation"] == 1.0
    assert values["accuracy"] == METRICS["accuracy"]().compute(ordinary_run())


def test_without_a_merge_both_accuracies_agree() -> None:
    run = replace(ordinary_run(), carrying_class=np.arange(4))
    values = {m.name: m.value for m in measure_all(run)}
    assert values["accuracy_merged"] == values["accuracy_known"] == values["accuracy"]
    assert values["accuracy"] is not None


# What is undefined, and what that looks like


@pytest.mark.parametrize(
    "kind", [k for k, m in METRICS.items() if issubclass(m, EmbeddingMetric) and k != "effective_rank"]
)
def test_one_class_is_not_enough_and_neither_is_one_image_each(kind: str) -> None:
    run = ordinary_run()
    metric = METRICS[kind]()
    with pytest.raises(Undefined, match="at least two classes; got 1"):
        metric.compute(replace(run, test_true=np.full(90, 2)))
    first_of_each = {name: getattr(run, name)[[0, 30, 60, 80]] for name, letters in SHAPES.items() if letters[0] == "M"}
    first_of_each["carrying_class"] = np.arange(4)
    with pytest.raises(Undefined, match="every class has one"):
        metric.compute(replace(run, **first_of_each))


@pytest.mark.parametrize("kind", ["accuracy", "accuracy_merged", "label_issue_auroc"])
def test_a_diverged_model_has_no_accuracy(kind: str) -> None:
    run = ordinary_run()
    diverged = np.full((90, 4), np.nan, dtype=np.float32)
    with pytest.raises(Undefined, match="not finite"):
        METRICS[kind]().compute(replace(run, test_probabilities=diverged, validation_probabilities=diverged))


@pytest.mark.parametrize("kind", ["memorisation", "corrected", "label_issue_auroc"])
def test_without_flips_there_is_nothing_to_memorise_or_find(kind: str) -> None:
    run = ordinary_run()
    clean = replace(run, train_given=run.train_true, validation_given=run.validation_true)
    with pytest.raises(Undefined, match="flipped"):
        METRICS[kind]().compute(clean)


def test_the_issue_metric_needs_an_unflipped_example_too() -> None:
    run = ordinary_run()
    with pytest.raises(Undefined, match="got 90 flipped of 90"):
        METRICS["label_issue_auroc"]().compute(replace(run, validation_given=(run.validation_true + 1) % 4))


def test_without_cleanlab_only_its_metric_is_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.rank", None)
    missing = [measured for measured in measure_all(ordinary_run()) if measured.value is None]
    assert {measured.name for measured in missing} == {name for name in METRICS if name.startswith("label_issue")}
    assert all("cleanlab cannot be imported" in measured.note for measured in missing)


def test_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, noisylabels.metrics; print(*{'cleanlab', 'sklearn', 'scipy', 'torch'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_measure_all_keeps_the_order_and_gives_reasons_not_numbers() -> None:
    run = replace(ordinary_run(), test_embeddings=np.full((90, 6), np.nan, dtype=np.float32))
    measured = measure_all(run)
    assert [m.name for m in measured] == list(METRICS)
    for m in measured:
        assert (m.value is None) == (issubclass(METRICS[m.name], EmbeddingMetric) or m.name == "merged_purity")
        assert bool(m.note) == (m.value is None)
        assert (m.unit, m.higher_is_better) == (METRICS[m.name].unit, METRICS[m.name].higher_is_better)
        assert m.n == METRICS[m.name]().count(run)


@dataclass(frozen=True)
class Diverges(Accuracy):
    def compute(self, evaluation: Evaluation) -> float:
        return math.inf


def test_a_value_that_is_not_finite_is_no_value() -> None:
    assert measure(Diverges(), ordinary_run()) == Measured(
        "accuracy", None, "share", True, 90, "the computed value is inf"
    )


# The evaluation itself


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"test_true": np.zeros(89, dtype=int)}, r"test_true must have shape \(M=90\); got \(89,\)"),
        ({"test_embeddings": np.zeros(90)}, r"test_embeddings must have shape \(M, D\); got \(90,\)"),
        (
            {"validation_probabilities": np.zeros((90, 3))},
            "validation_probabilities must have at least K=4 labels; got 3",
        ),
        ({"train_given": np.full(90, 4)}, r"train_given must lie in \[0, 3\]; got 4"),
        ({"carrying_class": np.full(4, -2)}, r"carrying_class must lie in \[-1, 3\]; got -2"),
        ({"carrying_class": np.arange(3)}, r"carrying_class must have shape \(K=4\); got \(3,\)"),
        ({"train_given": np.zeros(90)}, "train_given must hold integer numbers; got float64"),
        (
            {"test_probabilities": np.zeros((90, 4), dtype=int)},
            "test_probabilities must hold floating numbers; got int64",
        ),
        ({"test_probabilities": np.full((90, 4), -2.5)}, r"test_probabilities must lie in \[0, 1\]; got -2.5"),
        ({"train_true": np.full(90, 4)}, r"train_true must lie in \[0, 3\]; got 4"),
        ({"validation_given": np.full(90, -1)}, r"validation_given must lie in \[0, 3\]; got -1"),
    ],
)
def test_an_evaluation_that_does_not_fit_is_refused_by_field(fault: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ordinary_run(), **fault)


@pytest.mark.parametrize("name", SHAPES)
def test_an_evaluation_is_read_only_and_leaves_the_callers_arrays_writable(name: str) -> None:
    arrays = {name: getattr(ordinary_run(), name).copy() for name in SHAPES}
    run = Evaluation(**arrays)
    with pytest.raises(ValueError, match="read-only"):
        getattr(run, name)[0] = 0
    assert arrays[name].flags.writeable


def test_the_shape_table_names_every_field() -> None:
    assert list(SHAPES) == [field.name for field in dataclasses.fields(Evaluation)]
    assert ordinary_run().num_classes == 4

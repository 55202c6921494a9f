"""What every detector of wrong labels owes, and wrong detectors that each break one of the laws."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from noisylabels.audit import DETECTORS, Detector, Evidence, Observed, combined
from noisylabels.audit.by_dynamics import AreaUnderMargin, mean_seen
from noisylabels.audit.by_probabilities import SelfConfidence, label_quality
from noisylabels.audit.evidence import normalised_ranks
from noisylabels.metrics.label_issues import auroc
from tests.laws.audit_cases import CLASSES, EXAMPLES, World, renamed, reordered, world

Made = Callable[[NDArray[np.int64]], Detector]
"""A detector, made where the truth is at hand; ours do not look."""

WORLD = world()


def order_does_not_matter(made: Made) -> None:
    order = np.random.default_rng(1).permutation(EXAMPLES)
    detector = made(WORLD.true)
    first, second = detector.judge(WORLD.observed), detector.judge(reordered(WORLD.observed, order))
    np.testing.assert_allclose(second.scores, first.scores[order], rtol=1e-12, atol=1e-12)
    assert first.suggested is not None
    assert second.suggested is not None
    np.testing.assert_array_equal(second.suggested, first.suggested[order])


def names_do_not_matter(made: Made) -> None:
    names = np.array([3, 0, 4, 1, 2])
    detector = made(WORLD.true)
    first, second = detector.judge(WORLD.observed), detector.judge(renamed(WORLD.observed, names))
    np.testing.assert_allclose(second.scores, first.scores, rtol=1e-9, atol=1e-12)


def scores_are_usable(made: Made) -> None:
    before = WORLD.observed.given.copy()
    found = made(WORLD.true).judge(WORLD.observed)
    assert found.scores.shape == (EXAMPLES,)
    assert found.scores.dtype == np.float64
    assert np.isfinite(found.scores).all()
    assert len(np.unique(found.scores)) > 5
    np.testing.assert_array_equal(WORLD.observed.given, before)


def flips_are_more_suspicious(made: Made) -> None:
    for seed in range(3):
        one = world(seed)
        assert auroc(made(one.true).judge(one.observed).scores, one.wrong) > 0.85


def suggestions_are_another_class_and_mostly_right(made: Made) -> None:
    found = made(WORLD.true).judge(WORLD.observed)
    assert found.suggested is not None
    assert (found.suggested != WORLD.observed.given).all()
    assert found.suggested.max() < CLASSES
    assert (found.suggested == WORLD.true)[WORLD.wrong].mean() > 0.9


def what_is_in_sample_is_called_so(made: Made) -> None:
    detector = made(WORLD.true)
    told = dataclasses.replace(WORLD.observed, in_sample=True)
    assert detector.judge(told).in_sample
    assert detector.judge(WORLD.observed).in_sample == (detector.needs == "dynamics")


def truth_is_not_looked_at(made: Made) -> None:
    others = (WORLD.true + 1) % CLASSES
    first, second = made(WORLD.true).judge(WORLD.observed), made(others).judge(WORLD.observed)
    np.testing.assert_array_equal(first.scores, second.scores)


LAWS = [
    order_does_not_matter,
    names_do_not_matter,
    scores_are_usable,
    flips_are_more_suspicious,
    suggestions_are_another_class_and_mostly_right,
    what_is_in_sample_is_called_so,
    truth_is_not_looked_at,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_keeps_every_law(name: str, law: Callable[[Made], None]) -> None:
    law(lambda true: DETECTORS[name]())


@pytest.mark.parametrize("name", DETECTORS)
def test_names_agree(name: str) -> None:
    assert DETECTORS[name].kind == name == DETECTORS[name]().judge(WORLD.observed).name


class QualityForSuspicion(SelfConfidence):
    """Cleanlab's label quality as it comes: lower is worse, so the best labels are found."""

    def judge(self, observed: Observed) -> Evidence:
        assert observed.probabilities is not None
        found = super().judge(observed)
        return dataclasses.replace(found, scores=label_quality(observed.probabilities, observed.given, self.kind))


class RanksByPosition(AreaUnderMargin):
    """Ranks from one argsort: equal scores are told apart by where they stand."""

    def judge(self, observed: Observed) -> Evidence:
        found = super().judge(observed)
        coarse = np.round(found.scores)
        return dataclasses.replace(found, scores=np.argsort(np.argsort(coarse, kind="stable")).astype(float))


class SuggestsWhatIsGiven(SelfConfidence):
    """The likeliest class, the given one among them."""

    def judge(self, observed: Observed) -> Evidence:
        assert observed.probabilities is not None
        return dataclasses.replace(super().judge(observed), suggested=observed.probabilities.argmax(axis=1))


class InSampleUnsaid(AreaUnderMargin):
    """Training margins passed off as held out."""

    def judge(self, observed: Observed) -> Evidence:
        return dataclasses.replace(super().judge(observed), in_sample=False)


class CountsClassNumbers(AreaUnderMargin):
    """A label's number gets into its score, as where unnamed classes are inferred from the labels present."""

    def judge(self, observed: Observed) -> Evidence:
        found = super().judge(observed)
        return dataclasses.replace(found, scores=found.scores + 0.1 * observed.given)


class LastEpochOfOneTraining(AreaUnderMargin):
    """The last epoch of the first training: NaN for whatever it held out."""

    def judge(self, observed: Observed) -> Evidence:
        assert observed.dynamics is not None
        suspicion = -observed.dynamics.margins[0, -1].astype(np.float64)
        return dataclasses.replace(super().judge(observed), scores=np.nan_to_num(suspicion, nan=0.0))


def knows_the_truth(true: NDArray[np.int64]) -> Detector:
    class Leaking(SelfConfidence):
        """Written where the clean labels were in scope."""

        def judge(self, observed: Observed) -> Evidence:
            found = super().judge(observed)
            return dataclasses.replace(found, scores=found.scores + (observed.given != true))

    return Leaking()


TWINS: list[tuple[Made, Callable[[Made], None]]] = [
    (lambda true: QualityForSuspicion(), flips_are_more_suspicious),
    (lambda true: RanksByPosition(), order_does_not_matter),
    (lambda true: SuggestsWhatIsGiven(), suggestions_are_another_class_and_mostly_right),
    (lambda true: InSampleUnsaid(), what_is_in_sample_is_called_so),
    (lambda true: CountsClassNumbers(), names_do_not_matter),
    (lambda true: LastEpochOfOneTraining(), flips_are_more_suspicious),
    (knows_the_truth, truth_is_not_looked_at),
]


@pytest.mark.parametrize(("twin", "law"), TWINS, ids=lambda one: getattr(one, "__name__", ""))
def test_wrong_twins_are_rejected(twin: Made, law: Callable[[Made], None]) -> None:
    with pytest.raises(AssertionError):
        law(twin)


def everything(one: World) -> list[Evidence]:
    return [detector().judge(one.observed) for detector in DETECTORS.values()]


def mean_of_raw_scores(evidences: list[Evidence]) -> Evidence:
    """A twin of ``combined``: whoever has the largest unit decides."""
    return Evidence("combined", np.mean([one.scores for one in evidences], axis=0), True)


def units_do_not_matter(join: Callable[[list[Evidence]], Evidence]) -> None:
    found = everything(WORLD)
    louder = [dataclasses.replace(found[0], scores=np.exp(5 * found[0].scores)), *found[1:]]
    np.testing.assert_allclose(normalised_ranks(join(louder).scores), normalised_ranks(join(found).scores), atol=1e-12)


def test_combining_is_of_ranks() -> None:
    units_do_not_matter(combined)
    with pytest.raises(AssertionError):
        units_do_not_matter(mean_of_raw_scores)


def test_combined_is_better_than_most_and_says_in_sample_when_any_is() -> None:
    found = everything(WORLD)
    together = combined(found)
    alone = sorted(auroc(one.scores, WORLD.wrong) for one in found)
    assert auroc(together.scores, WORLD.wrong) > alone[len(alone) // 2]
    assert together.in_sample
    assert not combined([one for one in found if not one.in_sample]).in_sample


def test_the_suggestion_of_most_is_taken() -> None:
    votes = [[1, 2, -1, 0], [2, 2, -1, 1], [2, 1, 3, 2]]
    found = combined([Evidence(str(n), np.zeros(4), False, np.array(v)) for n, v in enumerate(votes)])
    assert found.suggested is not None
    np.testing.assert_array_equal(found.suggested, [2, 2, 3, 0])


@pytest.mark.parametrize(
    ("scores", "suggested"),
    [
        (np.array([0.0, np.nan]), None),
        (np.array([0, 1]), None),
        (np.zeros((2, 1)), None),
        (np.zeros(2), np.array([0.0, 1.0])),
        (np.zeros(2), np.array([0, -2])),
    ],
)
def test_evidence_refuses_what_cannot_be_ranked(scores: NDArray[np.float64], suggested: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Evidence("broken", scores, False, suggested)


def test_a_mean_of_what_was_seen_needs_no_zeros() -> None:
    assert mean_seen(np.array([[[1.0, np.nan]], [[3.0, 5.0]]], np.float32)).tolist() == [2.0, 5.0]

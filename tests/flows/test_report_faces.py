"""The report of a study of identity noise: controls, the resolution of the test set, a clean twin of its own."""

from __future__ import annotations

import pytest

from noisylabels.report import report_data
from noisylabels.report.build import headline
from noisylabels.report.grid import PlannedRun, settings
from noisylabels.report.losses import losses
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.study import Study

STUDY = {
    "name": "faces",
    "primary": "verification_accuracy",
    "base": {"dataset": "digits"},
    "seeds": [0, 1, 2],
    "axes": {
        "head": ["softmax", "cam_softmax"],
        "corruption": ["identity_flip", "outlier:outside=0.4", 'clean_subset:of="identity_flip:rate=0.4"'],
        "rate": [0.0, 0.2, 0.4],
    },
}

LEVELS = {
    # softmax: 80, 81, 82 without noise, 70 at 40 %, 76 in the control; strangers: 78 without, 60 at 40 %
    "softmax": {"clean": 0.80, "identity_flip": 0.70, "clean_subset": 0.76, "outlier0": 0.78, "outlier": 0.60},
    "cam_softmax": {"clean": 0.82, "identity_flip": 0.71, "clean_subset": 0.75, "outlier0": 0.77, "outlier": 0.74},
}


def result_of(spec: RunSpec) -> RunResult:
    kind, rate = spec.corruption.partition(":")[0], spec.plugin("corruption").rate
    key = f"{kind}0" if kind == "outlier" and rate == 0 else kind
    value = LEVELS[spec.head.partition(":")[0]][key] + 0.01 * spec.seed
    measured = Measurement(
        name="verification_accuracy",
        value=value,
        unit="share",
        higher_is_better=True,
        n=1000,
        interval=(value - 0.03, value + 0.05),
    )
    return RunResult(
        run_id=spec.run_id, spec=spec, status="ok", noise={"realised_rate": rate}, measurements=(measured,)
    )


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.checked(STUDY)


@pytest.fixture(scope="module")
def report(study: Study):
    return report_data(study, [result_of(spec) for spec in study.plan()])


def rows(report, anchor: str) -> list[list[str]]:
    section = next(section for section in report.sections if section.anchor == anchor)
    return [[entry.main for entry in row] for block in section.blocks for table in block.tables for row in table.rows]


def test_controls_part_the_loss(report) -> None:
    # softmax: 80 - 76 lost with the images, 76 - 70 to the wrong labels; cam_softmax: 82 - 75 and 75 - 71.
    assert rows(report, "s1-controls") == [
        ["softmax", "40 %", "81.0", "77.0", "71.0", "+4.00", "+6.00"],
        ["cam_softmax", "40 %", "83.0", "76.0", "72.0", "+7.00", "+4.00"],
    ]


def test_a_control_is_no_kind_of_noise(report) -> None:
    answer = next(section for section in report.sections if section.anchor == "answer")
    assert [block.title.partition(" at ")[0] for block in answer.blocks] == ["identity_flip", "outlier:outside=0.4"]


def test_strangers_are_compared_with_their_own_clean_twin(report) -> None:
    """Rate 0 of outlier is training on the people inside alone: 78 - 60, and not 80 - 60 against all people."""
    found = {row[0]: row for row in rows(report, "answer")[2:]}
    assert found["softmax"][1:4] == ["79.0", "61.0", "+18.00"]
    assert found["cam_softmax"][1:4] == ["78.0", "75.0", "+3.00"]


def test_a_curve_has_one_point_a_rate(study: Study) -> None:
    runs = tuple(PlannedRun(spec, result_of(spec)) for spec in study.plan())
    (setting,) = settings(runs)
    assert setting.rates("outlier:outside=0.4") == (0.0, 0.2, 0.4)
    for method in setting.methods:
        for kind in setting.corruptions:
            assert [cell.rate for cell in setting.curve(method, kind)] == [0.0, 0.2, 0.4]
    assert [
        loss.clean.corruption for loss in losses(setting, "outlier:outside=0.4", headline(study)) if loss.clean
    ] == ["outlier:outside=0.4"] * 2


def test_the_test_set_resolves_what_wilson_says(report) -> None:
    """1,000 pairs at 72 %: z / (1 + z^2/n) sqrt(a (1 - a) / n + z^2 / 4n^2) = 2.777 points; people: (5 + 3) / 2."""
    flip, outlier = rows(report, "s1-resolution")
    assert flip == ["identity_flip", "40 %", "1000", "2.78", "4.00", "softmax (+1.00)"]
    assert outlier[:3] == ["outlier:outside=0.4", "40 %", "1000"]
    assert outlier[4:] == ["4.00", "none"]  # 14 points apart


def test_only_controls_are_shown_as_what_they_are() -> None:
    axes = STUDY["axes"] | {"corruption": ['clean_subset:of="identity_flip:rate=0.4"'], "rate": []}  # type: ignore[operator]
    study = Study.checked(STUDY | {"axes": axes})
    report = report_data(study, [result_of(spec) for spec in study.plan()])
    assert not [section for section in report.sections if section.anchor == "s1-controls"]
    assert rows(report, "answer")

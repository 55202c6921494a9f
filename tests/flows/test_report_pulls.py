"""The report's section on cosines and pulls, over made-up profiles small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from noisylabels.report import pulls, report_data, write_figures, write_report
from noisylabels.report.document import Chart, Line, Panel, Point, Section
from noisylabels.report.drawing import draw
from noisylabels.result import Profile, RunResult
from noisylabels.study import Study

STUDY = Study.checked(
    {
        "name": "pulls",
        "base": {"dataset": "digits"},
        "axes": {"head": ["softmax", "cosface", "cam_softmax"], "corruption": ["symmetric"], "rate": [0.0, 0.2, 0.4]},
        "seeds": 2,
    }
)


def profile(name: str, **cells: float | None) -> Profile:
    """Four cells of [-1, 1], centred at -0.75, -0.25, 0.25 and 0.75: a, b, c, d."""
    return Profile(name=name, values=tuple(cells.get(cell, 0.0) for cell in "abcd"), n=8)


def result_of(head: str, rate: float, seed: int, profiles: tuple[Profile, ...]) -> RunResult:
    spec = next(
        spec
        for spec in STUDY.plan()
        if spec.short("head") == head and spec.seed == seed and spec.plugin("corruption").rate == rate
    )
    return RunResult(run_id=spec.run_id, spec=spec, status="ok", noise={"realised_rate": rate}, profiles=profiles)


RESULTS = [
    result_of("softmax", 0.4, 0, ()),
    # Seed 0: wrong labels at b and c, half each; seed 1: all at b. Mean: 3/4 at b, 1/4 at c.
    result_of(
        "cam_softmax",
        0.4,
        0,
        (
            profile("clean", c=0.5, d=0.5),
            profile("flipped_given", b=0.5, c=0.5),
            profile("flipped_true", d=1.0),
            profile("pull", a=None, b=0.5, c=1.0, d=2.0),
        ),
    ),
    result_of(
        "cam_softmax",
        0.4,
        1,
        (
            profile("clean", d=1.0),
            profile("flipped_given", b=1.0),
            profile("flipped_true", d=1.0),
            profile("pull", a=None, b=0.7, c=None, d=3.0),
        ),
    ),
    result_of("cam_softmax", 0.2, 0, (profile("clean", d=1.0), profile("pull", d=9.0))),
]


def section_of(results: list[RunResult]) -> Section | None:
    return next((part for part in report_data(STUDY, results).sections if part.anchor == "s1-pulls"), None)


def check(section: Section | None) -> None:
    assert section is not None
    (block,) = section.blocks
    assert block.title == "symmetric, asked 40 %"
    (row,) = block.tables[0].rows
    # Right: 1/4 at c, 3/4 at d; wrong: 3/4 at b, 1/4 at c. Pulls: b (0.5 + 0.7) / 2 = 0.6, c 1 (one seed), d 2.5.
    assert [entry.main for entry in row] == [
        "cam_softmax",
        "0.62",  # 0.25 / 4 + 0.75 * 3 / 4 = 0.625, to even
        "-0.12".replace("-", "\N{MINUS SIGN}"),  # -0.25 * 3 / 4 + 0.25 / 4 = -0.125
        "0.75",
        "2.12",  # 1 / 4 + 2.5 * 3 / 4 = 2.125
        "0.70",  # 0.6 * 3 / 4 + 1 / 4
        "0.33",  # 0.7 / 2.125
    ]
    assert block.chart is not None
    histogram, pull = block.chart.panels
    assert histogram.title == "cam_softmax"
    assert [(point.x, point.y) for point in histogram.lines[1].points] == [
        (-0.75, 0.0), (-0.25, 75.0), (0.25, 25.0), (0.75, 0.0),
    ]  # fmt: skip
    assert [(point.x, point.y) for point in pull.lines[0].points] == [(-0.25, 0.6), (0.25, 1.0), (0.75, 2.5)]


def test_histograms_and_pulls_by_hand() -> None:
    check(section_of(RESULTS))


def test_a_twin_that_weighs_by_the_right_labels_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pulls.weighted_pull
    monkeypatch.setattr(pulls, "weighted_pull", lambda cell, name: real(cell, "clean"))
    with pytest.raises(AssertionError):
        check(section_of(RESULTS))


def test_without_profiles_there_is_no_section() -> None:
    assert section_of([result.model_copy(update={"profiles": ()}) for result in RESULTS]) is None
    assert section_of([]) is None


def test_it_is_drawn_and_printed(tmp_path: Path) -> None:
    write_report(STUDY, RESULTS, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Where training pulls" in page
    assert "mean pull 2.12 on right labels and 0.70 on wrong labels" in page
    assert "2.12" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_every_figure_is_a_file_of_its_own_the_same_each_time(tmp_path: Path) -> None:
    first, again = (write_figures(STUDY, RESULTS, tmp_path / name) for name in ("a", "b"))
    assert "s1-pulls-1.svg" in [file.name for file in first]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    assert all(file.read_text(encoding="utf-8").startswith("<?xml") for file in first)


def test_a_legend_of_many_long_names_leaves_room_for_the_curves() -> None:
    """Sixteen methods: the plotting library warns (an error here) where axes have no height left."""
    points = (Point(0.0, 1.0), Point(1.0, 2.0))
    lines = tuple(Line(f"{'cam_softmax:schedule=ramp' * 2} {number}", number, points) for number in range(24))
    many, few = (_height(draw(Chart("", "", (Panel("one", "x", "y", drawn),), 1))) for drawn in (lines, lines[:2]))
    assert many > few + 20 * 0.2 * 72 - 1


def _height(svg: str) -> float:
    """Points."""
    return float(svg.split('viewBox="0 0 ')[1].split('"')[0].split()[1])

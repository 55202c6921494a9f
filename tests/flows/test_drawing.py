"""Curves as they are drawn: lines break where a rate has no number, and no wide band squeezes the rest."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from noisylabels.report import report_data
from noisylabels.report.document import Chart, Line, Panel, Point
from noisylabels.report.drawing import BAND_REACH, figure_of
from noisylabels.report.vega import to_vega_lite
from noisylabels.result import RunResult
from tests.flows.test_report_on_records import changed, recorded, study_with


def degradation(results: list[RunResult]) -> Chart:
    report = report_data(study_with(), results)
    return next(section for section in report.sections if section.anchor == "s1-degradation").blocks[0].chart


def all_collapsed_at(corruption: str, head: str) -> list[RunResult]:
    def is_there(run: RunResult) -> bool:
        return run.spec.short("corruption") == corruption and run.spec.method == head

    return [
        changed(run, status="collapsed", reason="made up") if is_there(run) and run.status == "ok" else run
        for run in recorded()
    ]


def drawn_pieces(chart: Chart, label: str) -> list[list[tuple[float, float]]]:
    """The points of each line of that name in the first panel."""
    with figure_of(chart) as figure:
        lines = [line for line in figure.axes[0].lines if line.get_label() == label]
        return [list(zip(*(data.tolist() for data in line.get_data()), strict=True)) for line in lines]


def test_a_line_breaks_where_every_run_of_a_rate_collapsed() -> None:
    whole = degradation(recorded())
    broken = degradation(all_collapsed_at("symmetric:rate=0.2", "softmax"))
    assert broken.panels[0].title == "symmetric"
    ((first, middle, last),) = drawn_pieces(whole, "softmax")
    assert middle[0] == 20
    assert drawn_pieces(broken, "softmax") == [[first], [last]]
    assert len(drawn_pieces(broken, "cam_softmax")) == 1


def test_a_rate_without_numbers_at_the_end_only_ends_the_line() -> None:
    ended = degradation(all_collapsed_at("symmetric:rate=0.4", "softmax"))
    assert [len(piece) for piece in drawn_pieces(ended, "softmax")] == [2]


def test_vega_keeps_the_pieces_apart() -> None:
    chart = degradation(all_collapsed_at("symmetric:rate=0.2", "softmax"))
    panel = to_vega_lite(chart)["concat"][0]
    pieces = {point["x"]: point["piece"] for point in panel["data"]["values"] if point["line"] == "softmax"}
    assert pieces == {0: 0, 40: 1}
    assert panel["encoding"]["detail"] == {"field": "piece", "type": "nominal"}


def chart_of(*lines: Line) -> Chart:
    return Chart("title", "words", (Panel("panel", "x", "y", lines),), 1)


@pytest.mark.parametrize(("half", "whole"), [(1.0, True), (40.0, False)])
def test_bands_are_seen_whole_unless_they_squeeze_the_marks(half: float, whole: bool) -> None:
    line = Line("one", 0, tuple(Point(x, y, y - half, y + half, (y,)) for x, y in ((0, 70.0), (20, 50.0))))
    with figure_of(chart_of(line)) as figure:
        low, high = figure.axes[0].get_ylim()
    assert low < 50 < 70 < high
    assert (low <= 50 - half and high >= 70 + half) == whole
    assert high - low < 20 * (1 + 2 * BAND_REACH) * 1.07


def test_one_value_alone_has_its_band() -> None:
    with figure_of(chart_of(Line("one", 0, (Point(0, 50.0, 30.0, 70.0),)))) as figure:
        low, high = figure.axes[0].get_ylim()
    assert low <= 30
    assert high >= 70


def legend_columns(figure: Figure) -> tuple[set[float], float]:
    """Left ends of the legend's labels, and the legend's width as a share of the figure's."""
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    starts = {round(text.get_window_extent().x0) for text in legend.get_texts()}
    return starts, legend.get_window_extent().width / figure.bbox.width


def test_a_legend_has_as_many_columns_as_its_own_labels_leave_room_for() -> None:
    short = [f"head_number_{n}" for n in range(10)]
    for labels, columns in ((short, 4), ([*short, "a_method:with=many,long=parameters,and=more"], 2)):
        lines = [Line(label, style, (Point(0, style), Point(1, style + 1))) for style, label in enumerate(labels)]
        with figure_of(chart_of(*lines)) as figure:
            starts, share = legend_columns(figure)
        assert len(starts) == columns
        assert share <= 1

"""Claims, degradation in numbers, all pairs, and the drawn arrays: a study made up so that it can be done by hand."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from noisylabels.catalog import UsageError
from noisylabels.claims import Claim, method_of
from noisylabels.cli.app import app
from noisylabels.records import write_records
from noisylabels.report import report_data, write_figures, write_formats, write_report
from noisylabels.report.compared import welch
from noisylabels.report.document import Chart, HeatMap, Panel
from noisylabels.report.latex import to_latex
from noisylabels.report.tidy import COLUMNS, tidy_rows, write_csv
from noisylabels.report.verdicts import verdicts_section
from noisylabels.report.verification import verify_report
from noisylabels.report.wording import percent
from noisylabels.result import Array, Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.study import Study

LESS = "cam_softmax degrades less than arcface in accuracy under symmetric"
SEEDS = 8
CLASSES = 3

VALUES = {
    "softmax": {0.0: 0.90, 0.2: 0.80, 0.4: 0.60},
    "arcface": {0.0: 0.92, 0.2: 0.76, 0.4: 0.50},
    "cam_softmax": {0.0: 0.91, 0.2: 0.84, 0.4: 0.70},
}


def study(**changes) -> Study:
    values = {
        "name": "made_up",
        "question": "?",
        "base": {"dataset": "digits"},
        "seeds": list(range(SEEDS)),
        "claims": [LESS],
        "axes": {
            "head": ["softmax", "arcface:margin=0.2", "cam_softmax"],
            "corruption": ["symmetric"],
            "rate": [0.0, 0.2, 0.4],
        },
    }
    return Study.checked(values | changes)


def result_of(spec: RunSpec, shift: float = 0.0) -> RunResult:
    rate = spec.plugin("corruption").rate
    head = spec.head.partition(":")[0]
    wobble = 0.004 * ((spec.seed * 7) % 5 - 2) * (1 if head == "cam_softmax" else -1)
    value = round(VALUES[head][rate] + wobble * (rate > 0) + shift, 6)
    measured = [
        Measurement(name="accuracy", value=value, unit="share", higher_is_better=True, n=600),
        Measurement(name="intra_class_angle_deg", value=40 - 20 * rate, unit="deg", higher_is_better=False, n=600),
    ]
    right = [round(200 * value), 100, 150]
    arrays = (
        Array(name="class_accuracy", shape=(2, CLASSES), values=(200, 200, 200, *right)),
        Array(name="learned", shape=(CLASSES, CLASSES), values=(8, 2, 0, 0, 10, 0, 5, 5, 0)),
        Array(name="reliability", shape=(3, 15), values=(*[40] * 15, *np.linspace(0.05, 0.95, 15), *[0.5] * 15)),
        Array(name="plane", shape=(4, 3), values=(0.5, 0, 0, -0.5, 0, 1, 0, 0.25, 2, 0, -0.25, 2)),
        Array(name="plane_variance", shape=(2,), values=(0.7, 0.2)),
    )
    noise = {
        "realised_rate": rate,
        "num_examples": 30,
        "num_flipped": 3,
        "count_by_class": [10, 10, 10],
        "dropped_by_class": [0, 0, 0],
        "transitions": {"true": [0, 2], "given": [1, 0], "count": [2, 1]},
    }
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status="ok",
        noise=noise,
        measurements=tuple(measured),
        arrays=arrays,
        provenance={"class_names": ["zero", "<script>", "=two()"]},
    )


@pytest.fixture(scope="module")
def results() -> list[RunResult]:
    return [result_of(spec) for spec in study().plan()]


@pytest.fixture(scope="module")
def report(results):
    return report_data(study(), results)


def section(report, anchor: str):
    return next(one for one in report.sections if one.anchor == anchor)


def rows(report, anchor: str) -> list[list[str]]:
    tables = [table for block in section(report, anchor).blocks for table in block.tables]
    return [[entry.main for entry in row] for table in tables for row in table.rows]


def chart_of(report, anchor: str) -> Chart:
    chart = section(report, anchor).blocks[0].chart
    assert chart is not None
    return chart


# Claims


def test_a_supported_claim(report) -> None:
    """Areas: (d20 + d40 / 2) / 2 = (16 + 21) / 2 and (7 + 10.5) / 2, differing by 9.75 points in each seed's mean; all
    eight differences have one sign, p = 2 / 2^8; one claim, so Holm changes nothing."""
    (row,) = rows(report, "claims")
    assert row[:4] == [LESS, "supported", "+9.75 points", "8"]
    assert row[4:6] == ["0.00781", "0.00781"]


def test_eight_seeds_earn_the_answer_its_sentence_and_three_do_not(report, results) -> None:
    def answer(of) -> str:
        return " ".join(text for block in section(of, "answer").blocks for text in block.paragraphs)

    lost_less = "cam_softmax lost less than softmax (−"
    assert lost_less in answer(report)
    assert "p is at most 0.05" in answer(report)
    assert lost_less not in answer(report_data(study(seeds=[0, 1, 2]), results))
    assert "No claim between cam_softmax and softmax (−" in answer(report_data(study(seeds=[0, 1, 2]), results))


def test_the_same_claim_the_other_way_round_is_refuted(results) -> None:
    other = "arcface degrades less than cam_softmax in accuracy under symmetric"
    (row,) = rows(report_data(study(claims=[other]), results), "claims")
    assert row[:3] == [other, "refuted", "−9.75 points"]


def test_three_seeds_settle_nothing(results) -> None:
    three = study(seeds=[0, 1, 2])
    (row,) = rows(report_data(three, results), "claims")
    assert row[1] == "no claim"
    (entry,) = [
        row[1] for block in section(report_data(three, results), "claims").blocks for row in block.tables[0].rows
    ]
    assert entry.details == ("3 pairs cannot go below p = 0.25",)


def test_many_claims_are_corrected_together(results) -> None:
    """Eight tests of p = 2 / 2^8 each: Holm's first factor is 8, 8 x 0.0078125 = 0.0625 > 0.05; nothing is claimed."""
    several = [LESS, LESS.replace("degrades less", "is better")] * 4
    found = rows(report_data(study(claims=several), results), "claims")
    assert {row[5] for row in found} == {"0.0625"}
    assert {row[1] for row in found} == {"no claim"}


def test_an_uncorrected_twin_would_claim(results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noisylabels.report.verdicts.holm_adjusted", lambda p_values: list(p_values))
    several = [LESS, LESS.replace("degrades less", "is better")] * 4
    assert {row[1] for row in rows(report_data(study(claims=several), results), "claims")} == {"supported"}


def test_claims_about_what_is_not_there(results) -> None:
    other = "cosface degrades less than arcface in accuracy under symmetric"
    kind = LESS.replace("under symmetric", "under pair")
    found = section(report_data(study(claims=[other, kind]), results), "claims").blocks[0].tables[0].rows
    assert [row[1].details for row in found] == [
        ("no method of this study is 'cosface', or several are",),
        ("the study has no 'pair'",),
    ]


def test_no_claims_no_section(results) -> None:
    assert verdicts_section((), []) is None
    assert not [one for one in report_data(study(claims=[]), results).sections if one.anchor == "claims"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cam_softmax is robust", "a claim must read '<method> degrades less"),
        ("a degrades less than b in acuracy under symmetric", "did you mean 'accuracy'"),
        ("a degrades less than a in accuracy under symmetric", "must compare two methods"),
    ],
)
def test_claims_that_no_test_can_judge(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Claim.parse(text)


def test_a_bare_head_names_the_only_method_with_it() -> None:
    assert method_of("arcface", ("arcface:margin=0.2", "cosface")) == "arcface:margin=0.2"
    assert method_of("arcface", ("arcface:margin=0.2", "arcface")) == "arcface"
    assert method_of("arcface", ("arcface:margin=0.2", "arcface:margin=0.5")) is None


# Degradation and pairs, by hand


def test_degradation_in_numbers(report) -> None:
    found = {row[0]: row[1:] for row in rows(report, "s1-statistics")}
    drop = {head: [VALUES[head][0.0] - VALUES[head][rate] for rate in (0.2, 0.4)] for head in VALUES}
    mean_wobble = fmean(0.004 * ((seed * 7) % 5 - 2) for seed in range(SEEDS))
    # softmax loses 10 points at 20 %: 5 points are lost at 20 % x 5 / (10 + the mean wobble)
    assert found["softmax"][1] == percent(0.2 * 0.05 / (drop["softmax"][0] + mean_wobble))
    area = (drop["cam_softmax"][0] + drop["cam_softmax"][1] / 2) / 2 - 0.75 * mean_wobble
    assert found["cam_softmax"][2] == f"{100 * area:+.3g}"
    assert found["softmax"][5] == "1.000"
    errors = {
        head: sum(1 - VALUES[head][rate] - s * mean_wobble for rate in (0.2, 0.4))
        for head, s in (("softmax", -1), ("cam_softmax", 1))
    }
    assert found["cam_softmax"][5] == f"{errors['cam_softmax'] / errors['softmax']:.3f}"


def test_all_pairs(report) -> None:
    found = {(row[0], row[1]): row[2:] for row in rows(report, "s1-matrix")}
    assert len(found) == 3
    wobble = fmean(0.004 * ((seed * 7) % 5 - 2) for seed in range(SEEDS))
    gain = 100 * (fmean([0.84, 0.70]) - fmean([0.76, 0.50]) + 2 * wobble)
    assert found["arcface:margin=0.2", "cam_softmax"][0] == f"−{gain:.2f}"
    assert found["arcface:margin=0.2", "cam_softmax"][1:] == ["0, 0, 2", "0.00781", "0.0234"]


def test_interquartile_means_and_profiles(report, results) -> None:
    values = {
        head: [
            result.value("accuracy")
            for result in results
            if result.spec.short("head") == head and result.spec.plugin("corruption").rate > 0
        ]
        for head in ("softmax", "arcface:margin=0.2", "cam_softmax")
    }
    found = {row[0]: row[1:] for row in rows(report, "s1-spread")}
    for head, own in values.items():
        assert len(own) == 2 * SEEDS
        assert found[head] == [
            f"{100 * stats.trim_mean(own, 0.25):.1f}",  # SciPy's trims a quarter at either end
            f"{100 * np.median(own):.1f}",
            str(2 * SEEDS),
        ]
        assert found[head][0] != f"{100 * np.mean(own):.2f}"
    (panel,) = chart_of(report, "s1-spread").panels
    assert isinstance(panel, Panel)
    for line in panel.lines:
        ecdf = stats.ecdf(values[line.label])
        for point in line.points:
            assert point.y == pytest.approx(100 * ecdf.sf.evaluate(point.x / 100))
            assert point.low is not None
            assert point.high is not None
            assert point.low <= point.y <= point.high


def test_a_method_without_runs_at_a_rate_is_not_spread(results) -> None:
    some = [one for one in results if not (one.spec.head.startswith("cam") and "0.4" in one.spec.corruption)]
    assert {row[0] for row in rows(report_data(study(), some), "s1-spread")} == {"softmax", "arcface:margin=0.2"}


# What is drawn


def test_heat_maps_are_the_shares_of_the_counts(report) -> None:
    asked, given, *learned = chart_of(report, "s1-transitions").panels
    assert isinstance(asked, HeatMap)
    np.testing.assert_allclose(asked.percent, [[60, 20, 20], [20, 60, 20], [20, 20, 60]])
    assert isinstance(given, HeatMap)
    np.testing.assert_allclose(given.percent, [[80, 20, 0], [0, 100, 0], [10, 0, 90]])
    assert len(learned) == 3
    assert isinstance(learned[0], HeatMap)
    np.testing.assert_allclose(learned[0].percent, [[80, 20, 0], [0, 100, 0], [50, 50, 0]])


def test_damage_is_sorted_and_named(report) -> None:
    found = {row[0]: row[1:] for row in rows(report, "s1-classes")}
    assert found["softmax"][0:3] == ["+10.0", "+30.0", "0"]  # only class zero loses: 90 to 60 %
    assert found["softmax"][3].startswith("zero (+30.0), ")


def test_collapsed_runs_are_hollow_and_in_no_mean(results) -> None:
    broken = [
        RunResult.model_validate(one.model_dump() | {"status": "collapsed", "reason": "x"})
        if one.spec.seed == 0 and one.spec.head.startswith("cam")
        else one
        for one in results
    ]
    chart = chart_of(report_data(study(), broken), "s1-plane")
    panel = chart.panels[0]
    assert isinstance(panel, Panel)
    hollow = {line.label: sum(point.hollow for point in line.points) for line in panel.lines}
    assert hollow == {"softmax": 0, "arcface:margin=0.2": 0, "cam_softmax": 3}
    assert [row[-1] for row in rows(report_data(study(), broken), "s1-plane")][-3:] == ["1", "1", "1"]


def test_embeddings_share_their_axes(report) -> None:
    panels = chart_of(report, "s1-embeddings").panels
    ends = {(panel.left, panel.right, panel.lower, panel.upper) for panel in panels if isinstance(panel, Panel)}
    assert len(ends) == 1
    assert len(panels) == 4  # two methods, without noise and at the highest rate


# Other forms


def test_every_measurement_is_in_the_table(results, tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", results)
    found = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert len(found) == 2 * len(results)
    assert list(found[0]) == list(COLUMNS)
    back = {(row["run_id"], row["metric"]): float(row["value"]) for row in found}
    assert back == {(one.run_id, m.name): m.value for one in results for m in one.measurements}


def test_formulas_stay_text(results, tmp_path: Path) -> None:
    hostile = results[0].model_copy(update={"measurements": (), "status": "failed", "reason": "=cmd()|' /C calc'!A0"})
    write_csv(tmp_path / "x.csv", [hostile])
    row = next(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert row["note"] == "'=cmd()|' /C calc'!A0"
    assert not any(value.startswith(("=", "+", "@")) for value in row.values())
    assert next(tidy_rows([hostile]))["note"].startswith("="), "only the file is guarded"


def test_parquet_says_what_it_needs_or_has_the_same(results, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    import pyarrow.parquet

    write_formats(study(), results, tmp_path, ["parquet"])
    table = pyarrow.parquet.read_table(tmp_path / "report.parquet")
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == list(tidy_rows(results))


def test_latex_has_every_row_and_no_command_of_others(report) -> None:
    text = to_latex(replace(report, title="x\\input{/etc/passwd} % y"))
    tables = [table for one in report.sections for block in one.blocks for table in block.tables]
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == len(tables)
    assert text.count(r" \\") == sum(len(table.rows) + 1 for table in tables)
    assert r"\input" not in text
    assert "<script>" not in text
    opened = text.replace(r"\{", "").replace(r"\}", "")
    assert opened.count("{") == opened.count("}")


def test_json_and_figures(results, tmp_path: Path) -> None:
    files = write_formats(study(), results, tmp_path, ["json", "tex"])
    answer = json.loads(files["json"].read_text())
    assert [one["anchor"] for one in answer["sections"]] == [
        one.anchor for one in report_data(study(), results).sections
    ]
    small = study(axes={"head": ["softmax"], "corruption": ["symmetric"], "rate": [0.0, 0.4]}, claims=[])
    drawn = write_figures(small, results, tmp_path / "figures", ["svg", "png", "pdf", "vl.json"])
    kinds = {kind: [file for file in drawn if file.name.endswith(kind)] for kind in ("svg", "png", "pdf", "vl.json")}
    assert len({len(files) for files in kinds.values()}) == 1
    assert kinds["png"][0].read_bytes().startswith(b"\x89PNG")
    assert kinds["pdf"][0].read_bytes().startswith(b"%PDF")
    for file in kinds["vl.json"]:
        spec = json.loads(file.read_text())
        assert spec["$schema"].endswith("v5.json")
        assert all(panel["data"]["values"] for panel in spec["concat"])
    before = {file: file.read_bytes() for file in kinds["pdf"]}
    write_figures(small, results, tmp_path / "figures", ["pdf"])
    assert {file: file.read_bytes() for file in kinds["pdf"]} == before


def written(folder: Path, results) -> Path:
    write_report(study(), results, folder)
    (folder / "study.json").write_text(study().model_dump_json())
    write_records(folder / "records.jsonl", results)
    return folder


def test_one_changed_number_is_named(results, tmp_path: Path) -> None:
    folder = written(tmp_path, results)
    call = ["report", "verify", str(folder / "report.md")]
    assert CliRunner().invoke(app, call).exit_code == 0
    lines = (folder / "records.jsonl").read_text().splitlines()
    record = json.loads(lines[-1])
    record["measurements"][0]["value"] += 0.01
    (folder / "records.jsonl").write_text("\n".join([*lines[:-1], json.dumps(record)]) + "\n")
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1
    assert "the file says" in done.stdout
    assert "accuracy (%), ↑ higher is better" in done.stdout
    assert json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)["verified"] is False


def test_an_edited_report_is_caught(results, tmp_path: Path) -> None:
    folder = written(tmp_path, results)
    text = (folder / "report.md").read_text()
    (folder / "report.md").write_text(text.replace("90.0", "99.0", 1))
    (difference,) = verify_report(study(), results, folder / "report.md")
    assert "99.0" in difference
    assert "90.0" in difference


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.normal(size=rng.integers(2, 8)), 3 * rng.normal(size=rng.integers(2, 8))
        expected = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
        found = welch(x.tolist(), y.tolist())
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    pooled = stats.ttest_ind(x, y).confidence_interval()
    assert found.low != pytest.approx(pooled.low)  # twin: one variance for both
    assert welch([1.0], [2.0]).low is None


def test_two_studies_side_by_side(results, tmp_path: Path) -> None:
    for name, shift in (("first", 0.0), ("second", 0.05)):
        asked = study(name=name, seeds=[0, 1, 2, 3])
        folder = tmp_path / name
        folder.mkdir()
        (folder / "study.json").write_text(asked.model_dump_json())
        for spec in asked.plan():
            run = folder / "runs" / spec.run_id
            run.mkdir(parents=True)
            (run / "result.json").write_text(result_of(spec, shift).model_dump_json())
    done = CliRunner().invoke(app, ["compare", "first", "second", "--runs", str(tmp_path), "--json"])
    answer = json.loads(done.stdout)
    assert len(answer["rows"]) == 9
    assert {row[-1]["main"] for row in answer["rows"]} == {"+5.00"}
    assert (answer["same_runs"], len(answer["differing"])) == (36, 36)
    assert answer["changed"] == {}
    assert "differing" in answer
    text = CliRunner().invoke(app, ["compare", "first", "first", "--runs", str(tmp_path)]).stdout
    assert "runs with one id in both: 36, with other numbers: 0" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "quickstart", "--format", "htm"], "unknown format 'htm'; did you mean 'html'"),
        (["report", "quickstart", "--format", ","], "give a format at least"),
        (["report", "quickstart", "x"], "one study at a time"),
        (["report", "verify"], "report verify needs a report"),
        (["report", "verify", "nowhere"], "no report at nowhere"),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)

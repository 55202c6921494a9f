"""The study ``legacy_translation``: its frozen plan, and the comparison that docs/legacy_translation.md prints."""

from __future__ import annotations

import contextlib
import io
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import studies
from corruptions.conventions import effective_rate
from noisylabels.frozen_plan import NAME, plan_of, plan_sha256, read_frozen
from noisylabels.records import write_records
from noisylabels.report.verdicts import LEVEL
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.study import Study
from tests.references.plain_records import committed, exact_p
from tests.references.readme_facts_legacy import (
    AQUA,
    SYMMETRIC,
    accuracies,
    easier,
    easier_at_equal_realised_rates,
)

PAGE = (Path(__file__).parents[2] / "docs" / "legacy_translation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.find("legacy_translation")


def test_the_plan_holds_what_is_to_be_compared(study: Study) -> None:
    plan = study.plan()
    assert len(plan) == 132
    exact = {spec.plugin("corruption").rate for spec in plan if spec.corruption.startswith("symmetric:")}
    inclusive = {spec.plugin("corruption").rate for spec in plan if "dividemix_symmetric" in spec.corruption}
    for asked in inclusive:
        assert asked in exact
        assert any(abs(effective_rate("dividemix_symmetric", asked, 10) - rate) < 1e-9 for rate in exact)
    assert abs(effective_rate("aqua_instance", 0.4, 10) - 0.45) < 0.005
    assert {spec.method for spec in plan} == {"softmax", "softmax+gce"}
    assert len({spec.seed for spec in plan}) == 6  # five pairs cannot go below p = 0.0625


def test_it_was_frozen_as_it_stands(study: Study) -> None:
    frozen = read_frozen(studies.path(study.name).with_name(NAME))
    assert frozen is not None
    assert frozen.current.sha256 == plan_sha256(plan_of(study), LEVEL)
    assert frozen.current.already_done == 0
    assert frozen.current.runs == len(study.plan())


def made_up(specs: Sequence[RunSpec], what_counts: str) -> list[RunResult]:
    """Accuracies that fall by half a point for each per cent of labels ``realised`` wrong, or ``asked`` for."""
    results = []
    for spec in specs:
        noise = spec.plugin("corruption")
        rate = noise.rate
        if what_counts == "realised" and rate > 0:
            codes = {"dividemix_symmetric": 0.9 * rate, "aqua_instance": 0.446}
            rate = codes.get(getattr(noise, "code", ""), rate)
        jitter = 0.001 * np.sin(17 * spec.seed + 5 * len(spec.corruption) + 3 * len(spec.loss))
        value = float(0.6 - 0.5 * rate + jitter)
        accuracy = Measurement(name="accuracy", value=value, unit="share", higher_is_better=True, n=10_000)
        noted = {"realised_rate": rate}
        results.append(RunResult(run_id=spec.run_id, spec=spec, status="ok", noise=noted, measurements=(accuracy,)))
    return results


@pytest.mark.parametrize("what_counts", ["realised", "asked"])
def test_the_comparison_on_the_page_tells_one_from_the_other(
    study: Study, what_counts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a world where the realised rate counts, accuracies at equal asked rates differ, and the other way round."""
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    write_records(tmp_path / "studies" / study.name / "records.jsonl", made_up(study.plan(), what_counts))
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(block, "legacy_translation.md", "exec"), {"__name__": "page"})
    lines = said.getvalue().splitlines()
    assert len(lines) == 2 * (2 * (3 + 1) + 1)
    for method in ("softmax", "softmax+gce"):
        for rate in (0.2, 0.5, 0.8):
            for equal in ("asked", "realised"):
                start = f"{method}, inclusive minus exact, equal {equal} rates, {rate:.0%}: "
                (points,) = (float(line.removeprefix(start).split()[0]) for line in lines if line.startswith(start))
                expected = 0.0 if equal == what_counts else {"asked": 5 * rate, "realised": -5 * rate}[equal]
                assert points == pytest.approx(expected, abs=0.25)
        ps = {
            equal: float(line.rpartition("p = ")[2])
            for equal in ("asked", "realised")
            for line in lines
            if line.startswith(f"{method}, equal {equal} rates, all three")
        }
        assert ps[what_counts] > 0.05
        assert ps[{"asked": "realised", "realised": "asked"}[what_counts]] == pytest.approx(0.0312, abs=1e-4)


def worked_out(name: str, loss: str) -> list[float]:
    """Mean difference, both ends of the 95 % t interval, and the exact p of a row of the page's table."""
    runs = committed("legacy_translation")
    if name.startswith("AQuA"):
        pairs = zip(accuracies(runs, loss, AQUA), accuracies(runs, loss, SYMMETRIC), strict=True)
        differences = [one - other for one, other in pairs]
    else:
        (printed,) = re.findall(r"(\d+) %", name)
        exact = int(printed) / 100
        asked = {0.18: 0.2, 0.45: 0.5, 0.72: 0.8}.get(exact, exact)
        differences = easier(runs, loss, asked, exact)
    middle = statistics.mean(differences)
    half = 2.570582 * statistics.stdev(differences) / math.sqrt(6)  # Student's t, 5 degrees of freedom, 97.5 %
    return [middle, middle - half, middle + half, exact_p(differences)]


RESULT = PAGE.partition("### Result")[2]


def table_mistakes(text: str) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 7
    mistakes = []
    for name, *cells in rows[2:]:
        for loss, printed, p in (("ce", *cells[:2]), ("gce", *cells[2:])):
            numbers = [float(number) for number in re.findall(r"[+-]?\d+\.\d+", f"{printed} {p}")]
            for number, value, digit in zip(numbers, worked_out(name, loss), (2, 2, 2, 3), strict=True):
                if abs(number - value) > 0.5 * 10**-digit + 1e-6:
                    mistakes.append(f"{name}, {loss}: {number}, not {value:.4g}")
    return mistakes


def test_the_result_is_what_the_records_give() -> None:
    assert table_mistakes(RESULT) == []
    assert table_mistakes(RESULT.replace("+7.62", "+7.63"))
    assert table_mistakes(RESULT.replace("0.719", "0.718", 1))


def test_what_the_page_says_in_words_is_what_the_records_give() -> None:
    runs = committed("legacy_translation")
    assert [run["status"] for run in runs] == ["ok"] * 132
    said = " ".join(RESULT.split())
    for corruption, template in (
        (SYMMETRIC, r"GCE, (\S+) points ahead of cross-entropy under 45 %"),
        (AQUA, r"is (\S+) behind under AQuA's"),
    ):
        (printed,) = re.findall(template, said)
        between = statistics.mean(accuracies(runs, "gce", corruption)) - statistics.mean(
            accuracies(runs, "ce", corruption)
        )
        assert float(printed) == pytest.approx(abs(between), abs=0.051)
    joint = re.findall(r"(rates together:|GCE) \+(\d\.\d+) ?(?:points)?, p = (\d\.\d+)", said)
    assert [which for which, _, _ in joint] == ["rates together:", "GCE"]
    for which, points, p in joint:
        found = easier_at_equal_realised_rates(runs, "gce" if which == "GCE" else "ce")
        assert float(points) == pytest.approx(statistics.mean(found), abs=0.0051)
        assert float(p) == pytest.approx(exact_p(found), abs=0.00051)

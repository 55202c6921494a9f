"""Fault 35: reports on studies that are not whole, from a real store by the command line: no NaN, no false claim."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from noisylabels.report.build import report_data
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.conftest import Cli

STUDY = """
seeds = 3
[base]
dataset = "digits"
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]
rate = [0.0, 0.4]
"""
NO_ANSWER = "No run has finished with a value: there is no answer yet."
NONSENSE = re.compile(r"\b(nan|NaN|inf|Infinity|None)\b")
CLAIM = re.compile(r"\b(best|beats?|better than|outperforms?|wins?|lost [+-]?\d)\b", re.IGNORECASE)

Part = Callable[[Sequence[RunSpec]], list[RunResult]]


def ok(spec: RunSpec) -> RunResult:
    """A made-up outcome: noise costs softmax 20 points and cam-softmax 10."""
    lost = 0.0 if spec.corruption.startswith("clean") else 0.1 if spec.head.startswith("cam") else 0.2
    accuracy = Measurement(
        name="accuracy", value=0.9 - lost + 0.01 * spec.seed, unit="share", higher_is_better=True, n=500
    )
    rate = 0.0 if spec.corruption.startswith("clean") else 0.4
    return RunResult(
        run_id=spec.run_id, spec=spec, status="ok", noise={"realised_rate": rate}, measurements=(accuracy,)
    )


def ended(spec: RunSpec, status: str, reason: str) -> RunResult:
    return RunResult.model_validate({"run_id": spec.run_id, "spec": spec, "status": status, "reason": reason})


def diverged(spec: RunSpec) -> RunResult:
    return ended(spec, "diverged", "the training loss or the weights were not finite in epoch 3")


def failed(spec: RunSpec) -> RunResult:
    return ended(spec, "failed", "the worker was killed by SIGKILL (out of memory?)")


PARTS: dict[str, tuple[Part, str]] = {
    "nothing was run": (lambda plan: [], NO_ANSWER),
    "all failed": (lambda plan: [failed(spec) for spec in plan], NO_ANSWER),
    "all diverged": (lambda plan: [diverged(spec) for spec in plan], NO_ANSWER),
    "one run": (lambda plan: [ok(plan[0])], "No seed finished both its clean and its noisy run"),
    "no two of a pair": (
        lambda plan: [ok(spec) for spec in plan if spec.corruption.startswith("clean") == spec.head.startswith("cam")],
        "No seed finished both its clean and its noisy run",
    ),
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "study.toml").write_text(STUDY)
    return Study.from_toml(tmp_path / "part" / "study.toml")


def kept(study: Study, results: Sequence[RunResult], runs: Path) -> None:
    """As runs leave their results."""
    folder = StudyFolder(runs / study.name)
    for result in results:
        run = folder.run(result.run_id)
        run.begin(result.spec)
        if result.status == "failed":
            run.fail(result.reason)
        else:
            run.finish(result)


@pytest.mark.parametrize("part", PARTS)
def test_a_study_that_is_not_whole_claims_nothing(part: str, study: Study, cli: Cli, tmp_path: Path) -> None:
    choose, said = PARTS[part]
    results = choose(study.plan())
    kept(study, results, tmp_path / "runs")
    code, out, err = cli("report", "part/study.toml", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["results"], answer["planned"]) == (len(results), 12)
    markdown = Path(answer["markdown"]).read_text()
    assert said in markdown
    assert not NONSENSE.search(markdown)
    assert not NONSENSE.search(
        re.sub(r"<(script|style)[^>]*>.*?</\1>", "", Path(answer["html"]).read_text(), flags=re.S)
    )
    assert not CLAIM.search(answer_of(markdown)), answer_of(markdown)
    records = (tmp_path / "runs" / "part" / "records.jsonl").read_text()
    assert len(records.splitlines()) == len(results)
    assert not NONSENSE.search(records)


def answer_of(markdown: str) -> str:
    """The section that answers the study's question: the first."""
    return re.split(r"^## ", markdown, flags=re.M)[1]


def test_the_words_of_a_claim_are_those_that_a_whole_study_uses(study: Study, cli: Cli, tmp_path: Path) -> None:
    """Otherwise the test above could not fail."""
    kept(study, [ok(spec) for spec in study.plan()], tmp_path / "runs")
    assert cli("report", "part/study.toml")[0] == 0
    assert CLAIM.search(answer_of((tmp_path / "runs" / "part" / "report.md").read_text()))


def numbers(study: Study, results: Sequence[RunResult]) -> str:
    """Everything that the report says of degradation, as text."""
    sections = report_data(study, results).sections
    return "\n".join(str(section) for section in sections if section.anchor.endswith("degradation"))


def test_one_that_diverged_is_named_with_its_epoch_and_left_out_of_every_mean(study: Study) -> None:
    """Fault 18: the means are those of the study without that seed; a twin that takes it for 0 is told apart."""
    plan = study.plan()
    lost = next(spec for spec in plan if spec.head.startswith("cam") and "0.4" in spec.corruption and spec.seed == 2)
    others = [ok(spec) for spec in plan if spec != lost]
    with_it, without_it = numbers(study, [*others, diverged(lost)]), numbers(study, others)
    assert with_it.replace("1 diverged", "1 missing") == without_it
    nought = Measurement(name="accuracy", value=0.0, unit="share", higher_is_better=True, n=500)
    twin = diverged(lost).model_copy(update={"measurements": (nought,), "status": "ok"})
    assert numbers(study, [*others, twin]).replace("1 diverged", "1 missing") != without_it
    ledger = str(report_data(study, [*others, diverged(lost)]).sections[1])
    assert "the training loss or the weights were not finite in epoch 3" in ledger

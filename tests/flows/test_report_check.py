"""``report NAME --check``: committed reports come out again, byte for byte, and a byte that does not is named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import studies
from noisylabels.records import read_records, write_records
from noisylabels.report import write_report
from noisylabels.result import Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from tests.conftest import Cli

PUBLISHED = [name for name in studies.names() if studies.path(name).with_name("records.jsonl").exists()]
FILES = "report.html, report.md"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_report_is_what_its_records_give(name: str, cli: Cli) -> None:
    """In an empty folder: no runs, and nothing of this machine or this moment."""
    folder, count = studies.path(name).parent, len(Study.find(name).plan())
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    code, out, err = cli("report", name, "--check")
    assert (code, err) == (0, ""), out
    assert out == f"{folder}: {FILES} are, byte for byte, what {count} stored runs give\n"
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert list(Path.cwd().iterdir()) == []


STUDY = """
question = "What do two heads lose?"
seeds = 2
[base]
dataset = "digits"
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]
rate = [0.0, 0.4]
"""
RUNS = 8


def made_up(spec: RunSpec) -> RunResult:
    """Noise costs 20 points, and nobody knows why."""
    rate = spec.plugin("corruption").rate
    named = {"accuracy": 0.912 - 0.5 * rate + 0.004 * spec.seed, "nc1": 2.25 + rate + 0.5 * spec.seed}
    units = {"accuracy": ("share", True), "nc1": ("ratio", False)}
    measurements = tuple(
        Measurement(name=name, value=value, unit=units[name][0], higher_is_better=units[name][1], n=500)
        for name, value in named.items()
    )
    noise = {"realised_rate": rate}
    provenance = {"seconds": 12.5}
    return RunResult(
        run_id=spec.run_id, spec=spec, status="ok", noise=noise, measurements=measurements, provenance=provenance
    )


Damage = Callable[[Path], object]


def one_digit_of(pattern: str) -> Damage:
    """Another last digit in the first number of the records that the pattern finds."""

    def damage(folder: Path) -> None:
        file = folder / "records.jsonl"
        text = file.read_text()
        found = re.search(pattern, text)
        assert found is not None
        end = found.end(1) - 1
        file.write_text(text[:end] + str((int(text[end]) + 5) % 10) + text[end + 1 :])

    return damage


def one_byte_of(name: str, at: bytes, wrong: bytes) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert at in content
        (folder / name).write_bytes(content.replace(at, wrong, 1))

    return damage


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with its records and its report, as one is committed."""
    folder = tmp_path_factory.mktemp("published") / "mine"
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY)
    study = Study.from_toml(folder / "study.toml")
    results = [made_up(spec) for spec in study.plan()]
    write_records(folder / "records.jsonl", results)
    write_report(study, results, folder)
    return folder


@pytest.fixture
def copied(published: Path, cli: Cli) -> Path:
    """The same below the working folder, to be damaged."""
    return Path(shutil.copytree(published, Path.cwd() / "studies" / "mine"))


def test_nothing_was_changed(copied: Path, cli: Cli) -> None:
    """Named in two ways. Records of an earlier version, which lack a field, are as good: they are read, not written."""
    one_byte_of("records.jsonl", b'"profiles":[],', b"")(copied)
    same = f"studies/mine: {FILES} are, byte for byte, what {RUNS} stored runs give\n"
    assert cli("report", str(copied), "--check", "--out", "studies/mine") == (0, same, "")


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


BOTH = [r"report.html, line \d+: the file says", r"report.md, line \d+: the file says"]

TWINS: dict[str, tuple[tuple[Damage, ...], list[str]]] = {
    "one digit of an accuracy in the records": ((one_digit_of(r'"name":"accuracy","value":(0\.\d\d)'),), BOTH),
    "one digit of a measure that no headline has": ((one_digit_of(r'"name":"nc1","value":(\d)\.'),), BOTH),
    "a run that is gone from the records": (
        (rewritten("records.jsonl", lambda content: b"".join(content.splitlines(keepends=True)[:-1])),),
        BOTH,
    ),
    "one byte of the page and one digit of the text": (
        (one_byte_of("report.html", b"softmax", b"softmaz"), one_byte_of("report.md", b"91.4", b"91.3")),
        [
            r"report.html, line \d+: the file says .*softmaz.*, the records say .*softmax",
            r"report.md, line \d+: the file says .*91\.3.*, the records say .*91\.4",
        ],
    ),
    "a line too many and an end too few": (
        (
            rewritten("report.html", lambda content: content + b"\n<p>"),
            rewritten("report.md", lambda content: content[:-1]),
        ),
        [
            r"report.html, line \d+: the file goes on after its end",
            r"report.md, line \d+: the file ends before it",
        ],
    ),
    "lines ended as elsewhere, and no text": (
        (
            rewritten("report.html", lambda content: content.replace(b"\n", b"\r\n")),
            lambda folder: (folder / "report.md").unlink(),
        ),
        [r"report.html, line 1: the file says .*\\r", r"report.md: is not there"],
    ),
}


@pytest.mark.parametrize("twin", TWINS)
def test_what_was_changed_is_named(twin: str, copied: Path, cli: Cli) -> None:
    damages, expected = TWINS[twin]
    for damage in damages:
        damage(copied)
    code, out, err = cli("report", str(copied), "--check")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert len(lines) == len(expected), out
    for line, pattern in zip(lines, expected, strict=True):
        assert re.match(re.escape(f"{copied}/") + pattern, line), line


def test_a_record_that_is_not_its_runs_is_refused(copied: Path, cli: Cli) -> None:
    """A digit of what was asked: the run is another one then, and its id says so."""
    one_digit_of(r'"learning_rate":(0\.\d)')(copied)
    code, out, err = cli("report", str(copied), "--check")
    assert (code, out) == (5, "")
    assert "records.jsonl, line 1 says run" in err


def test_programs_are_told_too(copied: Path, cli: Cli) -> None:
    (copied / "report.md").unlink()
    code, out, _ = cli("report", str(copied), "--check", "--json")
    assert code == 1
    assert json.loads(out) == {
        "study": "mine",
        "folder": str(copied),
        "files": FILES.split(", "),
        "runs": RUNS,
        "same": False,
        "differences": [{"file": str(copied / "report.md"), "line": 0, "text": "is not there"}],
    }


def test_a_folder_of_runs_is_held_to_its_runs(copied: Path, cli: Cli) -> None:
    """As a sweep leaves it: results run by run and a report. Other formats and records count where they lie there."""
    study = Study.from_toml(copied / "study.toml")
    folder = StudyFolder(Path.cwd() / "runs" / study.name)
    for result in read_records(copied / "records.jsonl"):
        folder.run(result.run_id).begin(result.spec)
        folder.run(result.run_id).finish(result)
    assert cli("report", str(copied), "--format", "html,md,tex,csv,json")[0] == 0
    names = ", ".join([*(f"report.{kind}" for kind in ("html", "md", "json", "tex", "csv")), "records.jsonl"])
    same = f"runs/mine: {names} are, byte for byte, what {RUNS} stored runs give\n"
    assert cli("report", str(copied), "--check") == (0, same, "")
    (folder.path / "report.csv").write_text("")
    one_byte_of("records.jsonl", b'"status":"ok"', b'"status": "ok"')(folder.path)
    code, out, _ = cli("report", str(copied), "--check")
    assert code == 1
    assert [line.partition(", line 1: ")[0] for line in out.splitlines()] == [
        "runs/mine/report.csv",
        "runs/mine/records.jsonl",
    ]
    elsewhere = f"{copied}: {FILES}, records.jsonl are, byte for byte, what {RUNS} stored runs give\n"
    assert cli("report", str(copied), "--check", "--out", str(copied)) == (0, elsewhere, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "somewhere", "--check"), "leave out --figures, --examples and 'verify'"),
        (("quickstart", "--check", "--figures", "figures"), "leave out --figures, --examples and 'verify'"),
        (("quickstart", "--check", "--examples"), "leave out --figures, --examples and 'verify'"),
        (("quickstart", "--check", "--format", "pdf"), "--check compares html, md, json, tex, csv"),
        (
            ("unrun/study.toml", "--check"),
            "unrun has no results to make its report from (looked for runs in runs/unrun",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: tuple[str, ...], message: str, cli: Cli) -> None:
    Path("unrun").mkdir()
    Path("unrun/study.toml").write_text(STUDY)
    code, out, err = cli("report", *arguments)
    assert (code, out) == (2, "")
    assert message in err

"""``noisylabels reproduce``: a run comes back, or what differs in result, environment, code or data is named."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

import corruptions
import noisylabels
import studies
from noisylabels.cli.stored_runs import find_run
from noisylabels.problem import pose
from noisylabels.provenance import processor, source_sha256
from noisylabels.records import read_records
from noisylabels.reproduction import Reproduction, compared
from noisylabels.result import Measurement, RunResult
from noisylabels.run import execute
from noisylabels.spec import RunSpec

TINY = ("--dataset", "digits:per_class=30,test_per_class=20", "--model", "small_cnn:width=4", "--head", "arcface",
        "--corruption", "symmetric:rate=0.4", "--set", "train.epochs=2", "--set", "train.batch_size=32")  # fmt: skip
HERE = {
    "versions": {"python": "3.11.7", "noisylabels": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
    "source_sha256": "5f" * 32,
    "platform": "Linux x86_64",
    "processor": "A processor, AVX2",
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "seconds": 1.0,
    "started": "2026-11-03T12:00:00+00:00",
    "sizes": {"train": 240, "validation": 60, "test": 200},
    "fingerprints": {"train": "aa", "validation": "bb", "test": "cc"},
}
OLD = {key: value for key, value in HERE.items() if key not in ("source_sha256", "processor", "started")}

Cli = Callable[..., tuple[int, str, str]]
Compare = Callable[[RunResult, RunResult], Reproduction]


@pytest.fixture(scope="module")
def result() -> RunResult:
    """A real one, from a machine that is known."""
    values = {"dataset": "digits:per_class=30,test_per_class=20", "model": "small_cnn:width=4", "head": "arcface"}
    spec = RunSpec.checked(
        {**values, "corruption": "symmetric:rate=0.4", "train": {"epochs": 2, "batch_size": 32, "augment": "none"}}
    )
    return execute(spec, pose(spec, Path("nowhere"))).model_copy(update={"provenance": HERE})


def test_a_run_comes_back_and_a_tampered_one_does_not(cli: Cli, tmp_path: Path) -> None:
    assert cli("train", *TINY, "--quiet")[0] == 0
    (file,) = tmp_path.glob("runs/_train/runs/*/result.json")
    run_id, before = file.parent.name, contents(tmp_path)
    scratch = set(Path(tempfile.gettempdir()).glob("noisylabels-*"))

    code, out, err = cli("reproduce", run_id[:7])
    assert (code, out.splitlines()[2].partition(":")[0]) == (0, "identical"), out + err
    assert f"record: runs/_train/runs/{run_id}/result.json" in out
    assert [line for line in out.splitlines() if "same" in line] == [
        "environment: the same", "code: the same", "data: the same",
    ]  # fmt: skip
    assert "epoch 2/2" in err
    assert contents(tmp_path) == before
    assert set(Path(tempfile.gettempdir()).glob("noisylabels-*")) <= scratch

    forged = json.loads(file.read_bytes())
    accuracy = next(m for m in forged["measurements"] if m["name"] == "accuracy")
    accuracy["value"] += 1 / accuracy["n"]  # one test image more
    file.write_text(json.dumps(forged))
    code, out, _ = cli("reproduce", run_id, "--study", "_train", "--json", "--quiet")
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["run_id"]) == (1, "differs", run_id)
    assert [(value["name"], value["within"]) for value in answer["values"]] == [("accuracy [last_epoch]", False)]
    assert answer["values"][0]["stored"] == accuracy["value"]
    assert answer["environment"] == answer["code"] == answer["data"] == []


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# --- the comparison ------------------------------------------------------------------------------------------------


def elsewhere(result: RunResult, **changes: Any) -> RunResult:
    return result.model_copy(update={"provenance": {**result.provenance, **changes}})


def with_measurement(result: RunResult, name: str, value: float | None) -> RunResult:
    """The same result with another value of the metric at its last epoch."""
    changed = [
        m.model_copy(update={"value": value}) if (m.name, m.selection) == (name, "last_epoch") else m
        for m in result.measurements
    ]
    return result.model_copy(update={"measurements": tuple(changed)})


def nudged(value: float) -> float:
    return math.nextafter(value, 10)


def with_history(result: RunResult) -> RunResult:
    first = result.history[0]
    first = first.model_copy(update={"train_loss": nudged(first.train_loss or 0)})
    return result.model_copy(update={"history": (first, *result.history[1:])})


def with_profile(result: RunResult) -> RunResult:
    first = result.profiles[0]
    place = next(place for place, value in enumerate(first.values) if value is not None)
    values = tuple(nudged(v or 0) if k == place else v for k, v in enumerate(first.values))
    return result.model_copy(update={"profiles": (first.model_copy(update={"values": values}), *result.profiles[1:])})


def with_noise(result: RunResult, **changes: Any) -> RunResult:
    return result.model_copy(update={"noise": {**result.noise, **changes}})


def names(found: Reproduction) -> dict[str, list[str]]:
    """Everything that is named, by what it belongs to."""
    parts = {part: [change.name for change in getattr(found, part)] for part in ("environment", "code", "data")}
    return {part: named for part, named in {**parts, "values": [v.name for v in found.values]}.items() if named}


CHANGED: dict[str, tuple[Callable[[RunResult], RunResult], str, dict[str, list[str]]]] = {
    "nothing": (lambda r: r, "identical", {}),
    "the time": (lambda r: elsewhere(r, seconds=9.0, started="2020-01-01T00:00:00+00:00"), "identical", {}),
    "a last bit": (
        lambda r: with_measurement(r, "intra_class_angle_deg", nudged(r.value("intra_class_angle_deg") or 0)),
        "differs", {"values": ["intra_class_angle_deg [last_epoch]"]},
    ),
    "a last bit of the history": (with_history, "differs", {"values": ["history.train_loss"]}),
    "a last bit of a profile": (with_profile, "differs", {"values": ["profile.clean"]}),
    "a measurement that is gone": (
        lambda r: r.model_copy(update={"measurements": r.measurements[1:]}),
        "differs", {"values": ["accuracy [last_epoch]"]},
    ),
    "a label": (
        lambda r: with_noise(r, given_sha256="0" * 64), "differs", {"values": ["noise.given_sha256"]},
    ),
    "a status": (
        lambda r: r.model_copy(update={"status": "diverged"}), "differs", {"values": ["status"]},
    ),
    "a library": (
        lambda r: elsewhere(r, versions={**HERE["versions"], "torch": "2.11.0"}),
        "identical", {"environment": ["versions.torch"]},
    ),
    "a library, and a last bit": (
        lambda r: with_history(elsewhere(r, versions={**HERE["versions"], "torch": "2.11.0"})),
        "agrees within tolerance", {"environment": ["versions.torch"], "values": ["history.train_loss"]},
    ),
    "our version": (
        lambda r: elsewhere(r, versions={**HERE["versions"], "noisylabels": "0.0.9"}),
        "identical", {"code": ["versions.noisylabels"]},
    ),
    "our code, and a last bit": (
        lambda r: with_history(elsewhere(r, source_sha256="00")),
        "agrees within tolerance", {"code": ["source_sha256"], "values": ["history.train_loss"]},
    ),
    "the threads and the labels": (
        lambda r: with_noise(elsewhere(r, threads=2), given_sha256="0" * 64),
        "differs", {"environment": ["threads"], "values": ["noise.given_sha256"]},
    ),
    "the test images": (
        lambda r: elsewhere(r, fingerprints={**HERE["fingerprints"], "test": "00"}),
        "differs", {"data": ["fingerprints.test"]},
    ),
    "an old record": (
        lambda r: r.model_copy(update={"provenance": OLD}),
        "identical", {"environment": ["processor"], "code": ["source_sha256"]},
    ),
    "an old record, and a last bit": (
        lambda r: with_history(r.model_copy(update={"provenance": OLD})),
        "agrees within tolerance",
        {"environment": ["processor"], "code": ["source_sha256"], "values": ["history.train_loss"]},
    ),
}  # fmt: skip
"""What is other in the record: the verdict, and everything that must be named, no more."""


def check(compare: Compare, result: RunResult, what: str) -> None:
    change, verdict, named = CHANGED[what]
    found = compare(change(result), result)
    assert (found.verdict, names(found)) == (verdict, named)


@pytest.mark.parametrize("what", CHANGED)
def test_what_differs_is_named_and_nothing_else(what: str, result: RunResult) -> None:
    check(compared, result, what)


def rounded(result: RunResult) -> RunResult:
    measured = [m.model_copy(update={"value": m.value and round(m.value, 6)}) for m in result.measurements]
    return result.model_copy(update={"measurements": tuple(measured)})


def headlines_only(result: RunResult) -> RunResult:
    return result.model_copy(update={"history": (), "profiles": ()})


TWINS: dict[str, tuple[Compare, str]] = {
    "compares what is printed": (lambda a, b: compared(rounded(a), rounded(b)), "a last bit"),
    "compares the end only": (lambda a, b: compared(headlines_only(a), headlines_only(b)), "a last bit of the history"),
    "is tolerant on the same machine": (
        lambda a, b: compared(elsewhere(a, processor=None), elsewhere(b, processor=None)), "a last bit",
    ),
    "takes what is not recorded for the same": (
        lambda a, b: compared(elsewhere(a, **{**HERE, **a.provenance}), b), "an old record, and a last bit",
    ),
    "trusts the record's fingerprints": (
        lambda a, b: compared(elsewhere(a, fingerprints=HERE["fingerprints"]), b), "the test images",
    ),
    "takes the realised rate for the labels": (
        lambda a, b: compared(with_noise(a, given_sha256=""), with_noise(b, given_sha256="")), "a label",
    ),
}  # fmt: skip
"""Wrong comparisons, and what each of them gets wrong."""


@pytest.mark.parametrize("twin", TWINS)
def test_a_wrong_comparison_is_found_out(twin: str, result: RunResult) -> None:
    compare, what = TWINS[twin]
    with pytest.raises(AssertionError):
        check(compare, result, what)


def shares(value: float, n: int, unit: str = "share") -> RunResult:
    spec = RunSpec(dataset="digits")
    measured = Measurement(name="accuracy", value=value, unit=unit, higher_is_better=True, n=n)
    return RunResult(run_id=spec.run_id, spec=spec, status="ok", measurements=(measured,))


@pytest.mark.parametrize(("n", "correct"), [(200, 180), (10_000, 7000), (40, 40)])
def test_elsewhere_a_share_may_differ_by_what_its_n_can_tell_apart(n: int, correct: int) -> None:
    """The root of two times half of SciPy's Wilson interval: just within it agrees, just beyond it does not."""
    interval = binomtest(correct, n).proportion_ci(0.999, method="wilson")
    bound = math.sqrt(2) * (interval.high - interval.low) / 2
    for factor, verdict in ((0.999, "agrees within tolerance"), (1.001, "differs")):
        assert compared(shares(correct / n - factor * bound, n), shares(correct / n, n)).verdict == verdict
    asked = [compared(shares(correct / n - 0.02, n), shares(correct / n, n), tolerance=t) for t in (0.021, 0.019)]
    assert [found.verdict for found in asked] == ["agrees within tolerance", "differs"]


def test_a_forged_share_does_not_set_its_own_tolerance() -> None:
    """Near one half an interval is wider: measured at the record, 85 % would pass for 95 %."""
    forged, true = shares(0.85, 200), shares(0.95, 200)
    assert compared(forged, true).verdict == "differs"
    assert compared(true, forged).verdict == "agrees within tolerance"


def test_elsewhere_an_angle_may_differ_by_a_quarter_or_as_asked() -> None:
    found = [
        compared(shares(angle, 100, "deg"), shares(40.0, 100, "deg"), tolerance=tolerance).verdict
        for angle, tolerance in ((49.9, None), (50.1, None), (30.1, None), (40.5, 0.02), (41, 0.02))
    ]
    agrees, differs = "agrees within tolerance", "differs"
    assert found == [agrees, differs, agrees, agrees, differs]


def test_what_is_measured_only_now_is_listed_and_not_held_against_an_old_record(result: RunResult) -> None:
    old = result.model_copy(update={"provenance": OLD, "measurements": result.measurements[:3]})
    found = compared(old, result)
    assert found.verdict == "identical"
    assert found.added == tuple(f"{m.name} [{m.selection}]" for m in result.measurements[3:])
    assert [value.name for value in compared(result, old).values] == list(found.added)  # gone is not as good as equal


# --- what a record says of its making ------------------------------------------------------------------------------


def test_the_code_is_known_by_every_source_file() -> None:
    lines = []
    for package in (corruptions, noisylabels):
        folder = Path(package.__path__[0])
        for file in folder.rglob("*.py"):
            lines.append((f"{package.__name__}/{file.relative_to(folder).as_posix()}", file.read_bytes()))
    digest = hashlib.sha256()
    for name, content in sorted(lines):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    assert len(lines) > 200
    assert source_sha256() == digest.hexdigest()


def test_the_processor_is_named_where_linux_names_it_and_somehow_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.20GHz\n\nmodel name\t: Another\n")
    assert processor(tmp_path / "cpuinfo").startswith("Some CPU @ 2.20GHz, ")
    (tmp_path / "arm").write_text("processor\t: 0\nBogoMIPS\t: 243.75\n")
    assert processor(tmp_path / "arm").partition(", ")[0]
    assert processor(tmp_path / "absent").partition(", ")[0]


# --- finding a run -------------------------------------------------------------------------------------------------


def published() -> tuple[Path, list[RunResult]]:
    file = studies.path("digits_pulls").with_name("records.jsonl")
    return file, read_records(file)


def test_a_published_run_is_found_by_its_first_digits(tmp_path: Path) -> None:
    file, records = published()
    found = find_run(records[6].run_id[:9], tmp_path)
    assert (found.file, found.line, found.result()) == (file, 7, records[6])
    assert find_run(records[6].run_id, tmp_path, "digits_pulls").result() == records[6]


def test_a_run_of_ones_own_comes_before_the_published_one(tmp_path: Path) -> None:
    _, records = published()
    own = tmp_path / "mine" / "runs" / records[0].run_id / "result.json"
    own.parent.mkdir(parents=True)
    own.write_text(records[0].model_dump_json())
    assert find_run(records[0].run_id[:9], tmp_path).file == own
    assert find_run(records[0].run_id[:9], tmp_path, "digits_pulls").line == 1


@pytest.mark.slow
def test_a_published_run_comes_back(cli: Cli, tmp_path: Path) -> None:
    _, records = published()
    code, out, err = cli("reproduce", records[0].run_id, "--json", "--quiet")
    assert code == 0, out + err
    assert "source_sha256" in [change["name"] for change in json.loads(out)["code"]]
    assert not any(value["name"].startswith("noise.") for value in json.loads(out)["values"])

"""Every number that README.md takes from a committed study, worked out again by plain loops over its records.

Nothing of the package takes part: records are read as JSON, means are ``statistics.mean``, the exact test is a loop
over all signs. A number of README's part on studies that no piece of ``readme_facts`` covers fails a test, too.
"""

from __future__ import annotations

import json
import re
import statistics

import pytest

from tests.references.plain_records import ROOT, Record, Studies, cell, committed, measured
from tests.references.readme_facts import facts, table_rows
from tests.references.readme_facts_human import HUMAN, SYMMETRIC, TWIN

README = (ROOT / "README.md").read_text(encoding="utf-8")

WORDS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
}
NUMBER = rf"(\d+(?:,\d{{3}})*(?:\.\d+)?|{'|'.join(WORDS)})"
PRINTED = re.compile(r"(?<![\w.=-])\d+(?:,\d{3})*(?:\.\d+)?")
"""A number of a text; not the 10 of CIFAR-10."""


def says(printed: str, value: float) -> bool:
    """Whether a printed number is the value, rounded to as many digits as are printed (a half either way)."""
    if printed in WORDS:
        return bool(WORDS[printed] == value)
    decimals = len(printed.partition(".")[2])
    return abs(float(printed.replace(",", "")) - value) <= 0.5 * 10**-decimals + 1e-9


def pattern_of(template: str) -> re.Pattern[str]:
    parts = [r"\s+".join(map(re.escape, part.split(" "))) for part in template.split("{}")]
    return re.compile(NUMBER.join(parts), re.IGNORECASE)


def part_on_studies(text: str) -> str:
    start, end = text.index("## What was measured"), text.index("`python -m benchmarks.corruption`")
    return text[start:end]


def tables(text: str) -> dict[str, list[str]]:
    """Rows of the two tables, by the first word that tells the table and the head."""
    found, table = {}, ""
    for line in part_on_studies(text).splitlines():
        cells = [entry.strip() for entry in line.strip().strip("|").split("|")]
        if line.startswith("| method | 0 %"):
            table = "per cent"
        elif line.startswith("| head | no noise"):
            table = "area"
        elif line.startswith("| `"):
            head = re.match(r"`([^`]+)`", cells[0])
            assert head is not None
            found[f"{table} {head[1]}"] = cells[1:]
    return found


def wrong_numbers(text: str, study: Studies = committed) -> list[str]:
    """What README says that the records do not, a sentence each."""
    found, part = [], part_on_studies(text)
    for template, values in facts(study):
        matches = list(pattern_of(template).finditer(part))
        if len(matches) != 1:
            found.append(f"README says {len(matches)} times, not once: {template}")
            continue
        for printed, value in zip(matches[0].groups(), values, strict=True):
            if not says(printed.lower(), value):
                found.append(f"README says {printed}, the records {value:.6g}: {template}")
    printed_rows, rows = tables(text), table_rows(study)
    if printed_rows.keys() != rows.keys():
        found.append(f"README's tables have other rows: {sorted(printed_rows.keys() ^ rows.keys())}")
    for name in printed_rows.keys() & rows.keys():
        for printed, value in zip(printed_rows[name], rows[name], strict=True):
            same = printed == value if isinstance(value, str) else says(printed, value)
            if not same:
                found.append(f"README's table says {printed}, the records {value}: {name}")
    return found


def uncovered(text: str, study: Studies = committed) -> list[str]:
    """Numbers of the part on studies that nothing above works out, each with its surroundings."""
    part = part_on_studies(text)
    for template, _ in facts(study):
        part = pattern_of(template).sub(" ", part)
    lines = [line for line in part.splitlines() if not line.startswith("|")]
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", " ".join(lines))
    return [prose[max(0, m.start() - 40) : m.end() + 20] for m in PRINTED.finditer(prose)]


def test_every_number_is_what_the_records_give() -> None:
    assert wrong_numbers(README) == []


def test_no_number_of_the_studies_is_left_out() -> None:
    assert uncovered(README) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("| `cosface` | 61.7 | 55.0 |", "| `cosface` | 61.7 | 55.1 |", "55.1, the records 55.0"),
        ("| 1 of 6 collapsed | 4 of 6", "| 53.9 | 4 of 6", "53.9, the records 1 of 6 collapsed"),
        ("loses 18.0 points in the mean", "loses 18.1 points in the mean", "18.1, the records 17.95"),
        ("GCE 5.4", "GCE 5.6", "5.6, the records 5.4"),
        ("eight others", "seven others", "seven, the records 8"),
        ("SphereFace2 (13.6;", "SphereFace2 (13.7;", "13.7, the records 13.6"),
        ("720 runs", "702 runs", "702, the records 720"),
        ("| 0.785 | 0.783 |", "| 0.783 | 0.785 |", "0.783, the records 0.785"),
        ("that (p = 0.0625)", "that (p = 0.031)", "0.031, the records 0.0625"),
        ("in 14 of 24 noisy", "in 15 of 24 noisy", "15, the records 14"),
    ],
)
def test_a_changed_number_is_found_out(before: str, after: str, told: str) -> None:
    assert README.count(before) == 1
    found = wrong_numbers(README.replace(before, after))
    assert [told in line for line in found].count(True) == 1, found


def test_a_sentence_that_is_gone_is_missed_and_a_new_number_is_seen() -> None:
    gone = README.replace("Cam-softmax loses least to merges", "Cam-softmax loses little to merges")
    assert any("0 times" in line for line in wrong_numbers(gone))
    more = README.replace("**On real faces**", "It gained 12.5 points. **On real faces**")
    assert len(uncovered(more)) == 1
    assert "12.5" in uncovered(more)[0]


def test_a_record_with_one_other_digit_is_found_out() -> None:
    """The six runs of cosface at 20 %. Another first digit of one moves their mean by 1.7 points."""

    def forged(study: str) -> list[Record]:
        if study != "cifar10_symmetric":
            return committed(study)
        records: list[Record] = json.loads(json.dumps(committed(study)))
        run = cell(records, "cosface", "symmetric:rate=0.2")[0]
        next(m for m in run["measurements"] if m["name"] == "accuracy")["value"] -= 0.1
        return records

    assert len(wrong_numbers(README, forged)) == 1
    assert "cosface" in wrong_numbers(README, forged)[0]


def test_runs_of_two_studies_that_are_the_same_have_the_same_numbers() -> None:
    """README: three clean runs of ``cifar10_asymmetric`` were trained anew and came out identical in every number."""
    first = {record["run_id"]: record for record in committed("cifar10_symmetric")}
    shared = [(first[r["run_id"]], r) for r in committed("cifar10_asymmetric") if r["run_id"] in first]
    assert len(shared) == 60
    trained_anew = 0
    for one, other in shared:
        assert one["measurements"] == other["measurements"]
        assert one["history"] == other["history"]
        trained_anew += one["provenance"]["seconds"] != other["provenance"]["seconds"]
    assert trained_anew == 3
    assert (
        len(
            pattern_of(
                "Three clean runs of `cifar10_asymmetric` were not taken over from `cifar10_symmetric`, as 57 were,"
            ).findall(README)
        )
        == 1
    )


def test_the_table_of_robust_methods_under_human_noise_is_what_the_records_give() -> None:
    page = (ROOT / "docs" / "robust_methods.md").read_text(encoding="utf-8").partition("## Under human noise")[2]
    runs = committed("cifar10_human")
    methods = {"cross-entropy": ("ce", "standard"), "`elr`": ("ce", "elr"), "`gce`": ("gce", "standard")}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:]] == list(methods)
    for name, *printed in rows[2:]:
        loss, strategy = methods[name]
        for text, corruption in zip(printed, ("clean", HUMAN, TWIN, SYMMETRIC), strict=True):
            found = [
                100 * measured(run, "accuracy")
                for run in runs
                if run["spec"]["head"] == "softmax"
                and run["spec"]["loss"].partition(":")[0] == loss
                and run["spec"]["strategy"].partition(":")[0] == strategy
                and re.match(rf"{corruption}\b", run["spec"]["corruption"])
            ]
            assert len(found) == 6
            assert says(text, statistics.mean(found)), (name, corruption, text)

"""The tables of docs/legacy_translation.md, worked out again: by running the codes, and by hand's arithmetic."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from corruptions.conventions import effective_rate, nominal_rate
from corruptions.legacy import LEGACY_CODES, Legacy

PAGE = (Path(__file__).parents[2] / "docs" / "legacy_translation.md").read_text(encoding="utf-8")

Rows = list[list[str]]


def table(page: str, first_heading: str, *, number: int = 1) -> Rows:
    """Rows of the n-th table whose heading begins so, the heading first; each cell without code signs."""
    blocks = re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)
    found = [block for block in blocks if block.startswith(f"| {first_heading} |")]
    lines = found[number - 1].splitlines()
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [rows[0], *rows[2:]]


def share(text: str) -> float:
    return float(text.removesuffix("%").strip()) / 100


MANY = 400_000
IMAGES = np.random.default_rng(0).integers(0, 256, (60_000, 3), dtype=np.uint8)


def realised(code: str, asked: float, num_classes: int, per_class: int | None) -> tuple[float, float]:
    """Share of wrong labels when the code is run, and four standard deviations that chance may take it away."""
    needs_images = LEGACY_CODES[code].needs_features
    count = len(IMAGES) if needs_images else MANY
    labels = np.arange(count if per_class is None else num_classes * per_class) % num_classes
    features = IMAGES if needs_images else None
    found = Legacy(asked, code=code).apply(labels, num_classes, seed=3, features=features).record.realised_rate
    chance = 0.0 if per_class is not None else 4 * np.sqrt(found * (1 - found) / count)
    return found, float(chance)


def not_what_comes_out(page: str) -> list[str]:
    """Cells that a run of the code does not bear out; AQuA's code cannot be asked for more than 90 %."""
    heading, *rows = table(page, "code")
    wrong = []
    for code, classes, per_class, *cells in rows:
        sizes = None if per_class == "any" else int(per_class.replace(",", ""))
        for asked, printed in zip(map(share, heading[3:]), cells, strict=True):
            found, chance = realised(code, asked, int(classes.replace(",", "")), sizes)
            if abs(share(printed) - found) > 0.0005 + chance + 1e-9:
                wrong.append(f"{code} at {asked:.0%}: {printed} printed, {found:.2%} came out")
    return wrong


def test_what_comes_out_is_what_the_codes_do() -> None:
    assert not_what_comes_out(PAGE) == []


def test_every_code_is_in_the_table_and_every_cell_is_the_formulas() -> None:
    heading, *rows = table(PAGE, "code")
    assert {row[0] for row in rows} == LEGACY_CODES.keys()
    for code, classes, per_class, *cells in rows:
        num_classes = int(classes.replace(",", ""))
        sizes = None if per_class == "any" else [int(per_class.replace(",", ""))] * num_classes
        for asked, printed in zip(map(share, heading[3:]), cells, strict=True):
            assert printed == f"{100 * effective_rate(code, asked, num_classes, sizes):.1f}"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("| 36.0 | 45.0 | 54.0 |", "| 36.0 | 50.0 | 54.0 |", "dividemix_symmetric at 50%"),  # what papers take it for
        ("| 18.4 |", "| 20.0 |", "elr_asymmetric at 40%"),  # without the cats that come back
        ("| 0.0 | 19.8 |", "| 10.0 | 19.8 |", "cleanlab_cells at 10%"),
        ("| 14.6 |", "| 10.0 |", "aqua_instance at 10%"),
    ],
)
def test_a_wrong_cell_is_found_out(right: str, wrong: str, told: str) -> None:
    assert PAGE.count(right) == 1
    rows = [line for line in PAGE.splitlines() if right in line]
    shortened = "\n".join([*table_head(), rows[0].replace(right, wrong), ""])
    assert [line.partition(":")[0] for line in not_what_comes_out(shortened)] == [told]


def table_head() -> list[str]:
    lines = PAGE.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| code |"))
    return lines[start : start + 2]


def test_the_two_families() -> None:
    """An inclusive rate r makes 9 r / 10 of ten classes' labels wrong."""
    (_, *exclusive), (_, *inclusive) = table(PAGE, "exclusive")
    for ours, theirs in zip(map(share, exclusive), map(share, inclusive), strict=True):
        assert abs(ours / 0.9 - theirs) <= 0.0005 + 1e-9
        assert nominal_rate("dividemix_symmetric", ours, 10) == pytest.approx(ours / 0.9, abs=1e-12)


def published(page: str) -> dict[tuple[str, str], dict[int, float]]:
    """By paper's table and method: accuracy by the share of labels that was asked for, per cent."""
    heading, *rows = table(page, "table", number=1)
    columns = [tuple(map(int, re.findall(r"\d+", column))) for column in heading[2:]]
    assert all(asked * 9 == wrong * 10 for asked, wrong in columns)
    return {
        (where.partition(" (")[0], method): {
            asked: float(cell) for (asked, _), cell in zip(columns, cells, strict=True) if cell
        }
        for where, method, *cells in rows
    }


def read_at(points: dict[int, float], wrong: float) -> float:
    """Accuracy at a share of wrong labels, on the straight line between the neighbours; rates asked are inclusive."""
    assert min(points) * 0.9 <= wrong <= max(points) * 0.9, "beyond the row's own figures"
    below = max(asked for asked in points if asked * 0.9 <= wrong)
    above = min(asked for asked in points if asked * 0.9 >= wrong)
    weight = 0.0 if above == below else (wrong - 0.9 * below) / (0.9 * (above - below))
    return points[below] + weight * (points[above] - points[below])


def wrong_readings(page: str) -> list[str]:
    known, wrong = published(page), []
    for where, method, asked_text, printed, read, worth in table(page, "table", number=2)[1:]:
        points, asked = known[where, method], round(100 * share(asked_text))
        value = read_at(points, asked)
        expected = [points[asked], value, points[asked] - value]
        for text, number in zip((printed, read, worth), expected, strict=True):
            if abs(float(text) - number) > 0.05 + 1e-9:
                wrong.append(f"{method} at {asked} %: {text} printed, it is {number:.2f}")
    return wrong


def wrong_shares(page: str) -> list[str]:
    known, wrong = published(page), []
    for asked_text, inclusive, exclusive, differ, worth, of_it in table(page, "asked")[1:]:
        asked = round(100 * share(asked_text))
        first, where = re.fullmatch(r"([\d.]+) \((ELR, table \d).*\)", inclusive).groups()  # type: ignore[union-attr]
        points = known[where, "cross-entropy"]
        gap = points[asked] - float(exclusive.partition(" ")[0])
        effect = points[asked] - read_at(points, asked)
        expected = [points[asked], gap, effect, 100 * effect / gap]
        tolerances = [0.0, 0.05, 0.05, 0.5]
        texts = (first, differ, worth, of_it.removesuffix("%"))
        for text, number, tolerance in zip(texts, expected, tolerances, strict=True):
            if abs(float(text) - number) > tolerance + 1e-9:
                wrong.append(f"at {asked} %: {text} printed, it is {number:.2f}")
    return wrong


def test_what_the_convention_is_worth() -> None:
    assert len(table(PAGE, "table", number=2)) > 5
    assert wrong_readings(PAGE) == []
    assert wrong_shares(PAGE) == []
    elr = published(PAGE)["ELR, table 1", "cross-entropy"]
    assert elr[20] - 80.11 == pytest.approx(6.9, abs=0.05)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("| 81.88 | 80.2 | 1.7 |", "| 81.88 | 83.6 | 1.7 |"),  # the other way: 44.4 % asked makes 40 % wrong
        ("| 93.2 | 77.9 | 15.3 |", "| 93.2 | 77.9 | 15.2 |"),
        ("| 20.0 | 6.8 | 34 % |", "| 20.0 | 6.8 | 43 % |"),
        ("| 2.3 | 0.6 | 25 % |", "| 2.3 | 1.6 | 25 % |"),
    ],
)
def test_a_wrong_reading_is_found_out(right: str, wrong: str) -> None:
    assert PAGE.count(right) == 1
    changed = PAGE.replace(right, wrong)
    assert len(wrong_readings(changed) + wrong_shares(changed)) == 1

"""Figures in documentation and README are what the committed records say, drawn by the command that pages name."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import studies

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
FIGURE = ROOT / "docs/figures/cifar10_symmetric.svg"


def test_the_figure_is_what_the_command_writes(cli, tmp_path: Path) -> None:
    code, _, said = cli("report", "cifar10_symmetric", "--format", "json", "--figures", "figures")
    assert code == 0, said
    assert (tmp_path / "figures/s1-degradation-1.svg").read_bytes() == FIGURE.read_bytes()


def test_both_pages_show_it() -> None:
    assert "](figures/cifar10_symmetric.svg)" in (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert "](docs/figures/cifar10_symmetric.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_captions_say_how_many_seeds() -> None:
    seeds = {json.loads(line)["spec"]["seed"] for line in _records()}
    words = {2: "two", 3: "three", 6: "six", 8: "eight", 10: "ten"}
    for page in ("docs/index.md", "README.md"):
        before, _, after = (ROOT / page).read_text(encoding="utf-8").partition("figures/cifar10_symmetric.svg)")
        assert f"{words[len(seeds)]} seeds" in before[-600:] + after[:600], page


def test_its_marks_stand_where_the_records_say() -> None:
    """Means over the runs that ended well, computed here and measured by the drawing's own ticks."""
    drawing = ElementTree.fromstring(FIGURE.read_bytes())
    across, up = _scale(drawing, "xtick", "x"), _scale(drawing, "ytick", "y")
    marks = _marks(drawing)
    means = _means()
    for (method, rate), mean in means.items():
        near = [mark for mark in marks if np.hypot(mark[0] - across(100 * rate), mark[1] - up(100 * mean)) < 0.01]
        assert near, f"{method} at {rate}: {mean}"
    assert len(means) == 11 * 5 - 3, "eleven methods at five rates, but for three cells in which all runs collapsed"


def _records() -> list[str]:
    return studies.path("cifar10_symmetric").with_name("records.jsonl").read_text(encoding="utf-8").splitlines()


def _means() -> dict[tuple[str, float], float]:
    """Accuracy at the last epoch by method and asked rate."""
    values: dict[tuple[str, float], list[float]] = {}
    for run in map(json.loads, _records()):
        measured = {(one["name"], one["selection"]): one["value"] for one in run["measurements"]}
        if run["status"] == "ok":
            method = " + ".join(run["spec"][field] for field in ("head", "loss", "strategy"))
            cell = values.setdefault((method, run["noise"]["rate"]), [])
            cell.append(measured["accuracy", "last_epoch"])
    return {cell: sum(found) / len(found) for cell, found in values.items()}


def _scale(drawing: ElementTree.Element, ticks: str, axis: str) -> np.poly1d:
    """From printed numbers to places on the page, by the labels of the ticks."""
    found = [group for group in drawing.iter(f"{SVG}g") if group.get("id", "").startswith(ticks)]
    numbers = [float("".join(text.text or "" for text in group.iter(f"{SVG}text"))) for group in found]
    places = [float(next(use for use in group.iter(f"{SVG}use") if use.get(axis)).get(axis, "")) for group in found]
    return np.poly1d(np.polyfit(numbers, places, 1))


def _marks(drawing: ElementTree.Element) -> list[tuple[float, float]]:
    """Everything that is put somewhere by reference."""
    uses = [use for use in drawing.iter(f"{SVG}use") if use.get("x") and use.get("y")]
    return [(float(use.get("x", "")), float(use.get("y", ""))) for use in uses]

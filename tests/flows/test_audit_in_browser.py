"""The review sheet in a browser, of hostile names: sorts under its policy, asks for nothing, runs nobody's code."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest

from noisylabels.audit import Evidence, Finding
from noisylabels.audit.audited import Audit
from noisylabels.audit.sheet import to_html
from noisylabels.audit.subject import Subject
from noisylabels.data import ImageSet
from tests.flows.test_report_in_browser import SERIOUS, axe_script, found_by, needs_browser, run

pytestmark = [pytest.mark.slow, needs_browser]

NAMES = ("=1+1", "<img src=x onerror=\"document.title='owned'\">", "</script><script>document.title='owned'</script>")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (9, 3, 8, 8), dtype=np.uint8)
    images = ImageSet(pixels, np.arange(9) % 3, np.arange(9) + 100, NAMES)
    scores = np.array([0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.4, 0.6, 0.8])
    flips = [
        Finding("flip", float(scores[i]), (i,), (i % 3,), "relabel", (i + 1) % 3, f"seen {i} times by {NAMES[1]}")
        for i in np.argsort(-scores).tolist()
    ]
    merged = Finding("merged", 5.0, (0, 3, 6), (0,), "split", None, NAMES[2])
    subject = Subject(NAMES[2], images, image_names=tuple(f"{NAMES[2]}/{i}" for i in range(9)))
    audit = Audit(subject, NAMES[1], (Evidence(NAMES[2], scores, True),), (merged, *flips))
    file = tmp_path_factory.mktemp("sheet") / "review.html"
    file.write_text(to_html(audit), encoding="utf-8")
    return file


def dom(page: Path) -> str:
    return run(page, "--virtual-time-budget=10000", "--dump-dom").stdout


def test_its_script_runs_under_its_policy_and_no_other_does(page: Path) -> None:
    shown = dom(page)
    assert shown.count("<button>") == 7
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    assert html.unescape(title[1]) == f"{NAMES[2]}: label audit", "no name has changed it"
    assert "CONSOLE" not in run(page, "--enable-logging=stderr", "--dump-dom").stderr
    twin = page.with_name("altered.html")
    twin.write_text(page.read_text(encoding="utf-8").replace("rows.reverse()", "rows.sort()"), encoding="utf-8")
    assert "<button>" not in dom(twin), "one other letter, and the policy forbids it"
    assert "CONSOLE" in run(twin, "--enable-logging=stderr", "--dump-dom").stderr


def test_names_are_words_and_nothing_is_asked_for(page: Path) -> None:
    shown = html.unescape(dom(page))
    for name in NAMES:
        assert name in shown
    asked_for = 'performance.getEntriesByType("resource").map(one => one.name)'
    assert [name for name in found_by(asked_for, page, "asked") if not name.startswith("data:")] == []
    elements = 'document.querySelectorAll("[onerror]").length'
    assert found_by(f"{elements}", page, "elements") == 0


CLICK = (
    "(() => {{ const heads = document.querySelectorAll('#findings th[scope=col]');"
    " for (let i = 0; i < {clicks}; i++) heads[{column}].querySelector('button').click();"
    " return [heads[{column}].getAttribute('aria-sort'), [...document.querySelectorAll('#findings tbody tr')]"
    ".map(row => row.cells[{column}].dataset.key)]; }})()"
)


@pytest.mark.parametrize(("column", "kind"), [(0, float), (2, float), (5, float), (1, str), (3, str)])
def test_headings_sort(page: Path, column: int, kind: type) -> None:
    first = 2 if column == 0 else 1  # the rank stands in ascending order before anybody clicks
    said, keys = found_by(CLICK.format(column=column, clicks=first), page, f"up{column}")
    values = [kind(key) for key in keys]
    assert said == "ascending"
    assert len(values) == 10
    if kind is float:
        assert values == sorted(values)
    said, again = found_by(CLICK.format(column=column, clicks=first + 1), page, f"down{column}")
    assert said == "descending"
    assert again == keys[::-1]
    assert len(set(keys)) > 1


def test_no_serious_barrier(page: Path) -> None:
    assert found_by(SERIOUS, page, "axe", first=axe_script()) == []


def test_nothing_is_wider_than_a_telephone(page: Path) -> None:
    frame = page.with_name("frame.html")
    measured = "f.contentDocument.documentElement.scrollWidth, f.contentDocument.documentElement.clientWidth"
    script = (
        'new Promise(done => { const f = document.createElement("iframe"); f.width = 400; f.height = 900;'
        f' f.style.border = "0"; f.src = "{page.name}";'
        f" f.onload = () => setTimeout(() => done([{measured}]), 500); document.body.append(f); }})"
    )
    policy = '<meta http-equiv="Content-Security-Policy" content="x">'
    frame.write_text(f"<html><head>{policy}</head><body></body></html>", encoding="utf-8")
    needed, there = found_by(script, frame, "framed", "--allow-file-access-from-files")
    assert needed <= there

"""The quickstart's published report in a browser: no error, no request, no barrier, nothing wider than the screen."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import studies
from noisylabels.records import read_records
from noisylabels.report import write_report
from noisylabels.study import Study

pytestmark = pytest.mark.slow

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium on the PATH")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = studies.path("quickstart")
    folder = tmp_path_factory.mktemp("report")
    return write_report(Study.find("quickstart"), read_records(file.with_name("records.jsonl")), folder).html


def run(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={page.parent}/profile", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


def found_by(script: str, page: Path, name: str, *flags: str, first: str = "") -> Any:
    """What a script in a copy of the page gives; the page itself allows none."""
    policy = r'<meta http-equiv="Content-Security-Policy"[^>]*>'
    text = page.read_text(encoding="utf-8")
    assert re.search(policy, text), "the page must forbid everything it does not need"
    show = 'const out = document.createElement("pre"); out.id = "found"; out.textContent = JSON.stringify(value);'
    body = f"{first}<script>Promise.resolve({script}).then(value => {{ {show} document.body.append(out); }});</script>"
    copy = page.with_name(f"{name}.html")
    copy.write_text(re.sub(policy, "", text).replace("</body>", body + "</body>"), encoding="utf-8")
    dom = run(copy, "--virtual-time-budget=60000", "--dump-dom", *flags).stdout
    answer = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert answer is not None, dom[-500:]
    return json.loads(html.unescape(answer[1]))


@needs_browser
def test_no_error_and_no_request(page: Path) -> None:
    assert "CONSOLE" not in run(page, "--enable-logging=stderr", "--dump-dom").stderr
    asked_for = 'performance.getEntriesByType("resource").map(one => one.name)'
    assert [name for name in found_by(asked_for, page, "asked") if not name.startswith("data:")] == []
    twin = page.with_name("asking.html")
    image = '<img src="http://127.0.0.1:9/x.png" alt=""></main>'
    twin.write_text(page.read_text(encoding="utf-8").replace("</main>", image), encoding="utf-8")
    assert "CONSOLE" in run(twin, "--enable-logging=stderr", "--dump-dom").stderr, "refused by the page's policy"


def axe_script() -> str:
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs axe-core-python, of the test extra")
    source = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    return f"<script>{source}</script>"


SERIOUS = (
    'axe.run(document).then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact)).map(v => v.id))'
)


@needs_browser
def test_no_serious_barrier(page: Path) -> None:
    assert found_by(SERIOUS, page, "axe", first=axe_script()) == []


@needs_browser
def test_the_check_bites(page: Path) -> None:
    """A twin of the page that has no title and does not say its language."""
    twin = page.with_name("twin_source.html")
    text = page.read_text(encoding="utf-8").replace('<html lang="en">', "<html>")
    twin.write_text(re.sub("<title>[^<]*</title>", "", text), encoding="utf-8")
    found = found_by(SERIOUS, twin, "axe_twin", first=axe_script())
    assert isinstance(found, list)
    assert {"html-has-lang", "document-title"} <= set(found)


@needs_browser
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(page: Path, width: int) -> None:
    """A frame of that width, because browsers have windows of 500 pixels at least."""
    frame = page.with_name(f"frame{width}.html")
    open_page = page.with_name(f"open{width}.html")
    open_page.write_text(page.read_text(encoding="utf-8").replace("<details>", "<details open>"), encoding="utf-8")
    measured = "f.contentDocument.documentElement.scrollWidth, f.contentDocument.documentElement.clientWidth"
    script = (
        f'new Promise(done => {{ const f = document.createElement("iframe"); f.width = {width}; f.height = 900;'
        f' f.style.border = "0"; f.src = "{open_page.name}";'
        f" f.onload = () => setTimeout(() => done([{measured}]), 500); document.body.append(f); }})"
    )
    policy = '<meta http-equiv="Content-Security-Policy" content="x">'
    frame.write_text(f"<html><head>{policy}</head><body></body></html>", encoding="utf-8")
    found = found_by(script, frame, f"framed{width}", "--allow-file-access-from-files")
    assert isinstance(found, list)
    needed, there = found
    assert needed <= there

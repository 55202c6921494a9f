"""The documentation site: it builds without a warning, has everything, and loads nothing from elsewhere."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from noisylabels.cli import listing
from tests.docs.built_sites import ROOT, Built, build, copied_without_reference, fetched, is_elsewhere

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings")),
    reason="MkDocs is not installed: pip install 'noisylabels[docs]'",
)

FAMILIES = [family for family in listing.FAMILIES if family != "studies"]


def pages(nav: Any) -> list[str]:
    """The files that a navigation names, in its order."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in pages(entry)]


CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
NAV = pages(CONFIG["nav"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT / "mkdocs.yml", tmp_path_factory.mktemp("site"))


def address(page: str) -> str:
    """Where a page's HTML lies."""
    stem = page.removesuffix(".md")
    return f"{stem.removesuffix('index')}index.html" if stem.endswith("index") else f"{stem}/index.html"


@pytest.mark.slow
def test_it_builds_without_a_warning(site: Built) -> None:
    assert site.code == 0, site.said
    assert "WARNING" not in site.said
    assert "ERROR" not in site.said


def test_every_page_is_in_the_navigation_and_there() -> None:
    there = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    assert sorted(NAV) == sorted(there)


@pytest.mark.slow
def test_every_page_is_built_and_says_something(site: Built) -> None:
    for page in NAV:
        text = (site.folder / address(page)).read_text(encoding="utf-8")
        assert len(re.sub(r"<[^>]+>", "", text.partition("<article")[2].partition("</article>")[0])) > 200, page


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_plugin_is_in_the_reference(site: Built, family: str) -> None:
    """As a heading of its own, with the class's name and the first line of its documentation, as imported."""
    room = {"datasets": "data", "regularisers": "heads", "trackers": "tracking", "detectors": "audit"}.get(
        family, family
    )
    page = (site.folder / "reference" / room / "index.html").read_text(encoding="utf-8")
    seen = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
    for name, plugin in listing._table(family).items():
        assert f'id="{name}"' in page, name
        assert plugin.__name__ in seen, name
        first = re.split(r":\w+:`|[`*<]|\n\n", (plugin.__doc__ or "").strip())[0]  # up to the first markup
        assert " ".join(first.split()) in seen, f"{name}: {first}"


@pytest.mark.slow
def test_every_command_is_in_the_reference(site: Built) -> None:
    import typer

    from noisylabels.cli.app import app

    page = (site.folder / "reference/command_line/index.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = [f"{name} {sub}" for sub in getattr(command, "commands", {})] + [name] * (
            name not in ("data", "audit", "study")
        )
        assert [one for one in inner if f"noisylabels {one} " not in page] == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Built) -> None:
    files = [file for kind in ("html", "css", "svg") for file in site.folder.rglob(f"*.{kind}")]
    assert len(files) > len(NAV)
    assert {str(file): bad for file in files if (bad := [one for one in fetched(file) if is_elsewhere(one)])} == {}


@pytest.mark.slow
def test_no_page_makes_the_theme_fetch_a_library(site: Built) -> None:
    """Its script fetches Mermaid and MathJax from a delivery network, for pages with diagrams or formulas."""
    for file in (site.folder / address(page) for page in NAV):
        assert re.search(r'class="[^"]*(mermaid|arithmatex)', file.read_text(encoding="utf-8")) is None, file


@pytest.mark.slow
def test_docstrings_are_not_markup(site: Built) -> None:
    """Names between angle brackets are seen, roles of another dialect are not."""
    page = (site.folder / "reference/data/index.html").read_text(encoding="utf-8")
    assert "&lt;root&gt;/&lt;class&gt;" in page
    statistics = (site.folder / "reference/statistics/index.html").read_text(encoding="utf-8")
    assert ">low,\N{NO-BREAK SPACE}high<" in statistics
    corruptions = (site.folder / "reference/corruptions/index.html").read_text(encoding="utf-8")
    assert corruptions.count("<h1") == 1, "the rules of a table make its rows headings"
    for file in (site.folder / "reference").rglob("*.html"):
        assert re.search(r":(class|func|meth|mod):", file.read_text(encoding="utf-8")) is None, file


@pytest.mark.parametrize(
    ("page", "line", "said"),
    [
        ("faces.md", "", ""),
        ("faces.md", "[gone](no_such_page.md)", "no_such_page.md"),
        ("faces.md", "[gone](../studies/no_such_study/report.md)", "no_such_study"),
        pytest.param("index.md", "[gone](faces.md#no-such-heading)", "no-such-heading", marks=pytest.mark.slow),
        pytest.param("index.md", "![gone](figures/no_such_figure.svg)", "no_such_figure.svg", marks=pytest.mark.slow),
    ],
    ids=["whole", "page", "outside", "heading", "figure"],
)
def test_a_broken_link_breaks_the_build(page: str, line: str, said: str, tmp_path: Path) -> None:
    """The undamaged copy builds, so that it is the damage that is found out."""
    config = copied_without_reference(tmp_path)
    with (tmp_path / "docs" / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    built = build(config, tmp_path / "site")
    assert (built.code == 0) == (line == ""), built.said
    assert said in built.said


def test_a_page_that_fetches_is_found_out(tmp_path: Path) -> None:
    page, style = tmp_path / "page.html", tmp_path / "style.css"
    page.write_text('<a href="https://a.org">b</a><script src="//c.org/d.js"></script><img src="e.png">', "utf-8")
    style.write_text(
        '@import "https://f.org/g.css"; body { background: url(https://h.org/i.png), url(j.png) }', "utf-8"
    )
    assert [one for one in fetched(page) if is_elsewhere(one)] == ["//c.org/d.js"]
    assert [one for one in fetched(style) if is_elsewhere(one)] == ["https://f.org/g.css", "https://h.org/i.png"]

"""``noisylabels report --examples``: pictures of wrong labels, kept beside the report."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image

from noisylabels.report import Context, report_data
from noisylabels.report.markdown import to_markdown
from noisylabels.report.noise_examples import FILE, ExamplePicture, draw_examples, examples_section, read_examples
from noisylabels.report.page import to_html
from noisylabels.store import StoreError
from noisylabels.study import Study

STUDY = {
    "name": "pictures",
    "base": {"dataset": "digits:per_class=20"},
    "seeds": [4, 2],
    "axes": {"corruption": ["symmetric", "pair"], "rate": [0.0, 0.2, 0.4]},
}
PNG = "data:image/png;base64,"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExamplePicture, ...]:
    return draw_examples(Study.checked(STUDY).plan(), tmp_path_factory.mktemp("data"))


def test_one_picture_of_each_kind_at_its_highest_rate(drawn: tuple[ExamplePicture, ...]) -> None:
    assert [(one.dataset, one.corruption, one.rate) for one in drawn] == [
        ("digits:per_class=20", "pair", 0.4),
        ("digits:per_class=20", "symmetric", 0.4),
    ]
    for one in drawn:
        assert one.wrong == pytest.approx(0.4 * one.kept, abs=5)  # of each class for pair, to half an example
        assert 0 < one.kept < 200


def test_again_the_same_bytes(drawn: tuple[ExamplePicture, ...], tmp_path: Path) -> None:
    assert draw_examples(Study.checked(STUDY).plan()[::-1], tmp_path) == drawn


def test_the_command_keeps_them_and_the_report_verifies(cli, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    axes = '[axes]\ncorruption = ["symmetric"]\nrate = [0.4]\n'
    study.write_text('name = "out"\n[base]\ndataset = "digits:per_class=20"\n' + axes)
    out = tmp_path / "out"
    code, _, error = cli("report", str(study), "--runs", str(tmp_path / "runs"), "--out", str(out), "--examples")
    assert code == 0, error
    page = (out / "report.html").read_text()
    assert page.count(PNG) == 1
    (encoded,) = re.findall(PNG + r"([A-Za-z0-9+/=]+)", page)
    (out / "picture.png").write_bytes(base64.b64decode(encoded))
    with Image.open(out / "picture.png") as picture:
        assert picture.width > picture.height > 100
    assert "Wrong labels, some of them" in (out / "report.md").read_text()
    (out / "study.toml").write_bytes(study.read_bytes())
    code, said, _ = cli("report", "verify", str(out))
    assert code == 0, said
    (out / FILE).unlink()
    assert cli("report", "verify", str(out))[0] == 1


def test_without_images_the_data_are_missing(cli, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text('[base]\ndataset = "cifar10"\n[axes]\ncorruption = ["symmetric"]\nrate = [0.4]\n')
    code, _, error = cli("report", str(study), "--runs", str(tmp_path), "--data", str(tmp_path), "--examples")
    assert code == 3
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "png", ["not base64!", base64.b64encode(b"<svg onload=alert(1)>").decode(), '"><script>alert(1)</script>']
)
def test_what_is_no_picture_is_refused(png: str, drawn: tuple[ExamplePicture, ...], tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps([drawn[0].model_dump() | {"png_base64": png}]))
    with pytest.raises(StoreError, match="holds no examples"):
        read_examples(tmp_path / FILE)


def test_hostile_names_are_only_text(drawn: tuple[ExamplePicture, ...]) -> None:
    bad = '"><script>alert(1)</script>'
    examples = (drawn[0].model_copy(update={"corruption": bad, "dataset": bad}),)
    report = report_data(Study.checked(STUDY), [], Context(examples=examples))
    page = to_html(report)
    assert "<script" not in page
    assert escape(bad) in page
    assert "<script" not in to_markdown(report)


def test_no_pictures_no_section() -> None:
    assert examples_section(()) is None

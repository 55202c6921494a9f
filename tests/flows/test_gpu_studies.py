"""Studies that take a GPU, beside the published ones: planned and checked, as nobody has run them yet."""

from __future__ import annotations

from pathlib import Path

import pytest

import studies
from noisylabels.report import Context
from noisylabels.study import Study
from tests.conftest import Cli

FILES = sorted(studies.folder().glob("*/gpu/study.toml"))
SMALL = ("quickstart", "digits_pulls")
"""Studies of the digits: a GPU has nothing to add."""
QUICK = ("cifar10_symmetric", "lfw_identity_noise")


def test_every_published_study_of_photographs_has_one() -> None:
    small = [name for name in studies.names() if "small_cnn" in studies.path(name).read_text() and name not in SMALL]
    assert [file.parents[1].name for file in FILES] == small


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parents[1].name)
def test_it_plans(file: Path) -> None:
    study, beside = Study.from_toml(file), Study.find(file.parents[1].name)
    plan = study.plan()
    assert study.name == f"{beside.name}_gpu"
    assert study.primary == beside.primary
    assert len(study.seeds) >= 6
    assert {spec.run_id for spec in plan}.isdisjoint(spec.run_id for spec in beside.plan())
    for spec in plan:
        assert "small_cnn" not in spec.model
        assert "lfw:" in spec.dataset or spec.plugin("dataset").per_class is None


@pytest.mark.parametrize(
    "file",
    [f if f.parents[1].name in QUICK else pytest.param(f, marks=pytest.mark.slow) for f in FILES],
    ids=lambda file: file.parents[1].name,
)
def test_check_takes_its_folder(file: Path, cli: Cli) -> None:
    code, out, err = cli("check", str(file.parent))
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: no mistakes\n")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parents[1].name)
def test_it_says_that_it_was_not_run_and_takes_nothing_for_its_own(file: Path, tmp_path: Path) -> None:
    """Records and frozen plan of the study beside it lie one folder up: they are another study's."""
    assert file.read_text(encoding="utf-8").startswith("# NOT RUN YET")
    assert [path.name for path in file.parent.iterdir()] == ["study.toml"]
    assert Context.beside(file, tmp_path) == Context()
    assert Study.from_toml(file).name not in studies.names()

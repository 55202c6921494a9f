"""``noisylabels list``: the tables as their source says them, and as they are once imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from noisylabels.cli import listing, read_tables
from noisylabels.cli.read_tables import UnreadableError, read_table

FAMILIES = [family for family in listing.FAMILIES if family != "studies"]
HEAVY = ("torch", "sklearn", "matplotlib", "pydantic", "cleanlab", "scipy")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_source_says_what_importing_says(family: str) -> None:
    read = [
        {"name": found.name, "parameters": listing._parameters(found.parameters), "summary": found.summary}
        for found in read_table(listing._room(family), family.upper())
    ]
    assert read == [listing._row(name, plugin) for name, plugin in listing._table(family).items()]


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\nfrom noisylabels.cli.listing import FAMILIES, list_plugins\n"
        "for family in FAMILIES: list_plugins(family, sizes=False, as_json=True)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("TABLE = dict(a=A)", "no dict literal"),
        ("TABLE: dict = {**others}", "nothing is assigned"),
        ("TABLE: dict = {'a': A}", "does not say where A comes from"),
        ("class A:\n    pass\nTABLE: dict = {'a': A}", "no documentation"),
        ("class A:\n    'A.'\n    x: int = secret()\nTABLE: dict = {'a': A}", "no literal"),
        ("class A:\n    'A.'\n    x: int = field(default_factory=secret)\nTABLE: dict = {'a': A}", "no literal"),
        ("TABLE: dict = {", "cannot be read"),
    ],
)
def test_what_only_running_can_tell_is_left_to_it(source: str, said: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "odd_package").mkdir()
    (tmp_path / "odd_package" / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    read_tables._tree.cache_clear()
    with pytest.raises(UnreadableError, match=said):
        read_table("odd_package", "TABLE")
    read_tables._tree.cache_clear()


def test_then_it_is_imported(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = cli("list", "corruptions", "--json")

    def unreadable(package: str, table: str) -> None:
        raise UnreadableError

    monkeypatch.setattr(listing, "read_table", unreadable)
    assert cli("list", "corruptions", "--json") == expected
    assert expected[0] == 0


def test_inherited_and_hidden_parameters(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "family").mkdir()
    (tmp_path / "family" / "__init__.py").write_text(
        "class Base:\n    rate: float\n    scale: float = 1 / 2\n    kind: ClassVar[str] = 'base'\n"
        "class Child(Base):\n    'A child.'\n    rate: float = field(init=False)\n"
        "    more: int = field(default=LIMIT)\n"
        "LIMIT = 7\nTABLE: dict = {'child': Child}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = read_table("family", "TABLE")
    assert (found.name, found.summary, found.parameters) == ("child", "A child.", {"scale": 0.5, "more": 7})


def test_sizes_are_counted_where_they_are_asked_for(cli) -> None:
    code, _, error = cli("list", "heads", "--sizes")
    assert code == 2
    assert "--sizes is for models" in error
    models = {row["name"]: row for row in json.loads(cli("list", "models", "--json")[1])}
    assert "sizes" not in models["small_cnn"]


@pytest.mark.slow
def test_sizes_of_models(cli) -> None:
    models = {row["name"]: row for row in json.loads(cli("list", "models", "--sizes", "--json")[1])}
    assert models["small_cnn"]["embedding_dim"] == 64
    assert [size["input"] for size in models["small_cnn"]["sizes"]] == [[3, 32, 32], [3, 112, 112]]

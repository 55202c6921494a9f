"""Python and TOML that README and documentation show: it runs, and it is a study."""

from __future__ import annotations

import re
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from noisylabels.study import Study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> dict[str, str]:
    """Fenced blocks of a language by page and place."""
    found = {}
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        found |= {f"{page.relative_to(ROOT)}, {number}": text for number, text in enumerate(texts, start=1)}
    return found


PYTHON, TOML = blocks("python"), blocks("toml")
TRAINS = {name for name, text in PYTHON.items() if "execute(" in text}


def test_there_are_some() -> None:
    assert len(PYTHON) >= 4
    assert len(TOML) >= 3
    assert TRAINS


@pytest.fixture
def executed(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Runs a block as a module, in a folder where pages have left a study ``mine``, with labels to corrupt."""

    def run(text: str) -> dict[str, Any]:
        assert cli("init", "mine")[0] == 0
        module = types.ModuleType("shown")
        monkeypatch.setitem(sys.modules, "shown", module)  # dataclasses look their module up
        module.__dict__["labels"] = np.arange(20_000) % 10_575
        exec(compile(text, "shown", "exec"), module.__dict__)
        return module.__dict__

    return run


@pytest.mark.parametrize("name", sorted(PYTHON.keys() - TRAINS))
def test_python_runs(name: str, executed) -> None:
    executed(PYTHON[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINS))
def test_python_that_trains_runs(name: str, executed) -> None:
    assert executed(PYTHON[name])["result"].status == "ok"


@pytest.mark.parametrize("name", TOML)
def test_toml_is_read(name: str) -> None:
    """A whole study is checked as one; a part of one stands in a small study."""
    values = tomllib.loads(TOML[name])
    if not {"question", "base", "axes", "methods"} & values.keys():
        pytest.skip("a file of another kind")
    Study.checked({"name": "shown", "base": {"dataset": "digits"}} | values)


def test_the_head_of_the_tutorial_is_what_its_page_says(executed) -> None:
    """Closed forms: the slope is 1 + m, f(1) = 1, and no margin is normalised softmax; others stay as at inference."""
    (text,) = (text for text in PYTHON.values() if "EvenMargin" in text)
    spec = executed(text)["EvenMargin"]
    head = spec(margin=0.5, scale=4.0).build(num_classes=3, embedding_dim=2)
    cosines = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    torch.testing.assert_close(head.target_activation(cosines), torch.tensor([-2.0, -0.5, 0.25, 1.0]))
    embeddings, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([2, 0])
    plain, trained = head.logits(embeddings), head.training_logits(embeddings, labels)
    other = torch.ones(2, 3).scatter(1, labels[:, None], 0).bool()
    assert torch.equal(trained[other], plain[other])
    without = spec(margin=0.0).build(num_classes=3, embedding_dim=2)
    assert torch.equal(without.training_logits(embeddings, labels), without.logits(embeddings))
    with pytest.raises(ValueError, match="margin"):
        spec(margin=-0.1)

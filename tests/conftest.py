"""The command line in this process, for every test that speaks to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noisylabels.cli import main

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def noisylabels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line, which shares one server of worker processes: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["noisylabels", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def cli(noisylabels: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The same in an empty folder, with no data and no runs folder named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOISYLABELS_DATA", raising=False)
    monkeypatch.delenv("NOISYLABELS_RUNS", raising=False)
    return noisylabels

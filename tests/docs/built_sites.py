"""The documentation built in another folder, and what its pages would fetch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
BESIDE = ("README.md", "benchmarks", "corruptions", "noisylabels", "notebooks", "studies")
"""What pages link to, or are made from, outside ``docs/``."""


@dataclass(frozen=True)
class Built:
    """What a build came to."""

    code: int
    said: str
    folder: Path


def build(config: Path, folder: Path) -> Built:
    """``mkdocs build --strict`` of a configuration file into a folder."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    command += ["--config-file", str(config), "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # the theme's own announcement is no warning about the pages
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=config.parent, env=quiet)
    return Built(ran.returncode, ran.stdout + ran.stderr, folder)


def copied_without_reference(folder: Path) -> Path:
    """The configuration of a copy of ``docs/`` that may be damaged; without the plug-in that reads all sources."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in BESIDE:
        (folder / name).symlink_to(ROOT / name)
    config = folder / "mkdocs.yml"
    config.write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\nplugins: []\n", encoding="utf-8")
    return config


class _Fetched(HTMLParser):
    """Addresses that a page loads by itself; links that a reader may follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        loads = ["src", "srcset", "data", "poster"] + (["href"] if tag in ("link", "image", "use") else [])
        if tag == "link" and values.get("rel") in ("canonical", "prev", "next", "edit"):
            return
        self.addresses += [value for name in loads if (value := values.get(name))]


def fetched(file: Path) -> Iterator[str]:
    """What a page or a style sheet loads."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        yield from re.findall(r"@import\s+[\"']([^\"']+)", text)
    else:
        parser = _Fetched()
        parser.feed(text)
        yield from parser.addresses
    yield from re.findall(r"url\(\s*[\"']?([^\"')]+)", text)


def is_elsewhere(address: str) -> bool:
    """Whether it lies on another machine."""
    return re.match(r"(?:\w+:)?//", address) is not None

"""Published studies: data files, and the lines that find them."""

from importlib.resources import files
from pathlib import Path


def folder() -> Path:
    """The folder that holds one folder a study."""
    return Path(str(files(__name__)))


def names() -> list[str]:
    """Names of all studies that ship, sorted."""
    return sorted(file.parent.name for file in folder().glob("*/study.toml"))


def path(name: str) -> Path:
    """The study's file."""
    return folder() / name / "study.toml"

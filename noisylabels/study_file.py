"""The text of a study file to raw values; nothing in it is executed, and nothing large is read."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from noisylabels.catalog import UsageError

MAX_BYTES = 1 << 20
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What a study can be called; its name is also the name of a folder."""


def read_study_file(path: Path) -> dict[str, Any]:
    """The file's raw values. UTF-8, with or without a byte order mark, lines ended in either way.

    Raises:
        UsageError: unreadable, no file, more than 1 MiB (refused before anything is parsed), or not TOML (which line).
    """
    content = _content(path)
    if len(content) > MAX_BYTES:
        raise UsageError(f"a study file must have at most {MAX_BYTES} bytes; {path} has more")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        lines = content.count(b"\n") + 1
        end = f"(at line {lines}, the end of the file)"
        raise UsageError(f"{path} is not TOML: {str(error).replace('(at end of document)', end)}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{path} is not TOML: it must be UTF-8, and line {line} is not") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply") from None


def _content(path: Path) -> bytes:
    """As many bytes as tell that there are too many; a pipe or a device is not even opened."""
    try:
        content = None if path.exists() and not path.is_file() else _head(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read study file {path}: {reason}") from None
    if content is None:
        raise UsageError(f"a study file must be a file; {path} is none")
    return content


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def name_of(path: Path) -> str:
    """What a study is called that does not say so: as its folder, or as its file where that is not ``study.toml``.

    Letters lose their accents; whatever else a name cannot have becomes a dash.

    >>> name_of(Path("my études/study.toml")), name_of(Path("noise/first.toml"))
    ('my-etudes', 'first')
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and a link's name is meant
    name = path.parent.name if path.stem == "study" else path.stem
    if re.fullmatch(NAME, name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")[:64] or "study"

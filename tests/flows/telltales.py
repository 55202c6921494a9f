"""What must be in no file: a key, this machine's name, a place on its disks, what was typed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from pathlib import Path

from tests.flows.telling import KEY, TYPED


def telltales(content: bytes, places: Iterable[str]) -> list[str]:
    """Which of them a file's content holds.

    The machine's name may be two letters long, so it counts as a text of its own only: in quotes, or with its length
    before it, as protocol buffers write texts.

    Args:
        content: of the file.
        places: folders of this machine.
    """
    host = socket.gethostname()
    patterns = {place: re.escape(place.encode()) for place in (KEY, *places)}
    patterns["host"] = b'"%s"|%s' % (re.escape(host.encode()), re.escape(bytes([len(host)]) + host.encode()))
    patterns["command line"] = re.escape(TYPED.encode())
    return [name for name, pattern in patterns.items() if re.search(pattern, content)]


def telltales_in(folder: Path, places: Iterable[str]) -> dict[str, list[str]]:
    """The same of all files in a folder; a link's target counts as content, a name as well."""
    places = list(places)
    found = {}
    for path in folder.rglob("*"):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        named = ["host in its name"] if socket.gethostname() in re.split(r"[^\w-]", path.name) else []
        if said := telltales(content, places) + named:
            found[str(path.relative_to(folder))] = said
    return found

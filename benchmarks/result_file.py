"""What a benchmark found, as it is printed and committed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def machine() -> str:
    """Processor family, cores and Python: what a committed result says of where it was measured."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def tell(found: Mapping[str, Any], file: Path | None) -> None:
    """Print what was found, and write it where a file is asked for; the machine is added."""
    text = json.dumps({**found, "machine": machine()}, indent=1)
    print(text)
    if file:
        file.write_text(text + "\n", encoding="utf-8")

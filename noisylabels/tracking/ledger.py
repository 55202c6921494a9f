"""What was told to which tracker, so that nothing is told twice: a line each in ``<study>/tracking/told.jsonl``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from noisylabels.atomic import append_line

FILE = Path("tracking") / "told.jsonl"


class Told:
    """One tracker's part of a study's lines.

    Args:
        study: the study's folder.
        destination: ``Tracker.destination()``.
    """

    def __init__(self, study: Path, destination: str) -> None:
        self.file, self.destination = study / FILE, destination
        self._digests = dict(self._lines())

    def has(self, run_id: str, digest: str) -> bool:
        """Whether that very content was told under that id."""
        return self._digests.get(run_id) == digest

    def add(self, run_id: str, digest: str) -> None:
        """From here on it was; for one process at a time."""
        self.file.parent.mkdir(exist_ok=True)
        line = {"to": self.destination, "run": run_id, "sha256": digest}
        append_line(self.file, json.dumps(line).encode())
        self._digests[run_id] = digest

    def _lines(self) -> list[tuple[str, str]]:
        try:
            lines = self.file.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                told = json.loads(line)
                if told["to"] == self.destination:
                    found.append((str(told["run"]), str(told["sha256"])))
            except (ValueError, KeyError, TypeError):  # torn by a kill: then it is told again, which changes nothing
                continue
        return found


def digest_of(*contents: bytes) -> str:
    """SHA-256 over some contents and their lengths, hexadecimal."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()

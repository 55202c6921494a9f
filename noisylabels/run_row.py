"""What one run's folder says, in a row: read as plain JSON, so that a look at 100,000 runs imports no framework."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = ("ok", "diverged", "collapsed")
STATES = (*RESULTS, "failed", "quarantined", "unreadable", "begun", "waiting")


class Row(NamedTuple):  # of which there may be 100,000: made ten times faster than a dataclass
    """A run's folder at a glance.

    Attributes:
        run_id: the folder's name.
        state: a result's status; ``failed`` or ``quarantined`` where no further attempt is made; ``unreadable``, a
            result or failure that is none; ``begun``, an attempt was made or is under way; else ``waiting``.
        reason: what is behind the state, where there is something to say.
        epochs: finished ones.
        ended: when result or failure were written, seconds since 1970 by the disk's clock; 0 before.
        changed_ns: when the folder last changed, if that vouches for this row; else 0.
    """

    run_id: str
    state: str
    reason: str
    epochs: int
    ended: float
    changed_ns: int = 0


def read_row(folder: Path) -> Row:
    """Read one run's folder."""
    for name in ("result.json", "failure.json"):
        path = folder / name
        try:
            content, ended = path.read_bytes(), path.stat().st_mtime
            return _ended(folder.name, json.loads(content), ended, is_result=name == "result.json")
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return Row(folder.name, "unreadable", f"{name} is not a result ({error!r})", 0, 0.0)
    is_begun = any((folder / name).exists() for name in ("log.txt", "events.jsonl"))
    return Row(folder.name, "begun" if is_begun else "waiting", "", _logged_epochs(folder), 0.0)


def _ended(run_id: str, content: Any, ended: float, *, is_result: bool) -> Row:
    state, states = content["status"], RESULTS if is_result else ("failed",)
    if content["run_id"] != run_id or state not in states:
        raise ValueError(f"it says {state!r} of run {content['run_id']}, not {' or '.join(states)} of its own")
    if not is_result and content.get("provenance", {}).get("quarantined"):
        state = "quarantined"
    reason = str(content.get("reason", "")).encode(errors="replace").decode()  # JSON can spell what is no text
    return Row(run_id, state, reason, len(content.get("history", ())), ended)


def _logged_epochs(folder: Path) -> int:
    try:
        return (folder / "events.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0

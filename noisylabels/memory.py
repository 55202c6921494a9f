"""What a part of a training has learnt on the way, taken out and put back: so that a training can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Remembering(Protocol):
    """A part that names the attributes that change on the way, in ``remembers``."""

    @property
    def remembers(self) -> tuple[str, ...]: ...


def memory_of(part: Remembering) -> dict[str, Any]:
    """The named attributes as they are now; nothing is copied."""
    return {name: getattr(part, name) for name in part.remembers}


def recall(part: Remembering, memory: Mapping[str, Any]) -> None:
    """Put a memory back.

    Raises:
        ValueError: it is another part's.
    """
    if set(memory) != set(part.remembers):
        raise ValueError(f"{type(part).__name__} remembers {sorted(part.remembers)}; got {sorted(memory)}")
    for name, value in memory.items():
        setattr(part, name, value)

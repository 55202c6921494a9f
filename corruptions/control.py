"""What the controls share: they are about another corruption, at its rate and with its draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from corruptions.corruption import Corruption


@dataclass(frozen=True)
class Control(Corruption):
    """A corruption that answers what another one would have cost without its wrong labels.

    Attributes:
        of: the other one; the same seed makes the two a pair.
        rate: that of ``of``; derived.
    """

    of: Corruption
    rate: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", self.of.rate)
        super().__post_init__()

    def share_of(self) -> str:
        return self.of.share_of()

    def needs(self) -> frozenset[str]:
        return self.of.needs()

    @property
    def is_clean(self) -> bool:
        return self.of.is_clean

    def parameters(self) -> dict[str, Any]:
        return {"of": {"kind": self.of.kind, **self.of.parameters()}}

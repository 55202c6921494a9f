"""One line of the review sheet: what looks wrong, why, and what could be done about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["flip", "outlier", "merged", "split", "near_duplicate"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Action = Literal["relabel", "remove", "split", "merge", "look"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Finding:
    """A suspicion, with the examples that show it.

    Attributes:
        kind: ``flip`` (a label that belongs to another class), ``outlier`` (an image of no class), ``merged`` (two
            classes under one label), ``split`` (one class under two labels), ``near_duplicate`` (one image twice).
        score: how suspicious; higher is more. Comparable within a kind only.
        examples: positions of the images that show it, at least one, the most telling first.
        classes: the given labels it is about.
        action: what is suggested; ``look`` where nothing can be done unseen.
        target: the class to relabel to or to merge into; None for the other actions.
        because: the evidence, in a sentence.

    Raises:
        ValueError: an unknown kind or action, a score that is not finite, no example, or a target missing or too much.
    """

    kind: Kind
    score: float
    examples: tuple[int, ...]
    classes: tuple[int, ...]
    action: Action
    target: int | None
    because: str

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("action", self.action, ACTIONS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        if not math.isfinite(self.score):
            raise ValueError(f"score must be finite; got {self.score}")
        if not self.examples:
            raise ValueError("a finding must show at least one example; got none")
        if (self.target is not None) != (self.action in ("relabel", "merge")):
            raise ValueError(f"relabel and merge have a target, nothing else has; got {self.action} to {self.target}")

"""Several corruptions of one data set: ``Symmetric(0.1) + IdentityMerge(0.2)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples
from corruptions.quota import exact
from corruptions.record import DROPPED, NoiseRecord


@dataclass(frozen=True)
class Composition(Corruption):
    """Each step decides from the *true* labels, as it would alone; where two change one example, the later one wins.

    So each step's record is its own, unaffected by the others. Two rules join them. An identity that a step absorbs as
    a whole has no label left: an example that another step, before or after, put under it goes to the absorber, unless
    that would make it right again (an image of person 3 that was filed under 7 stays there when 7 is absorbed by 3).
    And what one step leaves out of training stays out. A label that a step left without its own people otherwise
    (``outlier``, ``drop_identities``) can get strangers by another step.

    Therefore the wrong examples are nested in the rate of each step: none becomes right when one of the rates grows. Of
    the *labels*, those of examples that two steps want change when the later step's rate reaches them.

    Attributes:
        steps: at least two, of different kinds (two of one kind would draw the same examples), none of them composed.
        rate: ``1 - prod(1 - rate_s)``, what the steps' rates come to where they are independent and shares of all
            examples; derived. The record's ``realised_rate`` is counted.

    Record details: those of the steps that other parts read, joined. ``steps`` of the record: each step alone.

    Raises:
        ValueError: fewer than two steps, or a kind twice; in ``apply``, two steps that give out new labels, or what
            the steps raise.

    >>> from corruptions import IdentityMerge, Symmetric
    >>> both = Symmetric(rate=0.25) + IdentityMerge(rate=0.25)
    >>> noise = both.apply([0, 1, 2, 3, 0, 1, 2, 3], 4, seed=1)
    >>> [step.num_flipped for step in noise.record.steps], noise.record.num_flipped
    ([2, 2], 3)
    """

    kind: ClassVar[str] = "+"
    rate_of: ClassVar[str] = "examples, were the steps independent"
    rate: float = field(init=False)
    steps: tuple[Corruption, ...] = ()

    def __post_init__(self) -> None:
        kinds = [step.kind for step in self.steps]
        if len(kinds) < 2:
            raise ValueError(f"a composition must have at least two steps; got {len(kinds)}")
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"steps must be of different kinds, or they draw the same examples; got {kind} twice")
        kept_right: Fraction = prod((1 - exact(step.rate) for step in self.steps), start=Fraction(1))
        object.__setattr__(self, "rate", float(1 - kept_right))
        super().__post_init__()

    @classmethod
    def of(cls, *parts: Corruption) -> Self:
        """The steps of all parts, in order; a part that is composed itself gives its steps."""
        return cls(steps=tuple(step for part in parts for step in getattr(part, "steps", (part,))))

    def needs(self) -> frozenset[str]:
        return frozenset().union(*(step.needs() for step in self.steps))

    @property
    def is_clean(self) -> bool:
        return all(step.is_clean for step in self.steps)

    def parameters(self) -> dict[str, Any]:
        return {"steps": [{"kind": step.kind, **step.parameters()} for step in self.steps]}

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given, K = examples.true.copy(), examples.num_classes
        records: list[NoiseRecord] = []
        for step in self.steps:
            alone = step.apply_to(examples, seed=seed, basis=basis)
            given = np.where((alone.given != examples.true) & (given != DROPPED), alone.given, given)
            records.append(alone.record)
        for record in records:
            given = _carried(given, examples.true, record)
        num_given = [record.num_given_classes for record in records]
        if sum(n > K for n in num_given) > 1:
            raise ValueError("only one step may give out new labels (split identities)")
        return Decision(given, _details(records), num_given_classes=max(num_given), steps=tuple(records))


def _carried(given: NDArray[np.int64], true: NDArray[np.int64], record: NoiseRecord) -> NDArray[np.int64]:
    """Labels of absorbed identities become the absorber's, but where that would be right again."""
    whole = np.array(record.details.get("absorbed_whole", []), dtype=np.int64).reshape(-1, 2)
    label_of = np.arange(max(record.num_given_classes, int(given.max(initial=0)) + 1))
    label_of[whole[:, 0]] = whole[:, 1]
    carried = np.where(given == DROPPED, DROPPED, label_of[given])
    return np.where((carried == true) & (given != true), given, carried)


def _details(records: list[NoiseRecord]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for name in ("absorbed_into", "absorbed_in_part", "split_from", "absent"):
        if any(name in record.details for record in records):
            joined[name] = [entry for record in records for entry in record.details.get(name, [])]
    return joined

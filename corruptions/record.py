"""The audit record of one corruption: what was asked, what came of it, and hashes that tie it to the labels."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from corruptions.checks import MAX_CLASSES
from corruptions.transitions import Transitions

SCHEMA_VERSION = 2
DROPPED = -1
"""Given label of an example that is left out of training."""

MAX_LISTED_CLASSES = 100
"""A record lists its transitions up to this many classes; above, they are with the labels, in arrays."""


@dataclass(frozen=True)
class Cells:
    """``Transitions`` as plain numbers: ``count[n]`` examples of class ``true[n]`` are labelled ``given[n]``."""

    true: tuple[int, ...]
    given: tuple[int, ...]
    count: tuple[int, ...]


@dataclass(frozen=True)
class NoiseRecord:
    """What one call of ``Corruption.apply`` was asked and what it did. Equal to its own JSON read back.

    Everything from ``num_dropped`` to ``ids_sha256`` is counted from the labels and ids themselves, never copied from
    the request; a record whose counts contradict one another cannot be built.

    Attributes:
        kind: printed name of the corruption; ``"+"`` for several in a row.
        parameters: its fields, as plain JSON values.
        seed: the seed of its draws.
        rate: what was asked, in [0, 1].
        rate_of: of what ``rate`` is the share, in words.
        num_examples: N.
        num_classes: K, true classes.
        num_given_classes: K' >= K; more than K where identities were split and their parts got labels of their own.
        num_dropped: examples left out of training: their given label is -1.
        num_flipped: kept examples whose given label is not the true one.
        realised_rate: share of kept examples whose label is wrong, ``num_flipped / (N - num_dropped)``, in [0, 1].
        count_by_class: examples of each true class, K numbers.
        dropped_by_class: of them, how many were left out.
        flipped_by_class: of the kept ones, how many are labelled wrongly.
        transitions: the wrong labels by (true, given) cell; None above 100 classes (``CorruptedLabels.transitions``).
        true_sha256: SHA-256 of the true labels as little-endian int64 bytes, hexadecimal.
        given_sha256: the same of the given labels.
        ids_sha256: the same of the examples' ids, in the same order.
        features_sha256: the same of the features' bytes as they came, where the corruption looked at any.
        details: what only this kind can say, as plain JSON values.
        steps: the record of each step alone, where several were composed.
        schema_version: version of this layout.
    """

    kind: str
    parameters: Mapping[str, Any]
    seed: int
    rate: float
    rate_of: str
    num_examples: int
    num_classes: int
    num_given_classes: int
    num_dropped: int
    num_flipped: int
    realised_rate: float
    count_by_class: tuple[int, ...]
    dropped_by_class: tuple[int, ...]
    flipped_by_class: tuple[int, ...]
    transitions: Cells | None
    true_sha256: str
    given_sha256: str
    ids_sha256: str
    features_sha256: str | None
    details: Mapping[str, Any]
    steps: tuple[NoiseRecord, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        for name in ("parameters", "details"):  # tuples to lists, and a copy: equal to what JSON gives back
            object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name), allow_nan=False)))
        cells = self.transitions
        kept = self.num_examples - self.num_dropped
        consistent = {
            "num_examples": self.num_examples == sum(self.count_by_class) > 0,
            "num_classes": self.num_classes
            == len(self.count_by_class)
            == len(self.dropped_by_class)
            == len(self.flipped_by_class),
            "num_given_classes": self.num_classes <= self.num_given_classes < MAX_CLASSES,
            "num_dropped": 0 <= self.num_dropped == sum(self.dropped_by_class) <= self.num_examples,
            "num_flipped": self.num_flipped == sum(self.flipped_by_class)
            and (cells is None or self.num_flipped == sum(cells.count)),
            "realised_rate": self.realised_rate == self.num_flipped / max(kept, 1),
            "transitions": cells is None or len(cells.true) == len(cells.given) == len(cells.count),
        }
        wrong = [name for name, holds in consistent.items() if not holds]
        if wrong:
            raise ValueError(f"noise record contradicts itself in {', '.join(wrong)}")

    @classmethod
    def of(
        cls,
        true: NDArray[np.int64],
        given: NDArray[np.int64],
        ids: NDArray[np.int64],
        num_classes: int,
        **said: Any,
    ) -> Self:
        """The record of these labels as a corruption left them; three int64 arrays of shape (N,).

        Args:
            true: in [0, K).
            given: in [-1, K').
            ids: the examples'.
            num_classes: K.
            said: the fields that labels do not tell: ``kind``, ``parameters``, ``seed``, ``rate``, ``rate_of``,
                ``num_given_classes``, ``features_sha256``, ``details``, ``steps``.

        Raises:
            ValueError: a given label is out of range.
        """
        lowest, highest, limit = int(given.min()), int(given.max()), int(said["num_given_classes"])
        if lowest < DROPPED or highest >= limit:
            raise ValueError(f"given labels must be in [{DROPPED}, {limit}); got {lowest if lowest < -1 else highest}")
        is_dropped = given == DROPPED
        is_flipped = (given != true) & ~is_dropped
        num_dropped, num_flipped = int(np.count_nonzero(is_dropped)), int(np.count_nonzero(is_flipped))
        wrong, cells = true[is_flipped], None
        if num_classes <= MAX_LISTED_CLASSES:
            counted = Transitions.counted(wrong, given[is_flipped], said["num_given_classes"])
            cells = Cells(*(tuple(column.tolist()) for column in (counted.true, counted.given, counted.count)))
        return cls(
            num_examples=len(true),
            num_classes=num_classes,
            num_dropped=num_dropped,
            num_flipped=num_flipped,
            realised_rate=num_flipped / max(len(true) - num_dropped, 1),
            count_by_class=_sizes(true, num_classes),
            dropped_by_class=_sizes(true[is_dropped], num_classes),
            flipped_by_class=_sizes(wrong, num_classes),
            transitions=cells,
            true_sha256=labels_sha256(true),
            given_sha256=labels_sha256(given),
            ids_sha256=labels_sha256(ids),
            **said,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the caller's own copy."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["transitions"] = None if self.transitions is None else vars(self.transitions)
        values["steps"] = [step.to_json() for step in self.steps]
        plain: dict[str, Any] = json.loads(json.dumps(values, allow_nan=False))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``.

        Raises:
            ValueError: another schema version, a key missing or unknown, a value of the wrong type, or counts that
                contradict one another.
        """
        _check_object(data, "noise record")
        if (came := data.get("schema_version")) != SCHEMA_VERSION:
            raise ValueError(f"noise record must have schema_version {SCHEMA_VERSION}; got {came!r}")
        _check_layout(data, cls, "noise record")
        values = dict(data)
        for name in ("count_by_class", "dropped_by_class", "flipped_by_class"):
            values[name] = _whole_numbers(data[name], name)
        if (cells := data["transitions"]) is not None:
            _check_object(cells, "transitions of a noise record")
            _check_layout(cells, Cells, "transitions of a noise record")
            values["transitions"] = Cells(**{name: _whole_numbers(column, name) for name, column in cells.items()})
        values["steps"] = tuple(cls.from_json(step) for step in data["steps"])
        _check_details(data["details"], num_classes=len(values["count_by_class"]))
        return cls(**values)


def labels_sha256(labels: NDArray[np.int64]) -> str:
    """SHA-256 of labels, or ids, as little-endian int64 bytes, hexadecimal: the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").data).hexdigest()


def _sizes(labels: NDArray[np.int64], num_classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=num_classes).tolist())


_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "Mapping[str, Any]": Mapping,
    "str | None": (str, type(None)),
    "tuple[NoiseRecord, ...]": list,
}
"""Type of a field, as its annotation says, to what JSON must hold; the others are checked where they are read."""


def _check_object(data: Any, what: str) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"{what} must be an object; got {type(data).__name__}")


def _check_layout(data: Mapping[str, Any], layout: type, what: str) -> None:
    fields = {field.name: str(field.type) for field in dataclasses.fields(layout)}
    for problem, keys in (("lacks", fields.keys() - data.keys()), ("has unknown", data.keys() - fields.keys())):
        if keys:
            raise ValueError(f"{what} {problem} {', '.join(sorted(map(str, keys)))}")
    for name, annotation in fields.items():
        wanted = _TYPES.get(annotation)
        if wanted and (not isinstance(data[name], wanted) or isinstance(data[name], bool)):
            raise ValueError(f"{name} of a {what} must be {annotation}; got {data[name]!r:.40}")


_PAIRS, _LISTS = ("absorbed_into", "absorbed_whole", "split_from"), ("absorbed_in_part", "absent")
"""Details that others read: pairs of class ids, whose second is a true class, and lists of true classes."""


def _check_details(details: Mapping[str, Any], num_classes: int) -> None:
    for name in _PAIRS:
        pairs = details.get(name, [])
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and _are_ids(pair, MAX_CLASSES) and pair[1] < num_classes
            for pair in pairs
        ):
            raise ValueError(f"{name} in the details of a noise record must be pairs of class ids")
    for name in _LISTS:
        if not isinstance(details.get(name, []), list) or not _are_ids(details.get(name, []), num_classes):
            raise ValueError(f"{name} in the details of a noise record must be a list of class ids")


def _are_ids(values: list[Any], limit: int) -> bool:
    return all(type(value) is int and 0 <= value < limit for value in values)


def _whole_numbers(values: Any, name: str) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and value >= 0 for value in values):
        raise ValueError(f"{name} of a noise record must be a list of whole numbers")
    return tuple(values)

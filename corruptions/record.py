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

SCHEMA_VERSION = 1
MAX_DENSE_CLASSES = 2_000


@dataclass(frozen=True)
class Transitions:
    """The wrong labels counted by cell, sparse: ``count[n]`` examples of class ``true[n]`` are labelled ``given[n]``.

    Only cells that occur and that lie off the diagonal, by row and then by column. Never K x K numbers: 10,575
    identities would make a matrix of 0.9 GB.
    """

    true: tuple[int, ...]
    given: tuple[int, ...]
    count: tuple[int, ...]


@dataclass(frozen=True)
class NoiseRecord:
    """What one call of ``Corruption.apply`` was asked and what it did. Equal to its own JSON read back.

    Everything below ``num_classes`` is counted from the two label arrays, never copied from the request; a record
    whose counts contradict one another cannot be built.

    Attributes:
        kind: printed name of the corruption.
        parameters: its fields, as plain JSON values.
        seed: the seed of its draws.
        rate: what was asked, in [0, 1]; the corruption's docstring says of what it is the share.
        num_examples: N.
        num_classes: K.
        realised_rate: share of examples whose given label is wrong, ``num_flipped / N``, in [0, 1].
        num_flipped: examples whose given label is not the true one.
        flipped_by_class: of them, how many in each true class, K numbers.
        count_by_class: examples in each true class, K numbers.
        transitions: the wrong labels by (true, given) cell.
        true_sha256: SHA-256 of the true labels as little-endian int64 bytes, hexadecimal.
        given_sha256: the same of the given labels.
        details: what only this kind can say, as plain JSON values.
        schema_version: version of this layout.
    """

    kind: str
    parameters: Mapping[str, Any]
    seed: int
    rate: float
    num_examples: int
    num_classes: int
    realised_rate: float
    num_flipped: int
    flipped_by_class: tuple[int, ...]
    count_by_class: tuple[int, ...]
    transitions: Transitions
    true_sha256: str
    given_sha256: str
    details: Mapping[str, Any]
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        for name in ("parameters", "details"):  # tuples to lists, and a copy: equal to what JSON gives back
            object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name), allow_nan=False)))
        cells = self.transitions
        consistent = {
            "num_examples": self.num_examples == sum(self.count_by_class) > 0,
            "num_classes": self.num_classes == len(self.count_by_class) == len(self.flipped_by_class),
            "num_flipped": self.num_flipped == sum(self.flipped_by_class) == sum(cells.count),
            "realised_rate": self.realised_rate == self.num_flipped / max(self.num_examples, 1),
            "transitions": len(cells.true) == len(cells.given) == len(cells.count),
        }
        wrong = [name for name, holds in consistent.items() if not holds]
        if wrong:
            raise ValueError(f"noise record contradicts itself in {', '.join(wrong)}")

    @classmethod
    def of(
        cls,
        true: NDArray[np.int64],
        given: NDArray[np.int64],
        num_classes: int,
        *,
        kind: str,
        parameters: Mapping[str, Any],
        seed: int,
        rate: float,
        details: Mapping[str, Any],
    ) -> Self:
        """The record of these labels, both int64 of shape (N,), as a corruption of this kind left them."""
        flipped = true != given
        num_flipped = int(np.count_nonzero(flipped))
        return cls(
            kind=kind,
            parameters=parameters,
            seed=seed,
            rate=rate,
            num_examples=len(true),
            num_classes=num_classes,
            realised_rate=num_flipped / len(true),
            num_flipped=num_flipped,
            flipped_by_class=tuple(np.bincount(true[flipped], minlength=num_classes).tolist()),
            count_by_class=tuple(np.bincount(true, minlength=num_classes).tolist()),
            transitions=_count_cells(true[flipped], given[flipped], num_classes),
            true_sha256=labels_sha256(true),
            given_sha256=labels_sha256(given),
            details=details,
        )

    def transition_matrix(self) -> NDArray[np.float64]:
        """Realised ``T[i, j] = P(given j | true i)``, shape (K, K), rows sum to one.

        The row of a class without examples is the identity's: nothing of it was seen to be wrong.

        Raises:
            ValueError: K is above 2,000; ``transitions`` holds the same numbers sparsely.
        """
        K = self.num_classes
        if K > MAX_DENSE_CLASSES:
            raise ValueError(
                f"transition_matrix is dense and refused above {MAX_DENSE_CLASSES:,} classes; got {K:,}: "
                "read record.transitions"
            )
        cells = self.transitions
        sizes, flipped = np.array(self.count_by_class), np.array(self.flipped_by_class)
        T = np.diag(np.where(sizes == 0, 1.0, sizes - flipped))
        T[np.array(cells.true, dtype=np.int64), np.array(cells.given, dtype=np.int64)] = cells.count
        matrix: NDArray[np.float64] = T / np.maximum(sizes, 1)[:, None]
        return matrix

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the caller's own copy."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain: dict[str, Any] = json.loads(
            json.dumps(values | {"transitions": vars(self.transitions)}, allow_nan=False)
        )
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``.

        Raises:
            ValueError: another schema version, a key missing or unknown, or counts that contradict one another.
        """
        if data.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"noise record must have schema_version {SCHEMA_VERSION}; got {data.get('schema_version')!r}"
            )
        _check_keys(data, cls, "noise record")
        _check_keys(data["transitions"], Transitions, "transitions of a noise record")
        cells = {name: tuple(column) for name, column in data["transitions"].items()}
        tuples = {name: tuple(data[name]) for name in ("flipped_by_class", "count_by_class")}
        return cls(**{**data, **tuples, "transitions": Transitions(**cells)})


def labels_sha256(labels: NDArray[np.int64]) -> str:
    """SHA-256 of labels as little-endian int64 bytes, hexadecimal: the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").data).hexdigest()


def _count_cells(true: NDArray[np.int64], given: NDArray[np.int64], num_classes: int) -> Transitions:
    cells, counts = np.unique(true * num_classes + given, return_counts=True)
    rows, columns = np.divmod(cells, num_classes)
    return Transitions(tuple(rows.tolist()), tuple(columns.tolist()), tuple(counts.tolist()))


def _check_keys(data: Mapping[str, Any], layout: type, what: str) -> None:
    expected = {field.name for field in dataclasses.fields(layout)}
    for problem, keys in (("lacks", expected - set(data)), ("has unknown", set(data) - expected)):
        if keys:
            raise ValueError(f"{what} {problem} {', '.join(sorted(keys))}")

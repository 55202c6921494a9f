"""The answer, frozen: what one run leaves behind."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from noisylabels.spec import SCHEMA_VERSION, Frozen, RunSpec, Selection

Status = Literal["ok", "diverged", "collapsed", "failed"]


class Measurement(Frozen):
    """One number with what makes it readable.

    Attributes:
        name: the metric's.
        value: None where the metric is undefined for this run; ``note`` says why.
        unit: such as ``share`` or ``deg``.
        higher_is_better: the good direction.
        n: how many examples the number rests on.
        selection: the rule that chose the epoch it was taken at.
        interval: ends of the 95 % interval under another draw of the people it rests on; left out where none is made.
    """

    name: str
    value: float | None
    unit: str
    higher_is_better: bool
    n: int
    selection: Selection = "last_epoch"
    note: str = ""
    interval: tuple[float, float] | None = None

    @model_serializer(mode="wrap")
    def _without_absent_interval(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of runs that have none, old ones among them, stay as they are."""
        values: dict[str, Any] = write(self)
        if values.get("interval") is None:
            values.pop("interval", None)
        return values


class Profile(Frozen):
    """Something as a function of the target's cosine, in equal cells of [-1, 1].

    Attributes:
        name: see ``target_cosines.target_profiles``.
        values: one a cell, from -1 up; None where no example lies in it.
        n: how many examples it rests on.
    """

    name: str
    values: tuple[float | None, ...]
    n: int


class Array(Frozen):
    """Some numbers that a report draws, in C order.

    Attributes:
        name: see ``drawn_arrays``.
        shape: of the array.
        values: as many as the shape says.
    """

    name: str
    shape: tuple[int, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if math.prod(self.shape) != len(self.values):
            raise ValueError(f"{self.name} must have as many values as {self.shape} says; got {len(self.values)}")
        return self


class Epoch(Frozen):
    """One line of the history. Shares in [0, 1]; None where nothing finite was to be had.

    Attributes:
        epoch: from 1.
        train_loss: mean per-example training loss, nats.
        train_given_accuracy: share of training examples, as augmented and with the margin, predicted as labelled.
        validation_given_accuracy: share of the held-out noisy validation split predicted as labelled; None without one.
        validation_true_accuracy: the same by true labels; only the oracle rule may look at it.
        test_accuracy: clean test accuracy; recorded, never decided by.
        head: the head's moving parts, such as ``{"c_deg": 84.0}``.
    """

    epoch: int
    train_loss: float | None
    train_given_accuracy: float
    validation_given_accuracy: float | None
    validation_true_accuracy: float | None
    test_accuracy: float
    head: dict[str, float] = Field(default_factory=dict)


class RunResult(Frozen):
    """All that a report may know of a run.

    Attributes:
        status: ``ok``; ``diverged`` (a loss was not finite); ``collapsed`` (classes lie on one another's centres); or
            ``failed`` (the program broke).
        reason: what is behind a status other than ``ok``, in a clause.
        noise: the training labels' noise record, as JSON.
        profiles: of cosine heads: where the training examples lie and how hard they are pulled, at the end.
        arrays: small ones that a report draws; left out where there are none.
        provenance: versions, processor, seconds, data fingerprints.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    spec: RunSpec
    status: Status
    reason: str = ""
    noise: dict[str, Any] = Field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    history: tuple[Epoch, ...] = ()
    profiles: tuple[Profile, ...] = ()
    arrays: tuple[Array, ...] = ()
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _without_absent_arrays(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of runs that have none, old ones among them, stay as they are."""
        values: dict[str, Any] = write(self)
        if not values.get("arrays"):
            values.pop("arrays", None)
        return values

    def value(self, name: str, selection: Selection = "last_epoch") -> float | None:
        """The measured value of that name under that rule, or None."""
        return self._values.get((name, selection))

    @cached_property
    def _values(self) -> dict[tuple[str, str], float | None]:
        """By name and rule; of two alike the first counts. A report asks for them half a million times."""
        return {(found.name, found.selection): found.value for found in reversed(self.measurements)}

    def array(self, name: str) -> Array | None:
        """The array of that name, or None."""
        return next((array for array in self.arrays if array.name == name), None)

    def profile(self, name: str) -> Profile | None:
        """The profile of that name, or None."""
        return next((profile for profile in self.profiles if profile.name == name), None)

    @property
    def realised_rate(self) -> float:
        """Share of training examples whose given label is wrong, in [0, 1]; NaN before any label was corrupted."""
        return float(self.noise.get("realised_rate", float("nan")))

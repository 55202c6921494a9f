"""What a study is made of: its axes, listed methods, seeds, controls of its corruptions, claims."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from noisylabels.catalog import unknown
from noisylabels.claims import Claim
from noisylabels.controls import CONTROLS
from noisylabels.mistakes import sentences, shown
from noisylabels.noise_rates import names_rate, with_rate
from noisylabels.spec import Frozen, TrainSpec, canonical

METHOD_FIELDS = ("head", "loss", "strategy")
MAX_SEEDS = 100_000


def _share(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1]; got {rate}")
    return rate


def _corruption(text: str) -> str:
    """The text as it came, once everything but a missing rate was found to be right."""
    try:
        canonical("corruption", text if names_rate(text) else with_rate(text, 0.0))
    except KeyError:
        raise ValueError(f"parameter 'of' must be given (in {text!r})") from None
    return text


def _seed_list(seeds: Any) -> Any:
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MAX_SEEDS:
        return tuple(range(seeds))
    if not isinstance(seeds, list | tuple) or not 1 <= len(seeds) <= MAX_SEEDS:
        raise ValueError(
            f"must be a number n from 1 to {MAX_SEEDS}, for 0, ..., n - 1, or a list of seeds; got {shown(seeds)}"
        )
    return seeds


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be different and at least 0; got {shown(list(seeds))}")
    return seeds


def _control_list(controls: Any) -> Any:
    return (CONTROLS if controls else ()) if isinstance(controls, bool) else controls


def _control(kind: str) -> str:
    if kind not in CONTROLS:
        raise ValueError(unknown("control", kind, CONTROLS))
    return kind


def _claim(text: str) -> str:
    Claim.parse(text)
    return text


DatasetText = Annotated[str, AfterValidator(functools.partial(canonical, "dataset"))]
ModelText = Annotated[str, AfterValidator(functools.partial(canonical, "model"))]
HeadText = Annotated[str, AfterValidator(functools.partial(canonical, "head"))]
LossText = Annotated[str, AfterValidator(functools.partial(canonical, "loss"))]
StrategyText = Annotated[str, AfterValidator(functools.partial(canonical, "strategy"))]
CorruptionText = Annotated[str, AfterValidator(_corruption)]
Rate = Annotated[
    float, Field(strict=True), AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
Seeds = Annotated[
    tuple[Annotated[int, Field(strict=True)], ...],
    BeforeValidator(_seed_list),
    AfterValidator(_different),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_SEEDS},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
"""Different numbers from 0; a number n means 0, ..., n - 1."""
Controls = Annotated[
    tuple[Annotated[str, AfterValidator(_control)], ...],
    BeforeValidator(_control_list),
    WithJsonSchema(
        {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"enum": list(CONTROLS)}, "uniqueItems": True}]}
    ),
]
"""Kinds of controls; ``true`` means all, ``false`` none."""
ClaimText = Annotated[str, AfterValidator(_claim)]


class Axes(Frozen):
    """What varies; runs are the product of all axes. An empty axis means the base run's value.

    Attributes:
        corruption: kinds without a rate (``symmetric``, ``symmetric:rate=0.1 + identity_merge``) are crossed with
            ``rate``; an entry that names its rate (``symmetric:rate=0.6``), or whose kind has one (``human``), stands
            for itself.
        rate: asked noise rates in [0, 1]. All kinds share one clean run at rate 0.
        dataset, model, head, loss, strategy: texts of the mini-language.
    """

    corruption: tuple[CorruptionText, ...] = ()
    rate: tuple[Rate, ...] = ()
    dataset: tuple[DatasetText, ...] = ()
    model: tuple[ModelText, ...] = ()
    head: tuple[HeadText, ...] = ()
    loss: tuple[LossText, ...] = ()
    strategy: tuple[StrategyText, ...] = ()

    @field_validator("rate")
    @classmethod
    def _ascending(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(rates)))

    @model_validator(mode="after")
    def _kinds_and_rates_meet(self) -> Self:
        crossed = [text for text in self.corruption if not names_rate(text)]
        if self.rate and not crossed:
            raise ValueError("axes.rate is crossed with the kinds in axes.corruption that name no rate: there is none")
        if crossed and not self.rate:
            raise ValueError(f"{crossed[0]!r} needs a rate: give axes.rate, or name one in it")
        for text in self.corruptions():
            canonical("corruption", text)
        return self

    def corruptions(self) -> list[str]:
        """The texts of all corruptions, in reading order: kinds as listed, rates ascending."""
        texts = []
        for text in self.corruption:
            texts += [text] if names_rate(text) else [with_rate(text, rate) for rate in self.rate]
        return texts


class Method(Frozen):
    """One listed method: a head, a loss and a strategy that belong together; what is left out is the base run's.

    Attributes:
        head, loss, strategy: texts of the mini-language.
        train: training fields that this method is given in place of the base run's, such as a learning rate its
            authors or a tuning chose for it.
    """

    head: HeadText | None = None
    loss: LossText | None = None
    strategy: StrategyText | None = None
    train: dict[str, int | float | str] = Field(default_factory=dict)

    @field_validator("train", mode="before")
    @classmethod
    def _training_fields(cls, train: Any) -> Any:
        """Each field is one of training, and its value can be one of it."""
        if not isinstance(train, Mapping):
            return train
        found = []
        for key, value in train.items():
            if key not in TrainSpec.model_fields:
                found.append(unknown("training field", key, TrainSpec.model_fields))
                continue
            try:
                TrainSpec.model_validate({key: value})
            except ValidationError as error:
                found += sentences(TrainSpec, error)
        if found:
            raise ValueError("; ".join(found))
        return train

    def over(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The raw values of a run, those of the base with this method's in their place."""
        named = {field: text for field in METHOD_FIELDS if (text := getattr(self, field)) is not None}
        return {**base, **named, "train": {**base["train"], **self.train}}

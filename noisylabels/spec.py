"""The question, frozen: what one run is, and the identity that follows from it."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from corruptions import CORRUPTIONS, Clean, Corruption
from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.data import DATASETS, Dataset
from noisylabels.heads import HEADS, REGULARISERS, Regularised, RegulariserSpec
from noisylabels.losses import LOSSES
from noisylabels.mistakes import MistakesError, sentences
from noisylabels.models import MODELS
from noisylabels.strategies import STRATEGIES

SCHEMA_VERSION = 1
"""Raised whenever the same spec would mean other numbers; part of every run's identity."""

TABLES: dict[str, Mapping[str, type[Any]]] = {
    "dataset": DATASETS,
    "corruption": CORRUPTIONS,
    "model": MODELS,
    "head": HEADS | REGULARISERS,
    "loss": LOSSES,
    "strategy": STRATEGIES,
}
"""Field of a run to the table that its text is looked up in."""


class Frozen(BaseModel):
    """A value: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """Build from raw values.

        Raises:
            MistakesError: all of them, each with its place.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise MistakesError(sentences(cls, error)) from None


class TrainSpec(Frozen):
    """How a model is trained; every field takes part in the run's identity.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step; a smaller training set is one batch. The rest of an epoch, fewer than a batch and
            other examples each time, is left out.
        optimizer: ``sgd`` (Nesterov momentum) or ``adamw``.
        learning_rate: its peak.
        momentum: SGD's.
        weight_decay: on weights of two or more dimensions only, never on norms and biases.
        schedule: ``one_cycle`` (linear up over ``warmup``, linear down to 0) or ``cosine`` (the same way up, half a
            cosine down to 0).
        warmup: share of all steps on the way up, in [0, 1).
        augment: ``none``, ``crop`` (shift by up to ``crop_padding`` pixels over a mirrored border) or ``crop_flip``
            (and mirror left-right half of the time).
        crop_padding: pixels.
        precision: ``float32``, ``bfloat16`` (autocast), or ``auto``: bfloat16 where the processor computes in it.
    """

    epochs: int = Field(default=8, ge=1)
    batch_size: int = Field(default=128, ge=2)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.2, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: float = Field(default=0.25, ge=0, lt=1)
    augment: Literal["none", "crop", "crop_flip"] = "crop_flip"
    crop_padding: int = Field(default=2, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @cached_property
    def identity(self) -> str:
        """What it adds to a run's identity: canonical JSON."""
        return _json(self.model_dump(mode="json"))


def canonical(field: str, text: str) -> str:
    """A plug-in's text with every parameter spelt out; a folder has its content.

    A corruption that does nothing is ``clean``, a step that does nothing is left out: all kinds share one clean run.

    Raises:
        UsageError, MissingDataError: there is no such plug-in, or no such folder.
    """
    plugin = _plugin(field, text)
    if isinstance(plugin, Corruption):
        steps = [step for step in getattr(plugin, "steps", (plugin,)) if not step.is_clean]
        plugin = functools.reduce(operator.add, steps) if steps else Clean()
    if isinstance(plugin, Dataset):
        plugin = plugin.pinned()
    if isinstance(plugin, RegulariserSpec):
        raise UsageError(f"{plugin.kind} is added to a head, as in 'softmax + {plugin.kind}'; got {text!r} alone")
    return catalog.full_text(plugin)


Selection = Literal["last_epoch", "noisy_val", "clean_val_oracle"]
SELECTIONS: tuple[Selection, ...] = ("last_epoch", "noisy_val", "clean_val_oracle")


class RunSpec(Frozen):
    """One run. Plug-ins are texts of the catalog's mini-language, stored with every parameter spelt out.

    Attributes:
        selection: the rule whose epoch gives the headline accuracy; all three rules are always recorded.
        noise_seed: draws which labels are wrong.
        seed: initialises the weights, orders the examples, augments them.
    """

    dataset: str
    corruption: str = "clean"
    model: str = "small_cnn"
    head: str = "softmax"
    loss: str = "ce"
    strategy: str = "standard"
    train: TrainSpec = TrainSpec()
    selection: Selection = "last_epoch"
    noise_seed: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)

    @field_validator(*TABLES)
    @classmethod
    def _canonical(cls, text: str, info: Any) -> str:
        return canonical(info.field_name, text)

    @model_validator(mode="after")
    def _head_and_loss_meet(self) -> Self:
        head, loss = self.plugin("head"), self.plugin("loss")
        if isinstance(head, Regularised):
            head = head.head
        if head.requires_loss is None:
            return self
        if head.requires_loss != loss.kind:
            needed = head.requires_loss
            raise ValueError(f"head {head.kind!r} makes logits for the loss {needed!r} only; got {loss.kind!r}")
        scales = head.scale, getattr(loss, "scale", head.scale)
        if scales[0] != scales[1]:
            raise ValueError(
                f"head {head.kind!r} and its loss must have the same scale; got {scales[0]} and {scales[1]}"
            )
        return self

    @model_validator(mode="after")
    def _head_and_strategy_meet(self) -> Self:
        head, strategy = self.plugin("head"), self.plugin("strategy")
        if isinstance(head, Regularised):
            head = head.head
        if strategy.needs_cosines and not head.has_cosines:
            raise ValueError(
                f"strategy {strategy.kind!r} reads angles: the head must be one of cosines, such as 'arcface'; "
                f"got {head.kind!r}"
            )
        if strategy.needs_subcenters and getattr(head, "subcenters", 1) < 2:
            raise ValueError(
                f"strategy {strategy.kind!r} needs a head of several centres a class, such as 'subcenter_arcface'; "
                f"got {self.short('head')!r}"
            )
        return self

    def plugin(self, field: str) -> Any:
        """The plug-in that a field's text names, built."""
        return _plugin(field, getattr(self, field))

    def short(self, field: str) -> str:
        """The plug-in's text with defaults left out, for people."""
        return _short_text(field, getattr(self, field))

    @property
    def method(self) -> str:
        """The printed triple ``head+loss+strategy``; cross-entropy and the standard strategy go without saying."""
        defaults = {"loss": "ce", "strategy": "standard"}
        texts = {field: self.short(field) for field in ("head", "loss", "strategy")}
        return "+".join(text for field, text in texts.items() if text != defaults.get(field))

    def varied(self, **values: str | int) -> Self:
        """This run with other values in fields that no rule between fields reads.

        Nothing is checked anew, so that a plan of 100,000 runs takes seconds.

        Args:
            values: data set, corruption and model as ``canonical`` spells them; seeds, at least 0.
        """
        other = self.model_copy(update=values)
        other.__dict__.pop("run_id", None)  # the copy took ours along
        return other

    @cached_property
    def run_id(self) -> str:
        """First 16 hex digits of SHA-256 over the resolved spec and ``SCHEMA_VERSION``.

        No path, device, worker count or tracker takes part: a data set that lives at a path is known by its content.
        """
        spec = ",".join([f'"{field}":{_identity(field, getattr(self, field))}' for field in _SORTED_FIELDS])
        return hashlib.sha256(f'{{"schema":{SCHEMA_VERSION},"spec":{{{spec}}}}}'.encode()).hexdigest()[:16]


_SORTED_FIELDS = sorted(RunSpec.model_fields)


def _identity(field: str, value: Any) -> str:
    """What a field adds to a run's identity: canonical JSON."""
    if isinstance(value, str):
        return _text_identity(field, value)
    if type(value) is int:  # the encoder says the same and takes ten times as long; a bool is no int to JSON
        return str(value)
    return value.identity if isinstance(value, TrainSpec) else _json(value)


def _plugin(field: str, text: str) -> Any:
    """The plug-in that a text names: looked up, unless it may mean something else by now."""
    depends_on_files = field == "dataset" or "@" in text
    return catalog.build(TABLES[field], text, what=field) if depends_on_files else _known_plugin(field, text)


# Few different texts make many runs, and a text costs a parse; the values are frozen.
@functools.lru_cache(maxsize=10_000)
def _known_plugin(field: str, text: str) -> Any:
    return catalog.build(TABLES[field], text, what=field)


# Spelt out in full, a text means the same at any time.
@functools.lru_cache(maxsize=10_000)
def _short_text(field: str, text: str) -> str:
    return catalog.short_text(catalog.build(TABLES[field], text, what=field))


@functools.lru_cache(maxsize=10_000)
def _text_identity(field: str, text: str) -> str:
    return _json(catalog.build(DATASETS, text, what=field).identity() if field == "dataset" else text)


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

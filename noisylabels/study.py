"""A study: one question, a base run, the axes that vary, the seeds; planned into runs."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

import studies
from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.metrics import METRICS
from noisylabels.noise_rates import names_rate, with_rate
from noisylabels.spec import Frozen, RunSpec, TrainSpec, canonical

Axis = tuple[str, ...]

METHOD_FIELDS = ("head", "loss", "strategy")


class Axes(Frozen):
    """What varies; runs are the product of all axes. An empty axis means the base run's value.

    Attributes:
        corruption: kinds without a rate (``symmetric``, ``symmetric:rate=0.1 + identity_merge``) are crossed with
            ``rate``; an entry that names its rate (``symmetric:rate=0.6``), or whose kind has one (``human``), stands
            for itself.
        rate: asked noise rates in [0, 1]. All kinds share one clean run at rate 0.
        dataset, model, head, loss, strategy: texts of the mini-language.
    """

    corruption: Axis = ()
    rate: tuple[float, ...] = ()
    dataset: Axis = ()
    model: Axis = ()
    head: Axis = ()
    loss: Axis = ()
    strategy: Axis = ()

    @field_validator("dataset", "model", "head", "loss", "strategy")
    @classmethod
    def _canonical(cls, texts: Axis, info: Any) -> Axis:
        return tuple(canonical(info.field_name, text) for text in texts)

    @field_validator("rate")
    @classmethod
    def _rates_in_range(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        for rate in rates:
            if not 0 <= rate <= 1:
                raise ValueError(f"rate must be in [0, 1]; got {rate}")
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
        train: training fields that this method is given in place of the base run's, such as a learning rate its
            authors or a tuning chose for it.
    """

    head: str | None = None
    loss: str | None = None
    strategy: str | None = None
    train: dict[str, int | float | str] = Field(default_factory=dict)

    @field_validator("head", "loss", "strategy")
    @classmethod
    def _canonical(cls, text: str | None, info: Any) -> str | None:
        return None if text is None else canonical(info.field_name, text)

    @field_validator("train")
    @classmethod
    def _known_fields(cls, train: dict[str, Any]) -> dict[str, Any]:
        for key in train:
            if key not in TrainSpec.model_fields:
                raise UsageError(catalog.unknown("training field", key, TrainSpec.model_fields))
        return train

    def over(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """The raw values of a run, those of the base with this method's in their place."""
        named = {field: text for field in METHOD_FIELDS if (text := getattr(self, field)) is not None}
        return {**base, **named, "train": {**base["train"], **self.train}}


class Study(Frozen):
    """A question and the runs that answer it.

    Attributes:
        name: letters, digits, ``-`` and ``_``; also the folder its runs live in.
        question: what the study asks, in a sentence; printed first in the report.
        primary: the headline metric's name, fixed before the first run.
        base: the run that all runs share where no axis says otherwise; its own seeds are not used.
        methods: combinations of head, loss and strategy, one by one, where the product of three axes would be too many;
            the axes ``head``, ``loss`` and ``strategy`` must then be empty.
        seeds: each seeds noise and training of one run, so that runs of one seed are paired over methods. A number n
            means 0, ..., n - 1.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    question: str = ""
    primary: str = "accuracy"
    base: RunSpec
    axes: Axes = Axes()
    methods: tuple[Method, ...] = ()
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)

    @field_validator("primary")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        catalog.lookup(METRICS, name, what="metric")
        return name

    @field_validator("seeds", mode="before")
    @classmethod
    def _seed_list(cls, seeds: Any) -> Any:
        return tuple(range(seeds)) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds must be different and at least 0; got {list(seeds)}")
        return seeds

    @model_validator(mode="after")
    def _listed_or_crossed(self) -> Self:
        crossed = [field for field in METHOD_FIELDS if getattr(self.axes, field)]
        if self.methods and crossed:
            raise ValueError(f"methods are listed already: axes.{crossed[0]} must be empty; put it into [[methods]]")
        return self

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a study file.

        Raises:
            UsageError: unreadable, not TOML, or any mistake in it (all of them in one message).
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise UsageError(f"cannot read study file {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not TOML: {error}") from None
        values.setdefault("name", path.parent.name if path.stem == "study" else path.stem)
        try:
            refuse_overridden(values, values.get("base", {}))
            return cls.checked(values)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    @staticmethod
    def file(name_or_path: str) -> Path:
        """Where the study of that name would ship, or the file that the path means; it need not be there."""
        path = Path(name_or_path)
        if path.suffix == ".toml":
            return path
        shipped = "/" not in name_or_path and (name_or_path in studies.names() or not path.is_dir())
        return studies.path(name_or_path) if shipped else path / "study.toml"

    @classmethod
    def find(cls, name_or_path: str) -> Self:
        """A study by the name it ships under, or by the path of its file or folder."""
        file, shipped = cls.file(name_or_path), studies.names()
        if not name_or_path or (file == studies.path(name_or_path) and name_or_path not in shipped):
            raise UsageError(catalog.unknown("study", name_or_path, shipped) + "; or give the path of a study.toml")
        return cls.from_toml(file)

    def plan(self) -> list[RunSpec]:
        """Every run, once, in reading order; seeds innermost, so an interrupted study has whole cells first."""
        base = self.base.model_dump()
        crossed = {field: list(getattr(self.axes, field)) or [base[field]] for field in ("dataset", "model")}
        crossed |= {"corruption": self.axes.corruptions() or [base["corruption"]]}
        runs: dict[str, RunSpec] = {}
        for dataset, model, method, corruption in itertools.product(
            crossed["dataset"], crossed["model"], self.methods or self._crossed_methods(), crossed["corruption"]
        ):
            for seed in self.seeds:
                changed = {"dataset": dataset, "model": model, "corruption": corruption}
                run = RunSpec.checked(method.over(base) | changed | {"seed": seed, "noise_seed": seed})
                runs.setdefault(run.run_id, run)
        return list(runs.values())

    def _crossed_methods(self) -> list[Method]:
        """The product of the axes of methods, heads innermost."""
        axes = [getattr(self.axes, field) or (None,) for field in ("strategy", "loss", "head")]
        return [Method(strategy=strategy, loss=loss, head=head) for strategy, loss, head in itertools.product(*axes)]


def refuse_overridden(study: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Refuse what somebody wrote into the base run and the study would not use.

    Args:
        study: the study's raw values.
        base: the raw values that were written down for the base run.

    Raises:
        UsageError: an axis or the study's seeds say otherwise.
    """
    axes = study.get("axes", {})
    for key in base:
        if key in ("seed", "noise_seed"):
            raise UsageError(f"base.{key} has no effect in a study: its seeds are in 'seeds'")
        if isinstance(axes, Mapping) and axes.get(key):
            raise UsageError(f"base.{key} has no effect: axes.{key} says {list(axes[key])}")

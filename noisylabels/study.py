"""A study: one question, a base run, the axes that vary, the seeds; planned into runs."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator

import studies
from corruptions import CORRUPTIONS
from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.metrics import METRICS
from noisylabels.spec import Frozen, RunSpec

Axis = tuple[str, ...]


class Axes(Frozen):
    """What varies; runs are the product of all axes.

    Attributes:
        corruption: kinds without a rate (``symmetric``) are crossed with ``rate``; an entry that names its rate
            (``symmetric:rate=0.6``) stands for itself.
        rate: asked noise rates in [0, 1]. All kinds share one clean run at rate 0.
        dataset, model, head, loss, strategy: texts of the mini-language; empty means the base run's.
    """

    corruption: Axis = ("symmetric",)
    rate: tuple[float, ...] = (0.0, 0.2, 0.4)
    dataset: Axis = ()
    model: Axis = ()
    head: Axis = ()
    loss: Axis = ()
    strategy: Axis = ()

    @field_validator("rate")
    @classmethod
    def _rates_in_range(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        for rate in rates:
            if not 0 <= rate <= 1:
                raise ValueError(f"rate must be in [0, 1]; got {rate}")
        return tuple(sorted(set(rates)))

    def corruptions(self) -> list[str]:
        """The texts of all corruptions, in reading order: kinds as listed, rates ascending."""
        texts = []
        for text in self.corruption:
            kind, parameters = catalog.parse(text)
            catalog.lookup(CORRUPTIONS, kind, what="corruption")
            if kind == "clean" or "rate" in parameters:
                texts.append(text)
            else:
                joint = "," if parameters else ":"
                texts += [f"{text.rstrip(':')}{joint}rate={rate}" for rate in self.rate]
        return texts


class Study(Frozen):
    """A question and the runs that answer it.

    Attributes:
        name: letters, digits, ``-`` and ``_``; also the folder its runs live in.
        question: what the study asks, in a sentence; printed first in the report.
        primary: the headline metric's name, fixed before the first run.
        base: the run that all runs share where no axis says otherwise.
        seeds: training seeds, each used as noise seed too, so that runs of one seed are paired over methods.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    question: str = ""
    primary: str = "accuracy"
    base: RunSpec
    axes: Axes = Axes()
    seeds: tuple[int, ...] = (0,)

    @field_validator("primary")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        catalog.lookup(METRICS, name, what="metric")
        return name

    @field_validator("seeds", mode="before")
    @classmethod
    def _seed_list(cls, seeds: Any) -> Any:
        return tuple(range(seeds)) if isinstance(seeds, int) else seeds

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
            return cls.checked(values)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    @staticmethod
    def file(name_or_path: str) -> Path:
        """Where the study of that name would ship, or the file that the path means; it need not be there."""
        path = Path(name_or_path)
        if path.suffix == ".toml":
            return path
        return path / "study.toml" if "/" in name_or_path or path.is_dir() else studies.path(name_or_path)

    @classmethod
    def find(cls, name_or_path: str) -> Self:
        """A study by the name it ships under, or by the path of its file or folder."""
        file = cls.file(name_or_path)
        shipped = studies.names()
        if file.parent.parent == studies.folder() and file.parent.name not in shipped:
            raise UsageError(catalog.unknown("study", name_or_path, shipped) + "; or give the path of a study.toml")
        return cls.from_toml(file)

    def plan(self) -> list[RunSpec]:
        """Every run, once, in reading order; seeds innermost, so an interrupted study has whole cells first."""
        base = self.base.model_dump()
        choices: Mapping[str, list[str]] = {
            field: list(getattr(self.axes, field)) or [base[field]]
            for field in ("dataset", "model", "strategy", "loss", "head")
        } | {"corruption": self.axes.corruptions()}
        runs: dict[str, RunSpec] = {}
        for texts in itertools.product(*choices.values()):
            for seed in self.seeds:
                changed = dict(zip(choices, texts, strict=True)) | {"seed": seed, "noise_seed": seed}
                run = RunSpec.checked(base | changed)
                runs.setdefault(run.run_id, run)
        return list(runs.values())

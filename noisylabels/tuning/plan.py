"""What a tuning is going to do: one condition, a budget, and each method with its space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from corruptions import CORRUPTIONS
from noisylabels.axes import METHOD_FIELDS, Method
from noisylabels.catalog import UsageError, build, full_text
from noisylabels.noise_rates import without_rate
from noisylabels.spec import RunSpec
from noisylabels.study import Study
from noisylabels.tuning.criterion import Criterion, criterion_of
from noisylabels.tuning.dimensions import Space
from noisylabels.tuning.sampling import Sampler
from noisylabels.tuning.space import Changes, space_of

RUN_SEEDS = 10_000
"""Added to a tuning's seed: noise and weights of its trials are drawn from seeds that no ordinary study has."""


@dataclass(frozen=True)
class Candidate:
    """A method to be tuned.

    Attributes:
        method: its text: head, loss, strategy, and the training fields that are its own.
        spec: the trial that has the study's values, under the tuning's condition.
        space: what is searched of it.
    """

    method: str
    spec: RunSpec
    space: Space


@dataclass(frozen=True)
class TuningPlan:
    """A tuning of all methods of a study under one of its conditions.

    Attributes:
        study: its methods are tuned, and its selection rule says at which epoch trials are judged.
        corruption: what trials are corrupted by.
        trials: the budget of every method, at least 1.
        sampler: how trials are suggested.
        seed: of the suggestions; ``RUN_SEEDS`` more is the seed of every trial's noise and weights.
        changes: ranges in place of the table's.

    Raises:
        UsageError: no trials, several data sets or models, or a seed that the study is evaluated on.
    """

    study: Study
    corruption: str
    trials: int
    sampler: Sampler
    seed: int = 0
    changes: Changes = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.trials < 1 or self.seed < 0:
            raise UsageError(f"trials must be at least 1 and seed at least 0; got {self.trials} and {self.seed}")
        for axis in ("dataset", "model"):
            if len(found := getattr(self.study.axes, axis)) > 1:
                raise UsageError(f"presets are tuned for one {axis}; the study has several: {', '.join(found)}")
        if any(self.run_seed in pair for pair in self.study.seed_pairs):
            raise UsageError(
                f"presets must not be tuned on a seed that they are evaluated on; the study has {self.run_seed}, which "
                f"is {RUN_SEEDS} + --seed: give another --seed than {self.seed}"
            )

    @property
    def run_seed(self) -> int:
        """Seed of noise and weights of every trial."""
        return RUN_SEEDS + self.seed

    @property
    def name(self) -> str:
        """Of the study that trials are stored under."""
        return f"{self.study.name}-tuning"

    @property
    def tuned_name(self) -> str:
        """Of the study that has the presets."""
        return f"{self.study.name}-tuned"

    @property
    def criterion(self) -> Criterion:
        """The epoch that trials are judged at."""
        return criterion_of(self.study.base.selection)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every different method of the study, in its order."""
        condition = {"corruption": self.corruption, "seed": self.run_seed, "noise_seed": self.run_seed}
        place = {axis: texts[0] for axis in ("dataset", "model") if (texts := getattr(self.study.axes, axis))}
        specs = [RunSpec.checked(spec.model_dump() | place | condition) for spec in methods_of(self.study)]
        return tuple(
            Candidate(method_text(spec, self.study.base), spec, space_of(spec, self.changes)) for spec in specs
        )

    def trial_study(self, runs: Sequence[RunSpec]) -> Study:
        """Trials as a study of that name, so that ``status`` and ``report`` can be asked about a tuning."""
        values = self.study.model_dump(mode="json", include={"base", "primary"})
        first = self.candidates[0].spec
        values["base"] |= {"dataset": first.dataset, "model": first.model, "corruption": first.corruption}
        presets = [preset_of(spec, self.study.base).model_dump(mode="json") for spec in runs]
        question = f"Which values of the methods of {self.study.name} predict noisy validation labels best?"
        return Study.checked(
            values | {"name": self.name, "question": question, "methods": presets, "seeds": [self.run_seed]}
        )


def methods_of(study: Study) -> list[RunSpec]:
    """The base run with every different method: head, loss, strategy and training."""
    return list({spec.run_id: spec for spec in study.method_runs()}.values())


def method_text(spec: RunSpec, base: RunSpec) -> str:
    """The printed triple, with the training fields that are the method's own behind it."""
    own = preset_of(spec, base).train
    return spec.method + "".join(f" {key}={value}" for key, value in sorted(own.items()))


def preset_of(spec: RunSpec, base: RunSpec) -> Method:
    """A run's method as an entry of ``[[methods]]`` in a study of that base."""
    texts: dict[str, Any] = {part: spec.short(part) for part in METHOD_FIELDS}
    ours, theirs = spec.train.model_dump(), base.train.model_dump()
    return Method(**texts, train={key: value for key, value in ours.items() if value != theirs[key]})


def default_corruption(study: Study) -> str:
    """The middle noisy level of the study's first kind of noise; of an even number the lower.

    The base run's corruption where no axis names a noisy one.
    """
    plugins = [build(CORRUPTIONS, text, what="corruption") for text in study.axes.corruptions()]
    noisy = [(*without_rate(plugin), full_text(plugin)) for plugin in plugins if not plugin.is_clean]
    if not noisy:
        return study.base.corruption
    levels = sorted((rate, text) for kind, rate, text in noisy if kind == noisy[0][0])
    return levels[(len(levels) - 1) // 2][1]

"""What a study plans, on one screen: methods with their own training, noise, seeds, number of runs, time and disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from corruptions import DropIdentities
from noisylabels import catalog
from noisylabels.claims import Claim, method_of
from noisylabels.estimate import Estimate, estimate
from noisylabels.metrics import METRICS
from noisylabels.noise_rates import without_rate
from noisylabels.spec import RunSpec, canonical
from noisylabels.store import StudyFolder
from noisylabels.study import Study


@dataclass(frozen=True)
class PlannedMethod:
    """A method as it is printed, and where its training differs from the base run's."""

    name: str
    train: dict[str, Any]

    def text(self) -> str:
        """For people."""
        own = ", ".join(f"{key} {value}" for key, value in self.train.items())
        return f"{self.name} (trained with {own})" if own else self.name


@dataclass(frozen=True)
class PlanSummary:
    """A study in figures.

    Attributes:
        noise: each kind of corruption without its rate, and the rates it is asked at.
        runs: how many there are.
        notes: what is no mistake, and may be meant otherwise.
    """

    study: Study
    runs: int
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    methods: tuple[PlannedMethod, ...]
    noise: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]
    cost: Estimate

    def text(self, workers: int) -> str:
        """For people; a line a field."""
        metric = METRICS[self.study.primary]
        direction = "higher" if metric.higher_is_better else "lower"
        rows: list[tuple[str, Iterable[str]]] = [
            ("question", [self.study.question or "none: a report without one cannot answer it"]),
            ("claims", self.study.claims),
            ("primary", [f"{self.study.primary} ({metric.unit}, {direction} is better)"]),
            ("data set", self.datasets),
            ("model", self.models),
            ("methods", [method.text() for method in self.methods]),
            ("noise", [_kind_text(kind, rates) for kind, rates in self.noise.items()]),
            ("seeds", [seeds_text(self.study)]),
            ("runs", [f"{self.runs}, of which {self.runs - self.cost.todo} are done"]),
            ("time", [self.cost.time(workers)]),
            ("disk", [self.cost.disk(workers)]),
            ("note", self.notes),
        ]
        return "\n".join(line for title, texts in rows for line in _lines(title, texts))

    def to_json(self, workers: int) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.study.name,
            "question": self.study.question,
            "claims": list(self.study.claims),
            "primary": self.study.primary,
            "datasets": list(self.datasets),
            "models": list(self.models),
            "methods": [{"method": method.name, "train": method.train} for method in self.methods],
            "noise": {kind: list(rates) for kind, rates in self.noise.items()},
            "seeds": [{"noise_seed": noise, "seed": seed} for noise, seed in self.study.seed_pairs],
            "runs": self.runs,
            "notes": list(self.notes),
            "estimate": self.cost.to_json(workers),
        }


def summarise(study: Study, folder: StudyFolder) -> PlanSummary:
    """Plan a study and look at what of it is done.

    Args:
        study: which.
        folder: where its runs are kept; it need not be there.

    Raises:
        MistakesError: methods whose parts cannot be combined.
        StoreError: a stored result is none.
    """
    plan = study.plan()
    methods = study.method_runs()
    base = study.base.train.model_dump()
    noise: dict[str, list[float]] = {}
    for text in dict.fromkeys(canonical("corruption", text) for text in study.corruptions()):
        plugin = study.base.model_copy(update={"corruption": text}).plugin("corruption")
        kind, rate = without_rate(plugin)
        noise.setdefault(kind, []).append(rate)
    return PlanSummary(
        study=study,
        runs=len(plan),
        datasets=tuple(dict.fromkeys(spec.short("dataset") for spec in _first_of(plan, "dataset"))),
        models=tuple(dict.fromkeys(spec.short("model") for spec in _first_of(plan, "model"))),
        methods=tuple(PlannedMethod(run.method, _differences(run.train.model_dump(), base)) for run in methods),
        noise={kind: tuple(rates) for kind, rates in noise.items()},
        notes=tuple(_notes(study, tuple(run.method for run in methods))),
        cost=estimate(plan, folder),
    )


def seeds_text(study: Study) -> str:
    """Which seeds, and what they seed."""
    if study.seeds_are_crossed:
        noise, train = (dict.fromkeys(seeds) for seeds in zip(*study.seed_pairs, strict=True))
        return f"noise {_listed(noise)} x training {_listed(train)}: every draw of wrong labels with every training"
    return f"{_listed(study.seeds)}: each draws the wrong labels and the training"


def _listed(seeds: Iterable[int], most: int = 12) -> str:
    texts = list(map(str, seeds))
    return ", ".join(texts) if len(texts) <= most else f"{', '.join(texts[:3])}, ... ({len(texts)} of them)"


def _first_of(plan: Sequence[RunSpec], field: str) -> list[RunSpec]:
    """One run for each value of a field: what is said of 100,000 runs need not be worked out 100,000 times."""
    return list({getattr(spec, field): spec for spec in reversed(plan)}.values())[::-1]


def _differences(train: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in train.items() if value != base[key]}


def _kind_text(kind: str, rates: Sequence[float]) -> str:
    return kind if kind == "clean" else f"{kind} at {', '.join(f'{100 * rate:.4g} %' for rate in rates)}"


def _notes(study: Study, methods: tuple[str, ...]) -> Iterator[str]:
    for number, claim in enumerate(map(Claim.parse, study.claims)):
        for name in (claim.ours, claim.rival):
            if method_of(name, methods) is None:
                yield f"claims[{number}] cannot be judged: {name!r} is none of the methods, or several"
    twice = [method for method in dict.fromkeys(methods) if methods.count(method) > 1]
    for method in twice:
        yield f"{method} is listed more than once: a report tells methods apart by name, not by their training"
    if DropIdentities.kind in study.controls and not any(
        catalog.parse(text)[0] == DropIdentities.kind for text in study.corruptions()
    ):
        yield f"controls: {DropIdentities.kind} has nothing to stand beside: no corruption merges identities"


def _lines(title: str, texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
        yield f"{'' if number else title:10}{line}"

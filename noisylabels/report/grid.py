"""The planned runs in the order a reader asks for them: setting, corruption, method, rate, seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import fmean
from typing import Literal

from corruptions import CORRUPTIONS, Control
from noisylabels import catalog
from noisylabels.noise_rates import without_rate
from noisylabels.report.wording import Quantity
from noisylabels.result import RunResult, Status
from noisylabels.spec import RunSpec
from noisylabels.statistics import Interval, t_interval

CLEAN = "clean"
State = Status | Literal["missing"]


@dataclass(frozen=True)
class PlannedRun:
    """A run the study asks for and what became of it; no result yet means missing."""

    spec: RunSpec
    result: RunResult | None

    @property
    def state(self) -> State:
        """The result's status, or ``missing``."""
        return "missing" if self.result is None else self.result.status


@dataclass(frozen=True)
class Cell:
    """The seeds of one method at one corruption and asked rate. Only runs that ended ``ok`` have values in it.

    Attributes:
        method: the printed triple head+loss+strategy.
        corruption: the corruption with its parameters but without its rate; ``clean`` at rate 0.
        rate: what was asked, in [0, 1].
        runs: all that were planned, one a seed.
    """

    method: str
    corruption: str
    rate: float
    runs: tuple[PlannedRun, ...]

    @cached_property
    def finished(self) -> tuple[RunResult, ...]:
        """Results that ended ``ok``: the only ones that enter a mean."""
        return tuple(run.result for run in self.runs if run.result is not None and run.result.status == "ok")

    def values(self, shown: Quantity) -> Mapping[int, float]:
        """The metric by seed, where it is defined."""
        if shown not in self._values:
            found = {_draw(result.spec): result.value(shown.name, shown.selection) for result in self.finished}
            self._values[shown] = self._by_draw({pair: value for pair, value in found.items() if value is not None})
        return self._values[shown]

    @cached_property
    def _values(self) -> dict[Quantity, dict[int, float]]:
        """What was asked for before: a report looks at each cell a dozen times."""
        return {}

    def interval(self, shown: Quantity) -> Interval | None:
        """Mean over seeds with its 95 % interval; None without a value."""
        values = self.values(shown)
        return t_interval(values.values()) if values else None

    @cached_property
    def realised_rates(self) -> Mapping[int, float]:
        """Share of wrong training labels by seed, as recorded by the runs that ended ``ok``."""
        found = {_draw(result.spec): result.realised_rate for result in self.finished}
        return self._by_draw({pair: rate for pair, rate in found.items() if math.isfinite(rate)})

    def _by_draw(self, values: Mapping[tuple[int, int], float]) -> dict[int, float]:
        """By seed; where draws of wrong labels meet several trainings, means over those of a draw that has them all.

        Runs on one draw of labels are not independent of one another, so that draw is the unit.
        """
        return {
            key: fmean([values[pair] for pair in own]) if len(own) > 1 else values[own[0]]
            for key, own in self._draws.items()
            if all(pair in values for pair in own)
        }

    @cached_property
    def _draws(self) -> dict[int, list[tuple[int, int]]]:
        several = len({run.spec.noise_seed for run in self.runs}) > 1
        pairs: dict[int, list[tuple[int, int]]] = {}
        for run in self.runs:
            pair = _draw(run.spec)
            pairs.setdefault(pair[0] if several else pair[1], []).append(pair)
        return pairs

    @property
    def realised_rate(self) -> float | None:
        """Mean of the realised rates over seeds; None where no run recorded one."""
        rates = self.realised_rates
        return sum(rates.values()) / len(rates) if rates else None

    def left_out(self) -> str:
        """How many runs gave no number and why, such as ``1 collapsed, 1 missing``; empty when all did."""
        states = Counter(run.state for run in self.runs if run.state != "ok")
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _draw(spec: RunSpec) -> tuple[int, int]:
    return spec.noise_seed, spec.seed


@dataclass(frozen=True)
class Setting:
    """One data set with one model: the widest group over which anything is compared.

    Attributes:
        dataset, model: short texts.
        methods, corruptions: in the order of the plan; ``clean`` is a corruption only where there is no other, and a
            control only where the corruption that it is of is not in the study.
        controls: of the others, each with the corruption that it is of.
        cells: by (method, corruption, asked rate).
        alone: whether the study has no other setting, so that headings need not name it.
    """

    dataset: str
    model: str
    methods: tuple[str, ...]
    corruptions: tuple[str, ...]
    controls: Mapping[str, str]
    cells: Mapping[tuple[str, str, float], Cell]
    alone: bool

    @property
    def label(self) -> str:
        """How captions name it."""
        return f"{self.dataset}, {self.model}"

    def heading(self, text: str) -> str:
        """A heading that tells the study's settings apart, where there are several."""
        return text if self.alone else f"{text}: {self.label}"

    def curve(self, method: str, corruption: str) -> tuple[Cell, ...]:
        """The method's cells by ascending asked rate, from ``clean`` on if the study asks for it."""
        own = [c for c in self.cells.values() if (c.method, c.corruption) == (method, corruption) and c.rate > 0]
        clean = self.clean(method, corruption)
        return tuple(sorted(own if clean is None else [clean, *own], key=lambda cell: cell.rate))

    def clean(self, method: str, corruption: str) -> Cell | None:
        """The method's cell at rate 0: the corruption's own where that is no clean data set, else the one of all."""
        return self.cells.get((method, corruption, 0.0), self.cells.get((method, CLEAN, 0.0)))

    def rates(self, corruption: str) -> tuple[float, ...]:
        """The asked rates of a corruption, ascending, rate 0 included where there are clean runs."""
        return tuple(sorted({cell.rate for method in self.methods for cell in self.curve(method, corruption)}))


def settings(runs: Iterable[PlannedRun]) -> tuple[Setting, ...]:
    """Group planned runs; data sets, models and corruptions are never pooled."""
    grouped: dict[tuple[str, str], dict[tuple[str, str, float], list[PlannedRun]]] = {}
    for run in runs:
        spec = run.spec
        cells = grouped.setdefault((spec.short("dataset"), spec.short("model")), {})
        cells.setdefault((spec.method, *corruption_and_rate(spec)), []).append(run)
    alone = len(grouped) == 1
    return tuple(_setting(dataset, model, cells, alone) for (dataset, model), cells in grouped.items())


def _setting(dataset: str, model: str, runs: dict[tuple[str, str, float], list[PlannedRun]], alone: bool) -> Setting:
    specs = {kind: members[0].spec for (_, kind, _), members in runs.items()}
    of = {kind: _controlled(spec) for kind, spec in specs.items()}
    controls = {kind: about for kind, about in of.items() if about in specs}
    return Setting(
        dataset=dataset,
        model=model,
        methods=tuple(dict.fromkeys(method for method, _, _ in runs)),
        corruptions=tuple(kind for kind in specs if kind != CLEAN and kind not in controls) or tuple(specs),
        controls=controls,
        cells={key: Cell(*key, tuple(members)) for key, members in runs.items()},
        alone=alone,
    )


def corruption_and_rate(spec: RunSpec) -> tuple[str, float]:
    """The corruption's short text without its rate, and the rate; of a sum, the first step's."""
    return _parted(spec.corruption)


@lru_cache(maxsize=10_000)  # few different texts make many runs, and a text costs a parse
def _parted(corruption: str) -> tuple[str, float]:
    return without_rate(catalog.build(CORRUPTIONS, corruption, what="corruption"))


def _controlled(spec: RunSpec) -> str:
    """The corruption, without its rate, that a control is of; empty for anything else."""
    corruption = spec.plugin("corruption")
    return without_rate(corruption.of)[0] if isinstance(corruption, Control) else ""

"""Runs made up by a formula, so that a search can be watched without training anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noisylabels.result import Epoch, RunResult, Status
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder
from noisylabels.study import Study
from noisylabels.tuning.plan import TuningPlan
from noisylabels.tuning.sampling import RandomSearch, Sampler

CONDITION = "symmetric:rate=0.4,inclusive=false"


def study(**changes: Any) -> Study:
    values = {
        "name": "hill",
        "base": {"dataset": "digits:per_class=20", "train": {"epochs": 2}},
        "axes": {"head": ["softmax", "arcface:margin=0.2"], "corruption": ["symmetric"], "rate": [0.0, 0.2, 0.4]},
        "seeds": [0, 1],
    }
    return Study.checked(values | changes)


def plan(trials: int = 6, sampler: Sampler | None = None, **changes: Any) -> TuningPlan:
    values = {"study": study(), "corruption": CONDITION} | changes
    return TuningPlan(trials=trials, sampler=sampler or RandomSearch(), **values)


def made_up(spec: RunSpec, *, noisy: float, test: float = 0.5, true: float = 0.5, status: Status = "ok") -> RunResult:
    """A result with these accuracies by noisy validation, test and true validation labels, in both its epochs."""
    epochs = tuple(
        Epoch(
            epoch=number,
            train_loss=1.0,
            train_given_accuracy=0.5,
            validation_given_accuracy=noisy,
            validation_true_accuracy=true,
            test_accuracy=test,
        )
        for number in (1, 2)
    )
    return RunResult(run_id=spec.run_id, spec=spec, status=status, history=epochs)


def hill(spec: RunSpec) -> RunResult:
    """The noisy labels like a learning rate of 0.05, the test labels one of 0.5."""
    distance = [abs(math.log10(spec.train.learning_rate / best)) for best in (0.05, 0.5)]
    return made_up(spec, noisy=math.exp(-distance[0]), test=math.exp(-distance[1]), true=math.exp(-distance[1]))


class MadeUpRuns:
    """Stands for an engine: results by a formula, in the order that ``order`` puts them in.

    Attributes:
        calls: the run ids it was handed, one list a round.
    """

    def __init__(
        self,
        folder: StudyFolder,
        result_of: Callable[[RunSpec], RunResult | str] = hill,
        *,
        order: Callable[[Sequence[RunSpec]], Sequence[RunSpec]] = lambda specs: specs,
        stop_after: float = math.inf,
    ) -> None:
        self.folder, self.result_of, self.order, self.stop_after = folder, result_of, order, stop_after
        self.calls: list[list[str]] = []

    def __call__(self, specs: Sequence[RunSpec]) -> None:
        self.calls.append([])
        for spec in self.order(specs):
            if len(self.begun) >= self.stop_after:
                raise KeyboardInterrupt
            self.calls[-1].append(spec.run_id)
            run, result = self.folder.run(spec.run_id), self.result_of(spec)
            run.begin(spec)
            if isinstance(result, str):
                run.fail(result)
            else:
                run.finish(result)

    @property
    def begun(self) -> list[str]:
        """All runs so far."""
        return [run_id for call in self.calls for run_id in call]


def folder_in(path: Path) -> StudyFolder:
    return StudyFolder(path / "hill-tuning")

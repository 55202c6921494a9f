"""The search: ask, run, judge, round by round; whatever is in the store already is not run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noisylabels.atomic import write_atomically
from noisylabels.catalog import full_text
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder
from noisylabels.tuning.criterion import score
from noisylabels.tuning.dimensions import Value
from noisylabels.tuning.plan import Candidate, TuningPlan, preset_of
from noisylabels.tuning.record import Trial, TunedMethod, Tuning
from noisylabels.tuning.sampling import Suggestions, optuna_version
from noisylabels.tuning.space import changed

RunAll = Callable[[Sequence[RunSpec]], None]
"""Runs specs, so that each has a result or a failure in the store; in whatever order and by however many workers."""


class MethodSearch:
    """One method's trials so far."""

    def __init__(self, plan: TuningPlan, candidate: Candidate) -> None:
        self.plan, self.candidate = plan, candidate
        self.suggestions = Suggestions(plan.sampler, candidate.space, seed=plan.seed, method=candidate.method)
        self.asked: list[tuple[dict[str, Value], RunSpec]] = []
        self.trials: list[Trial] = []

    def ask(self, trials: int) -> list[RunSpec]:
        """The next trials' runs. The first of all has the study's own values, of which the sampler is told nothing:
        they need not lie in its space."""
        while len(self.asked) < len(self.trials) + trials:
            parameters = self.suggestions.ask() if self.asked else {}
            self.asked.append((parameters, changed(self.candidate.spec, parameters)))
        return [spec for _, spec in self.asked[len(self.trials) :]]

    def judge(self, folder: StudyFolder) -> None:
        """Score what was asked, in the order of the numbers, and tell the sampler."""
        begun = len(self.trials)
        judged = [
            self._trial(number, parameters, _came_of(spec, folder))
            for number, (parameters, spec) in enumerate(self.asked[begun:], start=begun + 1)
        ]
        self.trials += judged
        self.suggestions.tell([trial.score for trial in judged if trial.number > 1])

    def _trial(self, number: int, parameters: dict[str, Value], result: RunResult) -> Trial:
        points = score(result, self.plan.criterion)
        return Trial(
            number=number,
            parameters=parameters,
            run_id=result.run_id,
            status=result.status,
            score=points,
            reason=result.reason,
        )

    def tuned(self) -> TunedMethod:
        """What came of the whole budget."""
        best = max(self.trials, key=lambda trial: (trial.score, -trial.number))
        return TunedMethod(
            method=self.candidate.method,
            space=dict(self.candidate.space),
            trials=tuple(self.trials),
            chosen=best.number,
            preset=preset_of(self.asked[best.number - 1][1], self.plan.study.base),
        )


def search(plan: TuningPlan, folder: StudyFolder, run_all: RunAll) -> Tuning:
    """Give every method its budget and choose.

    Suggestions depend on the plan and on scores only, never on what finished first: called again after an
    interruption it asks the same trials, finds the finished ones in the store and goes on.

    Args:
        plan: what to do.
        folder: where trials are stored, under the tuning's study name.
        run_all: runs what a round still needs; what is done already is not handed to it.

    Raises:
        UsageError: values that the space allows and a method refuses, or no labels held out to judge by.
        StoreError: a stored trial cannot be read.
    """
    searches = [MethodSearch(plan, candidate) for candidate in plan.candidates]
    begun: dict[str, RunSpec] = {}
    for trials in plan.sampler.rounds(plan.trials):
        asked = {spec.run_id: spec for method in searches for spec in method.ask(trials)}
        begun |= asked
        write_atomically(folder.path / "study.json", plan.trial_study(list(begun.values())).model_dump_json().encode())
        run_all([spec for spec in asked.values() if _is_to_do(folder.run(spec.run_id))])
        for method in searches:
            method.judge(folder)
    methods = tuple(method.tuned() for method in searches)
    first = plan.candidates[0].spec
    return Tuning(
        study=plan.study.name,
        tuned_study=plan.tuned_name,
        dataset=first.dataset,
        model=first.model,
        corruption=first.corruption,
        criterion=plan.criterion,
        budget=plan.trials,
        sampler=full_text(plan.sampler),
        seed=plan.seed,
        run_seed=plan.run_seed,
        other_runs=_other_runs(folder, methods),
        optuna=optuna_version(),
        methods=methods,
    )


def _is_to_do(run: RunFolder) -> bool:
    """A failed trial is tried again, unless it is known to take its worker down each time."""
    return run.result() is None and not run.is_quarantined()


def _came_of(spec: RunSpec, folder: StudyFolder) -> RunResult:
    run = folder.run(spec.run_id)
    nothing = RunResult(run_id=spec.run_id, spec=spec, status="failed", reason="the engine left no result")
    return run.result() or run.failure() or nothing


def _other_runs(folder: StudyFolder, methods: Sequence[TunedMethod]) -> int:
    ours = {trial.run_id for method in methods for trial in method.trials}
    stored = folder.path / "runs"
    return len({run.name for run in stored.iterdir()} - ours) if stored.is_dir() else 0

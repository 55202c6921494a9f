"""Every planned run that gave no number, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import PlannedRun, corruption_and_rate
from noisylabels.report.wording import count, percent, plain


def ledger_section(runs: Sequence[PlannedRun], strays: int) -> Section:
    """The list of runs without a number, or the statement that there is none.

    Args:
        runs: all that the study plans.
        strays: results that were handed in but belong to no planned run.
    """
    absent = [run for run in runs if run.state != "ok"]
    extra = (f"{count(strays, 'result')} of runs that this study does not plan left unread.",) if strays else ()
    if not absent:
        return Section("runs", "Runs", (f"All {count(len(runs), 'planned run')} finished.", *extra))
    states = Counter(run.state for run in absent)
    tally = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    summary = (
        f"{len(absent)} of {count(len(runs), 'planned run')} gave no number: {tally}. "
        "They enter no mean, so the means below are over surviving runs only: where a method lost runs, its mean "
        "flatters it."
    )
    table = Table(
        caption="Runs without a number.",
        columns=("run", "state", "method", "corruption", "asked rate", "seed", "data set, model", "reason"),
        rows=tuple(_row(run) for run in absent),
    )
    return Section("runs", "Runs left out", (summary, *extra), (Block(tables=(table,)),), tone="warning")


def _row(run: PlannedRun) -> tuple[Entry, ...]:
    spec = run.spec
    corruption, rate = corruption_and_rate(spec)
    place = f"{spec.short('dataset')}, {spec.short('model')}"
    seed = str(spec.seed) if spec.seed == spec.noise_seed else f"{spec.seed}, labels {spec.noise_seed}"
    texts = (spec.run_id, run.state, spec.method, corruption, percent(rate), seed, place, _reason(run))
    return tuple(Entry(text) for text in texts)


def _reason(run: PlannedRun) -> str:
    if run.result is None:
        return "no result yet"
    return plain(run.result.reason, 300) or "no reason recorded"

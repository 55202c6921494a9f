"""How presets were found: the counted budget, what each method made of it, and what fewer trials would have found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.wording import count, decimal
from noisylabels.study import Study
from noisylabels.tuning.expected_best import best_by_budget
from noisylabels.tuning.record import Trial, TunedMethod, Tuning

AXIS = "noisy validation accuracy (%), ↑ higher is better"

EXPECTED = (
    "The expected best of n trials (Dodge et al., EMNLP 2019) is what a budget of n would have ended with: the "
    "default's score, or that of the best of n - 1 searched trials where it is higher. They are drawn without "
    "replacement, which is the unbiased estimate (Tang et al., ACL 2020). A method that gains late in the curve owes "
    "its rank to the budget. There are no intervals: every trial is one seed, and the best of many noisy scores "
    "flatters itself. What the presets are worth stands where other seeds measured them."
)


def tuning_section(tuning: Tuning, study: Study, anchor: str = "tuning") -> Section:
    """The tuning behind a study's presets.

    Args:
        tuning: as stored beside the study.
        study: whose report this is; presets that are not the tuning's are warned of.
        anchor: of the section.
    """
    strangers = _strangers(tuning, study)
    warning = (
        (f"Warning: these methods of the study are not presets of this tuning: {', '.join(strangers)}.",)
        if strangers
        else ()
    )
    blocks = (
        Block(tables=(_methods(tuning),)),
        Block(_chart(tuning), (_expected(tuning),), title="Expected best of n trials", paragraphs=(EXPECTED,)),
        Block(tables=(_spaces(tuning),), folded=True, title="What was searched"),
        Block(tables=tuple(_trials(method) for method in tuning.methods), folded=True, title="Every trial"),
    )
    return Section(anchor, "Tuning", (*warning, _protocol(tuning)), blocks, "warning" if strangers else "plain")


def _protocol(tuning: Tuning) -> str:
    epoch = "the last epoch" if tuning.criterion == "last_epoch" else "the best epoch by these labels"
    further = f" The store has {count(tuning.other_runs, 'further run')} of other tunings." if tuning.other_runs else ""
    dependent = (
        ""
        if tuning.sampler == "random"
        else " Its trials depend on one another, and the curves below describe them only."
    )
    return (
        f"Every method of {tuning.study} had a budget of {count(tuning.budget, 'trial')}, the study's own values being "
        f"the first, under {tuning.corruption}. Trials were judged at {epoch} by held-out labels with the same noise; "
        f"no true label and no test image was looked at. Noise and weights came from seed {tuning.run_seed}, on which "
        f"nothing is evaluated. Sampler: {tuning.sampler}, seed {tuning.seed}.{dependent}{further}"
    )


def _strangers(tuning: Tuning, study: Study) -> list[str]:
    presets = [method.preset.over(study.base.model_dump()) for method in tuning.methods]
    known = [(one["head"], one["loss"], one["strategy"], one["train"]) for one in presets]
    runs = study.method_runs()
    return [run.method for run in runs if (run.head, run.loss, run.strategy, run.train.model_dump()) not in known]


def _methods(tuning: Tuning) -> Table:
    rows = []
    for method in tuning.methods:
        default, best = method.trials[0], method.trials[method.chosen - 1]
        rows.append(
            (
                Entry(method.method),
                Entry(str(len(method.space))),
                Entry(str(len(method.trials)), _endings(method.trials)),
                Entry(_percent(default.score)),
                Entry(_percent(best.score), () if best.status == "ok" else (f"({best.status})",)),
                Entry(decimal(100 * (best.score - default.score), "+.1f")),
                Entry(_values(best)),
            )
        )
    columns = ("method", "tuned parameters", "trials", "default (%)", "best (%)", "gain (points)", "chosen")
    return Table(
        f"Noisy validation accuracy, ↑ higher is better; the same budget, {count(tuning.budget, 'trial')}, for methods "
        "with few and with many parameters. One seed a trial.",
        columns,
        tuple(rows),
    )


def _endings(trials: Sequence[Trial]) -> tuple[str, ...]:
    counted = Counter(trial.status for trial in trials if trial.status != "ok")
    return tuple(f"{number} {status}" for status, number in sorted(counted.items()))


def _curve(method: TunedMethod) -> list[float]:
    scores = [trial.score for trial in method.trials]
    return best_by_budget(scores[0], scores[1:])


def _expected(tuning: Tuning) -> Table:
    budgets = sorted({min(2**power, tuning.budget) for power in range(tuning.budget.bit_length() + 1)})
    rows = []
    for method in tuning.methods:
        curve = _curve(method)
        rows.append((Entry(method.method), *(Entry(_percent(curve[budget - 1])) for budget in budgets)))
    return Table(
        f"Expected noisy validation accuracy (%) of the best of n trials, ↑ higher is better; n = 1 is the default, "
        f"n = {tuning.budget} what was chosen.",
        ("method", *(f"n = {budget}" for budget in budgets)),
        tuple(rows),
    )


def _chart(tuning: Tuning) -> Chart | None:
    if tuning.budget < 2:
        return None
    lines, said = [], []
    for style, method in enumerate(tuning.methods):
        curve = _curve(method)
        lines.append(Line(method.method, style, tuple(Point(n, 100 * best) for n, best in enumerate(curve, start=1))))
        said.append(f"{method.method} goes from {_percent(curve[0])} to {_percent(curve[-1])}")
    panel = Panel("Expected best of n trials", "trials n", AXIS, tuple(lines), 0.0, 100.0)
    return Chart("Expected best of n trials", "; ".join(said) + ".", (panel,), 1)


def _spaces(tuning: Tuning) -> Table:
    rows = [
        (Entry(method.method), Entry(name), Entry(str(dimension)))
        for method in tuning.methods
        for name, dimension in method.space.items()
    ]
    return Table("Searched parameters and their ranges.", ("method", "parameter", "range"), tuple(rows), headers=2)


def _trials(method: TunedMethod) -> Table:
    rows = [
        (
            Entry(str(trial.number) + (" (chosen)" if trial.number == method.chosen else "")),
            Entry(_values(trial)),
            Entry(_percent(trial.score)),
            Entry(trial.status, (trial.reason,) if trial.reason else ()),
            Entry(trial.run_id),
        )
        for trial in method.trials
    ]
    columns = ("trial", "values", "noisy validation accuracy (%), ↑", "status", "run")
    return Table(f"{method.method}: every trial, in order.", columns, tuple(rows))


def _values(trial: Trial) -> str:
    return ", ".join(f"{name} = {value}" for name, value in trial.parameters.items()) or "the study's own values"


def _percent(share: float) -> str:
    return decimal(100 * share, ".1f")

"""A study as a whole, in the numbers of its report, for trackers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from noisylabels.claims import Claim
from noisylabels.report.build import headline
from noisylabels.report.grid import Cell, PlannedRun, Setting, settings
from noisylabels.report.losses import losses
from noisylabels.report.verdicts import Judged, judge
from noisylabels.report.wording import Quantity, quantity
from noisylabels.result import RunResult
from noisylabels.statistics import holm_adjusted
from noisylabels.store import StoreError, StudyFolder
from noisylabels.study import Study
from noisylabels.tracking.families import FAMILIES
from noisylabels.tracking.items import Entry, Table
from noisylabels.tracking.study_view import StudyView


def study_view(folder: Path) -> StudyView | None:
    """All that is known of the study in the folder; None where there is no study, or none of its runs has ended.

    Raises:
        StoreError: a stored file is not what it should be.
    """
    try:
        study = Study.model_validate_json((folder / "study.json").read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"study.json is not a study ({str(error).splitlines()[0]})") from None
    plan = study.plan()
    results = StudyFolder(folder).known(plan)
    return view_of(study, results) if results else None


def view_of(study: Study, results: Sequence[RunResult]) -> StudyView:
    """Robustness table, curves over the realised rate, claims as the report judges them."""
    by_id = {result.run_id: result for result in results}
    runs = [PlannedRun(spec, by_id.get(spec.run_id)) for spec in study.plan()]
    groups, shown = settings(runs), headline(study)
    judged = [judge(Claim.parse(text), setting) for text in study.claims for setting in groups]
    verdicts = _verdicts(judged)
    statuses = Counter(f"runs_{run.state}" for run in runs)
    items = {"robustness": _robustness(groups, shown)}
    if judged:
        items["claims"] = _claims(judged, verdicts)
    return StudyView(
        question=study.question,
        primary=study.primary,
        planned=len(runs),
        results=tuple(results),
        curves=_curves(groups, shown),
        items=items,
        summary={**statuses, **Counter(f"claims_{verdict.replace(' ', '_')}" for _, verdict in verdicts)},
    )


def _cells(groups: Sequence[Setting]) -> Iterator[tuple[Setting, str, Cell]]:
    for setting in groups:
        for corruption in setting.corruptions:
            for method in setting.methods:
                for cell in setting.curve(method, corruption):
                    yield setting, corruption, cell


def _curves(groups: Sequence[Setting], shown: Quantity) -> list[tuple[float, dict[str, float]]]:
    """Means over seeds of the headline and of each section's first metric, at each realised rate."""
    names = dict.fromkeys(metrics[0] for metrics in FAMILIES.values())
    quantities = [shown, *(quantity(name) for name in names if name != shown.name)]
    several = len({(setting.label, corruption) for setting, corruption, _ in _cells(groups)}) > 1
    points: defaultdict[float, dict[str, float]] = defaultdict(dict)
    for setting, corruption, cell in _cells(groups):
        rate = cell.realised_rate
        part = f"{corruption if setting.alone else f'{setting.label}, {corruption}'}/" if several else ""
        for metric in quantities:
            interval = cell.interval(metric)
            if interval is not None and rate is not None:
                points[rate][f"curve/{metric.name}/{part}{cell.method}"] = interval.mean
    return sorted(points.items())


def _robustness(groups: Sequence[Setting], shown: Quantity) -> Table:
    """A row for each method at each rate: level and loss with their 95 % intervals, and what is left out."""
    rows: list[tuple[Entry, ...]] = []
    for setting, corruption, cell in _cells(groups):
        level = cell.interval(shown)
        loss = next(one for one in losses(setting, corruption, shown) if one.method == cell.method)
        drop = loss.drop if loss.noisy is cell else None
        rows.append(
            (
                *(setting.dataset, setting.model, corruption, cell.method, cell.rate, cell.realised_rate, shown.name),
                *((level.mean, level.low, level.high, level.n) if level else (None, None, None, 0)),
                *((drop.mean, drop.low, drop.high) if drop else (None, None, None)),
                cell.left_out(),
            )
        )
    columns = ("dataset", "model", "corruption", "method", "asked_rate", "realised_rate", "metric")
    measured = ("mean", "low", "high", "n", "loss_at_highest_rate", "loss_low", "loss_high", "left_out")
    return Table(columns + measured, tuple(rows))


def _verdicts(judged: Sequence[Judged]) -> list[tuple[float | None, str]]:
    """Corrected p-value and verdict of each claim, by Holm over all claims that have a test."""
    tested = [one.comparison.p_value for one in judged if one.comparison and one.comparison.p_value is not None]
    corrected = iter(holm_adjusted(tested))
    found: list[tuple[float | None, str]] = []
    for one in judged:
        has_p = one.comparison is not None and one.comparison.p_value is not None
        p_holm = next(corrected) if has_p else None
        found.append((p_holm, one.verdict(p_holm)))
    return found


def _claims(judged: Sequence[Judged], verdicts: Sequence[tuple[float | None, str]]) -> Table:
    rows: list[tuple[Entry, ...]] = []
    for one, (p_holm, verdict) in zip(judged, verdicts, strict=True):
        found = one.comparison
        effect = (found.difference.mean, found.difference.low, found.difference.high) if found else (None, None, None)
        pairs, p_value = (found.difference.n, found.p_value) if found else (0, None)
        rows.append((one.claim.text, one.setting, verdict, *effect, pairs, p_value, p_holm, one.reason))
    columns = ("claim", "setting", "verdict", "effect", "low", "high", "pairs", "p", "p_holm", "why_not")
    return Table(columns, tuple(rows))

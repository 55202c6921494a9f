"""From a study and its results to everything the report says: one pure function."""

from __future__ import annotations

from collections.abc import Sequence

from noisylabels.report.answer import answer_section
from noisylabels.report.class_damage import class_damage_section
from noisylabels.report.comparison import comparison_section
from noisylabels.report.context import Context
from noisylabels.report.controls import controls_section
from noisylabels.report.curves import degradation_section, families_section
from noisylabels.report.degrading import degrading_section
from noisylabels.report.deviations import deviations_section
from noisylabels.report.document import ReportData, Section
from noisylabels.report.embeddings import embeddings_section
from noisylabels.report.grid import PlannedRun, Setting, settings
from noisylabels.report.histories import histories_section
from noisylabels.report.ledger import ledger_section
from noisylabels.report.matrix import matrix_section
from noisylabels.report.noise_examples import examples_section
from noisylabels.report.planes import planes_section
from noisylabels.report.protocol import protocol_section
from noisylabels.report.pulls import pulls_section
from noisylabels.report.reliability import reliability_section
from noisylabels.report.resolving import resolving_section
from noisylabels.report.selection import selection_section
from noisylabels.report.spread import spread_section
from noisylabels.report.transitions import transitions_section
from noisylabels.report.tuning import tuning_section
from noisylabels.report.verdicts import verdicts_section
from noisylabels.report.wording import Quantity, quantity
from noisylabels.result import RunResult
from noisylabels.study import Study


def report_data(study: Study, results: Sequence[RunResult], context: Context | None = None) -> ReportData:
    """All sections of a study's report.

    Args:
        study: what was asked; its plan decides which runs there are.
        results: in any order. Of several with one run id the last counts; those the study does not plan are counted
            and left out.
        context: what lies beside the study; nothing, if it is not given.
    """
    beside = context or Context()
    by_id = {result.run_id: result for result in results}
    runs = tuple(PlannedRun(spec, by_id.get(spec.run_id)) for spec in study.plan())
    strays = len(by_id.keys() - {run.spec.run_id for run in runs})
    groups, shown = settings(runs), headline(study)
    judged = verdicts_section(groups, study.claims)
    sections = [answer_section(groups, shown), *([judged] if judged else []), ledger_section(runs, strays)]
    for number, setting in enumerate(groups, start=1):
        sections += _setting_sections(setting, shown, f"s{number}")
    if beside.tuning is not None:
        sections.append(tuning_section(beside.tuning, study))
    pictures = examples_section(beside.examples)
    sections += [pictures] if pictures else []
    trials = None if beside.tuning is None else beside.tuning.budget
    sections += [deviations_section(study, beside.frozen, results), protocol_section(study, runs, shown, trials=trials)]
    return ReportData(title=study.name, question=study.question, sections=tuple(sections))


def headline(study: Study) -> Quantity:
    """The metric the study is about, read at the epoch its selection rule chose; only accuracy knows other rules."""
    return quantity(study.primary, study.base.selection if study.primary == "accuracy" else "last_epoch")


def _setting_sections(setting: Setting, shown: Quantity, anchor: str) -> list[Section]:
    found = (
        degradation_section(setting, shown, f"{anchor}-degradation"),
        comparison_section(setting, shown, f"{anchor}-pairs"),
        matrix_section(setting, shown, f"{anchor}-matrix"),
        spread_section(setting, shown, f"{anchor}-spread"),
        degrading_section(setting, shown, f"{anchor}-statistics"),
        resolving_section(setting, shown, f"{anchor}-resolution"),
        controls_section(setting, shown, f"{anchor}-controls"),
        selection_section(setting, f"{anchor}-selection"),
        planes_section(setting, shown, f"{anchor}-plane"),
        families_section(setting, shown, f"{anchor}-families"),
        class_damage_section(setting, f"{anchor}-classes"),
        transitions_section(setting, f"{anchor}-transitions"),
        embeddings_section(setting, f"{anchor}-embeddings"),
        reliability_section(setting, f"{anchor}-calibration"),
        histories_section(setting, f"{anchor}-histories"),
        pulls_section(setting, f"{anchor}-pulls"),
    )
    return [section for section in found if section is not None]

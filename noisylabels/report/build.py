"""From a study and its results to everything the report says: one pure function."""

from __future__ import annotations

from collections.abc import Sequence

from noisylabels.report.answer import answer_section
from noisylabels.report.comparison import comparison_section
from noisylabels.report.controls import controls_section
from noisylabels.report.curves import degradation_section, families_section
from noisylabels.report.document import ReportData, Section
from noisylabels.report.grid import PlannedRun, Setting, settings
from noisylabels.report.histories import histories_section
from noisylabels.report.ledger import ledger_section
from noisylabels.report.protocol import protocol_section
from noisylabels.report.pulls import pulls_section
from noisylabels.report.resolving import resolving_section
from noisylabels.report.selection import selection_section
from noisylabels.report.wording import Quantity, quantity
from noisylabels.result import RunResult
from noisylabels.study import Study


def report_data(study: Study, results: Sequence[RunResult]) -> ReportData:
    """All sections of a study's report.

    Args:
        study: what was asked; its plan decides which runs there are.
        results: in any order. Of several with one run id the last counts; those the study does not plan are counted
            and left out.
    """
    by_id = {result.run_id: result for result in results}
    runs = tuple(PlannedRun(spec, by_id.get(spec.run_id)) for spec in study.plan())
    strays = len(by_id.keys() - {run.spec.run_id for run in runs})
    groups, shown = settings(runs), headline(study)
    sections = [answer_section(groups, shown), ledger_section(runs, strays)]
    for number, setting in enumerate(groups, start=1):
        sections += _setting_sections(setting, shown, f"s{number}")
    sections.append(protocol_section(study, runs, shown))
    return ReportData(title=study.name, question=study.question, sections=tuple(sections))


def headline(study: Study) -> Quantity:
    """The metric the study is about, read at the epoch its selection rule chose; only accuracy knows other rules."""
    return quantity(study.primary, study.base.selection if study.primary == "accuracy" else "last_epoch")


def _setting_sections(setting: Setting, shown: Quantity, anchor: str) -> list[Section]:
    found = (
        degradation_section(setting, shown, f"{anchor}-degradation"),
        comparison_section(setting, shown, f"{anchor}-pairs"),
        resolving_section(setting, shown, f"{anchor}-resolution"),
        controls_section(setting, shown, f"{anchor}-controls"),
        selection_section(setting, f"{anchor}-selection"),
        families_section(setting, shown, f"{anchor}-families"),
        histories_section(setting, f"{anchor}-histories"),
        pulls_section(setting, f"{anchor}-pulls"),
    )
    return [section for section in found if section is not None]

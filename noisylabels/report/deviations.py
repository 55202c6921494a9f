"""Deviations from the frozen plan: what a reader of a pre-registered study looks for first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from noisylabels.deviations import deviations
from noisylabels.frozen_plan import Freeze, FrozenPlan, differing
from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.verdicts import LEVEL
from noisylabels.report.wording import count
from noisylabels.result import RunResult
from noisylabels.study import Study

TITLE = "Deviations from the frozen plan"


def deviations_section(study: Study, frozen: FrozenPlan | None, results: Sequence[RunResult]) -> Section:
    """Every deviation, or that there is none, or that nothing was frozen.

    Args:
        study: as reported.
        frozen: its frozen plan, if there is one.
        results: all there are.
    """
    if frozen is None:
        return Section("deviations", TITLE, ("The plan was not frozen.",))
    found = deviations(study, frozen, results, level=LEVEL)
    paragraphs = [_in_force(frozen), *_amendments(frozen.freezes)]
    paragraphs += ["None: what is reported is what was planned."] if not found.listed else []
    paragraphs += [f"It cannot be told {unknown}." for unknown in found.cannot_tell]
    if not found.listed:
        return Section("deviations", TITLE, tuple(paragraphs))
    table = Table(
        caption=f"{count(len(found.listed), 'deviation')} from the plan in force.",
        columns=("what", "planned", "found"),
        rows=tuple(tuple(map(Entry, (one.what, one.planned, one.found))) for one in found.listed),
    )
    return Section("deviations", TITLE, tuple(paragraphs), (Block(tables=(table,)),), tone="warning")


def _in_force(frozen: FrozenPlan) -> str:
    freeze = frozen.current
    claims = freeze.plan.get("claims") or []
    stated = "It states no claim." if not claims else f"It claims: {' / '.join(map(str, claims))}"
    return (
        f"The plan in force was frozen on {_date(freeze)} by version {freeze.version}: "
        f"{count(freeze.runs, 'run')}, SHA-256 {freeze.sha256}. {stated}"
    )


def _amendments(freezes: Sequence[Freeze]) -> Iterator[str]:
    for number, (before, after) in enumerate(pairwise(freezes), start=1):
        changed = ", ".join(differing(before.plan, after.plan)) or "level"
        yield f"Amendment {number}, {_date(after)}, of the plan of {_date(before)}: {after.reason} (changed: {changed})"


def _date(freeze: Freeze) -> str:
    return f"{freeze.date:%Y-%m-%d %H:%M %Z}"

"""The study as a whole, as one run of the tracker's: robustness table, curves over the realised rate, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from noisylabels.result import RunResult
from noisylabels.tracking.describing import family
from noisylabels.tracking.items import REALISED_RATE, Axis, Item, Row, Scalar, TrackedRun
from noisylabels.tracking.ledger import digest_of
from noisylabels.tracking.mirror import Telling
from noisylabels.tracking.shareable import without_places


@dataclass(frozen=True)
class StudyView:
    """What there is to say of all runs together; who makes it also judges the claims.

    Attributes:
        question: the study's.
        primary: its headline metric.
        planned: how many runs it plans.
        results: those that ended, in the plan's order.
        curves: by ascending realised rate, figures by name at that rate.
        items: tables by name.
        summary: claims and counts.
    """

    question: str
    primary: str
    planned: int
    results: Sequence[RunResult]
    curves: Sequence[tuple[float, Mapping[str, float]]] = ()
    items: Mapping[str, Item] = field(default_factory=dict)
    summary: Mapping[str, Scalar] = field(default_factory=dict)


def tell_study(view: StudyView, telling: Telling) -> bool:
    """Tell it, unless these very results were told before; says whether it did.

    The id follows from the results: a study that has grown is another run of the tracker's, so that no curve of an
    earlier state is mixed into it.
    """
    digest = digest_of(*sorted(result.model_dump_json().encode() for result in view.results))
    run_id = f"study-{telling.study.strip('_')}-{digest[:8]}"
    if not view.results or telling.told.has(run_id, digest):
        return False
    recording = telling.tracker.open(_about(view, telling, run_id))
    rows = [Row(step, {REALISED_RATE: rate, **figures}) for step, (rate, figures) in enumerate(view.curves, start=1)]
    for row in rows:
        recording.log(row)
    recording.log(Row(len(rows) + 1, {}, view.items))
    recording.end(view.summary, failed=False)
    telling.told.add(run_id, digest)
    return True


def _about(view: StudyView, telling: Telling, run_id: str) -> TrackedRun:
    ended = len(view.results)
    return TrackedRun(
        run_id=run_id,
        name=f"{telling.study}: {ended} of {view.planned} runs",
        project=family(telling.study),
        group=telling.study,
        job_type="study",
        tags=("study",),
        config={
            "study": telling.study,
            "question": without_places(view.question),
            "primary": view.primary,
            "planned": view.planned,
            "ended": ended,
        },
        axes=(Axis("curve/*", REALISED_RATE),),
    )

"""``noisylabels study power``: how many seeds a difference needs, judged by the runs there are."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options

if TYPE_CHECKING:
    from noisylabels.report.grid import Setting
    from noisylabels.report.wording import Quantity
    from noisylabels.result import RunResult
    from noisylabels.study import Study

SEED = 0
"""Of the simulated sign-flip tests."""

TESTS = ("t-test", "sign-flip")
"""As columns are headed."""


@dataclass(frozen=True)
class Need:
    """The fewest pairs a test needs; None for the exact sign-flip test where it is more than it can take."""

    t_test: int
    sign_flip: int | None


@dataclass(frozen=True)
class Pilot:
    """Our method against a rival, seed by seed, under one corruption.

    Attributes:
        setting, corruption, ours, rival: what is compared.
        of: ``loss`` to the corruption against the same seed's clean run, or ``level`` where a study has no clean runs.
        pairs: seeds that both finished.
        mean, sd: of the paired differences, ours minus the rival's, in the metric's stored unit; None without a spread.
        sd_upper: 95 % upper limit of the spread.
        need, need_upper: pairs for the asked difference if the spread is ``sd``, or ``sd_upper``.
    """

    setting: str
    corruption: str
    ours: str
    rival: str
    of: str
    pairs: int
    mean: float | None = None
    sd: float | None = None
    sd_upper: float | None = None
    need: Need | None = None
    need_upper: Need | None = None


def power(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    effect: Annotated[
        float, typer.Option(metavar="POINTS", help="The difference to see: points of a share, else the metric's unit.")
    ],
    level: Annotated[float, typer.Option(help="Of the tests, before any correction.")] = 0.05,
    wanted: Annotated[float, typer.Option("--power", help="How surely the difference is to be seen.")] = 0.8,
    metric: Annotated[str | None, typer.Option(help="Default: the study's primary metric.")] = None,
    comparisons: Annotated[int, typer.Option(min=1, help="Holm-corrected comparisons: the level is shared.")] = 1,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """How many paired seeds a difference of so many points needs, judged by the spread of the runs that are done.

    Two tests of our method against each rival: the paired t-test, and the exact sign-flip test on normal differences.
    """
    from noisylabels.cli.stored import known_results, stored_study
    from noisylabels.statistics.power import least_pairs

    for name, value in {"--level": level, "--power": wanted}.items():
        if not 0 < value < 1:
            raise UsageError(f"{name} must be in (0, 1); got {value}")
    if not 0 < effect < math.inf:
        raise UsageError(f"--effect must be above 0; got {effect}")
    asked, folder = stored_study(study, options.runs_folder(runs))
    shown = _quantity(asked, metric)
    known = known_results(study, asked, folder)
    found = [
        _with_needs(pilot, effect / shown.factor, level / comparisons, wanted) for pilot in pilots(asked, known, shown)
    ]
    if not found:
        raise UsageError(f"{asked.name} has nothing to compare: it takes two methods")
    question = {"study": asked.name, "metric": shown.name, "effect": effect, "unit": shown.difference_unit}
    question |= {"level": level, "power": wanted, "comparisons": comparisons}
    if as_json:
        least = {"least_pairs": least_pairs(level / comparisons)}
        typer.echo(json.dumps({**question, **least, "pilots": [dataclasses.asdict(pilot) for pilot in found]}))
        return
    typer.echo("\n".join(_text(question, found, shown)))


def _quantity(study: Study, metric: str | None) -> Quantity:
    from noisylabels import catalog
    from noisylabels.metrics import METRICS
    from noisylabels.report.build import headline
    from noisylabels.report.wording import quantity

    if metric is None or metric == study.primary:
        return headline(study)
    catalog.lookup(METRICS, metric, what="metric")
    return quantity(metric)


def pilots(study: Study, results: Sequence[RunResult], shown: Quantity) -> Iterator[Pilot]:
    """The spread of every comparison that the study's report makes, at each corruption's highest rate."""
    from noisylabels.report.grid import PlannedRun, settings

    by_id = {result.run_id: result for result in results}
    for setting in settings(PlannedRun(spec, by_id.get(spec.run_id)) for spec in study.plan()):
        for corruption in setting.corruptions:
            yield from _against_rivals(setting, corruption, shown)


def _against_rivals(setting: Setting, corruption: str, shown: Quantity) -> Iterator[Pilot]:
    from noisylabels.report.comparison import reference_method
    from noisylabels.report.losses import losses
    from noisylabels.report.wording import percent
    from noisylabels.statistics import paired_differences
    from noisylabels.statistics.power import spread_upper_limit

    found = {loss.method: loss for loss in losses(setting, corruption, shown)}
    ours = found.pop(reference_method(setting), None)
    if ours is None:
        return
    for rival in found.values():
        of_loss = ours.clean is not None and rival.clean is not None and ours.noisy.rate > 0
        both = [loss.by_seed if of_loss else loss.noisy.values(shown) for loss in (ours, rival)]
        differences = list(paired_differences(*both).values())
        name = f"{corruption} at {percent(rival.noisy.rate)}" if rival.noisy.rate else corruption
        of = "loss" if of_loss else "level"
        pilot = Pilot(setting.label, name, ours.method, rival.method, of, len(differences))
        if len(differences) > 1:
            sd = statistics.stdev(differences)
            mean, upper = statistics.fmean(differences), spread_upper_limit(sd, len(differences))
            pilot = dataclasses.replace(pilot, mean=mean, sd=sd, sd_upper=upper)
        yield pilot


def _with_needs(pilot: Pilot, effect: float, level: float, power: float) -> Pilot:
    """The pairs that an effect in the metric's stored unit needs; equal differences say nothing about their spread."""
    from noisylabels.statistics.interval import ROUNDING

    if not pilot.sd or not pilot.sd_upper or pilot.sd <= ROUNDING:
        return pilot
    needs = [_need(effect / sd, level, power) for sd in (pilot.sd, pilot.sd_upper)]
    return dataclasses.replace(pilot, need=needs[0], need_upper=needs[1])


def _need(effect: float, level: float, power: float) -> Need:
    from noisylabels.statistics.power import sign_flip_pairs, t_test_pairs

    return Need(
        t_test=t_test_pairs(effect, level=level, power=power),
        sign_flip=sign_flip_pairs(effect, level=level, power=power, seed=SEED),
    )


def _text(question: dict[str, Any], found: Sequence[Pilot], shown: Quantity) -> Iterator[str]:
    from noisylabels.statistics import smallest_p
    from noisylabels.statistics.power import least_pairs

    level, comparisons = question["level"], question["comparisons"]
    corrected = f" / {comparisons}" if comparisons > 1 else ""
    yield (
        f"{question['study']}: paired seeds that a difference of {question['effect']:g} {shown.difference_unit} of "
        f"{shown.words} needs to be seen with power {question['power']:g} at level {level:g}{corrected}"
    )
    unit = shown.difference_unit
    heads = ("setting", "corruption", "rival", "of", "pilot pairs", f"sd ({unit})", *TESTS, "sd at most", *TESTS)
    alone = len({pilot.setting for pilot in found}) == 1
    yield from _aligned([row[alone:] for row in (heads, *(_row(pilot, shown) for pilot in found))])
    yield f"Ours is {found[0].ours}; differences are taken as normal; 'sd at most' is the pilot's 95 % upper limit."
    pilot_pairs = max(pilot.pairs for pilot in found)
    yield (
        f"The exact sign-flip test of n pairs cannot go below p = 2^(1-n), whatever the difference: {smallest_p(3):g} "
        f"with 3 seeds, which cannot reach p < 0.05. The pilot has {pilot_pairs}; level {level:g} takes "
        f"{least_pairs(level)} or more."
    )
    together = comparisons if comparisons > 1 else len(found)
    if together > 1:
        yield (
            f"With Holm's correction over {together} comparisons the first must reach {level:g} / {together} = "
            f"{level / together:.3g}, which takes {least_pairs(level / together)} pairs or more"
            + ("." if comparisons > 1 else f" (--comparisons {together} plans for it).")
        )


def _row(pilot: Pilot, shown: Quantity) -> tuple[str, ...]:
    what = (pilot.setting, pilot.corruption, pilot.rival, pilot.of, str(pilot.pairs))
    if pilot.need is None or pilot.need_upper is None:
        return (*what, "no spread", *("–",) * 5)
    sds = [f"{(sd or 0) * shown.factor:.3g}" for sd in (pilot.sd, pilot.sd_upper)]
    return (*what, sds[0], *_need_texts(pilot.need), sds[1], *_need_texts(pilot.need_upper))


def _need_texts(need: Need) -> tuple[str, str]:
    from noisylabels.statistics import MAX_PAIRS

    return str(need.t_test), f"over {MAX_PAIRS}" if need.sign_flip is None else str(need.sign_flip)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

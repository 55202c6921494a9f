"""``noisylabels sweep``: a study from plan to report; run it again and it goes on where it stopped."""

from __future__ import annotations

import copy
import hashlib
import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options
from noisylabels.cli.interrupted import interruptible
from noisylabels.cli.tracked import Track

if TYPE_CHECKING:
    from noisylabels.cli.only import OnlyThese
    from noisylabels.cli.outcome import Outcome
    from noisylabels.study import Study

STOPPING = "stopping: runs under way finish their epoch if that is soon; once more stops at once"

PluginList = Annotated[list[str] | None, typer.Option(metavar="NAME[:KEY=VALUE...],...")]


def sweep(
    study: Annotated[str | None, typer.Argument(help="A study that ships (list studies), or a study.toml.")] = None,
    dataset: PluginList = None,
    corruption: PluginList = None,
    rate: Annotated[str | None, typer.Option(help="Asked noise rates, e.g. 0,0.2,0.4.")] = None,
    model: PluginList = None,
    head: PluginList = None,
    loss: PluginList = None,
    strategy: PluginList = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds: 0, 1, ...")] = None,
    name: Annotated[str | None, typer.Option(help="The study's name, and its folder's.")] = None,
    setting: options.Setting = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME[:KEY=VALUE...]", help="Where runs execute: list engines.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time. Default: one a core.")] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Share the runs with a process that is at this study already.")
    ] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first attempt that fails.")] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Try quarantined runs again, too: those that crashed, hung or ran out of memory in every attempt. "
            "Runs that failed otherwise are tried again by any sweep.",
        ),
    ] = False,
    keep_model: Annotated[
        bool, typer.Option("--keep-model", help="Keep each run's weights, for noisylabels verify.")
    ] = False,
    track: Track = "none",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="RUN_ID", help="Do these runs of the plan and no others; no report. Repeatable."
        ),
    ] = None,
    device: options.Device = "auto",
    download: options.Download = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and an estimate; run nothing.")] = False,
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a study: corrupt, train and measure every run that is not done yet, then write its report.

    Options change the named study, or make a new one: sweep --dataset digits --head softmax,cam_softmax --rate 0,0.4.
    A changed study gets a name of its own.
    """
    from noisylabels.catalog import build
    from noisylabels.cli import sweeping
    from noisylabels.cli.current_report import take_along
    from noisylabels.cli.only import chosen as chosen_runs
    from noisylabels.cli.only import run_only
    from noisylabels.cli.tracked import order_for, telling, tracker_asked_for
    from noisylabels.engines import ENGINES
    from noisylabels.engines.worker import Place
    from noisylabels.study import Study

    root = options.data_folder(data)
    axes = {"dataset": dataset, "corruption": corruption, "model": model, "head": head, "loss": loss}
    asked = _asked(study, {**axes, "strategy": strategy}, rate, seeds, name, setting)
    folder = sweeping.study_folder(asked, options.runs_folder(runs))
    tracker = tracker_asked_for(track)
    chosen = build(ENGINES, engine, what="engine")
    if dry_run:
        typer.echo(sweeping.dry_run(asked, folder, workers or chosen.default_workers(), as_json=as_json))
        return
    place = Place(data=root, device=device, download=download, keep_model=keep_model)
    if study and asked == Study.find(study):
        take_along(Study.file(study), folder)
    manner = sweeping.Manner(chosen, workers, join, fail_fast, retry_failed, quiet)
    hint = f"{shlex.join(['noisylabels', *sys.argv[1:]])} goes on from here"
    specs = chosen_runs(asked, only or [])
    tell = order_for(tracker, folder, specs, root, only=bool(only), quiet=quiet)
    with interruptible(hint, at_first=STOPPING), telling(tell, quiet=quiet):
        if only:
            outcome: Outcome | OnlyThese = run_only(asked, specs, folder, place, manner)
        else:
            outcome = sweeping.run(asked, folder, place, manner)
    typer.echo(json.dumps(outcome.to_json()) if as_json else outcome.text())
    if outcome.failures:
        raise typer.Exit(1)


def _asked(
    study: str | None,
    axes: dict[str, list[str] | None],
    rate: str | None,
    seeds: int | None,
    name: str | None,
    settings: list[str] | None,
) -> Study:
    """The study named, changed by the options given; or the one that the options make.

    A changed study takes a name of its own, so that runs and report of the one that ships stay as they are.
    """
    from noisylabels.study import Study, refuse_overridden

    given = {key: [t for text in texts for t in options.plugin_texts(text)] for key, texts in axes.items() if texts}
    if study is None and "dataset" not in given:
        raise UsageError("name a study (noisylabels list studies), or give at least --dataset")
    values = Study.find(study).model_dump(mode="json") if study else _fresh(given["dataset"][0], rate)
    original = copy.deepcopy(values)
    values["axes"] |= given
    if rate is not None:
        values["axes"]["rate"] = options.numbers(rate, "--rate")
    if seeds is not None:
        values["seeds"] = list(range(seeds))
    values["base"] = options.apply_settings(values["base"], settings)
    refuse_overridden(values, {setting.partition("=")[0].strip(): None for setting in settings or []})
    if name or values != original:
        values["name"] = name or f"{values['name']}-{_digest(values)}"
    return Study.checked(values)


def _fresh(dataset: str, rate: str | None) -> dict[str, Any]:
    axes = {"corruption": ["symmetric"], "rate": [0.0, 0.2, 0.4]} if rate is None else {"corruption": ["symmetric"]}
    return {"name": "sweep", "question": "", "base": {"dataset": dataset}, "axes": axes}


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
